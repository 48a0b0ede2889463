"""Deviations of the distribution of node features: which node has which row does not matter.

Both are 0 for the reference with its rows in another order. Their chance level is therefore that of
features whose entries, not rows, are in random order.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer.measures.features import unless_nonfinite
from jmetamer.measures.measure import Measure
from jmetamer.measures.pairs_of_rows import check_pairs, median_of_positive, squared_distances

# Drawn for a chance level: the second number above so many nodes, where draws vary less.
_DRAWS, _MANY_NODES, _SEED = (16, 4), 500, 0


def feature_wasserstein(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return mean_f mean_i |x_(i)f - x'_(i)f|, the Wasserstein-1 distance averaged over features.

    `x_(1)f <= x_(2)f <= ...` are the sorted values of feature f. Of binary features it is the mean
    difference of the shares of ones. It has the unit of the features and sees no dependence
    between them.

    Args:
      reference: [n, d] float.
      metamer: [n, d] float.

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

    Args:
      reference: [n, d] float.
      metamer: [n, d] float.

    Returns:
      Scalar in [0, 2]; 0 for an empty graph.

    Raises:
      InputError: more nodes than pairs of them fit memory.

    Example:
      >>> mmd_squared(jnp.array([[0.0], [1.0]]), jnp.array([[9.0], [10.0]])).round(6)
      Array(1.606531, dtype=float32)
    """
    return unless_nonfinite(_mmd_squared(reference, metamer, jnp), reference, metamer)


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


def _mmd_squared(reference: Any, metamer: Any, xp: Any) -> Any:
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


_ANY_KIND = ("binary", "one_hot", "continuous")
_SHUFFLED = "the reference with all its entries in random order"

DISTRIBUTION_MEASURES = (
    Measure(
        name="features/wasserstein",
        function=feature_wasserstein,
        chance=feature_wasserstein_chance,
        null=_SHUFFLED,
        low=0.0,
        high=float("inf"),
        symmetric=True,
        applies_to=_ANY_KIND,
        permutation="separate",
        formula="mean_f mean_i |x_(i)f - x'_(i)f| over sorted values of each feature",
        default=False,
    ),
    Measure(
        name="features/mmd_squared",
        function=mmd_squared,
        chance=mmd_squared_chance,
        null=_SHUFFLED,
        low=0.0,
        high=2.0,
        symmetric=False,
        applies_to=_ANY_KIND,
        permutation="separate",
        formula="mean k(x, y) + mean k(x', y') - 2 mean k(x, x'), k = exp(-|x - y|^2 / (2 m^2))",
        default=False,
    ),
)
