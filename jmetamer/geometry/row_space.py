"""What a matrix sees: the rank rule of a first matrix, and how much of a vector rows see."""

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


class RowFactor(NamedTuple):
    """`J = C B^T` with orthonormal columns of B, which is not kept, and vectors in that basis.

    Attributes:
      small: [q, k] C, k = min(q, p); singular values and left singular vectors are those of J.
      coordinates: [v, k] `B^T x` of each vector x.
    """

    small: np.ndarray
    coordinates: np.ndarray


def factor_rows(jacobian: AnArray, vectors: AnArray) -> RowFactor:
    """Return a small matrix with the row geometry of a Jacobian, and vectors in its row basis.

    The triangle of one Householder decomposition `[J^T | x] = B [R | B^T x]` holds both; B itself
    is never formed, nor is `J J^T`, which would square the condition number.

    Args:
      jacobian: [q, p], finite.
      vectors: [v, p].

    Returns:
      A `RowFactor` in float64.

    Raises:
      InputError: if shapes disagree or a number is not finite.

    Example:
      >>> result = factor_rows([[3.0, 0.0, 4.0]], [[3.0, 7.0, 4.0]])
      >>> abs(result.small), abs(result.coordinates)
      (array([[5.]]), array([[5.]]))
    """
    matrix, other = np.asarray(jacobian, np.float64), np.asarray(vectors, np.float64)
    if matrix.ndim != 2 or other.ndim != 2 or matrix.shape[1] != other.shape[1]:
        raise InputError(
            f"`jacobian` has shape {matrix.shape} and `vectors` {other.shape}; allowed: [q, p] and "
            "[v, p], one number of a vector for each column of the Jacobian."
        )
    num_outputs, num_inputs = matrix.shape
    kept = min(num_outputs, num_inputs)
    if kept == 0:
        return RowFactor(np.zeros((num_outputs, 0)), np.zeros((len(other), 0)))
    whole = np.asarray(np.linalg.qr(np.concatenate([matrix, other]).T, mode="r"))
    triangle = whole[:kept]
    # One sum finds any number that is not finite, as the triangle mixes all of them.
    if not np.isfinite(triangle).all():
        raise InputError(
            "`jacobian` or `vectors` holds NaN or infinite numbers; a row space needs finite ones. "
            "Check the input for NaN and the network for a division by zero."
        )
    return RowFactor(triangle[:, :num_outputs].T, triangle[:, num_outputs:].T)


def row_energy(factor: RowFactor, rank: int) -> np.ndarray:
    """Return `|P x|^2` of each vector, P the projector on the row space of the Jacobian.

    With the singular value decomposition `J = U S V^T` of rank r, `P = V_r V_r^T`: the part of an
    input that moves the output at all, to first order.

    Args:
      factor: from `factor_rows`; rows of `small` may be scaled or set to zero since.
      rank: r, as `numerical_rank` decided it.

    Returns:
      [v] float64, between 0 and `|x|^2`.

    Raises:
      InputError: if the matrix cannot have that rank.

    Example:
      >>> row_energy(factor_rows([[1.0, 0.0], [0.0, 0.0]], [[3.0, 4.0]]), rank=1).round(12)
      array([9.])
    """
    small, coordinates = factor
    if not 0 <= rank <= min(small.shape):
        raise InputError(
            f"`rank` is {rank}; a matrix of {small.shape[0]} x {small.shape[1]} has one between 0 "
            f"and {min(small.shape)}."
        )
    if rank == small.shape[1]:
        return np.asarray(np.sum(coordinates**2, axis=1))
    alive = small[np.any(small != 0, axis=1)]
    if rank == len(alive):  # independent rows: their triangle is cheaper than singular vectors
        inside = factor_rows(alive, coordinates).coordinates
    else:
        inside = coordinates @ np.linalg.svd(small, full_matrices=False)[2][:rank].T
    return np.asarray(np.sum(inside**2, axis=1))
