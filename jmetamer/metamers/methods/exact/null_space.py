"""`NullSpace`: differences between nodes that cancel in every sum over neighbors."""

import dataclasses
from typing import ClassVar

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.metamers.methods.exact.construction import Construction, ExactMetamer
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.exact.propagation import NodeMap, require_propagation, visible_nodes


@checked
@dataclasses.dataclass(frozen=True)
class NullSpace(Construction[NodeMap]):
    """`X' = X + N` with `S N = 0`, N the part of `X0 - X` in the null space of the propagation S.

    Twins, nodes of equal closed neighborhoods, are the usual null vectors of a GCN: what one of
    them gains and the other loses reaches no node. All features may move, those that the first
    layer sees too; nodes without a twin usually keep theirs.

    Example:
      >>> import jmetamer as jm
      >>> complete = jm.make_graph(np.eye(3), [0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2])
      >>> model = jm.GCN(hidden=4, num_outputs=2)
      >>> import jax; from types import SimpleNamespace
      >>> trained = SimpleNamespace(model=model, params=model.init(jax.random.key(0), complete))
      >>> point = Point(jm.Problem(trained, complete, layer="logits"))
      >>> made = NullSpace().make(point.features[::-1], point, NullSpace().prepare(point))
      >>> bool(np.allclose(made.features, point.features[::-1])), point.loss(made.features) < 1e-24
      (True, True)
    """

    name: ClassVar[str] = "null_space"
    exact: ClassVar[bool] = True
    dense: ClassVar[bool] = True

    def prepare(self, point: Point) -> NodeMap:
        """Return the projector on what S sees."""
        point.require_reference("null_space")
        propagation = require_propagation(point, "null_space")
        if propagation.rank == propagation.size:
            raise InputError(
                f"method 'null_space' needs a singular propagation, but that of this graph has "
                f"rank {propagation.rank} of {propagation.size} nodes: no two nodes cancel "
                "(twins of equal closed neighborhoods would). Use 'reflect', 'replace' or "
                "'gauss_newton'"
            )
        return visible_nodes(propagation)

    def make(self, start: np.ndarray, point: Point, prepared: NodeMap) -> ExactMetamer:
        """Return the reference, with the start's features in the null space."""
        features = start + prepared(point.features - start)
        return ExactMetamer(features, np.array([point.loss(start), point.loss(features)]))
