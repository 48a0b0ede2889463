"""Paths as people write them."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from jmetamer._base.errors import InputError, StoreError

_ADVICE = {
    errno.ENOSPC: "free some space or choose another folder with --out",
    errno.EDQUOT: "free some of your quota or choose another folder with --out",
    errno.EACCES: "make it writable or choose another folder with --out",
    errno.EPERM: "make it writable or choose another folder with --out",
    errno.EROFS: "choose a folder on a writable disk with --out",
    errno.ENOTDIR: "a file is in the way; choose another folder with --out",
    errno.EISDIR: "a folder is in the way; move it away or choose another folder with --out",
    errno.EEXIST: "a file is in the way; choose another folder with --out",
}


def user_path(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Return a path in which a leading `~` is the home folder.

    Args:
      path: of a file or folder, as somebody wrote it.
      name: of the argument, for the message.

    Returns:
      The path; relative ones stay so.

    Raises:
      InputError: not a path, or nobody knows that home folder.

    Example:
      >>> user_path("runs/~/cora") == Path("runs/~/cora"), user_path("~/cora").is_absolute()
      (True, True)
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise InputError(
            f"`{name}` is {path!r}, a {type(path).__name__}; a path is text or a pathlib.Path."
        )
    try:
        if b"\0" in os.fsencode(path):
            raise UnicodeError("it holds a zero")
        return Path(path).expanduser()
    except UnicodeError as error:
        raise InputError(
            f"`{name}` is {os.fspath(path)!r}, which names no file here ({error}); in another "
            "language of the system, as LC_ALL=C.UTF-8, every letter may be used."
        ) from None
    except RuntimeError as error:
        raise InputError(
            f"`{name}` is {os.fspath(path)!r}, but the home folder is not known ({error}); write "
            "the whole path, or set HOME."
        ) from None


def write_text(target: Path, text: str) -> None:
    """Write a text file in one step, so that a reader never sees half of it.

    Bytes of names that are no UTF-8 are written as their numbers.

    Args:
      target: file to write; missing folders are made.
      text: its content.

    Raises:
      OSError: it cannot be written; then it is as it was before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    try:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_regular(path: Path) -> bytes:
    """Return the bytes of a file; pipes and devices, which may never end, are refused.

    Args:
      path: of a file.

    Raises:
      OSError: it cannot be read, or is no regular file.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is a pipe or a device, no regular file", str(path))
    return path.read_bytes()


@contextlib.contextmanager
def clear_store_errors(folder: Path) -> Iterator[None]:
    """Turn the operating system's errors into one line about the run folder.

    Args:
      folder: the run folder that is being written.

    Raises:
      StoreError: in place of any OSError.

    Example:
      >>> with clear_store_errors(Path("runs/x")):
      ...     raise OSError(errno.EROFS, "Read-only file system")
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.StoreError: cannot write to the run folder `runs/x`: Read-only file
      system; finished cells in it stay readable; choose a folder on a writable disk with --out
    """
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "mend that or choose another folder with --out")
        path = error.filename2 or error.filename
        place = os.fsdecode(path) if isinstance(path, str | bytes) else ""
        where = f" (`{place}`)" if place not in ("", str(folder)) else ""
        raise StoreError(
            f"cannot write to the run folder `{folder}`: {error.strerror or error}{where}; "
            f"finished cells in it stay readable; {advice}"
        ) from error
