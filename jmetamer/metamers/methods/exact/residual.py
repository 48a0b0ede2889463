"""`ResidualMap`: what must vanish, as a function of the features that matter to the target."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.precision import float64_on_host
from jmetamer.geometry import linearizer
from jmetamer.graphs import ego_graph, num_nodes
from jmetamer.metamers.losses import Loss, MatchedLayer
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.models.protocol import Model, Params
from jmetamer.models.trained_model import compiled_activations

# Strictly monotone, so that equal activations are equal pre-activations: a residual before the
# nonlinearity is nearer to a linear function of the features.
INJECTIVE = ("elu", "leaky_relu", "softplus", "tanh", "identity")


Evaluation = tuple[jax.Array, jax.Array]


class Kind(NamedTuple):
    """What a compiled residual is specialized to; hashable.

    Attributes:
      model: the network.
      layers: to match.
      before: those of them that are compared before their nonlinearity.
      loss: with the residual, of the others after it.
    """

    model: Model
    layers: tuple[str, ...]
    before: tuple[str, ...]
    loss: Loss


class Data(NamedTuple):
    """Arrays of a residual, on the host in float64.

    Attributes:
      params: of the network.
      graph: the part of the reference that the target depends on, k nodes.
      places: [s] nodes whose features vary.
      turn: [r, m] from row-space coordinates to the entry product, or None for features.
      nodes: [t] target nodes.
      targets: layer -> [t, c] activation, before the nonlinearity where `Kind.before` says so.
      posts: layer -> [t, c] activation.
      scales: layer -> [] |activation|^2, or 1.
    """

    params: Params
    graph: jraph.GraphsTuple
    places: np.ndarray
    turn: np.ndarray | None
    nodes: np.ndarray
    targets: dict[str, np.ndarray]
    posts: dict[str, np.ndarray]
    scales: dict[str, float]


def residual(kind: Kind, moved: jax.Array, base: jax.Array, data: Data) -> Evaluation:
    """Return the residual [q], in units of the target's norm, and the largest L_act.

    Args:
      kind: static half.
      moved: [s, r] change of the coordinates at `data.places`.
      base: [k, m] entry product or [k, d] features where nothing has moved.
      data: arrays.
    """
    activations = _activations(kind, moved, base, data)
    parts, match = [], jnp.zeros((), moved.dtype)
    for layer in kind.layers:
        post, scale = activations[layer][data.nodes], data.scales[layer]
        nonlinearity = kind.model.nonlinearity(layer)
        pre = activations[f"{layer}.pre"][data.nodes] if nonlinearity else None
        target = jnp.asarray(data.targets[layer])
        matched = MatchedLayer(layer, pre, post, target, nonlinearity)
        if layer in kind.before and pre is not None:
            matched = MatchedLayer(layer, None, pre, target)
        parts.append(kind.loss.residual(matched).reshape(-1) / jnp.sqrt(scale))
        match = jnp.maximum(match, jnp.sum(jnp.square(post - data.posts[layer])) / scale)
    return jnp.concatenate(parts), match


_evaluate = compile_function(static=1)(residual)


def _activations(kind: Kind, moved: jax.Array, base: jax.Array, data: Data) -> dict[str, jax.Array]:
    change = moved if data.turn is None else moved @ data.turn
    x = jnp.asarray(base).at[data.places].add(change)
    if data.turn is None:
        return dict(kind.model.activations(data.params, data.graph._replace(nodes=x)))
    return dict(kind.model.activations(data.params, data.graph, entry=x))


_moved_activations = compile_function(static=1)(_activations)


class ResidualMap:
    """The residual of one problem in the coordinates that search methods move in.

    `X = X_base + C Q^T` at the nodes that the target depends on, or `X = X_base + C` where the
    network does not begin with a matrix. The residual is that of the problem's loss; where that
    skips nonlinearities, as `Complementarity`, it is taken before strictly monotone ones.

    Args:
      point: the problem in float64.
      strict: compare before every nonlinearity, a ReLU too.

    Raises:
      InputError: `identity_backward`, with which the derivative is not that of the residual, a
        loss that has none, or a model that computes in less than float64.
    """

    def __init__(self, point: Point, *, strict: bool = False) -> None:
        if point.problem.matching.identity_backward:
            raise InputError(
                "`identity_backward` changes the derivative that Gauss-Newton steps are made of; "
                "leave it out, or use the method 'optimize'"
            )
        self.point = point
        model, layers = point.model, point.problem.layers
        loss = point.problem.matching.loss
        if not loss.has_residual:
            raise InputError(
                f"the loss {loss!r} has no residual, which Gauss-Newton steps, walks and the most "
                "distant metamer drive to zero; take `Complementarity()` or `RelativeSquared()`, "
                "or the method 'optimize'"
            )
        before: tuple[str, ...] = ()
        if point.problem.target is None and loss.skips_nonlinearity:
            nonlinearities = {name: model.nonlinearity(name) for name in layers}
            before = tuple(
                n for n, sigma in nonlinearities.items() if sigma in INJECTIVE or (strict and sigma)
            )
        self.kind = Kind(model, layers, before, loss)
        self.cut, self.ids, self.places = self._surroundings()
        self.rows = self.ids[self.places]
        self.turn = None
        if point.by_row_space and point.basis is not None and point.weights is not None:
            self.turn = point.basis.T @ point.weights
        self.data = self._data()
        width = point.features.shape[1] if self.turn is None else self.turn.shape[0]
        self.shape = len(self.places), width
        self._linearize = _linearizer(self.kind)

    @property
    def num_outputs(self) -> int:
        """Number of equations q."""
        return sum(target.size for target in self.data.targets.values())

    @property
    def num_inputs(self) -> int:
        """Number of coordinates p."""
        return self.shape[0] * self.shape[1]

    def base(self, features: np.ndarray) -> np.ndarray:
        """Return what the residual needs of features [n, d] where nothing has moved."""
        features_near = features[self.ids]
        return features_near if self.turn is None else features_near @ self.point.weights

    def coordinates(self, features: np.ndarray) -> np.ndarray:
        """Return the coordinates [s, r] of features [n, d]: `X Q`, or X itself."""
        x = features[self.rows]
        return x if self.turn is None or self.point.basis is None else x @ self.point.basis

    def lift(self, moved: np.ndarray) -> np.ndarray:
        """Return the change of the features [n, d] that coordinates [s r] stand for."""
        moved = moved.reshape(self.shape)
        change = np.zeros_like(self.point.features)
        basis = self.point.basis
        change[self.rows] = moved if self.turn is None or basis is None else moved @ basis.T
        return change

    def __call__(self, moved: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the residual [q] and L_act."""
        with float64_on_host():
            values, match = _evaluate(self.kind, moved.reshape(self.shape), base, self.data)
            return np.asarray(values), float(match)

    def activations(self, moved: np.ndarray, base: np.ndarray) -> dict[str, np.ndarray]:
        """Return every activation [k, c] of the part of the graph that is computed on."""
        with float64_on_host():
            activations = _moved_activations(self.kind, moved.reshape(self.shape), base, self.data)
            return {name: np.asarray(value) for name, value in activations.items()}

    def jacobian(self, moved: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Return the dense Jacobian [q, p] of the residual."""
        return self._linearize(moved.reshape(self.shape), base, self.data).jacobian

    def _surroundings(self) -> tuple[jraph.GraphsTuple, np.ndarray, np.ndarray]:
        """Return the graph to compute on, the numbers of its nodes, and which of them vary.

        The smallest graph that gives the target its activations has one hop more than messages
        travel, for the degrees of the outermost nodes.
        """
        point, graph = self.point, self.point.graph
        whole = graph, np.arange(num_nodes(graph)), np.arange(num_nodes(graph))
        if point.nodes is None:
            return whole
        hops = max(point.model.num_hops(layer) for layer in point.problem.layers)
        cut, ids = ego_graph(graph, point.nodes, hops + 1)
        with float64_on_host():
            activations = compiled_activations(point.model, point.params, cut)
        targets = np.searchsorted(ids, point.nodes)
        for layer in point.problem.layers:
            truth = point.select(point.reference[layer])
            here = np.asarray(activations[layer])[targets]
            if not np.allclose(here, truth, rtol=1e-9, atol=1e-9 * np.abs(truth).max(initial=0)):
                return whole  # the model looks farther than its number of hops says
        near = ego_graph(graph, point.nodes, hops)[1]
        return cut, ids, np.searchsorted(ids, near)

    def _data(self) -> Data:
        point = self.point
        targets = dict(point.targets)
        for layer in self.kind.before:
            targets[layer] = point.select(point.reference[f"{layer}.pre"])
        nodes = np.arange(num_nodes(point.graph)) if point.nodes is None else point.nodes
        places = np.searchsorted(self.ids, nodes)
        return Data(
            point.params,
            self.cut,
            self.places,
            self.turn,
            places,
            targets,
            point.targets,
            point.scales,
        )


@functools.lru_cache(maxsize=32)
def _linearizer(kind: Kind) -> Any:
    return linearizer(lambda moved, base, data: residual(kind, moved, base, data)[0])
