"""Commands in processes of their own, begun by a fork after the package was imported once."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

SECONDS_AT_MOST = 600


def keep_programs(folder: Path) -> None:
    """Let all processes that begin from here on share what they compile."""
    os.environ |= {
        "JAX_COMPILATION_CACHE_DIR": str(folder.resolve() / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def started(command: Callable[[], int], out: Path | int, err: Path | int) -> int:
    """Start a command in a process of its own and return its id.

    No device may have been started here: threads do not survive a fork.

    Args:
      command: returns the exit code.
      out, err: file to append to, or a descriptor; -1 closes the stream.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        for number, to in ((1, out), (2, err)):
            _redirect(number, to)
        sys.stdout, sys.stderr = (
            None if to == -1 else os.fdopen(number, "w", closefd=False)
            for number, to in ((1, out), (2, err))
        )
        code = command()
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except OSError:
                code = 120  # as Python itself ends
        os._exit(code)


def _redirect(number: int, to: Path | int) -> None:
    if to == -1:
        os.close(number)
    elif isinstance(to, Path):
        os.dup2(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    else:
        os.dup2(to, number)


def ended(child: int, seconds: float = SECONDS_AT_MOST) -> int:
    """Wait for a process; return its exit code, minus the signal that ended it, or 124."""
    deadline = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 124
        time.sleep(0.05)
