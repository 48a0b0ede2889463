"""Controls: graphs that are no metamers, and that judges read beside them."""

import functools
from collections.abc import Collection, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.keys import Stream, host_generator, stream_key
from jmetamer._base.precision import highest_precision
from jmetamer.evaluation.nearest import nearest_rows
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.pairs import flipped, flips_between, random_flips_like
from jmetamer.measures import edge_set, random_displacement, random_flips
from jmetamer.measures.random_edges import random_edges
from jmetamer.metamers.methods import Method, Replace, default_method
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.method import noise
from jmetamer.metamers.problem import Problem, reference_activations
from jmetamer.metamers.vary import EdgeWeights
from jmetamer.metamers.vary.movable import movable_edges

CONTROLS: Mapping[str, str] = {
    "identity": "the reference itself",
    "start": "the random graph at which the search began",
    "displacement": "the reference, every node or weight moved as far as in the metamer, anywhere",
    "flips": "the reference, in each node as many random entries flipped as in the metamer",
    "edge_flips": "the reference, as many random edges gone and pairs joined as in the metamer",
    "neighbor": "every node with the features of the other node whose representation is nearest",
    "null_space": "the noise of the start wherever the network's first matrix cannot see it",
    "random_edges": "the reference's edges between pairs of nodes drawn at random",
}
_MOST_COMPARED = 20_000  # nodes whose nearest neighbors are looked for: work for each pair


class ControlGraphs:
    """Makes the controls of one problem's metamers.

    A judge may misread a metamer because it is far from the reference, or read it because it reads
    anything; what it makes of these graphs tells.

    Args:
      problem: what the metamers match.
      seed: base seed of the metamers.
      method: how they were made; one that does not begin at noise has no start. None takes the
        default of the problem.
      only: names of `CONTROLS` to which these are limited.

    Attributes:
      no_start: why searches have no random start; empty where they have one.
      names: those of `CONTROLS` that apply to what varies, in its order.
      always: of these, the graphs that are the same for every metamer.

    Example:
      >>> import jmetamer as jm
      >>> data, untrained = jm.load_dataset("karate"), jm.TrainSettings(epochs=0)
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=untrained)
      >>> controls = ControlGraphs(jm.Problem(trained, data.graph, layer="conv1"), seed=0)
      >>> controls.names
      ('identity', 'start', 'displacement', 'neighbor', 'null_space')
      >>> controls.of(0, controls.reference)["displacement"].nodes.shape
      (34, 34)
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        method: Method | None = None,
        only: Collection[str] = CONTROLS.keys(),
    ) -> None:
        self.problem, self.seed = problem, seed
        method = default_method(problem) if method is None else method
        self.no_start = method.begins(problem)
        self._start = None if self.no_start else method.starts(problem, seed)
        self.reference = problem.arrays.graph
        features = problem.features
        self.always = {"identity": self.reference}
        self._replace = None
        if features is not None:
            if "neighbor" in only and 1 < len(self.reference.nodes) <= _MOST_COMPARED:
                self.always["neighbor"] = self._neighbors()
            self._replace = _replacement(problem) if "null_space" in only else None
        applicable = {*self.always}
        if self._start is not None:
            applicable.add("start")
        self._edges = problem.edge_kind
        if features is not None:
            applicable.add("flips" if features.kind == "binary" else "displacement")
        elif self._edges is not None:
            applicable.add("edge_flips" if self._edges == "simple_edges" else "displacement")
        if self._replace is not None:
            applicable.add("null_space")
        if self._edges == "simple_edges":
            applicable.add("random_edges")
        self.names = tuple(name for name in CONTROLS if name in applicable and name in only)

    def of(self, seed_id: int, metamer: jraph.GraphsTuple) -> dict[str, jraph.GraphsTuple]:
        """Return the controls of one metamer, by name, on the device.

        Args:
          seed_id: of the metamer.
          metamer: its hard graph.
        """
        controls = dict(self.always)
        if "start" in self.names and self._start is not None:
            controls["start"] = self._start(seed_id)
        for name in {"displacement", "flips", "edge_flips"} & {*self.names}:
            controls[name] = self._moved(name, seed_id, metamer)
        if self._replace is not None:
            drawn = noise(self.problem.matching, self.seed, seed_id, self.reference)
            controls["null_space"] = self.reference._replace(nodes=self._replace(drawn.nodes))
        if "random_edges" in self.names:
            controls["random_edges"] = self._random_edges(seed_id)
        return {name: controls[name] for name in self.names}

    def _moved(self, name: str, seed_id: int, metamer: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the reference with all that varies moved as far as in the metamer."""
        graph = self.reference
        if self._edges == "edge_weights":
            key = stream_key(self.seed, seed_id, Stream.CONTROL_WEIGHTS)
            graph = _displaced_weights(self.problem, key, metamer)
        if self._edges == "simple_edges":
            graph = jax.device_put(self._edges_flipped(seed_id, metamer))
        if self.problem.features is None:
            return graph
        moved = random_flips if name == "flips" else random_displacement
        key = stream_key(self.seed, seed_id, Stream.CONTROL_FEATURES)
        return graph._replace(nodes=moved(key, self.reference.nodes, metamer.nodes))

    def _edges_flipped(self, seed_id: int, metamer: jraph.GraphsTuple) -> jraph.GraphsTuple:
        problem = self.problem
        reference, directed = problem.graph, problem.directed
        movable = movable_edges(reference, problem.simple_edges.nodes, directed=directed)
        nodes = np.arange(len(reference.nodes)) if movable.nodes is None else movable.nodes
        changed = flips_between(reference, jax.device_get(metamer), directed=directed)
        rng = host_generator(stream_key(self.seed, seed_id, Stream.CONTROL_FLIPS))
        drawn = random_flips_like(rng, changed, movable.pairs, nodes, directed=directed)
        return flipped(reference, drawn, directed=directed)

    def _neighbors(self) -> jraph.GraphsTuple:
        """Return the reference, every node's features exchanged for its nearest neighbor's."""
        arrays, layers = self.problem.arrays, self.problem.layers
        activations = reference_activations(
            self.problem.matching.model, arrays.params, self.reference
        )
        matched = jnp.concatenate([activations[name] for name in layers], axis=-1)
        return self.reference._replace(nodes=self.reference.nodes[nearest_rows(matched)])

    def _random_edges(self, seed_id: int) -> jraph.GraphsTuple:
        rng = host_generator(stream_key(self.seed, seed_id, Stream.CONTROL_EDGES))
        drawn = random_edges(rng, edge_set(self.problem.graph))
        senders, receivers = np.divmod(drawn.numbers, drawn.num_nodes)
        graph = make_graph(self.problem.graph.nodes, senders, receivers)
        return jax.tree.map(jnp.asarray, graph)


def _replacement(problem: Problem) -> Any:
    """Return what exchanges the invisible part of features, or None where nothing is invisible."""
    if not problem.is_free:
        return None
    try:
        basis = Replace().prepare(Point(problem))
    except InputError:  # the first matrix sees everything, or the network begins otherwise
        return None
    return functools.partial(_replaced, problem.arrays.graph.nodes, jnp.asarray(basis, jnp.float32))


@compile_function()
def _replaced(features: jax.Array, basis: jax.Array, start: jax.Array) -> jax.Array:
    """Return the start with its visible part exchanged for the reference's, as `Replace` does."""
    with highest_precision():
        return start + ((features - start) @ basis) @ basis.T


def _displaced_weights(
    problem: Problem, key: jax.Array, metamer: jraph.GraphsTuple
) -> jraph.GraphsTuple:
    """Return the reference, each weight as far away as in the metamer, up or down."""
    vary = cast(EdgeWeights, problem.edges)
    listed = jax.tree.map(jnp.asarray, problem.listed)
    one, other = listed.senders, listed.receivers
    if not vary.directed:
        one, other = jnp.minimum(one, other), jnp.maximum(one, other)
    keys = jax.vmap(lambda i, j: jax.random.fold_in(jax.random.fold_in(key, i), j))(one, other)
    weight = listed.edges.weight
    move = jnp.abs(metamer.edges.weight - weight) * jax.vmap(jax.random.rademacher)(keys)
    legal = vary.domain.project(weight + move) == weight + move
    moved = vary.domain.project(weight + jnp.where(legal, move, -move))
    return listed._replace(edges=listed.edges._replace(weight=moved))
