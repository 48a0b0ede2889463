"""How like nodes link, in metamers of the structure: edges within one class, hubs with hubs."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray, Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer.measures.edge_set import EdgeSet
from jmetamer.measures.measure import EDGE_KINDS, Facts, labels_of_nodes
from jmetamer.measures.random_edges import edge_measure, mean_over_random_edges


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


class Homophily(NamedTuple):
    """Homophily of one graph.

    Attributes:
      edge: share of the weight of edges between nodes of one class, in [0, 1]; NaN without edges.
      chance: the same with the ends of edges paired at random, `sum_k p_k^2`.
      adjusted: `(edge - chance) / (1 - chance)`, at most 1; 0 for ends paired at random. NaN where
        all edges end in one class.
    """

    edge: float
    chance: float
    adjusted: float


@checked
def homophily(edges: EdgeSet, labels: Numbers) -> Homophily:
    """Return the edge homophily and the adjusted homophily of a graph.

    `h = sum_{uv, y_u = y_v} w_uv / sum_uv w_uv` and, with `p_k` the share of all degrees that lie
    in class k, `(h - sum_k p_k^2) / (1 - sum_k p_k^2)` (Platonov et al., 2023), which compares
    between data sets; it is Newman's assortativity of the classes. Of directed graphs `p_k^2` is
    the product of the shares of leaving and of arriving edges.

    Args:
      edges: of the graph; finite weights.
      labels: [n] classes.

    Raises:
      InputError: not one label for each node.

    Example:
      >>> path = EdgeSet(4, np.array([1, 4, 6, 9, 11, 14]), np.ones(6))  # 0 - 1 - 2 - 3
      >>> result = homophily(path, [0, 0, 1, 1])
      >>> round(result.edge, 6), result.chance, round(result.adjusted, 6)
      (0.666667, 0.5, 0.333333)
    """
    values = np.asarray(labels)
    if values.shape != (edges.num_nodes,):
        raise InputError(
            f"`labels` has shape {values.shape}; one class for each of {edges.num_nodes} nodes is "
            "needed"
        )
    total = edges.weight.sum()
    if not total or not np.isfinite(total):
        return Homophily(float("nan"), float("nan"), float("nan"))
    names, classes = np.unique(values, return_inverse=True)
    one, other = (classes[ends] for ends in np.divmod(edges.numbers, edges.num_nodes))
    same = float(edges.weight[one == other].sum() / total)
    shares = [np.bincount(ends, edges.weight, names.size) / total for ends in (one, other)]
    chance = float(shares[0] @ shares[1])
    alone = np.unique(np.append(one, other)).size == 1
    adjusted = float("nan") if alone else (same - chance) / (1 - chance)
    return Homophily(same, chance, adjusted)


def homophily_change(labels: AnArray, reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return `|h - h'|` of the edge homophily, in [0, 1]; NaN where one of them has no edges.

    Example:
      >>> pair, other = (EdgeSet(3, np.array(at), np.ones(2)) for at in ([1, 3], [2, 6]))
      >>> homophily_change([0, 0, 1], pair, other)
      1.0
    """
    return abs(homophily(reference, labels).edge - homophily(metamer, labels).edge)


def adjusted_homophily_change(labels: AnArray, reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return `|a - a'|` of the adjusted homophily, from 0 up; NaN where one of them has none.

    Example:
      >>> pair, other = (EdgeSet(3, np.array(at), np.ones(2)) for at in ([1, 3], [2, 6]))
      >>> adjusted_homophily_change([0, 0, 1], pair, other)
      nan
    """
    return abs(homophily(reference, labels).adjusted - homophily(metamer, labels).adjusted)


def _labels(reference: EdgeSet, facts: Facts) -> np.ndarray | None:
    labels = labels_of_nodes(facts, reference.num_nodes)
    return None if labels is None or (labels < 0).any() else labels


def _chance(change: Callable[..., float], labels: AnArray, reference: EdgeSet) -> float:
    return mean_over_random_edges(functools.partial(change, labels), reference)


HOMOPHILY_MEASURES = (
    edge_measure(
        name="structure/assortativity",
        function=assortativity_change,
        high=2.0,
        formula="|r - r'|, r = correlation of the degrees at both ends of the edges",
        may_be_missing=True,
    ),
    edge_measure(
        name="structure/homophily",
        function=homophily_change,
        chance=functools.partial(_chance, homophily_change),
        applies_to=EDGE_KINDS,
        permutation="joint",
        formula="|h - h'|, h the share of the weight of edges within one class of labels",
        may_be_missing=True,
        prepare=_labels,
    ),
    edge_measure(
        name="structure/adjusted_homophily",
        function=adjusted_homophily_change,
        chance=functools.partial(_chance, adjusted_homophily_change),
        high=float("inf"),
        applies_to=EDGE_KINDS,
        permutation="joint",
        formula="|a - a'|, a = (h - sum_k p_k^2) / (1 - sum_k p_k^2), h within classes of labels",
        may_be_missing=True,
        prepare=_labels,
    ),
)
