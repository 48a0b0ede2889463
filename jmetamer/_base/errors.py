"""Exceptions of jmetamer and the grammar of their messages.

Every message says what was given, what is allowed, why, and what to do about it.
"""

import difflib
from collections.abc import Iterable


class JmetamerError(Exception):
    """Base class of every exception that jmetamer raises on purpose."""


class InputError(JmetamerError, ValueError):
    """An argument, a graph or a dataset that cannot be used as given."""


class ConfigError(InputError):
    """A setting that cannot be used as given; nothing has been written yet."""


class DataError(InputError):
    """A dataset file that is missing, damaged or not what it claims to be."""


class StoreError(JmetamerError, OSError):
    """A run folder that cannot be read or written."""


class StoreWarning(UserWarning):
    """A part of a run folder that cannot be read, where the rest can."""


def unknown_name(kind: str, unknown: object, allowed: Iterable[str]) -> InputError:
    """Build the error for a name that is in no table, with the nearest match and the whole table.

    Args:
      kind: what the name stands for, as in "layer" or "dataset".
      unknown: the name that was given.
      allowed: every name that would have been accepted.

    Returns:
      The exception, to be raised by the caller.

    Example:
      >>> print(unknown_name("model", "gnc", ["gcn", "gat"]))
      unknown model 'gnc'; did you mean 'gcn'? Allowed: 'gcn', 'gat'.
    """
    names = [str(name) for name in allowed]
    lower = {name.lower(): name for name in names}  # a name in the wrong case is near
    nearest = difflib.get_close_matches(str(unknown).lower(), lower, n=1, cutoff=0.5)
    hint = f"; did you mean {lower[nearest[0]]!r}?" if nearest else "."
    return InputError(
        f"unknown {kind} {shortened(unknown)}{hint} Allowed: {', '.join(map(repr, names))}."
    )


def unknown_setting(path: str, allowed: Iterable[str]) -> ConfigError:
    """Return the error for a key that does not exist.

    Args:
      path: full dotted path as given.
      allowed: keys that exist beside it.

    Example:
      >>> print(unknown_setting("training.epoch", ["epochs", "seed"]))
      unknown setting `training.epoch`; did you mean `training.epochs`? Allowed in `training`:
      epochs, seed
    """
    parent, _, key = path.rpartition(".")
    allowed = list(allowed)
    nearest = difflib.get_close_matches(key.lower(), allowed, n=1, cutoff=0.5)
    prefix = f"{parent}." if parent else ""
    hint = f"; did you mean `{prefix}{nearest[0]}`?" if nearest else "."
    where = f"in `{parent}`" if parent else "at the top"
    names = ", ".join(allowed) or "nothing"
    return ConfigError(f"unknown setting `{path}`{hint} Allowed {where}: {names}")


def shortened(value: object, most: int = 120) -> str:
    """Return the repr of a value, cut where it is long, for a message.

    Args:
      value: anything.
      most: characters.

    Example:
      >>> shortened([1, 2]), shortened("x" * 5000, 5)
      ('[1, 2]', "'xxxx... (5,002 characters)")
    """
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"
