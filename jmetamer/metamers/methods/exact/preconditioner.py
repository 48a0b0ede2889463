"""Nearly the inverse of `J J^T` for all nodes: blocks over the eigenvectors of an operator S."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer.geometry import LOG_DERIVATIVES
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.exact.propagation import LARGEST, decompose, propagation_matrix
from jmetamer.metamers.methods.exact.residual import ResidualMap
from jmetamer.models.protocol import FEATURES, LayerStructure
from jmetamer.models.structure import operator_matrix


class Blocks(NamedTuple):
    """A symmetric matrix that eigenvectors of S split into n blocks of c x c.

    Attributes:
      vectors: [n, n] eigenvectors of S, in columns.
      inverse: [n, c, c] of the blocks.
      rows: [n, c] one where the equation is at work, zero where its derivative vanishes.
    """

    vectors: Any
    inverse: Any
    rows: Any


def apply_blocks(blocks: Blocks, rhs: jax.Array) -> jax.Array:
    """Return the matrix times `rhs` [n c].

    Example:
      >>> blocks = Blocks(jnp.eye(2), jnp.full((2, 1, 1), 3.0), jnp.ones((2, 1)))
      >>> apply_blocks(blocks, jnp.array([1.0, 2.0])).tolist()
      [3.0, 6.0]
    """
    r = blocks.rows * rhs.reshape(blocks.rows.shape)
    turned = jnp.einsum("lij,lj->li", blocks.inverse, blocks.vectors.T @ r)
    return (blocks.rows * (blocks.vectors @ turned)).reshape(-1)


@dataclasses.dataclass(frozen=True)
class UndampedBlocks:
    """Blocks before damping and inversion.

    Attributes:
      vectors: [n, n] eigenvectors.
      matrices: [n, c, c].
      rows: [n, c] equations at work.
    """

    vectors: np.ndarray
    matrices: np.ndarray
    rows: np.ndarray

    def damped(self, damping: float) -> Blocks:
        """Return the inverse of the blocks with `damping` added to their diagonals.

        Example:
          >>> blocks = UndampedBlocks(np.eye(1), np.ones((1, 1, 1)), np.ones((1, 1)))
          >>> float(blocks.damped(1.0).inverse[0, 0, 0])
          0.5
        """
        size = self.matrices.shape[-1]
        inverse = np.linalg.inv(self.matrices + damping * np.eye(size))
        return Blocks(self.vectors, inverse, self.rows)


class Path(NamedTuple):
    """Layers `S X W_1` and perhaps `S sigma(.) W_2` that lead to a target.

    Attributes:
      first: [d, h] W_1.
      second: [h, c] W_2, or None where the target is the first layer.
      inner: name of the layer between, and its `nonlinearity`.
    """

    first: np.ndarray
    second: np.ndarray | None = None
    inner: str | None = None
    nonlinearity: str | None = None


class Preconditioner:
    """Blocks of mean and covariance for one or two layers.

    With `J = (S (x) W_2^T) D (S (x) R^T)`, D the derivatives of the inner nonlinearity, `G = R^T R`
    and D's columns split into their mean over nodes `m` and covariance C,
    `J J^T ~ sum_l u_l u_l^T (x) l^2 W_2^T (l^2 m m^T o G + mean_i (S^2)_ii C o G) W_2` over the
    eigenpairs (l, u) of S. At a first layer `J = D (S (x) R^T)`, the same with W_2 = I
    and without the outer `l^2`; exact where D = I.

    Args:
      residual_map: all-node target.
      path: the layers from the features to the target.
      values: [n] eigenvalues of S.
      vectors: [n, n] eigenvectors, in columns.
    """

    def __init__(
        self, residual_map: ResidualMap, path: Path, values: np.ndarray, vectors: np.ndarray
    ) -> None:
        self._map, self._path = residual_map, path
        self._values, self._vectors = values, vectors
        self._layer = residual_map.kind.layers[0]
        self._gram = path.first.T @ path.first
        self._scale = residual_map.data.scales[self._layer]

    def at(self, x: np.ndarray, base: np.ndarray) -> UndampedBlocks:
        """Return the blocks at coordinates x."""
        activations = self._map.activations(x, base)
        squared = self._values**2
        spread = float(np.mean(squared))  # trace(S^2) / n
        slope = self._slope(activations)
        path = self._path
        if path.second is None:
            mean, covariance = self._split(slope)
            matrices = squared[:, None, None] * mean + spread * covariance
        else:
            sigma = LOG_DERIVATIVES[str(path.nonlinearity)]
            mean, covariance = self._split(np.exp(sigma(activations[f"{path.inner}.pre"])))
            w2 = path.second
            mean, covariance = w2.T @ mean @ w2, w2.T @ covariance @ w2
            inner = squared[:, None, None] * mean + spread * covariance
            matrices = squared[:, None, None] * inner
        return UndampedBlocks(self._vectors, matrices / self._scale, (slope > 0).astype(np.float64))

    def _split(self, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of the slopes [n, h], each times the Gram matrix."""
        mean = slope.mean(axis=0)
        deviation = slope - mean
        return np.outer(mean, mean) * self._gram, deviation.T @ deviation / len(slope) * self._gram

    def _slope(self, activations: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the derivative [n, c] of the residual by what enters the layer's nonlinearity."""
        kind, layer = self._map.kind, self._layer
        name = kind.model.nonlinearity(layer)
        if name is None or layer in kind.before:
            return np.ones_like(activations[layer])
        slope = np.exp(LOG_DERIVATIVES[name](activations[f"{layer}.pre"]))
        if name == "relu" and kind.loss.skips_nonlinearity:
            slope = np.where(self._map.data.targets[layer] > 0, 1.0, slope)
        return slope


def choose_preconditioner(residual_map: ResidualMap) -> Preconditioner | None:
    """Return a preconditioner where one is known: all nodes, one or two layers `S h W + b`.

    Args:
      residual_map: of the problem.
    """
    point, kind = residual_map.point, residual_map.kind
    applies = point.nodes is None and len(kind.layers) == 1 and residual_map.turn is not None
    if not applies or len(point.features) > LARGEST:
        return None
    path = _path(point, kind.layers[0])
    matrix = propagation_matrix(point) if path else None
    if path is None or matrix is None or not np.allclose(matrix, matrix.T, rtol=1e-13, atol=0):
        return None
    decomposition = decompose(matrix)
    return Preconditioner(residual_map, path, decomposition.values, decomposition.right)


def _path(point: Point, layer: str) -> Path | None:
    """Return the layers that lead to a target, or None where they are others."""
    last = _linear_part(point, layer)
    if last is None or last.weights is None or last.sources is None or last.operator is None:
        return None
    weights, (source,) = np.asarray(last.weights(point.params)), last.sources
    if source == FEATURES:
        return Path(weights)
    first, sigma = _linear_part(point, source), point.model.nonlinearity(source)
    if first is None or first.weights is None or first.sources != (FEATURES,):
        return None
    if first.operator is None or sigma not in LOG_DERIVATIVES:
        return None
    both = (functools.partial(of, point.params) for of in (first.operator, last.operator))
    one, other = (operator_matrix(operator, point.graph) for operator in both)
    if not np.array_equal(one, other):
        return None
    return Path(np.asarray(first.weights(point.params)), weights, source, sigma)


def _linear_part(point: Point, layer: str) -> LayerStructure | None:
    """Return the structure of a layer before its nonlinearity."""
    name = f"{layer}.pre" if point.model.nonlinearity(layer) else layer
    return point.model.layer_structure(name)
