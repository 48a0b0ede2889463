"""The command line of a sweep, as `python -m jmetamer.sweep`."""

import os
import sys
from typing import NoReturn

from jmetamer._base.interrupts import interrupts_end_imports
from jmetamer._base.terminal import INTERRUPTED, exit_code
from jmetamer.sweep.options import parser


def command_line() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    if {"-h", "--help"} & {*sys.argv[1:]}:  # before anything heavy is imported
        sys.exit(exit_code(lambda: int(parser().parse_args() is None)))
    interrupts_end_imports()
    from jmetamer.sweep.command import main

    code = exit_code(main)
    if code == INTERRUPTED:
        # An interrupt that met the compiler can leave it in a state in which Python's own way out
        # ends with a segmentation fault, now and then. Everything is on disk already.
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    command_line()
