"""How well one vector of activations matches another: Spearman, Pearson and SNR, in batches."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jmetamer.measures.activations import relative_squared_error, snr_db

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
