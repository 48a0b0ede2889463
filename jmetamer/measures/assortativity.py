"""Deviation of how degrees go together in simple graphs: do hubs link to hubs?"""

import numpy as np

from jmetamer.measures.edge_set import EdgeSet
from jmetamer.measures.random_edges import edge_measure


def degree_assortativity(edges: EdgeSet) -> float:
    """Return Pearson's correlation of the degrees at both ends of the edges (Newman, 2003).

    Of directed graphs that of the number of edges that leave the sender with the number that arrive
    at the receiver. Weights are ignored.

    Returns:
      Number in [-1, 1]; NaN where all degrees at one end are equal, as in a regular graph or
      without edges, since nothing can then go together.

    Example:
      >>> path = EdgeSet(3, np.array([1, 3, 5, 7]), np.ones(4))  # 0 - 1 - 2
      >>> degree_assortativity(path)
      -1.0
      >>> degree_assortativity(EdgeSet(2, np.array([1, 2]), np.ones(2)))
      nan
    """
    count, n = edges.numbers.size, edges.num_nodes
    one, other = np.divmod(edges.numbers, max(n, 1))
    left = np.bincount(one, minlength=n)[one]
    right = np.bincount(other, minlength=n)[other]

    def covariance(a: np.ndarray, b: np.ndarray) -> int:
        return int(count * (a @ b) - a.sum() * b.sum())  # whole numbers: 0 is exactly 0

    spreads = covariance(left, left), covariance(right, right)
    if not all(spreads):
        return float("nan")
    return covariance(left, right) / (float(np.sqrt(spreads[0])) * float(np.sqrt(spreads[1])))


def assortativity_change(reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return `|r - r'|`, r the degree assortativity, in [0, 2].

    Returns:
      The change; NaN (missing) where either is not defined.

    Example:
      >>> path = EdgeSet(4, np.array([1, 4, 6, 9]), np.ones(4))  # 0 - 1 - 2, and 3 alone
      >>> longer = EdgeSet(4, np.array([1, 4, 6, 9, 11, 14]), np.ones(6))  # 0 - 1 - 2 - 3
      >>> round(assortativity_change(path, longer), 6)
      0.5
    """
    if not (np.isfinite(reference.weight).all() and np.isfinite(metamer.weight).all()):
        return float("nan")
    return abs(degree_assortativity(reference) - degree_assortativity(metamer))


ASSORTATIVITY_MEASURES = (
    edge_measure(
        name="structure/assortativity",
        function=assortativity_change,
        high=2.0,
        formula="|r - r'|, r = correlation of the degrees at both ends of the edges",
        may_be_missing=True,
    ),
)
