"""How well a metamer's activations match the reference's at one layer."""

import jax
import jax.numpy as jnp


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
    scale = jnp.abs(reference).max(initial=0.0)  # squares of large or tiny entries leave float32
    error = jnp.sum(jnp.square((metamer - reference) / scale))
    return error / jnp.sum(jnp.square(reference / scale))


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


def worst_node_error(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return max_v |h'_v - h_v| / max(|h_v|, median_u |h_u|), pure jax.

    A mean over nodes can hide one node that does not match. The median keeps nodes with little
    activation from dominating.

    Args:
      reference: h [n, c].
      metamer: h' [n, c].

    Returns:
      Scalar, at least 0; NaN where h is all zero or there are no nodes. Infinite where a node's
      activations and the median are zero but the metamer's are not.

    Example:
      >>> h = jnp.array([[3.0, 4.0], [0.0, 1.0], [0.0, 2.0]])
      >>> worst_node_error(h, h.at[1, 1].add(0.5))
      Array(0.25, dtype=float32)
    """
    if reference.shape[0] == 0:
        return jnp.array(jnp.nan, reference.dtype)
    scale = jnp.abs(reference).max(initial=0.0)
    size = jnp.linalg.norm(reference / scale, axis=1)
    error = jnp.linalg.norm((metamer - reference) / scale, axis=1)
    ratio = error / jnp.maximum(size, jnp.median(size))
    return jnp.max(jnp.where(error == 0, 0.0, ratio))
