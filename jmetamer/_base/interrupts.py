"""An interrupt (Ctrl-C) that is not lost, wherever in the process it arrives."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

INTERRUPTED = 130  # the exit code

_interrupted = threading.Event()


def interrupts_end_imports_of_commands() -> None:
    """Begin that where a module is still looked for, as by `python -m jmetamer.sweep`."""
    if sys.argv[:1] == ["-m"] and any(word.startswith("jmetamer.") for word in sys.orig_argv):
        interrupts_end_imports()


def interrupts_end_imports() -> None:
    """End the process at an interrupt with one line, while a command is being imported.

    That takes seconds, and Python would end with the traceback of some import.
    """
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler  # and not ignored
    ):
        signal.signal(signal.SIGINT, _end)


def interrupts_raise() -> None:
    """Let an interrupt raise `KeyboardInterrupt` again, once everything is imported."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"\ninterrupted\n")
    os._exit(INTERRUPTED)


@contextlib.contextmanager
def interrupts_remembered() -> Iterator[None]:
    """Remember an interrupt while the context is open, beside raising `KeyboardInterrupt`.

    Python drops exceptions in some places, as in callbacks of the garbage collector, of which jax
    has one: an interrupt that arrives there would be printed as ignored, and the work would go on.
    `raise_if_interrupted`, called now and then, raises it again. Outside of the main thread, where
    signals cannot be handled, nothing is done.

    Example:
      >>> with interrupts_remembered():
      ...     raise_if_interrupted()
    """
    _interrupted.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        _interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _interrupted.clear()


def raise_if_interrupted() -> None:
    """Raise `KeyboardInterrupt` if there was an interrupt since the context was opened.

    Example:
      >>> raise_if_interrupted()
    """
    if _interrupted.is_set():
        raise KeyboardInterrupt
