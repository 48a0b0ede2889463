"""What a product `X W` depends on: the one rule for the rank of a network's first matrix."""

from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError
from jmetamer.geometry.spectrum import numerical_rank


class RowSpace(NamedTuple):
    """The thin decomposition `W = U diag(values) V^T` of rank r, float64.

    Attributes:
      basis: U [d, r], orthonormal: `X W = (X U) (U^T W)`.
      values: [r] singular values, descending.
      right: V^T [r, m].
    """

    basis: np.ndarray
    values: np.ndarray
    right: np.ndarray


def row_space(weights: AnArray) -> RowSpace:
    """Return what `X W` depends on, with the rank of `numerical_rank` of the numbers as stored.

    Rounding of float32 counts as seen: a construction that lets go of it is not exact.

    Args:
      weights: W [d, m], in any type.

    Raises:
      InputError: not a matrix of finite numbers.

    Example:
      >>> abs(row_space(np.array([[2.0, 4.0], [0.0, 0.0]])).basis).tolist()
      [[1.0], [0.0]]
    """
    exact = np.asarray(weights, np.float64)
    if exact.ndim != 2 or not np.isfinite(exact).all():
        raise InputError(
            f"the first matrix has shape {exact.shape}; a matrix [features, outputs] of finite "
            "numbers is needed. Where the parameters of the network hold NaN or infinite values in "
            "its first layer, train it again"
        )
    basis, values, right = np.linalg.svd(exact, full_matrices=False)
    rank = numerical_rank(values, *exact.shape).rank
    return RowSpace(basis[:, :rank], values[:rank], right[:rank])
