"""Deviations of the numbers of triangles, 4-cycles and 4-cliques: what messages cannot count.

Direction and weight are ignored, and nodes need not be aligned, but for the clustering
coefficients. The graph of a rook's moves on a 4 x 4 board and Shrikhande's graph agree in every
spectrum, in triangles and in 4-cycles, and have 8 and 0 4-cliques.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse

from jmetamer._base.arguments import checked
from jmetamer.measures.edge_set import EdgeSet, edge_matrix
from jmetamer.measures.random_edges import edge_measure

_BLOCK = 2**24  # entries of the tables of common neighbors


def clustering_coefficients(edges: EdgeSet) -> np.ndarray:
    """Return the share of pairs of neighbors of each node that are neighbors themselves, [n].

    `c_v = 2 triangles_v / (k_v (k_v - 1))`, k_v the number of neighbors; 0 for nodes with fewer
    than two (Watts and Strogatz, 1998). Direction and weight are ignored.

    Example:
      >>> ring = EdgeSet(3, np.array([1, 2, 3, 5, 6, 7]), np.ones(6))
      >>> clustering_coefficients(ring).tolist()
      [1.0, 1.0, 1.0]
    """
    table = edge_matrix(edges, np.ones(edges.numbers.size))
    table = (table + table.T).astype(bool).astype(float)
    neighbors = table.sum(axis=1)
    # Paths of two steps that an edge closes: every triangle of a node twice.
    closed = (table @ table).multiply(table).sum(axis=1)
    pairs = neighbors * (neighbors - 1)
    return closed / np.where(pairs > 0, pairs, 1.0)


def clustering_deviation(reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return `mean_v |c_v - c'_v|`, the change of the clustering coefficients, in [0, 1].

    No message-passing network sees a triangle: one ring of six and two rings of three are the same
    to it and at distance 1 here.

    Example:
      >>> ring = EdgeSet(3, np.array([1, 2, 3, 5, 6, 7]), np.ones(6))
      >>> clustering_deviation(ring, EdgeSet(3, np.array([1, 3, 5, 7]), np.ones(4)))
      1.0
    """
    if not (np.isfinite(reference.weight).all() and np.isfinite(metamer.weight).all()):
        return float("nan")
    gaps = np.abs(clustering_coefficients(reference) - clustering_coefficients(metamer))
    return float(gaps.mean()) if gaps.size else 0.0


class SubgraphCounts(NamedTuple):
    """Numbers of subgraphs of a simple graph, each counted once, with further edges or without.

    Attributes:
      triangles, four_cycles, four_cliques: numbers of them.
    """

    triangles: int
    four_cycles: int
    four_cliques: int


@checked
def subgraph_counts(edges: EdgeSet) -> SubgraphCounts:
    """Return how many triangles, 4-cycles and 4-cliques a graph has.

    With `P = A A` and degrees k, triangles are `tr(A P) / 6` and 4-cycles
    `sum_{u < v} P_uv (P_uv - 1) / 4`, two opposite pairs of nodes each. A 4-clique is a triangle
    and a common neighbor, all four in one order of the nodes by degree.

    Args:
      edges: of the graph; direction and weight are ignored.

    Example:
      >>> one, other = np.nonzero(~np.eye(5, dtype=bool))
      >>> subgraph_counts(EdgeSet(5, one * 5 + other, np.ones(20)))
      SubgraphCounts(triangles=10, four_cycles=15, four_cliques=5)
    """
    table = _adjacency(edges)
    return SubgraphCounts(_triangles(table), _four_cycles(table), _four_cliques(table))


def _change(
    count: Callable[[scipy.sparse.csr_array], int], reference: EdgeSet, metamer: EdgeSet
) -> float:
    """Return `|c - c'| / max(c, c')`, 0 where both are 0."""
    if not (np.isfinite(reference.weight).all() and np.isfinite(metamer.weight).all()):
        return float("nan")
    one, other = count(_adjacency(reference)), count(_adjacency(metamer))
    return abs(one - other) / max(one, other, 1)


def _adjacency(edges: EdgeSet) -> scipy.sparse.csr_array:
    table = edge_matrix(edges, np.ones(edges.numbers.size, np.int64))
    return ((table + table.T) > 0).astype(np.int64)


def _triangles(table: scipy.sparse.csr_array) -> int:
    return int((table @ table).multiply(table).sum()) // 6


def _four_cycles(table: scipy.sparse.csr_array) -> int:
    # A path of two steps starts at each of its two ends; those of one end are the degrees.
    paths = (table @ table).data
    degrees = table.sum(axis=1)
    return int((paths * (paths - 1)).sum() - (degrees * (degrees - 1)).sum()) // 8


def _four_cliques(table: scipy.sparse.csr_array) -> int:
    place = np.argsort(np.argsort(table.sum(axis=1), kind="stable"))
    one, other = table.nonzero()
    kept = place[one] < place[other]
    one, other = one[kept], other[kept]
    later = scipy.sparse.csr_array((np.ones(one.size, np.int64), (one, other)), shape=table.shape)
    total, largest = 0, max(int(later.sum(axis=1).max(initial=0)), 1)
    block = max(_BLOCK // largest**2, 1)  # common neighbors, and then theirs, fit the memory
    for first in range(0, one.size, block):
        ends = one[first : first + block], other[first : first + block]
        common = later[ends[0]].multiply(later[ends[1]]).tocsr()
        pair, third = common.nonzero()
        total += int(common[pair].multiply(later[third]).sum())
    return total


_COUNTS = {"triangles": _triangles, "four_cycles": _four_cycles, "four_cliques": _four_cliques}

SUBGRAPH_MEASURES = (
    edge_measure(
        name="structure/clustering",
        function=clustering_deviation,
        permutation="joint",
        formula="mean_v |c_v - c'_v|, c_v = share of pairs of neighbors that are neighbors",
    ),
    *(
        edge_measure(
            name=f"structure/{name}",
            function=functools.partial(_change, count),
            formula=f"|c - c'| / max(c, c'), c = number of {name.replace('four_', '4-')}",
            default=name != "four_cliques",
        )
        for name, count in _COUNTS.items()
    ),
)
