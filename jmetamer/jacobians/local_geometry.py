"""Local geometry of a problem: what the matched layer sees of each node's surroundings."""

import functools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.errors import InputError, unknown_name
from jmetamer.geometry import (
    LOG_DERIVATIVES,
    Linearization,
    Spectrum,
    VolumeChange,
    after_activation,
    compress_rows,
    linearizer,
    spectrum_of,
    stack_spectra,
    stack_volume_changes,
)
from jmetamer.geometry import volume_change as change_of_volume
from jmetamer.graphs import ego_graph, num_nodes
from jmetamer.metamers.problem import Problem, reference_activations

Inputs = Literal["node", "ball", "all"]
INPUTS = ("node", "ball", "all")


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
    change: VolumeChange | None


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


def volume_change(problem: Problem, nodes: Sequence[int], inputs: Inputs = "ball") -> VolumeChange:
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


def local_geometry(
    problem: Problem, nodes: Sequence[int], inputs: Inputs = "ball"
) -> LocalGeometry:
    """Return spectra before and after the nonlinearity and the change of volume, node by node.

    Where the network begins with a linear map `X W_e`, `W_e = Q R`, the derivative is taken by the
    coordinates `X Q`: the same nonzero singular values with far fewer columns.

    Args:
      problem: network, reference and layer; of several layers, the activations side by side.
      nodes: target nodes.
      inputs: what varies, as in `jacobian_spectrum`.

    Raises:
      InputError: unknown node or inputs.
    """
    if inputs not in INPUTS:
        raise unknown_name("`inputs`", inputs, INPUTS)
    checked = Problem(problem.trained, problem.graph, problem.layer, nodes=nodes)
    targets = np.asarray(checked.nodes, np.int32)
    point = _Point(problem)
    places = [point.inputs_of(int(node), inputs) for node in targets]
    # One size for all, so that balls of many sizes share one program.
    size = max(len(around) for around in places)
    parts = [
        _geometry_at(point, int(node), around, size)
        for node, around in zip(targets, places, strict=True)
    ]
    before = [part.before for part in parts if part.before is not None]
    change = [part.change for part in parts if part.change is not None]
    return LocalGeometry(
        targets,
        stack_spectra(before) if before else None,
        stack_spectra([part.after for part in parts]),
        stack_volume_changes(change) if change else None,
    )


class _Point:
    """The reference as float64 arrays, and the function whose Jacobian is taken there."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.model = problem.trained.model
        self.graph = jax.tree.map(np.asarray, problem.graph)
        self.params = jax.tree.map(np.asarray, problem.trained.params)
        self.features = np.asarray(self.graph.nodes, np.float64)
        weights = self.model.entry_weights(self.params)
        self.width = self.features.shape[1]
        self.turn: np.ndarray | None = None
        self.rows = self.features
        if weights is not None and weights.shape[1] < self.width:
            exact = np.asarray(weights, np.float64)
            self.turn = np.asarray(np.linalg.qr(exact, mode="r"))
            self.rows = self.features @ exact
        self.names = tuple(
            f"{name}.pre" if self.model.nonlinearity(name) else name for name in problem.layers
        )
        self.linearize = _linearizer(cast(Any, self.model), self.names, self.turn is not None)

    def inputs_of(self, node: int, inputs: Inputs) -> np.ndarray:
        """Return the nodes whose features vary, [k] int."""
        if inputs == "node":
            return np.array([node])
        if inputs == "all":
            return np.arange(num_nodes(self.graph))
        hops = max(self.model.num_hops(name) for name in self.problem.layers)
        return np.asarray(ego_graph(self.graph, [node], hops)[1])

    def log_derivative(self, preactivation: np.ndarray) -> np.ndarray:
        """Return log|sigma'| of the layers side by side; 0 where there is no nonlinearity."""
        z, logs, start = preactivation.reshape(-1), [], 0
        for name, width in zip(self.problem.layers, self.widths, strict=True):
            sigma = self.model.nonlinearity(name)
            part = z[start : start + width]
            logs.append(LOG_DERIVATIVES[sigma](part) if sigma else np.zeros(width))
            start += width
        return np.concatenate(logs)

    @functools.cached_property
    def outputs(self) -> list[np.ndarray]:
        """Activations of the matched layers, [n, c] each."""
        found = reference_activations(self.model, self.params, self.graph)
        return [np.asarray(found[name]) for name in self.problem.layers]

    @functools.cached_property
    def widths(self) -> list[int]:
        """Number of units of each matched layer."""
        return [output.shape[-1] for output in self.outputs]


@functools.lru_cache(maxsize=32)
def _linearizer(model: Any, names: tuple[str, ...], by_entry: bool) -> Any:
    """Return the compiled value and Jacobian of layers at one node, by rows of the input."""

    def layers_at(
        moved: jax.Array,
        rows: jax.Array,
        places: jax.Array,
        node: jax.Array,
        graph: jraph.GraphsTuple,
        params: Any,
    ) -> jax.Array:
        # Places beyond the last row are padding, so that balls of many sizes share a program.
        x = rows.at[places].set(moved, mode="drop")
        if by_entry:
            found = model.activations(params, graph, entry=x)
        else:
            found = model.activations(params, graph._replace(nodes=x))
        return jnp.concatenate([found[name][node] for name in names])

    return linearizer(layers_at)


def _geometry_at(point: _Point, node: int, places: np.ndarray, size: int) -> LocalGeometry:
    found = _linearize_padded(point, node, places, size)
    jacobian = found.jacobian.reshape(len(found.value), len(places), -1)
    if point.turn is not None:
        jacobian = jacobian @ point.turn.T
    small = compress_rows(jacobian.reshape(len(found.value), -1))
    num_inputs = len(places) * point.width
    input_norm = float(np.linalg.norm(point.features[places]))
    describe = functools.partial(spectrum_of, num_inputs=num_inputs, input_norm=input_norm)
    before = describe(small, output_norm=float(np.linalg.norm(found.value)))
    if not any(point.model.nonlinearity(name) for name in point.problem.layers):
        return LocalGeometry(np.array([node]), None, before, None)
    logs = point.log_derivative(found.value)
    output = np.concatenate([h[node] for h in point.outputs])
    after = describe(
        after_activation(small, logs),
        output_norm=float(np.linalg.norm(output)),
        structural_bound=int(np.sum(logs > -np.inf)),
    )
    change = change_of_volume(small, before, found.value, point.log_derivative)
    return LocalGeometry(np.array([node]), before, after, change)


def _linearize_padded(point: _Point, node: int, places: np.ndarray, size: int) -> Linearization:
    """Linearize by the rows at `places`, filled up to `size` with places that do not exist."""
    n = len(point.rows)
    filled = np.full(size, n, np.int32)
    filled[: len(places)] = places
    moved = np.zeros((size, point.rows.shape[1]))
    moved[: len(places)] = point.rows[places]
    found = point.linearize(moved, point.rows, filled, node, point.graph, point.params)
    columns = len(places) * point.rows.shape[1]
    return Linearization(found.value, found.jacobian[:, :columns])
