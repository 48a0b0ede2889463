"""Deviations of edges, nodes aligned: the pair (u, v) of the metamer against that of the reference.

A weight w counts as that much of an edge; of simple graphs, where weights are 0 and 1, every sum
below is a number of edges. Self loops are left out. A weight that is not finite makes a metamer
deviate by NaN.
"""

import numpy as np

from jmetamer.measures.edge_set import EdgeSet, on_common_pairs
from jmetamer.measures.measure import EDGE_KINDS, Measure
from jmetamer.measures.random_edges import edge_measure


def edge_jaccard_distance(reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return `1 - sum_uv min(w, w') / sum_uv max(w, w')`, in [0, 1].

    Of simple graphs this is `1 - #(E and E') / #(E or E')`. 0 if neither has edges. A metric.

    Example:
      >>> reference = EdgeSet(3, np.array([1, 2, 5]), np.ones(3))
      >>> round(edge_jaccard_distance(reference, EdgeSet(3, np.array([1]), np.ones(1))), 6)
      0.666667
    """
    one, other = on_common_pairs(reference, metamer)
    union = np.maximum(one, other).sum()
    return _share(np.abs(one - other), union)


def edge_f1_distance(reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return `1 - F1 = 1 - 2 sum_uv min(w, w') / (sum_uv w + sum_uv w')`, in [0, 1].

    Of simple graphs, F1 is the harmonic mean of the shares of edges that both have. 0 if neither
    has edges. Not a metric (the triangle inequality fails).

    Example:
      >>> reference = EdgeSet(3, np.array([1, 2, 5]), np.ones(3))
      >>> edge_f1_distance(reference, EdgeSet(3, np.array([1]), np.ones(1)))
      0.5
    """
    one, other = on_common_pairs(reference, metamer)
    total = one.sum() + other.sum()
    return _share(np.abs(one - other), total)


def degree_wasserstein(reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return the Wasserstein-1 distance of the distributions of degrees, in edges a node.

    `mean_i |deg_(i) - deg'_(i)|` over the sorted degrees; of directed graphs those of arriving
    edges. It does not see which node has which degree: 0 for every graph with the degrees of the
    reference.

    Example:
      >>> path = EdgeSet(3, np.array([1, 3, 5, 7]), np.ones(4))  # 0 - 1 - 2
      >>> round(degree_wasserstein(path, EdgeSet(3, np.array([1, 3]), np.ones(2))), 6)
      0.666667
    """
    degrees = np.sort([reference.degree, metamer.degree], axis=1)
    if not np.isfinite(degrees).all():
        return float("nan")
    gaps = np.abs(degrees[0] - degrees[1])
    return float(gaps.mean()) if gaps.size else 0.0


def edge_jaccard_chance(reference: EdgeSet) -> float:
    """Return the expected distance of the reference's weights on pairs drawn at random.

    m edges on P = n (n - 1) pairs meet `m^2 / P` of the reference's in the mean, each with the mean
    of `min(w, w')` over two independent weights; of simple graphs this is `1 - k / (2 m - k)`, with
    `k = m^2 / P`. A ratio of expectations: the expected ratio up to 1 / m.

    Example:
      >>> round(edge_jaccard_chance(EdgeSet(3, np.array([1, 2, 5]), np.ones(3))), 6)
      0.666667
    """
    total, shared = reference.weight.sum(), _expected_shared(reference)
    return float(1 - shared / (2 * total - shared)) if total else 0.0


def edge_f1_chance(reference: EdgeSet) -> float:
    """Return the expected distance of the reference's weights on pairs drawn at random.

    Exactly `1 - m / P` for a simple graph of m edges on P = n (n - 1) pairs.

    Example:
      >>> edge_f1_chance(EdgeSet(3, np.array([1, 2, 5]), np.ones(3)))
      0.5
    """
    total = reference.weight.sum()
    return float(1 - _expected_shared(reference) / total) if total else 0.0


def _share(part: np.ndarray, whole: float) -> float:
    if not np.isfinite(whole):
        return float("nan")
    return float(part.sum() / whole) if whole else 0.0


def _expected_shared(reference: EdgeSet) -> float:
    """Return the expected `sum_uv min(w, w')` with the weights of w' on pairs drawn at random."""
    count, n = reference.weight.size, reference.num_nodes
    if not count:
        return 0.0
    rising = np.sort(reference.weight)
    # In a sorted list the k-th value is the smaller one of 2 (count - k) - 1 ordered pairs.
    mean_smaller = np.sum(rising * (2 * (count - np.arange(count)) - 1)) / count**2
    return float(count**2 / (n * (n - 1)) * mean_smaller)


STRUCTURE_MEASURES: tuple[Measure, ...] = (
    edge_measure(
        name="structure/edge_jaccard",
        function=edge_jaccard_distance,
        chance=edge_jaccard_chance,
        applies_to=EDGE_KINDS,
        permutation="joint",
        formula="1 - sum min(w, w') / sum max(w, w')",
    ),
    edge_measure(
        name="structure/edge_f1",
        function=edge_f1_distance,
        chance=edge_f1_chance,
        applies_to=EDGE_KINDS,
        permutation="joint",
        formula="1 - 2 sum min(w, w') / (sum w + sum w')",
    ),
    edge_measure(
        name="structure/degree_wasserstein",
        function=degree_wasserstein,
        high=float("inf"),
        applies_to=EDGE_KINDS,
        formula="mean_i |deg_(i) - deg'_(i)| over sorted degrees",
    ),
)
