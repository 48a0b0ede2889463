"""`Replace`: what the network cannot see comes from elsewhere."""

import dataclasses
from typing import ClassVar

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer.metamers.methods.exact.construction import Construction, ExactMetamer
from jmetamer.metamers.methods.exact.point import Point


@checked
@dataclasses.dataclass(frozen=True)
class Replace(Construction[np.ndarray]):
    """`X' = X P + X0 (I - P)`: the visible part of X, the rest of the seed's start X0.

    X0 is the start that the parameterization draws for the seed: noise, or with `PermutedRows()`
    other nodes' features. With `P = Q Q^T` of the entry weights' column space every layer keeps
    its activation.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> point = Point(jm.Problem(trained, data.graph, layer="logits"))
      >>> made = Replace().make(point.features[::-1], point, Replace().prepare(point))
      >>> point.loss(made.features) < 1e-24
      True
    """

    name: ClassVar[str] = "replace"
    exact: ClassVar[bool] = True

    def prepare(self, point: Point) -> np.ndarray:
        """Return Q."""
        return point.require_blind_directions("replace")

    def make(self, start: np.ndarray, point: Point, prepared: np.ndarray) -> ExactMetamer:
        """Return the start with its visible part exchanged for the reference's."""
        features = start + ((point.features - start) @ prepared) @ prepared.T
        return ExactMetamer(features, np.array([point.loss(start), point.loss(features)]))
