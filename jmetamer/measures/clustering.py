"""Deviation of triangles in simple graphs, nodes aligned."""

import numpy as np

from jmetamer.measures.edge_set import EdgeSet, edge_matrix
from jmetamer.measures.random_edges import edge_measure


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


CLUSTERING_MEASURES = (
    edge_measure(
        name="structure/clustering",
        function=clustering_deviation,
        permutation="joint",
        formula="mean_v |c_v - c'_v|, c_v = share of pairs of neighbors that are neighbors",
    ),
)
