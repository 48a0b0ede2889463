"""What commands print, on a terminal that may be gone, full, or know few letters."""

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator

from jmetamer._base.errors import JmetamerError
from jmetamer._base.interrupts import INTERRUPTED, interrupts_raise

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_FILES = 32


def exit_code(main: Callable[[], int]) -> int:
    """Run a command to its exit code, whatever becomes of its terminal.

    Args:
      main: the command; may end with `SystemExit`, as parsers of arguments do.

    Example:
      >>> exit_code(lambda: 3)
      3
    """
    interrupts_raise()
    _fill_streams()
    if sys.stdout is None or sys.stdout.closed:
        hush("it was when the command began")
    _make_printable()
    before, sys.unraisablehook = sys.unraisablehook, _without_memory_errors
    try:
        _check_files()
        code = main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except (JmetamerError, OSError, MemoryError) as error:  # a machine that has run out of it
        complain_of(error)
        code = 1
    except KeyboardInterrupt:
        complain("\ninterrupted")
        code = INTERRUPTED
    finally:
        sys.unraisablehook = before
    with listened():  # what is left in the buffer
        if sys.stdout is not None:
            sys.stdout.flush()
    return code


def _without_memory_errors(unraisable: "sys.UnraisableHookArgs") -> None:
    """Say nothing of callbacks, as of JAX's in garbage collection, that run out of memory too."""
    if not issubclass(unraisable.exc_type, MemoryError):
        sys.__unraisablehook__(unraisable)


def _check_files() -> None:
    """Refuse to begin with so few open files that libraries end in tracebacks of their threads."""
    if resource is not None and 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] < _FILES:
        raise OSError(
            errno.EMFILE, f"{os.strerror(errno.EMFILE)}: allow {_FILES} or more, as ulimit -n 1024"
        )


def say(*lines: object) -> None:
    """Print lines on standard output; where nobody reads it any more, that is said once.

    Example:
      >>> say("report: r.html")
      report: r.html
    """
    with listened():
        print(*lines, sep="\n", flush=True)


def audible(parser: argparse.ArgumentParser) -> None:
    """Let a parser say its help; on its own it drops what cannot be printed, without a word."""
    parser.print_help = lambda file=None: say(parser.format_help().rstrip("\n"))  # type: ignore[method-assign]


def complain(text: str) -> None:
    """Print a line on standard error, where somebody reads it."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _to_nowhere("stderr")


def complain_of(error: Exception) -> None:
    """Print what is wrong in one line on standard error."""
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError):
        text += ": no memory is left for this process; what was finished is kept, and the same"
        text += " command goes on: allow it more, or set fewer `metamers.lanes`"
    complain(f"error: {text}")


@contextlib.contextmanager
def listened() -> Iterator[None]:
    """Print to standard output inside; a lost terminal or a full disk behind it ends no work."""
    try:
        _make_printable()
        yield
    except (OSError, ValueError) as error:  # the latter of a file that was closed
        hush(getattr(error, "strerror", None) or str(error))


def hush(reason: str) -> None:
    """Print nothing more on standard output, and say so where errors go.

    Args:
      reason: why nobody reads it.
    """
    _to_nowhere("stdout")
    complain(f"standard output is closed ({reason}); the work goes on, and results are kept")


def _to_nowhere(name: str) -> None:
    """Let a standard stream end in the null device, or Python complains on its way out."""
    nowhere = open(os.devnull, "w")  # noqa: SIM115, for as long as the process lives
    try:
        os.dup2(nowhere.fileno(), getattr(sys, name).fileno())
    except (OSError, ValueError, AttributeError):  # not a file, closed, or none
        setattr(sys, name, nowhere)


def _make_printable() -> None:
    """Print letters that an encoding does not know as their numbers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(errors="backslashreplace")


def _fill_streams() -> None:
    """Open what the process began without, or the next file that is opened takes its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
