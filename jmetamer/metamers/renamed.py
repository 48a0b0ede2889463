"""Is a finished graph the reference itself, or the reference with its nodes renamed?

Networks treat nodes alike, so a permutation p of the nodes takes a graph that matches to one that
matches, where p takes target nodes to target nodes of the same activation and, where features
stay, nodes to nodes of the same features. The reference renamed by such a p has other edges, or
features in other rows, but it is the reference: no metamer. Nodes whose targets differ stay in
their places, so that a graph may be isomorphic to the reference and a metamer all the same.

Numbers that differ by round-off are equal: 1e-5 of the largest, for activations in float32; 1e-6,
for features and weights.

Where edges may be added and removed, on up to 1000 nodes, a metamer is also the reference renamed
where it is so nearly: some permutation takes edges to edges, targets to targets within the
tolerance of the loss, and features to features within the distance that success calls trivial
(0.1). To decide it exactly, nodes are alike where their numbers form groups so narrow that no
exchange within them moves more than that; where numbers form no such groups, round-off alone is
forgiven. What is as near without another name is left to the distance, which measures it.
"""

import functools
from collections.abc import Sequence

import jax
import jraph
import numpy as np

from jmetamer.graphs import num_nodes
from jmetamer.graphs.colors import joined, ranks_of_rows
from jmetamer.graphs.isomorphism import MAX_NODES, color_key, isomorphic
from jmetamer.measures.success import MIN_DISTANCE
from jmetamer.metamers.check import Verdict
from jmetamer.metamers.problem import Problem

NO, YES, UNDECIDED = 0, 1, 2
_CODES = {"no": NO, "yes": YES, "undecided": UNDECIDED}
_SAME_TARGET, _SAME_INPUT = 1e-5, 1e-6
_EXACT = 1e-8  # L_act that the reference renamed does not exceed, whatever the tolerance
_NEAR = 1e-5  # of the sums that `Verdict.moved` compares, in float32
_NEARLY = 2 * MIN_DISTANCE  # of those over features, which no trivial distance exceeds
_GAPS = (1.0, 0.1, 0.01)  # between groups, as shares of how much may be moved


def target_kinds(problem: Problem, share: float = 0.0) -> np.ndarray:
    """Return [n] integers, equal for nodes that the problem asks the same of.

    Those are nodes that are no targets, and target nodes whose rows to match are equal, or may be
    exchanged within a share of their norm.
    """
    total = num_nodes(problem.graph)
    nodes = np.arange(total) if problem.nodes is None else np.asarray(problem.nodes)
    kinds = np.zeros(nodes.size, np.int64)
    for name in problem.layers:
        rows = np.asarray(problem.arrays.targets[name], np.float64)
        rows = rows.reshape(nodes.size, -1)
        kinds = joined(kinds, exchangeable_rows(rows, share, _SAME_TARGET))
    whole = np.zeros(total, np.int64)
    whole[nodes] = kinds + 1
    return whole


def exchangeable_rows(rows: np.ndarray, share: float, slack: float) -> np.ndarray:
    """Return [k] ranks of rows [k, c], equal where exchanging them moves little.

    Args:
      rows: finite.
      share: rows of one rank may be put in each other's places, all at once, without moving a
        column by more than this share of its norm. A column that falls into no such groups is
        compared by `slack` alone.
      slack: numbers of a column that differ by less than this share of the largest of all are
        equal, and so are those joined by a chain of such.
    """
    order = np.argsort(rows, axis=0)
    columns = np.take_along_axis(rows, order, axis=0)
    gaps, size = np.diff(columns, axis=0), len(rows)
    allowed = share * np.linalg.norm(columns, axis=0) / max(1, size) ** 0.5
    steps = np.zeros(rows.shape, np.int64)
    steps[1:] = np.cumsum(gaps > slack * np.abs(rows).max(initial=0), axis=0)
    for part in _GAPS[::-1] if share else ():
        wider = np.zeros_like(steps)
        wider[1:] = np.cumsum(gaps > part * allowed, axis=0)
        fits = np.sqrt(np.mean(_widths(columns, gaps > part * allowed) ** 2, axis=0)) <= allowed
        coarser = wider[-1] < steps[-1]
        steps[:, fits & coarser] = wider[:, fits & coarser]
    codes = np.empty_like(steps)
    np.put_along_axis(codes, order, steps, axis=0)
    return ranks_of_rows(codes)


def _widths(columns: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return [k, c] how wide the group of each number is, of columns that ascend.

    Args:
      columns: [k, c].
      ends: [k - 1, c] where one group ends and the next begins.
    """
    cut = np.ones((1, columns.shape[1]), bool)
    least = np.maximum.accumulate(np.where(np.concatenate([cut, ends]), columns, -np.inf), axis=0)
    last = np.where(np.concatenate([ends, cut]), columns, np.inf)
    most = np.minimum.accumulate(last[::-1], axis=0)[::-1]
    return most - least


def class_of_each(graphs: Sequence[jraph.GraphsTuple], renaming: "Renaming") -> np.ndarray:
    """Return [b] for each metamer the place of the first that is the same graph renamed.

    Where a pair is undecided it counts as the same, so that there are as many classes at least.

    Args:
      graphs: metamers of one problem, on the host; each is read once or twice.
      renaming: of the problem.
    """
    first = np.arange(len(graphs))
    leads: dict[int, list[tuple[int, np.ndarray]]] = {}
    slack = np.array([_NEARLY if renaming.nearly else _NEAR, _NEAR])
    for place, graph in enumerate(graphs):
        alike = leads.setdefault(renaming.key(graph), [])
        sums = renaming.sums(graph)
        for other, theirs in alike:
            near = np.abs(sums - theirs)[:2] <= slack * np.maximum(sums, theirs)[2:]
            if near.all() and renaming.compared(graphs[other], graph) != NO:
                first[place] = other
                break
        else:
            alike.append((place, sums))
    return first


class Renaming:
    """Compares finished graphs of one problem with its reference.

    Args:
      problem: what they match.
      tolerance: largest L_act that counts as matched. Above 0, what is nearly the same graph
        renamed is it as well, where edges may be added and removed and nodes are few enough.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.oracles.known_answers import cycles
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> ring, other, two = cycles([6]), cycles([6]), cycles([3, 3])
      >>> graphs = [g._replace(nodes=np.ones((6, 34), np.float32)) for g in (ring, two)]
      >>> problem = jm.Problem(trained, graphs[0], layer="conv1", vary=jm.BinaryEdges())
      >>> [Renaming(problem).compared(graphs[0], graph) for graph in graphs]
      [1, 0]
    """

    def __init__(self, problem: Problem, tolerance: float = 0.0) -> None:
        self.problem, self.tolerance = problem, tolerance
        self.moves_features = problem.features is not None
        self.moves_edges = problem.edge_kind == "simple_edges"
        few = num_nodes(problem.graph) <= MAX_NODES
        self.nearly = tolerance > 0 and self.moves_edges and few

    def __call__(self, graph: jraph.GraphsTuple, verdict: Verdict) -> int:
        """Return whether a hard graph is the reference renamed: 0 no, 1 yes, 2 undecided.

        Args:
          graph: on the device or the host; fetched only where the verdict leaves it open.
          verdict: on the graph; above the tolerance it is another graph.
        """
        limits = np.array([_NEARLY if self.nearly else _NEAR, _NEAR])
        close = (np.asarray(verdict.moved) <= limits).all()
        if verdict.loss > max(self.tolerance, _EXACT) or not close:
            return NO
        return self.compared(self.problem.graph, jax.device_get(graph))

    def compared(self, first: jraph.GraphsTuple, second: jraph.GraphsTuple) -> int:
        """Return whether one graph is another one renamed, as of `__call__`.

        Args:
          first, second: the reference, or metamers of it, on the host.
        """
        graphs = _weights_rounded(first, second)
        same_place = np.array_equal(_edges(graphs[0]), _edges(graphs[1]))
        sides = self._colors(self.kinds, first, second, 0.0)
        if same_place and np.array_equal(*sides):
            return YES
        if self.nearly:
            sides = self._colors(self.near_kinds, first, second, MIN_DISTANCE)
            if same_place and np.array_equal(*sides):
                return NO  # no node has another name: the distance says how near the graphs are
        elif self.all_differ:
            return NO
        return _CODES[isomorphic(*graphs, colors=sides, max_nodes=MAX_NODES)]

    def key(self, graph: jraph.GraphsTuple) -> int:
        """Return a number that is equal for graphs that are one graph renamed."""
        kinds = self.near_kinds if self.nearly else self.kinds
        return color_key(graph, kinds) if self.moves_edges else 0

    def sums(self, graph: jraph.GraphsTuple) -> np.ndarray:
        """Return [4] sums over features and weights that renaming does not change, and scales."""
        node = np.cos(1.0 + (self.near_kinds if self.nearly else self.kinds))
        rows, weight = np.asarray(graph.nodes), np.asarray(graph.edges.weight)
        ends = node[np.asarray(graph.senders)] * (2 + node[np.asarray(graph.receivers)])
        features = node @ rows @ np.cos(np.arange(rows.shape[1]))
        scales = np.linalg.norm(rows) * rows.size**0.5, 3 * np.abs(weight).sum()
        return np.array([features, ends @ weight, *scales])

    def _colors(
        self, kinds: np.ndarray, first: jraph.GraphsTuple, second: jraph.GraphsTuple, share: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return [n] colors of the nodes of two graphs: kind and, where they vary, features."""
        colors = np.concatenate([kinds, kinds])
        if self.moves_features:
            rows = np.concatenate([np.asarray(g.nodes, np.float64) for g in (first, second)])
            colors = joined(colors, exchangeable_rows(rows, share, _SAME_INPUT))
        return colors[: kinds.size], colors[kinds.size :]

    @functools.cached_property
    def kinds(self) -> np.ndarray:
        """[n] integers, equal for nodes of the same target and, where they stay, features."""
        kinds = target_kinds(self.problem)
        if self.moves_features:
            return kinds
        return joined(kinds, ranks_of_rows(np.asarray(self.problem.graph.nodes) + 0.0))

    @functools.cached_property
    def near_kinds(self) -> np.ndarray:
        """[n] integers, equal also for nodes whose targets and features may be exchanged."""
        kinds = target_kinds(self.problem, self.tolerance**0.5)
        if self.moves_features:
            return kinds
        rows = np.asarray(self.problem.graph.nodes, np.float64)
        return joined(kinds, exchangeable_rows(rows, MIN_DISTANCE, 0.0))

    @property
    def all_differ(self) -> bool:
        """Whether every node differs from every other, so that only the names say what is where."""
        return bool(np.unique(self.kinds).size == self.kinds.size)


def _weights_rounded(*graphs: jraph.GraphsTuple) -> list[jraph.GraphsTuple]:
    """Return graphs with numbers from 1 for weights that are equal up to round-off, and 0 for 0."""
    weights = [np.asarray(graph.edges.weight, np.float64) for graph in graphs]
    codes = exchangeable_rows(np.concatenate([*weights, [0.0]])[:, None], 0.0, _SAME_INPUT)
    parts = np.split(codes, np.cumsum([weight.size for weight in weights]))
    return [
        graph._replace(edges=graph.edges._replace(weight=part))
        for graph, part in zip(graphs, parts, strict=False)
    ]


def _edges(graph: jraph.GraphsTuple) -> np.ndarray:
    """Return [3, e] senders, receivers and weights of the edges that are there, sorted."""
    weight = np.asarray(graph.edges.weight)
    ends = np.asarray(graph.senders), np.asarray(graph.receivers)
    rows = np.stack([*ends, weight])[:, weight != 0]
    return rows[:, np.lexsort(rows)]
