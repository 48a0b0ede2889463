"""`Float64View`: a problem in float64 on the host, as Jacobians and exact methods see it."""

import functools

import jax
import numpy as np
from jax.typing import ArrayLike

from jmetamer._base.precision import float64_on_host
from jmetamer.geometry.row_space import RowSpace, row_space
from jmetamer.metamers.problem import Problem
from jmetamer.models.protocol import FirstLayer


class Float64View:
    """Network and reference of a problem, and what the first layer sees of features.

    Args:
      problem: any.

    Attributes:
      problem, model: as given.
      params, graph: host arrays, the floating ones in float64.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> Float64View(jm.Problem(trained, data.graph, layer="conv1")).visible.basis.shape
      (34, 4)
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.model = problem, problem.trained.model
        whole = problem.trained.params, problem.graph
        self.params, self.graph = jax.tree.map(_raised, whole)

    @property
    def features(self) -> np.ndarray:
        """Features [n, d] of the reference."""
        return np.asarray(self.graph.nodes)

    @functools.cached_property
    def first(self) -> FirstLayer | None:
        """How the features enter, float64."""
        with float64_on_host():
            return self.model.first_layer(self.params)

    @functools.cached_property
    def weights(self) -> np.ndarray | None:
        """All matrices [d, m] applied directly to the features, or None."""
        return None if self.first is None else np.asarray(self.first.weights, np.float64)

    @functools.cached_property
    def visible(self) -> RowSpace | None:
        """What the first matrices see of features, or None."""
        return None if self.weights is None else row_space(self.weights)


def _raised(leaf: ArrayLike) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(np.float64) if array.dtype.kind == "f" else array
