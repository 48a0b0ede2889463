"""Classes of structure metamers: graphs that differ by the names of nodes alone count once.

A permutation p of the nodes leaves a problem unchanged when every node i and its image p(i) have
the same features and self loops, are both target nodes or both not, and as target nodes have the
same activation to match. A network treats nodes alike, `h(pG)_p(i) = h(G)_i`, so for such p
the graphs G and pG have the same L_act: one is a metamer exactly when the other is. These p form a
group; a class is one of its orbits, and the smallest code in it is its name.

So for a target node that is unlike all others p keeps it in its place; with identifiers as
features every graph is a class of its own; and with constant features and equal targets, as on
a ring with all nodes to match, classes are the isomorphism classes of graphs (156 on six nodes).
The class of the reference itself holds the reference renamed: other edges, but no other structure.
"""

import itertools
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.graphs import num_nodes
from jmetamer.graphs.colors import joined, ranks_of_rows
from jmetamer.graphs.pairs import loops_of_graph
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.renamed import target_kinds
from jmetamer.oracles.enumeration import MOST_NODES, ExactSet, all_pairs

# Entries of the table of permuted codes that is held at once (8 bytes each).
_ENTRIES = 2**22


class MetamerClasses(NamedTuple):
    """The exact set of metamers, by classes; the reference's own class is kept apart.

    Attributes:
      codes: [k] int64, ascending: smallest code of each class.
      sizes: [k] number of graphs of each class within the tolerance.
      losses: [k] smallest L_act in each class.
      relabelings: number of graphs within the tolerance that are the reference renamed, without
        the reference itself.
      reference: smallest code of the reference's class.
      permutations: [p, n] the permutations that leave the problem unchanged; node i becomes
        `permutations[:, i]`.
    """

    codes: np.ndarray
    sizes: np.ndarray
    losses: np.ndarray
    relabelings: int
    reference: int
    permutations: np.ndarray


class Recall(NamedTuple):
    """How much of the exact set a search has found.

    Attributes:
      found: number of classes with a graph among those found.
      total: number of classes that there are.
      trivial: number of graphs found that are the reference, or the reference renamed.
      outside: number of graphs found that belong to no class: what the search took for a metamer
        and is none.
    """

    found: int
    total: int
    trivial: int
    outside: int

    @property
    def share(self) -> float:
        """Share of the classes found, NaN where there are none."""
        return self.found / self.total if self.total else math.nan


def problem_symmetries(problem: Problem) -> np.ndarray:
    """Return all permutations of the nodes that leave a problem unchanged, identity first.

    Args:
      problem: features and self loops of its reference, target nodes and rows to match are read;
        at most seven nodes.

    Returns:
      [p, n] integers; node i becomes `[:, i]`. `p` is the product of the factorials of the
      numbers of nodes that are alike.

    Raises:
      InputError: the reference has more than seven nodes.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> graph = jm.make_graph(np.eye(34)[[0, 1, 1]], [0, 1, 2, 0], [1, 0, 0, 2])
      >>> problem_symmetries(jm.Problem(trained, graph, layer="conv1")).tolist()
      [[0, 1, 2], [0, 2, 1]]
    """
    total = num_nodes(problem.graph)
    if total > MOST_NODES:
        raise InputError(
            f"`graph` has {total} nodes; their permutations are listed for {MOST_NODES} at most; "
            "compare larger graphs with `jmetamer.graphs.isomorphism.isomorphic`"
        )
    alike = _alike(problem)
    groups = [np.flatnonzero(alike == kind) for kind in np.unique(alike)]
    turns = itertools.product(*(itertools.permutations(group) for group in groups))
    order = np.concatenate(groups)
    permutations = np.array([np.concatenate(turn) for turn in turns], int)
    return permutations[:, np.argsort(order)]


def _alike(problem: Problem) -> np.ndarray:
    """Return [n] the first node of those that the problem does not tell from each."""
    features = ranks_of_rows(np.asarray(problem.graph.nodes) + 0.0)
    loops = np.bincount(loops_of_graph(problem.graph).nodes, minlength=features.size)
    kinds = joined(joined(target_kinds(problem), features), loops)
    return np.unique(kinds, return_index=True)[1][kinds]


def canonical_codes(codes: np.ndarray, permutations: np.ndarray) -> np.ndarray:
    """Return the smallest code among the permuted graphs of each graph: equal within a class.

    Args:
      codes: [c] integers.
      permutations: [p, n] that form a group, from `problem_symmetries`; at most ten nodes.

    Returns:
      [c] int64.

    Example:
      >>> canonical_codes(np.array([1, 2, 4, 7]), np.array([[0, 1, 2], [0, 2, 1]])).tolist()
      [1, 1, 4, 7]
    """
    codes, permutations = np.asarray(codes, np.int64), np.asarray(permutations)
    total = permutations.shape[1]
    pairs = all_pairs(total)
    bit_of = np.zeros((total, total), np.int64)
    bit_of[pairs.senders, pairs.receivers] = np.arange(len(pairs.senders))
    bit_of = bit_of + bit_of.T
    moved = bit_of[permutations[:, pairs.senders], permutations[:, pairs.receivers]]
    # Sums of different powers of two below 2^53 are exact in float64, and a matrix product fast.
    values = np.exp2(moved).T
    smallest = np.empty(codes.shape, np.int64)
    block = max(1, _ENTRIES // len(permutations))
    for start in range(0, codes.size, block):
        part = codes[start : start + block]
        present = (part[:, None] >> np.arange(len(pairs.senders)) & 1).astype(np.float64)
        smallest[start : start + block] = (present @ values).min(axis=1)
    return smallest


def metamer_classes(problem: Problem, exact: ExactSet) -> MetamerClasses:
    """Group the exact set of metamers by the permutations that leave the problem unchanged.

    Args:
      problem: the problem whose metamers they are.
      exact: `exact_set(problem, tolerance)`.

    Raises:
      InputError: the reference has more than seven nodes.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.oracles.enumeration import exact_set
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GIN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> one, next_one = np.arange(6), (np.arange(6) + 1) % 6
      >>> both_ways = np.concatenate([one, next_one]), np.concatenate([next_one, one])
      >>> ring = jm.make_graph(np.eye(34)[[0] * 6], *both_ways)
      >>> problem = jm.Problem(trained, ring, layer="conv1.mlp.pre")
      >>> classes = metamer_classes(problem, exact_set(problem, 1e-8))
      >>> classes.sizes.tolist(), classes.relabelings  # two triangles; other rings
      ([10], 59)
    """
    permutations = problem_symmetries(problem)
    names = canonical_codes(np.append(exact.codes, exact.reference), permutations)
    names, own = names[:-1], int(names[-1])
    other = names != own
    codes, places, sizes = np.unique(names[other], return_inverse=True, return_counts=True)
    losses = np.full(codes.size, np.inf, np.float32)
    np.minimum.at(losses, places, exact.losses[other])
    return MetamerClasses(codes, sizes, losses, int(np.sum(~other)), own, permutations)


def recall(codes: Iterable[int], classes: MetamerClasses) -> Recall:
    """Return how many of the classes a search has found.

    Args:
      codes: of the graphs found, `graph_code` of each, in any number and order.
      classes: from `metamer_classes`.

    Example:
      >>> classes = MetamerClasses(
      ...     codes=np.array([1, 7]), sizes=np.array([2, 1]), losses=np.zeros(2), relabelings=0,
      ...     reference=4, permutations=np.array([[0, 1, 2], [0, 2, 1]]))
      >>> result = recall([2, 1, 4], classes)
      >>> result.found, result.total, result.share, result.trivial
      (1, 2, 0.5, 1)
    """
    names = canonical_codes(np.fromiter(codes, np.int64), classes.permutations)
    return Recall(
        found=int(np.isin(classes.codes, names).sum()),
        total=len(classes.codes),
        trivial=int(np.sum(names == classes.reference)),
        outside=int(np.sum(~np.isin(names, np.append(classes.codes, classes.reference)))),
    )
