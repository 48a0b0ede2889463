"""Paths as people write them."""

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
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"`{name}` is {os.fspath(path)!r}, but the home folder is not known ({error}); write "
            "the whole path, or set HOME."
        ) from None
