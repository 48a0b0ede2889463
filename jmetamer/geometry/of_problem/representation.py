"""What varies and what is looked at: the function behind a problem's Jacobian, and its point."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import AnArray, checked
from jmetamer._base.errors import InputError, unknown_name
from jmetamer.geometry.of_problem.edge_chart import EdgeChart, edge_chart
from jmetamer.geometry.of_problem.reference_point import row_coordinates
from jmetamer.geometry.operator import JacobianOperator, JacobianPrograms
from jmetamer.graphs import ego_graph, num_nodes
from jmetamer.metamers.float64_view import Float64View
from jmetamer.metamers.problem import Problem
from jmetamer.models.protocol import Model, Params
from jmetamer.models.structure import neighborhoods

Inputs = Literal["node", "ball", "all", "edges", "positions"]
# Readouts over the first axis, the nodes.
POOLS: MappingProxyType[str, Callable[[jax.Array], jax.Array]] = MappingProxyType(
    {
        "sum": lambda rows: jnp.sum(rows, axis=0),
        "mean": lambda rows: jnp.mean(rows, axis=0),
        "max": lambda rows: jnp.max(rows, axis=0),
    }
)
TARGETS = ("targets", "all", *POOLS)
Of = str | int | Sequence[int]
_Data = tuple[jax.Array, ...]


@checked
@dataclasses.dataclass(frozen=True, eq=False)
class Representation:
    """A function of what varies, and the point at which a Jacobian of it is taken.

    Attributes:
      programs: compiled products with Jacobians of the function.
      point: what varies at the reference: [k, r] or [k, d] features of k nodes, [c] edge weights,
        or [n, 3] positions; float64.
      args: further arguments of the function.
      coordinates: "features", "row_space", "edge_weights" or "positions".
      num_inputs: true number of inputs: k d features, c weights or 3 n positions.
      input_norm: Euclidean norm of them; of positions about their mean.
      names: layers that are looked at, side by side.
      nodes: [t] int32 nodes that are looked at, or None for all.
      pool: readout over these nodes, "sum", "mean" or "max", or None.
      places: [k] int32 nodes whose features or positions vary, or [c, 2] pairs.
      basis: [d, r] orthonormal Q of the row-space coordinates C of `X = X_0 + C Q^T`, else None.
    """

    programs: JacobianPrograms
    point: np.ndarray
    args: tuple[object, ...]
    coordinates: str
    num_inputs: int
    input_norm: float
    names: tuple[str, ...]
    nodes: np.ndarray | None
    pool: str | None
    places: np.ndarray
    basis: np.ndarray | None = None

    def operator(self, *, check: bool = True) -> JacobianOperator:
        """Return the Jacobian at the point.

        Args:
          check: warn where the network cuts its gradient.
        """
        return self.programs.at(
            self.point,
            *self.args,
            check=check,
            num_inputs=self.num_inputs,
            input_norm=self.input_norm,
            coordinates=self.coordinates,
        )

    def lift(self, move: AnArray) -> np.ndarray:
        """Return what a move of the coordinates means for the inputs: `C Q^T` in the row space.

        Args:
          move: as many numbers as the point has, any shape.

        Returns:
          [k, d], [c] or [n, 3]; its norm is that of `move`.
        """
        if np.size(move) != self.point.size:
            raise InputError(f"`move` has {np.size(move)} numbers; allowed: {self.point.size}")
        shaped = np.asarray(move, np.float64).reshape(self.point.shape)
        return shaped if self.basis is None else shaped @ self.basis.T


class _Plan(NamedTuple):
    """All that a compiled program depends on beside shapes."""

    model: Model
    names: tuple[str, ...]
    coordinates: str
    pool: str | None


class _Chart(NamedTuple):
    """A point, the data that turn a moved point into a graph, and what the point stands for."""

    coordinates: str
    point: np.ndarray
    graph: jraph.GraphsTuple
    data: tuple[np.ndarray, ...]
    places: np.ndarray
    num_inputs: int
    input_norm: float
    basis: np.ndarray | None = None


@checked
def representation(
    problem: Problem,
    of: Of = "targets",
    inputs: Inputs = "ball",
    *,
    before: bool = False,
    pairs: Sequence[tuple[int, int]] | np.ndarray | None = None,
) -> Representation:
    """Return the function from what varies to the problem's layer, and the reference's point.

    Features are replaced by their coordinates in the row space of the network's first linear map
    wherever it has one: with `W_e = Q R`, `X = X_0 + C Q^T` moves everything that the network can
    see, and the derivative by C has the nonzero singular values of the derivative by X.

    Args:
      problem: network, reference and layer; of several layers, the activations side by side.
      of: what is looked at: "targets" the problem's target nodes (all by default), "all" every
        node, a node number, a list of them, or a readout "sum", "mean", "max" over the targets.
      inputs: what varies: features of the nodes looked at ("node"), of all nodes the layer can see
        from there ("ball") or of the whole graph ("all"); weights of undirected pairs ("edges");
        `graph.nodes["positions"]` ("positions").
      before: take the pre-activation in place of the activation.
      pairs: candidates of "edges", [c, 2]; all edges of the graph if None. One that is absent has
        weight 0.

    Raises:
      InputError: unknown node, inputs or readout; `before` at a layer that no nonlinearity makes;
        inputs that the graph or the network does not have.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> result = representation(jm.Problem(trained, data.graph, layer="conv1"), of=0)
      >>> result.coordinates, result.point.shape, result.num_inputs
      ('row_space', (17, 4), 578)
    """
    nodes, pool = _targets(problem, of)
    names = _names(problem, before)
    if pairs is not None and inputs != "edges":
        raise InputError(f"`pairs` are candidates of `inputs`='edges', but it is {inputs!r}.")
    if inputs == "edges":
        chart = _edges(problem, pairs)
    elif inputs == "positions":
        chart = _positions(problem)
    else:
        chart = _features(problem, _places(problem, nodes, inputs))
    return Representation(
        _programs(_Plan(problem.trained.model, names, chart.coordinates, pool)),
        chart.point,
        (chart.data, nodes, chart.graph, jax.tree.map(np.asarray, problem.trained.params)),
        chart.coordinates,
        chart.num_inputs,
        chart.input_norm,
        names,
        nodes,
        pool,
        chart.places,
        chart.basis,
    )


def looked_at(problem: Problem, target: Representation, names: tuple[str, ...]) -> Representation:
    """Return the representation with other layers looked at, from the same inputs."""
    plan = _Plan(problem.trained.model, names, target.coordinates, target.pool)
    return dataclasses.replace(target, programs=_programs(plan), names=names)


@checked
def jacobian_operator(
    problem: Problem,
    of: Of = "targets",
    inputs: Inputs = "ball",
    *,
    before: bool = False,
    pairs: Sequence[tuple[int, int]] | np.ndarray | None = None,
    check: bool = True,
) -> JacobianOperator:
    """Return the Jacobian of a representation, as products with vectors.

    Arguments are those of `representation`, which also says how to carry a move of the
    coordinates back to the inputs.

    Args:
      problem: network, reference and layer.
      of: what is looked at: "targets", "all", a node, a list of nodes, or a readout.
      inputs: what varies: "node", "ball", "all", "edges" or "positions".
      before: take the pre-activation in place of the activation.
      pairs: candidates of "edges".
      check: warn where the network cuts its gradient.

    Returns:
      A `JacobianOperator`; `num_inputs` and `input_norm` are those of the true inputs, and
      `coordinates` names the ones it works in.

    Raises:
      InputError: see `representation`; a network that computes in float32.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> operator = jacobian_operator(jm.Problem(trained, data.graph, layer="conv1"), of="mean")
      >>> operator.shape, operator.coordinates
      ((4, 136), 'row_space')
    """
    target = representation(problem, of, inputs, before=before, pairs=pairs)
    return target.operator(check=check)


@functools.lru_cache(maxsize=64)
def _programs(plan: _Plan) -> JacobianPrograms:
    """Return the compiled Jacobian products that all problems of a plan share."""

    def represent(
        moved: jax.Array,
        data: _Data,
        nodes: jax.Array | None,
        graph: jraph.GraphsTuple,
        params: Params,
    ) -> jax.Array:
        activations = _activations(plan, moved, data, graph, params)
        parts = [activations[name] for name in plan.names]
        rows = parts if nodes is None else [part[nodes] for part in parts]
        joined = jnp.concatenate(rows, axis=-1)
        if plan.pool is None:
            return joined
        return POOLS[plan.pool](joined)

    return JacobianPrograms(represent)


def _activations(
    plan: _Plan, moved: jax.Array, data: _Data, graph: jraph.GraphsTuple, params: Params
) -> Mapping[str, jax.Array]:
    """Run the network on the graph that a point of the chart stands for."""
    model = plan.model
    if plan.coordinates == "row_space":
        places, turn, rows = data
        return model.activations(params, graph, entry=rows.at[places].set(moved @ turn))
    if plan.coordinates == "features":
        (places,) = data
        rows = jnp.asarray(graph.nodes).at[places].set(moved)
        return model.activations(params, graph._replace(nodes=rows))
    if plan.coordinates == "positions":
        return model.activations(params, graph._replace(nodes={**graph.nodes, "positions": moved}))
    entries, owner = data
    weight = jnp.asarray(graph.edges.weight).at[entries].set(moved[owner])
    return model.activations(params, graph._replace(edges=graph.edges._replace(weight=weight)))


def _targets(problem: Problem, of: Of) -> tuple[np.ndarray | None, str | None]:
    """Return the nodes that are looked at, None for all, and how they are pooled."""
    if isinstance(of, str):
        if of not in TARGETS:
            raise unknown_name("`of`", of, TARGETS)
        chosen = None if of == "all" else problem.nodes
        pool = of if of in POOLS else None
        return (None if chosen is None else np.asarray(chosen, np.int32)), pool
    nodes = [of] if isinstance(of, int | np.integer) and not isinstance(of, bool) else of
    checked = Problem(problem.trained, problem.graph, problem.layer, nodes=nodes)  # type: ignore[arg-type]
    return np.asarray(checked.nodes, np.int32), None


def _names(problem: Problem, before: bool) -> tuple[str, ...]:
    if not before:
        return problem.layers
    model = problem.trained.model
    plain = [name for name in problem.layers if model.nonlinearity(name) is None]
    if plain:
        raise InputError(
            f"`before` asks for the pre-activation of {', '.join(plain)}, which no nonlinearity "
            "makes; leave it out"
        )
    return tuple(f"{name}.pre" for name in problem.layers)


def _places(problem: Problem, nodes: np.ndarray | None, inputs: str) -> np.ndarray:
    """Return the nodes whose features vary, [k] int32."""
    if nodes is None or inputs == "all":
        return np.arange(num_nodes(problem.graph), dtype=np.int32)
    if inputs == "node":
        return nodes
    model = problem.trained.model
    hops = max(model.num_hops(name) for name in problem.layers)
    return np.asarray(ego_graph(_host(problem.graph), nodes, hops)[1], np.int32)


def _features(problem: Problem, places: np.ndarray) -> _Chart:
    graph = _host(problem.graph)
    if isinstance(graph.nodes, Mapping):
        raise InputError(
            f"`graph.nodes` is a mapping of {', '.join(graph.nodes)}, so it has no features [n, d] "
            "to vary; use `inputs`='positions' or 'edges'."
        )
    x = row_coordinates(Float64View(problem))
    size = len(places) * graph.nodes.shape[1]
    point, norm = x.coordinates[places], float(np.sqrt(x.energy[places].sum()))
    if x.turn is None:
        return _Chart("features", point, graph, (places,), places, size, norm)
    # The features themselves are not read: without them nothing large travels with each call.
    bare = graph._replace(nodes=np.zeros((len(x.base), 0)))
    return _Chart("row_space", point, bare, (places, x.turn, x.base), places, size, norm, x.basis)


def _edges(problem: Problem, pairs: Sequence[tuple[int, int]] | np.ndarray | None) -> _Chart:
    model = problem.trained.model
    ways = neighborhoods(model)
    if "max" in ways:
        raise InputError(
            f"`inputs`='edges' is not defined for {model!r}: the maximum over neighbors jumps when "
            "an edge appears, so weight 0 is not its absence. Use a model that sums, averages or "
            "attends."
        )
    chart = edge_chart(_host(problem.graph), pairs)
    if "mean" in ways:
        _require_neighbors(chart)
    size, norm = len(chart.weights), float(np.linalg.norm(chart.weights))
    data = (chart.entries, chart.owner)
    return _Chart("edge_weights", chart.weights, chart.graph, data, chart.pairs, size, norm)


def _require_neighbors(chart: EdgeChart) -> None:
    """Refuse candidates that would be the first edge of a node."""
    graph = chart.graph
    arriving = np.bincount(graph.receivers, graph.edges.weight, num_nodes(graph))
    alone = np.argwhere(arriving[chart.pairs] == 0)
    if len(alone):
        pair, end = alone[0]
        raise InputError(
            f"`pairs[{pair}]` would be the first edge of node {chart.pairs[pair, end]}: a mean "
            "over neighbors jumps there from nothing to the neighbor's value, however small the "
            "weight, so it has no derivative. Leave such pairs out."
        )


def _positions(problem: Problem) -> _Chart:
    graph = _host(problem.graph)
    if not isinstance(graph.nodes, Mapping) or "positions" not in graph.nodes:
        raise InputError(
            "`inputs`='positions' needs a graph whose `nodes` is a mapping with 'positions' "
            f"[n, 3]; got {type(graph.nodes).__name__}."
        )
    positions = np.asarray(graph.nodes["positions"], np.float64)
    places = np.arange(len(positions), dtype=np.int32)
    # About the mean: where the origin lies must not decide what counts as round-off.
    norm = float(np.linalg.norm(positions - positions.mean(axis=0))) if len(positions) else 0.0
    return _Chart("positions", positions, graph, (), places, positions.size, norm)


def _host(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
    return jax.tree.map(np.asarray, graph)
