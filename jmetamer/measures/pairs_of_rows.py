"""What is computed of all pairs of rows of features: inner products, distances, and CKA."""

from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError
from jmetamer._base.precision import highest_precision
from jmetamer.measures.features import feature_measure, unless_nonfinite

# A table of all pairs then takes 400 MB in float32, and a measure needs a few of them.
MAX_NODES = 10_000


def check_pairs(name: str, features: jax.Array | np.ndarray) -> int:
    """Return the number of nodes if all pairs of them fit memory.

    Args:
      name: of the measure that asks.
      features: [n, d].

    Raises:
      InputError: more than 10,000 nodes.

    Example:
      >>> check_pairs("features/mmd_squared", np.ones((3, 2)))
      3
    """
    count = int(features.shape[0])
    if count > MAX_NODES:
        raise InputError(
            f"{name!r} compares all pairs of {count} nodes, which do not fit memory; allowed: up "
            f"to {MAX_NODES} nodes. Leave it out of `measures`, or measure a part of the nodes"
        )
    return count


def inner_products(left: AnArray, right: AnArray) -> AnArray:
    """Return <x_i, y_j> [n, m] in full precision, also on devices that would round the factors.

    Args:
      left: [n, d], NumPy or JAX.
      right: [m, d].

    Example:
      >>> inner_products(np.eye(2), np.array([[3.0, 4.0]]))
      array([[3.], [4.]])
    """
    with highest_precision():
        return left @ right.T


def squared_distances(left: AnArray, right: AnArray) -> AnArray:
    """Return |x_i - y_j|^2 [n, m]; exactly 0 where rounding could have made it up.

    Args:
      left: [n, d], NumPy or JAX.
      right: [m, d].

    Example:
      >>> squared_distances(np.eye(2), np.array([[1.0, 0.0]]))
      array([[0.], [2.]])
    """
    sizes = [(rows * rows).sum(axis=1) for rows in (left, right)]
    total = sizes[0][:, None] + sizes[1][None, :]
    squares = total - 2 * inner_products(left, right)
    # Not `squares > ...`: what is not a number must stay so.
    return squares * ~(squares <= 16 * np.finfo(left.dtype).eps * total)


def median_of_positive(values: AnArray, xp: ModuleType) -> AnArray:
    """Return the median of the values above 0; 1 where there are none.

    Found by halving the interval in which it lies, bit by bit: a sort of all pairs would take most
    of the time of a measure.

    Args:
      values: [n, m] finite, 0 or more.
      xp: `jax.numpy` or, on the host where nothing needs compiling, `numpy`.

    Example:
      >>> float(median_of_positive(np.array([[0.0, 3.0], [4.0, 9.0]]), np))
      4.0
    """
    positive = values > 0
    if xp is np:
        return np.median(values[positive]) if positive.any() else 1.0
    count = positive.sum()
    ranks = values.size - count + xp.array([(count - 1) // 2, count // 2])
    # Numbers above 0 are in the order of their bits.
    whole = {2: xp.int16, 4: xp.int32, 8: xp.int64}[values.dtype.itemsize]
    bits = jax.lax.bitcast_convert_type(values, whole)

    def halved(_: int, bounds: tuple[AnArray, AnArray]) -> tuple[AnArray, AnArray]:
        low, high = bounds
        middle = low + (high - low) // 2
        enough = xp.stack([(bits <= each).sum() for each in middle]) > ranks
        return xp.where(enough, low, middle + 1), xp.where(enough, middle, high)

    bounds = xp.zeros(2, whole), xp.full(2, bits.max(initial=0), whole)
    both, _ = jax.lax.fori_loop(0, 8 * values.dtype.itemsize, halved, bounds)
    median = jax.lax.bitcast_convert_type(both, values.dtype).mean()
    return xp.where(count > 0, median, 1.0)


_LEAST_NODES = 4  # three or fewer inner products of different rows always center to 0


def cka_distance(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return 1 - CKA, the debiased linear centered kernel alignment, in [0, 2].

    CKA = <U, U'> / (|U| |U'|), where U are the inner products of different rows, doubly centered
    without the diagonal (Szekely and Rizzo, 2014); that is the ratio of unbiased estimates of HSIC
    (Song et al., 2012). It is debiased for every shape of the features: the ordinary one calls
    independent features alike unless d is far below n, as it hardly is in a graph (0.87 for 30 rows
    of 200 entries). Unrelated features are at 1, whatever n and d.

    Blind to rotation, to a common scale and to a common shift of all rows. Where U is zero (all
    rows equal, or all at right angles: no two are more alike than others) of both it counts 0, of
    one 1. O(n^2 d) time, O(n^2) memory.

    Returns:
      Scalar; 0 for less than 4 nodes.

    Raises:
      InputError: more nodes than pairs of them fit memory.

    Example:
      >>> rows = jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [3.0, 0.0]])
      >>> cka_distance(rows, 7 - 2 * rows[:, ::-1]).round(6)
      Array(0., dtype=float32)
    """
    if check_pairs("features/cka", reference) < _LEAST_NODES:
        return unless_nonfinite(jnp.zeros((), reference.dtype), reference, metamer)
    left, left_zero = _unit_products(reference, jnp)
    right, right_zero = _unit_products(metamer, jnp)
    # Half the squared distance of unit vectors: it does not cancel for small deviations.
    halved = jnp.sum(jnp.square(left - right)) / 2
    return unless_nonfinite(
        jnp.where(left_zero != right_zero, 1.0, jnp.minimum(halved, 2.0)), reference, metamer
    )


def cka_chance(reference: np.ndarray) -> float:
    """Return the mean distance over all reorderings of the reference's own rows.

    Exactly 1: the mean of doubly centered products over all orders is 0. 0 where they are 0.

    Example:
      >>> cka_chance(np.array([[0.0], [1.0], [2.0], [4.0]])), cka_chance(np.eye(5))
      (1.0, 0.0)
    """
    rows = np.asarray(reference, np.float32)
    if check_pairs("features/cka", rows) < _LEAST_NODES:
        return 0.0
    return 1.0 - float(_unit_products(rows, np)[1])


def _unit_products(features: AnArray, xp: ModuleType) -> tuple[AnArray, AnArray]:
    """Return centered products of different rows at norm 1, [n, n], and whether they are zero."""
    n, eps = features.shape[0], np.finfo(features.dtype).eps
    largest = xp.abs(features).max(initial=0.0)
    centered = features / xp.where(largest == 0, 1.0, largest)
    centered = centered - centered.mean(axis=0)
    spread = xp.abs(centered).max(initial=0.0)
    # Equal rows: what is left of them is rounding.
    centered = centered * ~(spread <= 8 * eps) / xp.where(spread == 0, 1.0, spread)
    apart = 1 - xp.eye(n, dtype=features.dtype)
    products = inner_products(centered, centered) * apart
    share = products.sum(axis=1) / (n - 2)
    total = products.sum() / ((n - 1) * (n - 2))
    doubly = (products - share[:, None] - share[None, :] + total) * apart
    norm = xp.sqrt((doubly * doubly).sum())
    zero = norm <= 64 * eps * xp.sqrt((products * products).sum())
    return doubly * ~zero / xp.where(zero, 1.0, norm), zero


CKA_MEASURES = (
    feature_measure(
        name="features/cka",
        function=cka_distance,
        chance=cka_chance,
        high=2.0,
        formula="1 - <U, U'> / (|U| |U'|), U = centered inner products of different rows",
        default=False,
    ),
)
