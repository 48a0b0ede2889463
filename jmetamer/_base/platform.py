"""The platform that a program is traced for, which decides how sums over edges are written."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

from jmetamer._base.precision import in_float64

_named: contextvars.ContextVar[str | None] = contextvars.ContextVar("_named", default=None)


def platform() -> str:
    """Return what is traced for: "cpu", "gpu" or "tpu".

    Example:
      >>> with traced_for("tpu"):
      ...     platform()
      'tpu'
    """
    return _named.get() or ("cpu" if in_float64() else jax.default_backend())


@contextlib.contextmanager
def traced_for(name: str) -> Iterator[None]:
    """Trace as for this platform, wherever the program runs.

    Args:
      name: "cpu", "gpu" or "tpu".
    """
    outer = _named.set(name)
    try:
        yield
    finally:
        _named.reset(outer)
