"""Deviations inside and outside of what the first weights of a network can see of features."""

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.precision import highest_precision
from jmetamer.geometry import row_space as geometry
from jmetamer.measures.features import (
    feature_measure,
    normalized_euclidean,
    normalized_euclidean_chance,
)
from jmetamer.measures.measure import Facts

# An outside below this share of the inside is what rounding leaves.
_ROUND_OFF = 64 * float(np.finfo(np.float32).eps)


def inside_row_space(basis: jax.Array, reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return `|(X - X') P|_F / (|X P|_F + |X' P|_F)`, P the projector on what a network can see.

    Args:
      basis: Q [d, r] with `P = Q Q^T`.
      reference: [n, d] float.
      metamer: [n, d] float.

    Returns:
      Scalar in [0, 1].

    Example:
      >>> basis, rows = jnp.array([[1.0], [0.0]]), jnp.ones((1, 2))
      >>> inside_row_space(basis, rows, jnp.array([[3.0, 9.0]])).round(6)
      Array(0.5, dtype=float32)
    """
    with highest_precision():
        return normalized_euclidean(reference @ basis, metamer @ basis)


def outside_row_space(basis: jax.Array, reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return the same of `X (I - P)`, what a network cannot see.

    A deviation there costs nothing and shows nothing: most of it is how a search was started.

    Args:
      basis: Q [d, r] with `P = Q Q^T`, r < d.
      reference: [n, d] float.
      metamer: [n, d] float.

    Returns:
      Scalar in [0, 1].

    Example:
      >>> basis, rows = jnp.array([[1.0], [0.0]]), jnp.ones((1, 2))
      >>> outside_row_space(basis, rows, jnp.array([[3.0, 9.0]])).round(6)
      Array(0.8, dtype=float32)
    """
    parts = [_split(rows, basis) for rows in (reference, metamer)]
    # Both in one unit, so that squares of large or tiny entries stay within float32.
    largest = jnp.maximum(*(jnp.abs(rows).max(initial=0.0) for rows in (reference, metamer)))
    unit = jnp.where(largest == 0, 1.0, largest)
    inside, outside = ([jnp.linalg.norm(part[place] / unit) for part in parts] for place in (0, 1))
    total = sum(
        jnp.where(out <= _ROUND_OFF * within, 0.0, out)
        for within, out in zip(inside, outside, strict=True)
    )
    difference = jnp.linalg.norm((parts[0][1] - parts[1][1]) / unit)
    share = jnp.minimum(difference / jnp.where(total == 0, 1.0, total), 1.0)
    return jnp.where(total == 0, 0.0, share)


def row_space(reference: AnArray, facts: Facts) -> jax.Array | None:
    """Return a basis [d, r] of what a network sees of features, None where it sees all or nothing.

    Args:
      reference: [n, d].
      facts: with the weights of a linear entry.

    Example:
      >>> row_space(np.ones((1, 2)), Facts(entry_weights=np.eye(2))) is None
      True
    """
    width = np.shape(reference)[1]
    weights = None if facts.entry_weights is None else np.asarray(facts.entry_weights)
    if weights is None or weights.shape[0] != width or not np.isfinite(weights).all():
        return None
    basis = geometry.row_space(weights).basis
    return jnp.asarray(basis, jnp.float32) if 0 < basis.shape[1] < width else None


def _split(rows: AnArray, basis: AnArray) -> tuple[AnArray, AnArray]:
    """Return `X Q` [n, r], what is inside, and `X (I - P)` [n, d], with JAX or NumPy."""
    with highest_precision():
        inside = rows @ basis
        return inside, rows - inside @ basis.T


def _inside_chance(basis: AnArray, reference: np.ndarray) -> float:
    return normalized_euclidean_chance(np.asarray(reference) @ np.asarray(basis))


def _outside_chance(basis: AnArray, reference: np.ndarray) -> float:
    inside, outside = _split(np.asarray(reference), np.asarray(basis))
    if np.linalg.norm(outside) <= _ROUND_OFF * np.linalg.norm(inside):
        return 0.0
    return normalized_euclidean_chance(outside)


ROW_SPACE_MEASURES = (
    feature_measure(
        name="features/inside_row_space",
        function=inside_row_space,
        chance=_inside_chance,
        applies_to=("continuous",),
        formula="|(X - X') P|_F / (|X P|_F + |X' P|_F), P on the row space of the entry weights",
        prepare=row_space,
    ),
    feature_measure(
        name="features/outside_row_space",
        function=outside_row_space,
        chance=_outside_chance,
        applies_to=("continuous",),
        formula="|(X - X') (I - P)|_F / (|X (I - P)|_F + |X' (I - P)|_F)",
        prepare=row_space,
    ),
)
