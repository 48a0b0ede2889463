"""Deviations of the distribution of node features: which node has which row does not matter.

Both are 0 for the reference with its rows in another order. Their chance level is therefore that of
features whose entries, not rows, are in random order.
"""

from collections.abc import Iterator
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import AnArray, Matrix, Numbers, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer.measures.features import feature_measure, unless_nonfinite
from jmetamer.measures.pairs_of_rows import check_pairs, median_of_positive, squared_distances
from jmetamer.results.p_values import monte_carlo_p_value

# Drawn for a chance level: the second number above so many nodes, where draws vary less.
_DRAWS, _MANY_NODES, _SEED = (16, 4), 500, 0


def feature_wasserstein(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return mean_f mean_i |x_(i)f - x'_(i)f|, the Wasserstein-1 distance averaged over features.

    `x_(1)f <= x_(2)f <= ...` are the sorted values of feature f. Of binary features it is the mean
    difference of the shares of ones. It has the unit of the features and sees no dependence
    between them.

    Returns:
      Scalar, at least 0; 0 for an empty graph.

    Example:
      >>> feature_wasserstein(jnp.array([[0.0], [1.0]]), jnp.array([[3.0], [0.0]]))
      Array(1., dtype=float32)
    """
    gaps = jnp.abs(jnp.sort(reference, axis=0) - jnp.sort(metamer, axis=0))
    return unless_nonfinite(jnp.sum(gaps) / max(reference.size, 1), reference, metamer)


def mmd_squared(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return MMD^2 = mean k(x, y) + mean k(x', y') - 2 mean k(x, x') over all pairs of rows.

    The biased estimate of the squared maximum mean discrepancy (Gretton et al., 2012): 0 for equal
    rows and never negative, unlike the unbiased one. `k(x, y) = exp(-|x - y|^2 / (2 m^2))`, with m
    the median distance of different rows of the reference; 1 if all its rows are equal. The median
    is the reference's alone, so exchanging the two changes the value.

    O(n^2 d) time and O(n^2) memory.

    Returns:
      Scalar in [0, 2]; 0 for an empty graph.

    Raises:
      InputError: more nodes than pairs of them fit memory.

    Example:
      >>> mmd_squared(jnp.array([[0.0], [1.0]]), jnp.array([[9.0], [10.0]])).round(6)
      Array(1.606531, dtype=float32)
    """
    return unless_nonfinite(_mmd_squared(reference, metamer, jnp), reference, metamer)


@checked
def mmd_p_value(
    reference: Matrix, metamer: Numbers, *, num_permutations: int = 999, seed: Seed = 0
) -> float:
    """Return the p-value of a permutation test of whether both have one distribution of rows.

    `p = (1 + #{MMD^2 of a random division of all rows in two halves >= MMD^2}) / (1 + N)`, with the
    statistic of `mmd_squared`; but m is the median distance of all rows of both, which no division
    changes: so p is uniform on 1 / (1 + N), ..., 1 if the rows are exchangeable, as they are where
    all are independent draws of one distribution. A small p says that the features as a whole give
    a metamer away; a large one, that this test does not see it.

    O(n^2 (d + N)) time and O(n^2) memory.

    Args:
      reference: [n, d], n >= 2.
      metamer: [n, d].
      num_permutations: N, at least 1.
      seed: of the divisions.

    Returns:
      From 1 / (1 + N) to 1; 1 for equal features, NaN where the metamer is not finite.

    Raises:
      InputError: shapes disagree, the reference is not finite, there are no permutations, or more
        nodes than pairs of them fit memory.

    Example:
      >>> rows = np.random.default_rng(0).normal(size=(30, 4))
      >>> mmd_p_value(rows, rows + 2, num_permutations=99), mmd_p_value(rows, rows[::-1])
      (0.01, 1.0)
    """
    rows, others = (np.asarray(each, np.float32) for each in (reference, metamer))
    if rows.ndim != 2 or rows.shape != others.shape or len(rows) < 2 or num_permutations < 1:
        raise InputError(
            f"`reference` has shape {rows.shape}, `metamer` {others.shape} and `num_permutations` "
            f"is {num_permutations}; both need the shape [n, d], n from 2, and one permutation"
        )
    if not np.isfinite(rows).all():
        raise InputError("`reference` is not finite; it has no distribution to compare with")
    if not np.isfinite(others).all():
        return float("nan")
    both = np.concatenate([rows, others])
    check_pairs("mmd_p_value", both)
    squares = squared_distances(both, both)
    kernel = np.exp(squares / np.float32(-2 * median_of_positive(np.sqrt(squares), np) ** 2))
    signs = np.repeat([1.0, -1.0], len(rows)).astype(np.float32)
    rng = np.random.default_rng(seed)
    divisions = [signs, *(rng.permutation(signs) for _ in range(num_permutations))]
    halves = np.stack(divisions, axis=1)
    totals = np.asarray((halves * (kernel @ halves)).sum(axis=0, dtype=np.float64))
    # Divisions that are equal but for rounding are ties.
    slack = 1e-5 * abs(totals).max()
    return float(monte_carlo_p_value(totals[0] - slack, totals[1:]))


def feature_wasserstein_chance(reference: np.ndarray) -> float:
    """Return the mean of `feature_wasserstein` over reorderings of all entries, from a few draws.

    Example:
      >>> feature_wasserstein_chance(np.ones((3, 2)))
      0.0
    """
    ordered = np.sort(np.asarray(reference, np.float32), axis=0)
    if not ordered.size:
        return 0.0
    gaps = [np.abs(ordered - np.sort(rows, axis=0)) for rows in _shuffled(reference)]
    return float(np.mean([gap.mean(dtype=np.float64) for gap in gaps]))


def mmd_squared_chance(reference: np.ndarray) -> float:
    """Return the mean of `mmd_squared` over reorderings of all entries, from a few draws.

    Example:
      >>> mmd_squared_chance(np.ones((3, 2)))
      0.0
    """
    rows = np.asarray(reference, np.float32)
    return float(np.mean([_mmd_squared(rows, drawn, np) for drawn in _shuffled(rows)]))


def _mmd_squared(reference: AnArray, metamer: AnArray, xp: ModuleType) -> AnArray:
    """Return the value with JAX or, on the host where nothing needs compiling, with NumPy."""
    n = check_pairs("features/mmd_squared", reference)
    if not n:
        return xp.zeros(())
    within = squared_distances(reference, reference)
    gamma = 1 / (2 * median_of_positive(xp.sqrt(within), xp) ** 2)
    others = squared_distances(metamer, metamer)
    across = squared_distances(reference, metamer)
    # Summed pair by pair, so that equal rows give exactly 0.
    kernels = [xp.exp(-gamma * squares) for squares in (within, others, across)]
    return xp.maximum((kernels[0] + kernels[1] - 2 * kernels[2]).sum() / n**2, 0.0)


def _shuffled(reference: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the reference with its entries in other orders, always the same ones."""
    rng, rows = np.random.default_rng(_SEED), np.asarray(reference, np.float32)
    for _ in range(_DRAWS[len(rows) > _MANY_NODES]):
        yield rng.permuted(rows, axis=None).reshape(rows.shape)


_SHUFFLED = "the reference with all its entries in random order"

DISTRIBUTION_MEASURES = (
    feature_measure(
        name="features/wasserstein",
        function=feature_wasserstein,
        chance=feature_wasserstein_chance,
        null=_SHUFFLED,
        high=float("inf"),
        permutation="separate",
        formula="mean_f mean_i |x_(i)f - x'_(i)f| over sorted values of each feature",
        default=False,
    ),
    feature_measure(
        name="features/mmd_squared",
        function=mmd_squared,
        chance=mmd_squared_chance,
        null=_SHUFFLED,
        high=2.0,
        symmetric=False,
        permutation="separate",
        formula="mean k(x, y) + mean k(x', y') - 2 mean k(x, x'), k = exp(-|x - y|^2 / (2 m^2))",
        default=False,
    ),
)
