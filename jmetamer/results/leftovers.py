"""What killed processes left in a run folder, and no living one will ever finish."""

import contextlib
import os
import re
import shutil
import time
from pathlib import Path

# Folder -> names of temporaries, with the process that wrote them.
_TEMPORARIES = {
    ".": r"\.tmp-(\d+)-(?:cells\.json|config\.yaml|report\.html|report-error\.txt)",
    "failures": r"\.tmp-(\d+)-.+\.json",
    "models": r"\..+\.(?:draft|retired)-(\d+)-[0-9a-f]{8}",
}
_SECONDS_AT_REST = 600.0  # a process of another machine may write, which cannot be asked from here


def remove_leftovers(run_folder: Path) -> None:
    """Remove temporaries of processes that ended, untouched for ten minutes.

    Files under other names are left alone, whoever wrote them.

    Args:
      run_folder: the run folder; temporaries that a lock guards are not looked at.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     old = Path(folder) / ".tmp-999999999-config.yaml"
      ...     _ = old.write_text("")
      ...     os.utime(old, (0, 0))
      ...     remove_leftovers(Path(folder))
      ...     old.exists()
      False
    """
    for place, pattern in _TEMPORARIES.items():
        for path in (run_folder / place).glob(".*"):
            match = re.fullmatch(pattern, path.name)
            if match and not _works(int(match[1])) and _at_rest(path):
                remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if that can be done."""
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        path.unlink()


def _works(process: int) -> bool:
    """Return whether another process of that number runs on this machine."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _at_rest(path: Path) -> bool:
    try:
        changed = [each.lstat().st_mtime for each in (path, *path.rglob("*"))]
    except OSError:
        return False
    return time.time() - max(changed) > _SECONDS_AT_REST
