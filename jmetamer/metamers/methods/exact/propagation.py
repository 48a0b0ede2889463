"""The propagation matrix of a network whose first layer is `S X W + b`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.models.structure import operator_matrix

# A dense decomposition of n x n numbers takes about a minute here.
LARGEST = 5_000


class Propagation(NamedTuple):
    """Singular value decomposition of S [n, n].

    Attributes:
      left: [n, n] left singular vectors, in columns.
      values: [n] singular values, descending.
      right: [n, n] right singular vectors, in columns.
      rank: number of values above `eps * n * values[0]`.
    """

    left: np.ndarray
    values: np.ndarray
    right: np.ndarray
    rank: int

    @property
    def size(self) -> int:
        """Number of nodes.

        Example:
          >>> Propagation(np.eye(2), np.ones(2), np.eye(2), 2).size
          2
        """
        return len(self.values)


def propagation_matrix(point: Point) -> np.ndarray | None:
    """Return S [n, n] of a first layer `S X W + b`, or None where the network has no such layer.

    As GCN, `D^-1/2 (A + I) D^-1/2`, and GIN, `A + (1 + eps) I`. A skip connection adds the
    features past S, and others use two matrices or weights that depend on the features.

    Args:
      point: the problem in float64.

    Raises:
      InputError: the graph is too large for a dense matrix.
    """
    n = len(point.features)
    if point.first is None or point.first.operator is None:
        return None
    if n > LARGEST:
        raise InputError(
            f"the null space of the propagation is decomposed densely, up to {LARGEST} nodes; "
            f"this graph has {n}. Use `ego_graph`, or a method that does not need it"
        )
    return operator_matrix(point.first.operator, point.graph)


def require_propagation(point: Point, method: str) -> Propagation:
    """Return the decomposition of S.

    Args:
      point: the problem in float64.
      method: name for the message.

    Raises:
      InputError: the network does not begin with `S X W + b`, or the graph is too large.
    """
    matrix = propagation_matrix(point)
    if matrix is None:
        raise InputError(
            f"method {method!r} needs a first layer `S X W + b` with one propagation matrix S, "
            f"as of `GCN` or `GIN` without `residual`; got {point.model!r}. Use another method"
        )
    return decompose(matrix)


def decompose(matrix: np.ndarray) -> Propagation:
    """Return the singular value decomposition with its numerical rank.

    Args:
      matrix: [n, n] S; of a symmetric one the faster decomposition into eigenvectors is used.

    Example:
      >>> decompose(np.ones((3, 3))).rank
      1
    """
    if np.allclose(matrix, matrix.T, rtol=1e-13, atol=0):
        eigenvalues, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        order = np.argsort(-np.abs(eigenvalues))
        right, values = vectors[:, order], np.abs(eigenvalues[order])
        left = right * np.where(eigenvalues[order] < 0, -1.0, 1.0)
    else:
        left, values, transposed = np.linalg.svd(matrix)
        right = transposed.T
    cutoff = np.finfo(np.float64).eps * len(matrix) * values[0]
    return Propagation(left, values, right, int(np.sum(values > cutoff)))


NodeMap = Callable[[np.ndarray], np.ndarray]


def visible_nodes(propagation: Propagation) -> NodeMap:
    """Return the projector `X -> P_S X` on the row space of S.

    Example:
      >>> visible_nodes(decompose(np.ones((2, 2))))(np.array([[1.0], [3.0]])).round(9).tolist()
      [[2.0], [2.0]]
    """
    hidden = propagation.right[:, propagation.rank :]  # usually few
    return lambda x: x - hidden @ (hidden.T @ x)
