"""`python -m jmetamer.leaderboard RUN [RUN ...]`: compare the models of stored runs."""

import argparse
import sys
from collections.abc import Sequence

from jmetamer._base.errors import JmetamerError
from jmetamer._base.terminal import audible, complain_of, exit_code, say
from jmetamer.report.leaderboard.document import write_leaderboard


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the leaderboard and print where it is.

    Args:
      arguments: command line without the program name; by default the process's own.

    Returns:
      Exit code: 0, or 2 if a run cannot be read or a file cannot be written.
    """
    parser = argparse.ArgumentParser(prog="python -m jmetamer.leaderboard", description=__doc__)
    audible(parser)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folder of a run")
    parser.add_argument("--out", metavar="FILE", default="leaderboard.html", help="page to write")
    parser.add_argument("--json", metavar="FILE", default="leaderboard.json", help="data to write")
    options = parser.parse_args(arguments)
    try:
        written = write_leaderboard(options.runs, options.out, options.json)
    except JmetamerError as error:
        complain_of(error)
        return 2
    say(*written)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
