"""`python -m jmetamer.report RUN [RUN ...] [--out FILE]`: write the report of finished runs again.

Several runs are compared on one page.
"""

import argparse
import sys
from collections.abc import Sequence

from jmetamer._base.errors import JmetamerError
from jmetamer._base.terminal import audible, complain_of, exit_code, say
from jmetamer.report.page import write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report and print where it is.

    Args:
      arguments: command line without the program name; by default the process's own.

    Returns:
      Exit code: 0, or 2 if a run cannot be read or the page cannot be written.
    """
    parser = argparse.ArgumentParser(prog="python -m jmetamer.report", description=__doc__)
    audible(parser)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folder of a run")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="page to write (default: RUN/report.html; for several runs comparison.html beside the "
        "first RUN)",
    )
    options = parser.parse_args(arguments)
    try:
        say(write_report(options.runs, options.out))
    except JmetamerError as error:
        complain_of(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
