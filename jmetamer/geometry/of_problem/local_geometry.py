"""Local geometry of a problem: what the matched layer sees of each node, in float64."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.geometry import Spectrum, compress_rows, spectrum_of, stack_spectra, volume
from jmetamer.geometry.batched_spectra import spectra_after
from jmetamer.geometry.of_problem.reference_point import ReferencePoint, target_nodes
from jmetamer.graphs import num_nodes
from jmetamer.graphs.ego import BallUnion, ball_unions
from jmetamer.metamers.problem import Problem

Inputs = Literal["node", "ball", "all"]
# Relative difference between a layer on the balls and on the whole graph that round-off explains.
_AGREEMENT = 1e-8
# Of the Jacobians of one union: small enough to stay in a processor's cache, where the backward
# pass is about 1.5 times faster than from memory.
UNION_BYTES = 1 << 22


class LocalGeometry(NamedTuple):
    """Jacobians of a layer at single target nodes, as spectra and volumes.

    Attributes:
      nodes: [b] int32 target nodes.
      before: spectra before the nonlinearity, or None where no nonlinearity makes the layer.
      after: spectra of the layer itself.
      change: change of log-volume by the nonlinearity, or None.
    """

    nodes: np.ndarray
    before: Spectrum | None
    after: Spectrum
    change: volume.VolumeChange | None


@checked
def jacobian_spectrum(
    problem: Problem, nodes: Sequence[int], inputs: Inputs = "ball", *, before: bool = False
) -> Spectrum:
    """Return the spectrum of the Jacobian of each node's activation by the features around it.

    For a target node v, F maps the features that vary to the activation `h_v` of the problem's
    layer, and `J = dF / dX` in float64. The kernel of J holds the directions in which features
    move without moving the activation: its dimension is the first-order local metamer dimension
    `p - rank J` (arXiv 2510.17378 names it for single nodes).

    Args:
      problem: network, reference and layer.
      nodes: target nodes, one Jacobian each.
      inputs: what varies: "node" the target's own features, "ball" those of all nodes the layer
        can see from it, "all" those of the whole graph.
      before: take the pre-activation in place of the activation.

    Returns:
      `Spectrum` with one entry a node.

    Raises:
      InputError: unknown node or inputs; `before` at a layer without nonlinearity.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> jm.jacobian_spectrum(problem, nodes=[0, 1], before=True).rank
      array([4, 4], dtype=int32)
    """
    geometry = local_geometry(problem, nodes, inputs)
    if not before:
        return geometry.after
    if geometry.before is None:
        raise InputError(
            f"`before` asks for the pre-activation of {', '.join(problem.layers)}, which no "
            "nonlinearity makes; leave it out"
        )
    return geometry.before


@checked
def volume_change(
    problem: Problem, nodes: Sequence[int], inputs: Inputs = "ball"
) -> volume.VolumeChange:
    """Return what the layer's nonlinearity does to the log-volume at each node.

    `delta = logvol(J_h) - logvol(J_z)` with `logvol(J) = 1/2 log pdet(J J^T)`, defined where both
    ranks agree; a ReLU loses rank instead, which is reported apart.

    Args:
      problem: network, reference and layer.
      nodes: target nodes.
      inputs: what varies, as in `jacobian_spectrum`.

    Returns:
      `VolumeChange` with one entry a node.

    Raises:
      InputError: unknown node or inputs; a layer without nonlinearity.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> model = jm.GCN(hidden=4, activation="elu")
      >>> trained = jm.train(model, data, settings=jm.TrainSettings(epochs=0))
      >>> change = jm.volume_change(jm.Problem(trained, data.graph, layer="conv1"), nodes=[0])
      >>> change.rank_loss
      array([0], dtype=int32)
    """
    change = local_geometry(problem, nodes, inputs).change
    if change is None:
        raise InputError(f"no nonlinearity makes {', '.join(problem.layers)}: no volume changes")
    return change


@checked
def local_geometry(
    problem: Problem, nodes: Sequence[int], inputs: Inputs = "ball"
) -> LocalGeometry:
    """Return spectra before and after the nonlinearity and the change of volume, node by node.

    Where the network begins with a linear map `X W_e`, `W_e = Q R`, the derivative is taken by the
    coordinates `X Q`: the same nonzero singular values with far fewer columns. With "ball" the
    network runs on the neighborhoods of many nodes side by side, else on the whole graph for each.

    Args:
      problem: network, reference and layer; of several layers, the activations side by side.
      nodes: target nodes.
      inputs: what varies, as in `jacobian_spectrum`.

    Raises:
      InputError: unknown node or inputs; with "ball" a network that sees more than its `num_hops`.
    """
    targets = target_nodes(problem, nodes)
    point = ReferencePoint(problem)
    jacobians = _near(point, targets) if inputs == "ball" else _far(point, targets, inputs)
    attenuation = point.attenuation()
    if inputs == "node":  # the layer sees other nodes all the same
        attenuation = np.repeat(attenuation.max(axis=1, keepdims=True), len(point.x.base), axis=1)
    return _joined(targets, [_geometry_at(point, attenuation, *one) for one in jacobians])


def node_geometry(problem: Problem, nodes: Sequence[int]) -> LocalGeometry:
    """Return the geometry by each node's own features, out of the Jacobians by its ball.

    The numbers of `local_geometry` with "node", without a pass through the graph for each node.

    Raises:
      InputError: as `local_geometry` with "ball".
    """
    targets = target_nodes(problem, nodes)
    point = ReferencePoint(problem)
    attenuation, parts = point.attenuation(), []
    for node, ids, jacobian in _near(point, targets):
        own = jacobian.reshape(len(jacobian), len(ids), -1)[:, ids == node]
        near = np.broadcast_to(attenuation[:, ids].max(axis=1, keepdims=True), attenuation.shape)
        flat = own.reshape(len(own), -1)
        parts.append(_geometry_at(point, near, node, np.array([node]), flat))
    return _joined(targets, parts)


def _joined(targets: np.ndarray, parts: Sequence[LocalGeometry]) -> LocalGeometry:
    before = [part.before for part in parts if part.before is not None]
    change = [part.change for part in parts if part.change is not None]
    return LocalGeometry(
        targets,
        stack_spectra(before) if before else None,
        stack_spectra([part.after for part in parts]),
        volume.stack_volume_changes(change) if change else None,
    )


def _near(
    point: ReferencePoint, targets: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield each node, the nodes of its ball, and the Jacobian by their coordinates."""
    for part in ball_jacobians(point, targets):
        union = part.union
        for ball in range(union.num_balls):
            ids = union.node_ids[union.starts[ball] : union.starts[ball + 1]]
            yield int(targets[union.first + ball]), ids, part.of(ball)


def _far(
    point: ReferencePoint, targets: np.ndarray, inputs: Inputs
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the same of the whole graph's network, whatever the layer can see."""
    for node in targets:
        own = inputs == "node"
        ids = np.array([node]) if own else np.arange(num_nodes(point.graph))
        places = (np.array([node]),) * len(point.names)
        linear = point.linearize(point.x.base, ids if own else None, places, point.graph)
        yield int(node), ids, linear.jacobian


def _geometry_at(
    point: ReferencePoint,
    attenuation: np.ndarray,
    node: int,
    varied: np.ndarray,
    jacobian: np.ndarray,
) -> LocalGeometry:
    """Return the geometry of one node from its Jacobian before the nonlinearity."""
    small = compress_rows(jacobian)
    z = point.output(point.names, [node])
    saturation = float(attenuation[:, varied].max(axis=1, initial=0.0).sum())
    before = spectrum_of(
        small,
        num_inputs=len(varied) * point.num_features,
        input_norm=float(np.sqrt(point.x.energy[varied].sum())),
        output_norm=float(np.linalg.norm(z)),
        saturation=saturation,
    )
    if point.names == point.layers:
        return LocalGeometry(np.array([node]), None, before, None)
    logs = point.log_derivatives([node])
    after = spectra_after([small], before, logs, saturation=saturation)
    change = volume.volume_change(small, before, z[0], lambda _: logs[0])
    return LocalGeometry(np.array([node]), before, after, change)


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
