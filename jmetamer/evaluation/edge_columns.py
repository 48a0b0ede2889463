"""`EdgeColumns`: what a block keeps of the edges of its metamers, in columns that concatenate."""

from collections.abc import Sequence

import jax
import jraph
import numpy as np

from jmetamer.graphs.pairs import Flips, edge_jaccard, flips_between, pairs_of_graph
from jmetamer.measures import EdgeSet, Measure, edge_set
from jmetamer.metamers.problem import Problem

# Before the names of the details of metamers, which the engine chooses.
DETAIL = "detail_"


class EdgeReference:
    """The reference as the edges of all metamers of a problem are compared with it, on the host.

    Args:
      problem: edges vary.
    """

    def __init__(self, problem: Problem) -> None:
        self.graph = problem.graph
        self.edges: EdgeSet = edge_set(problem.graph)
        self.is_simple = problem.edge_kind == "simple_edges"
        if self.is_simple:
            self.directed = problem.directed
            self.num_pairs = int(pairs_of_graph(self.graph, directed=self.directed).senders.size)
        else:
            self.num_listed = int(problem.listed.senders.size)

    @property
    def bytes_of_metamer(self) -> int:
        """Bytes that are kept of one metamer's edges, about."""
        row = sum(array.dtype.itemsize for array in _flip_columns([], []).values())
        return 2 * self.num_pairs * row if self.is_simple else 4 * self.num_listed


class EdgeColumns:
    """Measures the edges of metamers as they end, and keeps those of some.

    Args:
      reference: what they are compared with.
      measures: deviations of edges to take of every metamer.
      keep: edges are kept of seeds below this number.
    """

    def __init__(self, reference: EdgeReference, measures: Sequence[Measure], keep: int) -> None:
        self.reference, self.measures, self.keep = reference, tuple(measures), keep
        self.deviation: dict[int, list[float]] = {}
        self.numbers: dict[int, tuple[float, int, int]] = {}
        self.flips: dict[int, Flips] = {}
        self.weights: dict[int, np.ndarray] = {}

    def add(self, seed_id: int, graph: jraph.GraphsTuple) -> None:
        """Take note of one metamer.

        Args:
          seed_id: of the metamer.
          graph: its hard graph; the edges are fetched from the device.
        """
        ours = self._on_host(graph)
        self.deviation[seed_id] = self._compared(ours, graph.nodes)
        kept = seed_id < self.keep
        if not self.reference.is_simple:
            if kept:
                self.weights[seed_id] = np.asarray(ours.edges.weight, np.float32)
            return
        flips = flips_between(self.reference.graph, ours, directed=self.reference.directed)
        added = int(flips.added.sum())
        jaccard = edge_jaccard(flips, self.reference.num_pairs)
        self.numbers[seed_id] = jaccard, added, flips.added.size - added
        if kept:
            self.flips[seed_id] = flips

    def deviations(self, graph: jraph.GraphsTuple) -> list[float]:
        """Return the deviations of the edges of a graph of which nothing is kept.

        Args:
          graph: as in `add`.
        """
        return self._compared(self._on_host(graph), graph.nodes)

    def _on_host(self, graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the reference's nodes with the edges of a graph on the device."""
        senders, receivers, edges = jax.device_get((graph.senders, graph.receivers, graph.edges))
        ours = self.reference.graph._replace(senders=senders, receivers=receivers, edges=edges)
        return ours._replace(n_edge=np.array([senders.size], np.int32))

    def _compared(self, graph: jraph.GraphsTuple, features: jax.Array) -> list[float]:
        compared = edge_set(graph)._replace(features=features)
        return [m.function(self.reference.edges, compared) for m in self.measures]

    def block(self, seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """Return the columns of a block.

        Args:
          seeds: all of its seed ids, in order.
        """
        if not self.reference.is_simple:
            empty = np.zeros((0, self.reference.num_listed), np.float32)
            rows = [self.weights[seed][None] for seed in seeds if seed in self.weights]
            return {"edge_weight": np.concatenate([empty, *rows])}
        numbers = np.array([self.numbers[seed] for seed in seeds], np.float64).reshape(-1, 3)
        stored = [seed for seed in seeds if seed in self.flips]
        return {
            "edge_jaccard": numbers[:, 0].astype(np.float32),
            "edges_added": numbers[:, 1].astype(np.int32),
            "edges_removed": numbers[:, 2].astype(np.int32),
            **_flip_columns(stored, [self.flips[seed] for seed in stored]),
        }


def _flip_columns(seeds: Sequence[int], flips: Sequence[Flips]) -> dict[str, np.ndarray]:
    """Return one row a flip."""

    def column(arrays: list[np.ndarray], dtype: type) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype), *arrays]).astype(dtype, copy=False)

    sizes = np.array([one.added.size for one in flips], np.int64)
    return {
        "flip_seed_id": np.repeat(np.array(seeds, np.int64), sizes),
        "flip_sender": column([one.pairs.senders for one in flips], np.int32),
        "flip_receiver": column([one.pairs.receivers for one in flips], np.int32),
        "flip_added": column([one.added for one in flips], np.bool_),
    }
