"""What is computed of all pairs of rows of features: inner products and distances."""

from typing import Any

import jax
import numpy as np

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


def inner_products(left: Any, right: Any) -> Any:
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


def squared_distances(left: Any, right: Any) -> Any:
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
