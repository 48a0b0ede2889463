"""Deviations of node features, nodes aligned: row v of the metamer against row v of the reference.

Rows are scaled by their largest entry before they are squared, so features of any magnitude
neither overflow nor underflow in float32. A metamer with a value that is not finite deviates by
NaN.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer.measures.measure import FEATURE_KINDS, Measure

# A row shorter than this share of the longest counts as this long in `log_norm`.
NORM_FLOOR = 1e-6
feature_measure = functools.partial(  # what most measures of features share
    Measure,
    null="the reference with its rows in random order",
    low=0.0,
    high=1.0,
    symmetric=True,
    applies_to=FEATURE_KINDS,
    permutation="joint",
)


def cosine(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return mean_v (1 - <x_v, x'_v> / (|x_v| |x'_v|)), in [0, 2].

    Computed as half the squared distance of the unit vectors, which does not cancel for small
    deviations. A row that is zero on both sides counts 0, on one side 1. Blind to each row's scale;
    not a metric (the triangle inequality fails).

    Returns:
      Scalar; 0 for an empty graph.

    Example:
      >>> cosine(jnp.eye(2), jnp.array([[3.0, 0.0], [5.0, 0.0]])).round(6)
      Array(0.5, dtype=float32)
    """
    left, left_zero = _unit_rows(reference)
    right, right_zero = _unit_rows(metamer)
    halved = jnp.sum(jnp.square(left - right), axis=1) / 2
    return _mean(jnp.where(left_zero != right_zero, 1.0, halved))


def log_norm(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return mean_v |log(|x'_v| / |x_v|)|, the change of scale that the cosine does not see.

    Both norms are first raised to at least 1e-6 of the longest row of either graph. So a row that
    is zero on both sides counts 0, and one that is zero on one side counts a finite amount, at
    most log 1e6 = 13.8.

    Returns:
      Scalar in nats, in [0, 13.8]; 0 for an empty graph.

    Example:
      >>> log_norm(jnp.eye(2), jnp.e * jnp.eye(2)).round(6)
      Array(1., dtype=float32)
    """
    left, right = _row_norms(reference), _row_norms(metamer)
    longest = jnp.maximum(left.max(initial=0.0), right.max(initial=0.0))
    # Dividing by the longest first keeps the floor itself from underflowing.
    longest = jnp.where(longest == 0, 1.0, longest)
    left, right = (jnp.log(jnp.maximum(norm / longest, NORM_FLOOR)) for norm in (left, right))
    return _mean(jnp.abs(left - right))


def normalized_euclidean(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return F(X - X') / (F(X) + F(X')) with F the Frobenius norm, in [0, 1].

    It sees scale: X' = 2X gives 1/3. 0 if both are zero.

    Returns:
      Scalar; 0 for an empty graph.

    Example:
      >>> normalized_euclidean(jnp.eye(2), 2 * jnp.eye(2)).round(6)
      Array(0.333333, dtype=float32)
    """
    largest = jnp.maximum(_largest(reference, None), _largest(metamer, None))
    scale = jnp.where(largest == 0, 1.0, largest)
    left, right = reference / scale, metamer / scale
    # Halves, because the difference of two large entries may overflow before it is squared.
    difference = 2 * jnp.linalg.norm(left / 2 - right / 2)
    total = jnp.linalg.norm(left) + jnp.linalg.norm(right)
    return difference / jnp.where(total == 0, 1.0, total)


def jaccard(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return 1 - #(X and X') / #(X or X') over all entries of binary features, in [0, 1].

    0 if both have no ones. A metric. At density rho unrelated graphs are
    1 - rho / (2 - rho) apart.

    Returns:
      Scalar; 0 for an empty graph.

    Example:
      >>> jaccard(jnp.array([[1.0, 1.0, 0.0]]), jnp.array([[1.0, 0.0, 1.0]])).round(6)
      Array(0.666667, dtype=float32)
    """
    left, right = reference > 0.5, metamer > 0.5
    union = jnp.sum(left | right)
    differing = jnp.sum(left ^ right)
    return unless_nonfinite(differing / jnp.maximum(union, 1), reference, metamer)


def hamming(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return the share of entries of binary features that differ, in [0, 1].

    A metric. At density rho unrelated graphs are 2 rho (1 - rho) apart: for sparse features that
    is nearly 0, so read it against its chance level.

    Returns:
      Scalar; 0 for an empty graph.

    Example:
      >>> hamming(jnp.array([[1.0, 1.0, 0.0, 0.0]]), jnp.array([[1.0, 0.0, 1.0, 0.0]]))
      Array(0.5, dtype=float32)
    """
    differing = jnp.sum((reference > 0.5) ^ (metamer > 0.5))
    share = differing / max(reference.size, 1)
    return unless_nonfinite(share, reference, metamer)


def cosine_chance(reference: np.ndarray) -> float:
    """Return the mean cosine deviation over all reorderings of the reference's own rows.

    Exactly 1 - (|sum_v x_v / |x_v||^2 + n_0^2) / n^2, with n_0 the number of zero rows.

    Example:
      >>> cosine_chance(np.eye(2))
      0.5
    """
    rows = np.asarray(reference, np.float64)
    if len(rows) == 0:
        return 0.0
    norms = np.linalg.norm(rows, axis=1)
    total = (rows / np.where(norms == 0, 1.0, norms)[:, None]).sum(0)
    alike = (total @ total + np.sum(norms == 0) ** 2) / len(rows) ** 2
    return max(float(1 - alike), 0.0)


def log_norm_chance(reference: np.ndarray) -> float:
    """Return the mean `log_norm` over all reorderings of the reference's own rows.

    Exactly the mean of |log |x_u| - log |x_v|| over all ordered pairs of nodes, u = v included.

    Example:
      >>> log_norm_chance(np.array([[1.0], [np.e]]))
      0.5
    """
    norms = np.linalg.norm(np.asarray(reference, np.float64), axis=1)
    if norms.max(initial=0.0) == 0:
        return 0.0
    logs = np.sort(np.log(np.maximum(norms / norms.max(), NORM_FLOOR)))
    count = len(logs)
    # In a sorted list the k-th value is the larger of k pairs and the smaller of count - 1 - k.
    return float(2 * np.sum((2 * np.arange(count) - count + 1) * logs) / count**2)


def normalized_euclidean_chance(reference: np.ndarray) -> float:
    """Return the root mean square deviation over all reorderings of the reference's own rows.

    sqrt((1 - |sum_v x_v|^2 / (n F(X)^2)) / 2). The mean itself is a little smaller, by the
    relative variance of the square, which falls like 1/n.

    Example:
      >>> normalized_euclidean_chance(np.eye(2))
      0.5
    """
    rows = np.asarray(reference, np.float64)
    square = np.sum(rows**2)
    if square == 0:
        return 0.0
    total = rows.sum(0)
    return math.sqrt(max(1 - total @ total / (len(rows) * square), 0.0) / 2)


def jaccard_chance(reference: np.ndarray) -> float:
    """Return 1 - rho / (2 - rho), rho the reference's density.

    The expected intersection of independent draws is rho^2 and their union 2 rho - rho^2 of all
    entries; the ratio of the two is the expected ratio up to 1 / (n d).

    Example:
      >>> round(jaccard_chance(np.array([[1.0, 0.0]])), 6)
      0.666667
    """
    density = _density(reference)
    return 1 - density / (2 - density) if density else 0.0


def hamming_chance(reference: np.ndarray) -> float:
    """Return 2 rho (1 - rho), rho the reference's density.

    Example:
      >>> hamming_chance(np.array([[1.0, 0.0, 0.0, 0.0]]))
      0.375
    """
    density = _density(reference)
    return 2 * density * (1 - density)


_ZERO_ONE = ("binary", "one_hot")
_REDRAWN = "independent 0/1 entries at the reference's density"

FEATURE_MEASURES = (
    feature_measure(
        name="features/cosine",
        function=cosine,
        chance=cosine_chance,
        high=2.0,
        formula="mean_v 1 - <x_v, x'_v> / (|x_v| |x'_v|)",
    ),
    feature_measure(
        name="features/log_norm",
        function=log_norm,
        chance=log_norm_chance,
        high=-math.log(NORM_FLOOR),
        formula="mean_v |log(|x'_v| / |x_v|)|, norms at least 1e-6 of the longest row",
    ),
    feature_measure(
        name="features/normalized_euclidean",
        function=normalized_euclidean,
        chance=normalized_euclidean_chance,
        formula="|X - X'|_F / (|X|_F + |X'|_F)",
    ),
    feature_measure(
        name="features/jaccard",
        function=jaccard,
        chance=jaccard_chance,
        null=_REDRAWN,
        applies_to=_ZERO_ONE,
        formula="1 - #(X and X') / #(X or X')",
    ),
    feature_measure(
        name="features/hamming",
        function=hamming,
        chance=hamming_chance,
        null=_REDRAWN,
        applies_to=_ZERO_ONE,
        formula="#(X != X') / (n d)",
    ),
)


def _largest(array: jax.Array, axis: int | None) -> jax.Array:
    return jnp.abs(array).max(axis=axis, initial=0.0)


def _unit_rows(features: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return rows of length 1 (zero rows stay zero) and which rows are zero."""
    largest = _largest(features, 1)
    zero = largest == 0
    scaled = features / jnp.where(zero, 1.0, largest)[:, None]
    length = jnp.sqrt(jnp.sum(jnp.square(scaled), axis=1))
    return scaled / jnp.where(zero, 1.0, length)[:, None], zero


def _row_norms(features: jax.Array) -> jax.Array:
    largest = _largest(features, 1)
    scaled = features / jnp.where(largest == 0, 1.0, largest)[:, None]
    return largest * jnp.sqrt(jnp.sum(jnp.square(scaled), axis=1))


def _mean(per_node: jax.Array) -> jax.Array:
    return jnp.sum(per_node) / max(per_node.size, 1)


def unless_nonfinite(value: jax.Array, *arrays: jax.Array) -> jax.Array:
    """Return the value, or NaN if an array has an entry that is not finite.

    Example:
      >>> unless_nonfinite(jnp.zeros(()), jnp.array([1.0, jnp.inf]))
      Array(nan, dtype=float32)
    """
    finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(array)) for array in arrays]))
    return jnp.where(finite, value, jnp.nan)


def _density(reference: np.ndarray) -> float:
    ones = np.asarray(reference) > 0.5
    return float(ones.mean()) if ones.size else 0.0
