"""`Reflect`: the reference mirrored in what the network sees of it."""

import dataclasses
from typing import ClassVar, Literal

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer.metamers.methods.exact.construction import Construction, ExactMetamer
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.exact.propagation import NodeMap, require_propagation, visible_nodes


@checked
@dataclasses.dataclass(frozen=True)
class Reflect(Construction[tuple[np.ndarray, NodeMap | None]]):
    """`X' = X (2 P - I)`: the visible part of every row is kept, the invisible one turns around.

    With `P = Q Q^T` of the entry weights' column space, every layer keeps its activation and every
    node its norm, and `cos(X', X) = 2 rho - 1` with `rho = |X Q|^2 / |X|^2` over all entries. For
    a GCN or GIN whose propagation S is singular, `space="aggregation"` mirrors in the row space of
    S too: `X' = 2 P_S X P - X` is farther away and keeps the total norm only.

    Attributes:
      space: "entry" or "aggregation".

    Raises:
      InputError: unknown space.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> point = Point(jm.Problem(trained, data.graph, layer="logits"))
      >>> made = Reflect().make(point.features, point, Reflect().prepare(point))
      >>> point.loss(made.features) < 1e-24
      True
      >>> bool(np.isclose(np.linalg.norm(made.features), np.linalg.norm(point.features)))
      True
    """

    space: Literal["entry", "aggregation"] = "entry"
    name: ClassVar[str] = "reflect"
    exact: ClassVar[bool] = True
    repeats: ClassVar[bool] = True
    begins_at: ClassVar[str] = "the features turned around"

    def prepare(self, point: Point) -> tuple[np.ndarray, NodeMap | None]:
        """Return (Q, projector on the nodes' combinations that S sees, or None)."""
        basis = point.require_blind_directions("reflect")
        if self.space == "entry":
            return basis, None
        return basis, visible_nodes(require_propagation(point, "reflect"))

    def make(
        self, start: np.ndarray, point: Point, prepared: tuple[np.ndarray, NodeMap | None]
    ) -> ExactMetamer:
        """Return the reflection; it starts from -X, whatever the seed."""
        basis, nodes = prepared
        x = point.features
        kept = x if nodes is None else nodes(x)
        features = 2 * (kept @ basis) @ basis.T - x
        return ExactMetamer(features, np.array([point.loss(-x), point.loss(features)]))
