"""The nearest other row of a matrix, without the matrix of all distances."""

import jax
import jax.numpy as jnp

from jmetamer._base.compiled_programs import compile_function

_ROWS = 16  # compared with all others at a time


@compile_function()
def nearest_rows(rows: jax.Array) -> jax.Array:
    """Return for each row the other row at the smallest Euclidean distance, pure jax.

    Args:
      rows: [n, c], n >= 2; memory grows with n, not with its square.

    Returns:
      [n] int32; the first of several that are equally near.

    Example:
      >>> nearest_rows(jnp.array([[0.0], [1.0], [5.0], [1.5]]))
      Array([1, 3, 3, 1], dtype=int32)
    """
    count = rows.shape[0]

    def one(place: jax.Array) -> jax.Array:
        # As a difference: |a|^2 + |b|^2 - 2 a.b cannot tell near neighbors of long rows.
        squared = jnp.sum(jnp.square(rows - rows[place]), axis=-1)
        return jnp.argmin(jnp.where(jnp.arange(count) == place, jnp.inf, squared))

    return jax.lax.map(one, jnp.arange(count), batch_size=_ROWS).astype(jnp.int32)
