"""Flips: the edges by which one simple graph differs from another."""

from typing import NamedTuple

import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import num_nodes
from jmetamer.graphs.pairs import Pairs, pair_numbers, pairs_of_graph, simple_graph


class Flips(NamedTuple):
    """By which edges one graph differs from another: pairs [f], and whether each was added.

    Attributes:
      pairs: the edges present in just one of both, sorted by sender, then receiver.
      added: [f] bool; False where the edge was removed.
    """

    pairs: Pairs
    added: np.ndarray


def flips_between(
    reference: jraph.GraphsTuple, other: jraph.GraphsTuple, *, directed: bool
) -> Flips:
    """Return the edges to add to and to remove from a simple graph to get another.

    Args:
      reference: simple graph.
      other: simple graph of the same nodes.
      directed: whether the pair (i, j) differs from (j, i).

    Raises:
      InputError: a graph is not simple, or the numbers of nodes differ.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> path = make_graph(np.eye(3), [0, 1], [1, 0])
      >>> other = make_graph(np.eye(3), [0, 2], [2, 0])
      >>> flips = flips_between(path, other, directed=False)
      >>> flips.pairs.receivers.tolist(), flips.added.tolist()
      ([1, 2], [False, True])
    """
    n = num_nodes(reference)
    if num_nodes(other) != n:
        raise InputError(
            f"`other` has {num_nodes(other)} nodes and `reference` {n}; flips need the same nodes"
        )
    before, after = (
        pair_numbers(pairs_of_graph(graph, directed=directed), n) for graph in (reference, other)
    )
    changed = np.setxor1d(before, after)
    pairs = Pairs((changed // n).astype(np.int32), (changed % n).astype(np.int32))
    return Flips(pairs, np.isin(changed, after))


def flipped(reference: jraph.GraphsTuple, flips: Flips, *, directed: bool) -> jraph.GraphsTuple:
    """Return the simple graph that flips make of a reference: the inverse of `flips_between`.

    Args:
      reference: simple graph.
      flips: edges to add that are absent, and to remove that are present.
      directed: whether the pair (i, j) differs from (j, i).

    Raises:
      InputError: an edge to add is there already, or one to remove is not.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> flips = Flips(Pairs(np.array([0]), np.array([2])), np.array([True]))
      >>> flipped(make_graph(np.eye(3), [], []), flips, directed=False).senders.tolist()
      [2, 0]
    """
    n = num_nodes(reference)
    before = pair_numbers(pairs_of_graph(reference, directed=directed), n)
    numbers, added = pair_numbers(flips.pairs, n), np.asarray(flips.added, bool)
    wrong = np.isin(numbers, before) == added
    if wrong.any():
        pair = int(numbers[np.argmax(wrong)])
        there = "there already" if added[np.argmax(wrong)] else "not there"
        raise InputError(
            f"`flips` do not belong to this reference: edge ({pair // n}, {pair % n}) is {there}"
        )
    after = np.setxor1d(before, numbers)
    pairs = Pairs((after // n).astype(np.int32), (after % n).astype(np.int32))
    return simple_graph(reference, pairs, np.ones(after.size, bool), directed=directed)


def random_flips_like(
    rng: np.random.Generator, flips: Flips, pairs: Pairs, nodes: np.ndarray, *, directed: bool
) -> Flips:
    """Return as many random flips of a graph: edges to remove and pairs to join, each kind apart.

    Args:
      rng: NumPy generator.
      flips: of the same graph; they say how many.
      pairs: its edges between `nodes`, of which some are removed.
      nodes: [p] ascending, those that may be joined.
      directed: whether the pair (i, j) differs from (j, i).

    Example:
      >>> path = Pairs(np.array([0, 1]), np.array([1, 2]))
      >>> like = Flips(Pairs(np.array([0, 0]), np.array([1, 2])), np.array([False, True]))
      >>> rng = np.random.default_rng(0)
      >>> random_flips_like(rng, like, path, np.arange(3), directed=False).added.tolist()
      [False, True]
    """
    most = int(nodes[-1]) + 1 if len(nodes) else 0
    before = pair_numbers(pairs, most)
    num_added = int(np.sum(flips.added))
    removed = rng.choice(before, flips.added.size - num_added, replace=False)
    added = np.zeros(0, np.int64)
    while added.size < num_added:
        ends = rng.choice(nodes, (2, 2 * num_added + len(nodes)))
        one, other = ends if directed else np.sort(ends, axis=0)
        drawn = (one.astype(np.int64) * most + other)[one != other]
        added = np.append(added, drawn[~np.isin(drawn, before)])
        added = added[np.sort(np.unique(added, return_index=True)[1])]
    numbers = np.append(removed, added[:num_added])
    chosen = Pairs((numbers // most).astype(np.int32), (numbers % most).astype(np.int32))
    return Flips(chosen, np.arange(numbers.size) >= removed.size)


def edge_jaccard(flips: Flips, num_edges: int) -> float:
    """Return the Jaccard distance of the edge sets, `1 - #(E and E') / #(E or E')`, in [0, 1].

    Args:
      flips: from `flips_between(reference, other)`.
      num_edges: number of pairs of the reference, self loops left out.

    Example:
      >>> edge_jaccard(Flips(Pairs(np.array([0]), np.array([2])), np.array([True])), 3)
      0.25
    """
    added = int(np.sum(flips.added))
    union = num_edges + added
    return (added + int(np.sum(~np.asarray(flips.added, bool)))) / union if union else 0.0
