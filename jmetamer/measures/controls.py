"""Controls for recognition: features moved as far as a metamer's, but in no particular direction.

A judge may misread a metamer only because it is far from the reference. What it makes of an equally
far random graph tells.
"""

import jax
import jax.numpy as jnp

from jmetamer._base.arguments import RealMatrix, checked, require_alike
from jmetamer._base.kinds import Key


@checked
def random_displacement(key: Key, reference: RealMatrix, metamer: RealMatrix) -> jax.Array:
    """Return x_v + |x'_v - x_v| u_v with uniformly random unit vectors u_v, pure jax.

    Each node is moved as far as in the metamer, so nodes that it keeps are kept and the distance
    of all features is the same.

    Args:
      key: of the directions.
      reference: X [n, d], d >= 1.
      metamer: X' [n, d].

    Returns:
      [n, d].

    Example:
      >>> moved = random_displacement(jax.random.key(0), jnp.zeros((1, 5)), jnp.eye(5)[:1] * 3)
      >>> round(float(jnp.linalg.norm(moved)), 3)
      3.0
    """
    require_alike(reference=reference, metamer=metamer)
    directions = jax.random.normal(key, reference.shape, reference.dtype)
    distance = jnp.linalg.norm(metamer - reference, axis=1, keepdims=True)
    length = jnp.linalg.norm(directions, axis=1, keepdims=True)
    return reference + distance * directions / length


@checked
def random_flips(key: Key, reference: RealMatrix, metamer: RealMatrix) -> jax.Array:
    """Return the reference with random entries flipped, as many as in the metamer, pure jax.

    In each node as many ones become zeros and as many zeros become ones as in the metamer, so it
    keeps the number of ones and the Hamming and Jaccard distance of the metamer.

    Args:
      key: of the entries.
      reference: X [n, d] of 0 and 1.
      metamer: X' [n, d] of 0 and 1.

    Returns:
      [n, d] of 0 and 1.

    Example:
      >>> ones = jnp.array([[1.0, 1.0, 0.0, 0.0, 0.0]])
      >>> flipped = random_flips(jax.random.key(0), ones, jnp.array([[1.0, 0.0, 0.0, 0.0, 1.0]]))
      >>> int((flipped != ones).sum()), int(flipped.sum())
      (2, 2)
    """
    require_alike(reference=reference, metamer=metamer)
    off_key, on_key = jax.random.split(key)
    off = _chosen(off_key, reference == 1, (reference == 1) & (metamer == 0))
    on = _chosen(on_key, reference == 0, (reference == 0) & (metamer == 1))
    return jnp.where(off | on, 1 - reference, reference)


def _chosen(key: jax.Array, allowed: jax.Array, as_many_as: jax.Array) -> jax.Array:
    """Choose allowed entries at random, as many in each row as there are in `as_many_as`."""
    order = jnp.where(allowed, jax.random.uniform(key, allowed.shape), jnp.inf)
    rank = jnp.argsort(jnp.argsort(order, axis=1), axis=1)
    return rank < as_many_as.sum(1, keepdims=True)
