"""Controls: graphs that are no metamers, and that judges read beside them."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer._base.keys import seed_key
from jmetamer._base.precision import highest_precision
from jmetamer.graphs.graph import make_graph
from jmetamer.measures import edge_set, random_displacement, random_flips
from jmetamer.measures.random_edges import random_edges
from jmetamer.metamers.coordinates import is_free
from jmetamer.metamers.exact.point import Point
from jmetamer.metamers.exact.replace import Replace
from jmetamer.metamers.nearest import nearest_rows
from jmetamer.metamers.parameterizations import BinaryFeatures
from jmetamer.metamers.problem import Matching, Problem, reference_activations
from jmetamer.metamers.what_varies import edges_that_vary, features_that_vary

CONTROLS: Mapping[str, str] = {
    "identity": "the reference itself",
    "start": "the noise from which the search began",
    "displacement": "the reference, every node moved as far as in the metamer, anywhere",
    "flips": "the reference, in each node as many random entries flipped as in the metamer",
    "neighbor": "every node with the features of the other node whose representation is nearest",
    "null_space": "the noise of the start wherever the network's first matrix cannot see it",
    "random_edges": "the reference's edges between pairs of nodes drawn at random",
}
# Apart from the keys of starts, which are folded from the seeds alone.
_DRAWS = 0x0C7A
_MOST_COMPARED = 20_000  # nodes whose nearest neighbors are looked for: work for each pair


class ControlGraphs:
    """Makes the controls of one problem's metamers.

    A judge may misread a metamer because it is far from the reference, or read it because it reads
    anything; what it makes of these graphs tells.

    Args:
      problem: what the metamers match.
      seed: base seed of the metamers.

    Attributes:
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

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem, self.seed = problem, seed
        self.reference = problem.arrays.graph
        features = features_that_vary(problem.vary)
        self._binary = isinstance(features, BinaryFeatures)
        self.always = {"identity": self.reference}
        self._replace = None
        if features is not None:
            if 1 < len(self.reference.nodes) <= _MOST_COMPARED:
                self.always["neighbor"] = self._neighbors()
            self._replace = _replacement(problem)
        made = {*self.always}
        if features is not None:
            made |= {"start", "flips" if self._binary else "displacement"}
        if self._replace is not None:
            made.add("null_space")
        if edges_that_vary(problem.vary) == "simple_edges":
            made.add("random_edges")
        if edges_that_vary(problem.vary) == "edge_weights":
            made.add("start")
        self.names = tuple(name for name in CONTROLS if name in made)

    def of(self, seed_id: int, metamer: jraph.GraphsTuple) -> dict[str, jraph.GraphsTuple]:
        """Return the controls of one metamer, by name, on the device.

        Args:
          seed_id: of the metamer.
          metamer: its hard graph.
        """
        made = dict(self.always)
        if "start" in self.names:
            made["start"] = _start(self.problem.matching, self.seed, seed_id, self.reference)
        key = jax.random.fold_in(seed_key(self.seed, seed_id), _DRAWS)
        for name, moved in (("displacement", random_displacement), ("flips", random_flips)):
            if name in self.names:
                nodes = moved(key, self.reference.nodes, metamer.nodes)
                made[name] = self.reference._replace(nodes=nodes)
        if self._replace is not None:
            made["null_space"] = self.reference._replace(nodes=self._replace(made["start"].nodes))
        if "random_edges" in self.names:
            made["random_edges"] = self._random_edges(seed_id)
        return {name: made[name] for name in self.names}

    def _neighbors(self) -> jraph.GraphsTuple:
        """Return the reference, every node's features exchanged for its nearest neighbor's."""
        arrays, layers = self.problem.arrays, self.problem.layers
        found = reference_activations(self.problem.matching.model, arrays.params, self.reference)
        seen = jnp.concatenate([found[name] for name in layers], axis=-1)
        return self.reference._replace(nodes=self.reference.nodes[nearest_rows(seen)])

    def _random_edges(self, seed_id: int) -> jraph.GraphsTuple:
        rng = np.random.default_rng([_DRAWS, self.seed, seed_id])
        drawn = random_edges(rng, edge_set(self.problem.graph))
        senders, receivers = np.divmod(drawn.numbers, drawn.num_nodes)
        graph = make_graph(self.problem.graph.nodes, senders, receivers)
        return jax.tree.map(jnp.asarray, graph)


def _replacement(problem: Problem) -> Any:
    """Return what exchanges the invisible part of features, or None where nothing is invisible."""
    if not is_free(problem.vary):
        return None
    try:
        basis = Replace().prepare(Point(problem))
    except InputError:  # the first matrix sees everything, or the network begins otherwise
        return None
    return functools.partial(_replaced, problem.arrays.graph.nodes, jnp.asarray(basis, jnp.float32))


@jax.jit
def _replaced(features: jax.Array, basis: jax.Array, start: jax.Array) -> jax.Array:
    """Return the start with its visible part exchanged for the reference's, as `Replace` does."""
    with highest_precision():
        return start + ((features - start) @ basis) @ basis.T


@functools.partial(jax.jit, static_argnums=0)
def _start(
    matching: Matching, seed: Any, seed_id: Any, reference: jraph.GraphsTuple
) -> jraph.GraphsTuple:
    theta = matching.vary.init(seed_key(seed, seed_id), reference)
    return matching.vary.harden(theta, reference)
