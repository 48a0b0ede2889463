"""How well a metamer's activations match the reference's at one layer: errors and correlations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

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


STATISTICS = ("spearman", "pearson", "snr_db")


class MatchForms(NamedTuple):
    """Vectors [..., q] in the three forms that the statistics read, each made once.

    Attributes:
      plain: as they are.
      ranked: ranks, the average where values are equal, centered and of norm 1.
      centered: centered and of norm 1.
    """

    plain: jax.Array
    ranked: jax.Array
    centered: jax.Array


def match_forms(vectors: jax.Array) -> MatchForms:
    """Prepare vectors for `match_statistics`, pure jax.

    Args:
      vectors: [k, q].

    Returns:
      `MatchForms` of [k, q] each; constant vectors become zero where they are centered.

    Example:
      >>> match_forms(jnp.array([[1.0, 3.0, 9.0, 9.0]])).ranked.round(2)
      Array([[-0.71, -0.24,  0.47,  0.47]], dtype=float32)
    """
    return MatchForms(vectors, _standardized(jax.vmap(_ranks)(vectors)), _standardized(vectors))


def match_statistics(reference: MatchForms, other: MatchForms) -> jax.Array:
    """Return Spearman's and Pearson's correlation and the SNR in dB of power, pure jax.

    With z the centered vector of norm 1, correlation is z . z' = 1 - |z - z'|^2 / 2; the second
    form is 1 exactly where two vectors are equal. SNR is -10 log10(|a - b|^2 / |a|^2). A constant
    vector correlates 0 with any, and an all-zero one has SNR 0 with any.

    Args:
      reference: a, one vector [q] in each form.
      other: b, likewise.

    Returns:
      [3], in the order of `STATISTICS`; NaN where b is not finite.

    Example:
      >>> forms = match_forms(jnp.array([[3.0, 4.0, 0.0], [3.0, 4.5, 0.0]]))
      >>> first, second = (jax.tree.map(lambda form: form[i], forms) for i in (0, 1))
      >>> [round(float(value), 2) for value in match_statistics(first, second)]
      [1.0, 1.0, 20.0]
    """
    silent = ~(reference.plain.any() & other.plain.any())
    snr = snr_db(relative_squared_error(reference.plain, other.plain))
    ranked = _correlation(reference.ranked, other.ranked)
    centered = _correlation(reference.centered, other.centered)
    values = jnp.stack([ranked, centered, jnp.where(silent, 0.0, snr)])
    return jnp.where(jnp.isfinite(other.plain).all(), values, jnp.nan)


def _ranks(vector: jax.Array) -> jax.Array:
    """Rank a finite vector [q] from 1, the average where values are equal."""
    # XLA sorts integers alone five times faster on a CPU than floats, or anything with its places.
    # The bits of a float are in its order, those of negative ones reversed; -0 equals 0.
    bits = lax.bitcast_convert_type(vector, f"int{8 * vector.dtype.itemsize}")
    keys = jnp.where(bits < 0, bits ^ jnp.iinfo(bits.dtype).max, bits)
    keys = jnp.where(vector == 0, 0, keys)
    ordered = lax.sort(keys, is_stable=False)
    below = jnp.searchsorted(ordered, keys, side="left")
    up_to = jnp.searchsorted(ordered, keys, side="right")
    return (below + up_to + 1).astype(vector.dtype) / 2


def _standardized(vectors: jax.Array) -> jax.Array:
    """Center vectors [k, q] and scale them to norm 1; constant ones become zero."""
    # The spread, not the mean, tells a constant: its mean is off by round-off.
    spread = vectors.max(-1, keepdims=True) - vectors.min(-1, keepdims=True)
    safe = jnp.where(spread > 0, spread, 1.0)
    centered = (vectors - vectors.mean(-1, keepdims=True)) / safe
    norm = jnp.linalg.norm(centered, axis=-1, keepdims=True)
    return jnp.where(spread > 0, centered / norm, 0.0)


def _correlation(left: jax.Array, right: jax.Array) -> jax.Array:
    defined = left.any() & right.any()
    return jnp.where(defined, jnp.maximum(1 - jnp.sum(jnp.square(left - right)) / 2, -1.0), 0.0)
