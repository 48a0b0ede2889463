"""What is computed of all pairs of rows of features: inner products and distances."""

from types import ModuleType

import jax
import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError
from jmetamer._base.precision import highest_precision

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
