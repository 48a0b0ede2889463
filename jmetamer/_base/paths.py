"""Paths as people write them."""

import errno
import os
from pathlib import Path

from jmetamer._base.errors import InputError


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
