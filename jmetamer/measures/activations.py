"""How well a metamer's activations match the reference's at one layer."""

import jax
import jax.numpy as jnp

from jmetamer._base.arguments import Matrix, Numbers, SomeShare, checked, require_alike
from jmetamer.measures.success import num_needed


@checked
def relative_squared_error(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return L_act = |h' - h|^2 / |h|^2 over all entries, pure jax.

    Args:
      reference: h, any shape.
      metamer: h', the same shape.

    Returns:
      Scalar, at least 0; NaN where h is all zero (compare |h'| with an absolute tolerance then).

    Example:
      >>> relative_squared_error(jnp.array([3.0, 4.0]), jnp.array([3.0, 4.5]))
      Array(0.01, dtype=float32)
    """
    require_alike(reference=reference, metamer=metamer)
    scale = jnp.abs(reference).max(initial=0.0)  # squares of large or tiny entries leave float32
    error = jnp.sum(jnp.square((metamer - reference) / scale))
    return error / jnp.sum(jnp.square(reference / scale))


@checked
def snr_db(relative_error: jax.Array) -> jax.Array:
    """Return the signal-to-noise ratio -10 log10 L_act, in decibels of power.

    Args:
      relative_error: L_act, any shape.

    Returns:
      The same shape; infinite for an exact match.

    Example:
      >>> snr_db(jnp.array(1e-4)).round(4)
      Array(40., dtype=float32)
    """
    return -10 * jnp.log10(relative_error)


@checked
def node_errors(reference: Matrix, metamer: Matrix) -> jax.Array:
    """Return |h'_v - h_v| / max(|h_v|, median_u |h_u|) of every node v, pure jax.

    A mean over nodes can hide one node that does not match. The median keeps nodes with little
    activation from dominating.

    Args:
      reference: h [n, c].
      metamer: h' [n, c].

    Returns:
      [n], at least 0; NaN where h is all zero. Infinite where a node's activations and the median
      are zero but the metamer's are not.

    Example:
      >>> h = jnp.array([[3.0, 4.0], [0.0, 1.0], [0.0, 2.0]])
      >>> node_errors(h, h.at[1, 1].add(0.5))
      Array([0.  , 0.25, 0.  ], dtype=float32)
    """
    require_alike(reference=reference, metamer=metamer)
    if reference.shape[0] == 0:
        return jnp.zeros(0, reference.dtype)
    scale = jnp.abs(reference).max(initial=0.0)
    size = jnp.linalg.norm(reference / scale, axis=1)
    error = jnp.linalg.norm((metamer - reference) / scale, axis=1)
    ratio = error / jnp.maximum(size, jnp.median(size))
    return jnp.where(error == 0, 0.0, ratio)


@checked
def error_of_share(errors: Numbers, share: SomeShare = 1.0) -> jax.Array:
    """Return the smallest error that at least a share of the nodes do not exceed, pure jax.

    Args:
      errors: [n] of `node_errors`; NaN counts as larger than any number.
      share: above 0, at most 1; 1 gives the worst node.

    Returns:
      Scalar; NaN where it falls on a node whose error is NaN, or there are no nodes.

    Example:
      >>> errors = jnp.array([0.3, 0.1, jnp.nan, 0.2])
      >>> error_of_share(errors, 0.75), error_of_share(errors, 0.5), error_of_share(errors)
      (Array(0.3, dtype=float32), Array(0.2, dtype=float32), Array(nan, dtype=float32))
    """
    if errors.shape[0] == 0:
        return jnp.array(jnp.nan, errors.dtype)
    return jnp.sort(errors)[num_needed(share, errors.shape[0]) - 1]


@checked
def worst_node_error(reference: Matrix, metamer: Matrix, share: SomeShare = 1.0) -> jax.Array:
    """Return the largest of `node_errors`, or what a share of them does not exceed, pure jax.

    Args:
      reference: h [n, c].
      metamer: h' [n, c].
      share: above 0, at most 1; of thousands of nodes, single ones may be off. See `target_share`.

    Returns:
      Scalar, at least 0; NaN where h is all zero or there are no nodes.

    Example:
      >>> h = jnp.array([[3.0, 4.0], [0.0, 1.0], [0.0, 2.0]])
      >>> worst_node_error(h, h.at[1, 1].add(0.5)), worst_node_error(h, h.at[1, 1].add(0.5), 0.5)
      (Array(0.25, dtype=float32), Array(0., dtype=float32))
    """
    return error_of_share(node_errors(reference, metamer), share)
