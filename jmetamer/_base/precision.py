"""Numerical precision: what the final numbers are computed in, whatever the loop used."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
import numpy as np

# Of the loop's matrix products, by their names in JAX. A processor always computes in full float32.
PRECISIONS = ("default", "high", "highest")
_T = TypeVar("_T")
_NARROW = {np.dtype(f"{kind}8"): np.dtype(f"{kind}4") for kind in "fiu"}
_in_float64 = contextvars.ContextVar("_in_float64", default=False)


def in_float64() -> bool:
    """Return whether this is within `float64_on_host`."""
    return _in_float64.get()


@contextlib.contextmanager
def usual_types() -> Iterator[None]:
    """Compute in JAX's own default types where a user has switched to float64 or strict promotion.

    Loops and draws are the same in every mode; `float64_on_host` within stays what it is. Strict
    promotion is refused by optax already.

    Example:
      >>> import jax.numpy as jnp
      >>> with jax.enable_x64(True), usual_types():
      ...     print(jnp.ones(2).dtype)
      float32
    """
    modes: Any = jax.config  # type checkers do not know its attributes
    wide = modes.jax_enable_x64 and not _in_float64.get()
    if not wide and modes.jax_numpy_dtype_promotion == "standard":
        yield
        return
    with jax.enable_x64(not wide and modes.jax_enable_x64), jax.numpy_dtype_promotion("standard"):
        yield


def narrowed(tree: _T) -> _T:
    """Return a tree with its 64-bit JAX arrays in 32 bits; within `float64_on_host` as it is.

    A context cannot do so: an array that JAX holds already stays what it is, and meets 32-bit ones.

    Example:
      >>> import jax.numpy as jnp
      >>> with jax.enable_x64(True):
      ...     print(narrowed(jnp.ones(2)).dtype)
      float32
    """
    return tree if _in_float64.get() else jax.tree.map(_narrow, tree)


def _narrow(leaf: object) -> object:
    if isinstance(leaf, jax.Array) and leaf.dtype in _NARROW:
        return leaf.astype(_NARROW[leaf.dtype])
    return leaf


@contextlib.contextmanager
def loop_precision(name: str) -> Iterator[None]:
    """Matrix products at a named precision; "default" leaves JAX's own setting as it is.

    On recent NVIDIA GPUs the default is TF32 (10 bits of mantissa) and on TPUs one pass of
    bfloat16 (7 bits); "high" is three passes of bfloat16 on TPUs, "highest" full float32.

    Args:
      name: one of `PRECISIONS`.

    Example:
      >>> with loop_precision("high"):
      ...     print(jax.config.jax_default_matmul_precision)
      high
    """
    if name == "default":
        yield
        return
    with jax.default_matmul_precision(name):
        yield


@contextlib.contextmanager
def highest_precision() -> Iterator[None]:
    """Matrix products at the highest precision of the device (no TF32, no bfloat16 passes).

    References, Jacobians and final losses are computed inside this context.

    Example:
      >>> with highest_precision():
      ...     print(jax.config.jax_default_matmul_precision)
      highest
    """
    with jax.default_matmul_precision("highest"):
        yield


@contextlib.contextmanager
def float64_on_host() -> Iterator[None]:
    """Compute in float64 on the host's processor.

    Ranks and log-volumes are decided here: accelerators lack float64 or emulate it, and float32
    singular values give wrong ranks.

    Example:
      >>> import jax.numpy as jnp
      >>> with float64_on_host():
      ...     print(jnp.ones(2).dtype)
      float64
    """
    outside = _in_float64.set(True)
    try:
        with (
            jax.enable_x64(True),
            jax.numpy_dtype_promotion("standard"),
            jax.default_device(jax.devices("cpu")[0]),
            jax.default_matmul_precision("highest"),
        ):
            yield
    finally:
        _in_float64.reset(outside)
