"""`HarmReading`: where a network is right on its metamers, and on the controls beside them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.precision import highest_precision
from jmetamer.evaluation.control_graphs import ControlGraphs
from jmetamer.evaluation.panel import classes_of
from jmetamer.measures.harm import harm_outcomes
from jmetamer.metamers.methods import Method
from jmetamer.metamers.methods.relax_edges.hard_graph import few_shapes
from jmetamer.metamers.problem import Arrays, Matching, Problem
from jmetamer.results.judges import SAME_LENGTH


class HarmReading:
    """Reads, of every metamer and its controls, the network's and the most probable classes.

    The controls are the reference moved as far as the metamer at random, and the search's start.

    Args:
      problem: what the metamers match; weights of edges do not vary.
      bayes: graph -> [n] most probable classes given the other nodes' labels, pure jax; its data
        are leaves, so that harms of one kind share a program.
      seed: base seed of the metamers.
      method: how they were made.

    Attributes:
      controls: names, as in `control_graphs.CONTROLS`; without "start" where the search has none.
      no_start: why it has none; empty where it has one.
      nodes: [t] target nodes.
    """

    def __init__(
        self,
        problem: Problem,
        bayes: jax.tree_util.Partial,
        seed: int,
        method: Method | None = None,
    ) -> None:
        self.problem, self.bayes = problem, bayes
        self.graphs = ControlGraphs(problem, seed, method, only=(*SAME_LENGTH, "start"))
        self.controls, self.no_start = self.graphs.names, self.graphs.no_start
        every = np.arange(len(problem.graph.nodes))
        self.nodes = every if problem.nodes is None else np.asarray(problem.nodes)
        self.before = np.asarray(self._classes(problem.arrays.graph))

    def read(self, seed_id: int, metamer: jraph.GraphsTuple) -> jax.Array:
        """Start the most probable and the network's classes of a metamer and its controls.

        Args:
          seed_id: of the metamer.
          metamer: its hard graph, on the device.

        Returns:
          [1 + controls, 2, t] int16.
        """
        graphs = [metamer, *self.graphs.of(seed_id, metamer).values()]
        return jnp.stack([self._classes(graph) for graph in graphs])

    def columns(self, read: Sequence[jax.Array]) -> dict[str, np.ndarray]:
        """Return what became of the nodes of metamers, [b, t], and of controls, [b, controls, t].

        Args:
          read: of each metamer.
        """
        shape = (len(read), 1 + len(self.controls), 2, self.nodes.size)
        classes = np.array(jax.device_get(list(read)), np.int16).reshape(shape)
        rows = classes.reshape(-1, 2, self.nodes.size)
        outcomes = harm_outcomes(self.before[0], rows[:, 0], self.before[1], rows[:, 1])
        columns: dict[str, np.ndarray] = {}
        for name in ("outcome", "same_class"):
            values = getattr(outcomes, name).reshape(shape[0], shape[1], shape[3])
            columns |= {f"harm_{name}": values[:, 0], f"control_harm_{name}": values[:, 1:]}
        return columns

    def _classes(self, graph: jraph.GraphsTuple) -> jax.Array:
        """Return [2, t] most probable classes, and those that the network predicts."""
        if self.problem.edge_kind == "simple_edges":
            graph = few_shapes(graph)
        with highest_precision():
            own = _own_classes(self.problem.matching, self.problem.arrays, graph)
            bayes = _called(self.bayes, graph).astype(own.dtype)
        return jnp.stack([bayes, own])[:, self.nodes]


@compile_function()
def _called(function: jax.tree_util.Partial, graph: jraph.GraphsTuple) -> jax.Array:
    return function(graph)


@compile_function(static=1)
def _own_classes(matching: Matching, arrays: Arrays, graph: jraph.GraphsTuple) -> jax.Array:
    return classes_of(matching.model.activations(arrays.params, graph)["logits"])
