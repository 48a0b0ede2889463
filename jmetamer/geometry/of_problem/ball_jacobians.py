"""Jacobians of a layer at many nodes by the features around each, in float64."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.geometry.of_problem.reference_point import ReferencePoint
from jmetamer.graphs.ego import BallUnion, ball_unions

# Relative difference between a layer on the balls and on the whole graph that round-off explains.
_AGREEMENT = 1e-8
# Of the Jacobians of one union: small enough to stay in a processor's cache, where the backward
# pass is about 1.5 times faster than from memory.
UNION_BYTES = 1 << 22


class BallJacobians(NamedTuple):
    """Jacobians of the balls of one union.

    Attributes:
      union: which balls these are.
      values: [q, m, r] float64, derivative of a ball's output by the coordinates at each place.
    """

    union: BallUnion
    values: np.ndarray

    def of(self, ball: int) -> np.ndarray:
        """Return the Jacobian of one ball, [q, ball size x r]."""
        first, last = self.union.starts[ball : ball + 2]
        return self.values[:, first:last].reshape(len(self.values), -1)


def ball_jacobians(
    point: ReferencePoint, nodes: np.ndarray, *, memory: int = UNION_BYTES
) -> Iterator[BallJacobians]:
    """Yield Jacobians before the nonlinearity at single nodes, many nodes at a time.

    `J_v = d z_v / d C`, with C the row coordinates of all nodes that v can see. The balls of many
    nodes lie side by side in one graph in which none touches another, so the pullback of
    `sum_v z_v` gives one row of every J_v: q backward passes through a graph of all balls.

    Args:
      point: network, reference, and the layers, side by side in the output.
      nodes: [b] target nodes.
      memory: bytes that the Jacobians of one union may take.

    Raises:
      InputError: a layer depends on more than its ball, or computes in less than float64.
    """
    x, layers = point.x, point.names
    outputs = point.output(layers, slice(None))
    width = x.width
    most = max(2, memory // max(1, 8 * outputs.shape[1] * width))
    hops = max(point.model.num_hops(name) for name in layers)
    for union in ball_unions(point.graph, nodes, hops, most):
        rows = x.base[union.node_ids]
        counted = np.zeros(len(union.centers))
        counted[: union.num_balls] = 1
        centers = (union.centers,) * len(layers)
        local = point.linearize(rows, None, centers, union.graph, counted)
        targets = nodes[union.first : union.first + union.num_balls]
        _require_local(local.value, outputs[targets], layers, hops)
        yield BallJacobians(union, local.jacobian.reshape(len(local.value), len(rows), width))


def _require_local(
    total: np.ndarray, expected: np.ndarray, layers: tuple[str, ...], hops: int
) -> None:
    """Refuse a network that sees something else on the balls than on the whole graph."""
    difference = np.abs(total - expected.sum(axis=0))
    size = np.abs(expected).sum(axis=0)
    # A unit that is zero everywhere is compared by the size of the others.
    floor = np.finfo(np.float64).eps * size.max(initial=0.0) + np.finfo(np.float64).tiny
    worst = float(np.max(difference / (size + floor), initial=0.0))
    if not worst <= _AGREEMENT:
        raise InputError(
            f"{', '.join(layers)} differ by {worst:.2g} (relative, allowed {_AGREEMENT:g}) between "
            f"the whole graph and the {hops}-hop neighborhoods of the nodes, so they depend on "
            f"more than `num_hops` = {hops} says, or on edges otherwise than by the weights that "
            "arrive at a node; use `local_geometry` with inputs='all'."
        )
