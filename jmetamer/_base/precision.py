"""Numerical precision: what the final numbers are computed in, whatever the loop used."""

import contextlib
from collections.abc import Iterator

import jax


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
    with (
        jax.enable_x64(True),
        jax.default_device(jax.devices("cpu")[0]),
        jax.default_matmul_precision("highest"),
    ):
        yield
