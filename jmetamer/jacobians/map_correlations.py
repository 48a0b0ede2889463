"""What a map over nodes goes with: degree, homophily and class."""

import math
from statistics import NormalDist
from typing import Any, NamedTuple

import jraph
import numpy as np
import scipy.stats

from jmetamer._base.errors import InputError
from jmetamer.graphs import num_nodes


class Correlation(NamedTuple):
    """A rank correlation.

    Attributes:
      rho: Spearman's, 0 where one side is constant.
      low, high: confidence limits; -1 and 1 where nothing is known.
      num_nodes: number of nodes it was taken over.
    """

    rho: float
    low: float
    high: float
    num_nodes: int


class MapCorrelations(NamedTuple):
    """A map against what is known of its nodes; k classes.

    Attributes:
      degree: against the number of neighbors.
      homophily: against the share of neighbors of the same class, over nodes that have neighbors.
      classes: [k] class numbers, ascending.
      class_mean: [k] mean of the map in each class.
      class_error: [k] standard error of the mean, 0 for a class of one node.
      class_count: [k] number of nodes.
    """

    degree: Correlation
    homophily: Correlation
    classes: np.ndarray
    class_mean: np.ndarray
    class_error: np.ndarray
    class_count: np.ndarray


def map_correlations(
    values: Any, graph: jraph.GraphsTuple, labels: Any, nodes: Any = None, level: float = 0.95
) -> MapCorrelations:
    """Return how a map over nodes goes with their degree, homophily and class.

    The intervals and errors take the nodes as independent draws. Neighbors share most of what they
    see, so the true uncertainty is larger; over training seeds it is that of the seeds.

    Args:
      values: [b] one finite number a node.
      graph: the graph, host arrays.
      labels: [n] integer class of every node of the graph.
      nodes: [b] node numbers of `values`; all by default.
      level: coverage of the intervals.

    Raises:
      InputError: shapes that disagree, values that are not finite, `level` out of range.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> star = make_graph(np.ones((4, 1)), [1, 2, 3, 0, 0, 0], [0, 0, 0, 1, 2, 3])
      >>> found = map_correlations([3.0, 1.0, 1.0, 1.0], star, [0, 0, 1, 1])
      >>> round(found.degree.rho, 6), found.class_mean
      (1.0, array([2., 1.]))
    """
    total = num_nodes(graph)
    chosen = np.arange(total) if nodes is None else np.asarray(nodes)
    numbers, classes = np.asarray(values, np.float64), np.asarray(labels)
    if classes.shape != (total,):
        raise InputError(
            f"`labels` has shape {classes.shape}, but the graph has {total} nodes; give one a node."
        )
    if numbers.shape != chosen.shape:
        raise InputError(
            f"`values` has shape {numbers.shape} for {chosen.size} nodes; give one number a node."
        )
    degree, homophily = neighborhood_statistics(graph, classes)
    found, place = np.unique(classes[chosen], return_inverse=True)
    groups = [numbers[place == k] for k in range(len(found))]
    return MapCorrelations(
        spearman(numbers, degree[chosen], level),
        spearman(numbers, homophily[chosen], level),
        found,
        np.array([group.mean() for group in groups]),
        np.array(
            [
                group.std(ddof=1) / math.sqrt(len(group)) if len(group) > 1 else 0.0
                for group in groups
            ]
        ),
        np.array([len(group) for group in groups]),
    )


def neighborhood_statistics(graph: jraph.GraphsTuple, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of neighbors and the share of them with the node's own label.

    Neighbors are counted over edges of weight above 0 that arrive at the node, without loops.

    Args:
      graph: the graph, host arrays.
      labels: [n] integer classes.

    Returns:
      Degree [n] int64 and homophily [n] float64, NaN at nodes without neighbors.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> path = make_graph(np.ones((3, 1)), [0, 1, 1, 2], [1, 0, 2, 1])
      >>> neighborhood_statistics(path, [0, 0, 1])
      (array([1, 2, 1]), array([1. , 0.5, 0. ]))
    """
    total, classes = num_nodes(graph), np.asarray(labels)
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    present = (np.asarray(graph.edges.weight) > 0) & (senders != receivers)
    senders, receivers = senders[present], receivers[present]
    degree = np.bincount(receivers, minlength=total)
    same = np.bincount(receivers[classes[senders] == classes[receivers]], minlength=total)
    share = np.full(total, np.nan)
    np.divide(same, degree, out=share, where=degree > 0)
    return degree, share


def spearman(a: Any, b: Any, level: float = 0.95) -> Correlation:
    """Return Spearman's rank correlation with a confidence interval.

    On the scale z = artanh(rho) the variance is (1 + rho^2 / 2) / (n - 3) (D. G. Bonett and
    T. A. Wright, Psychometrika 65 (2000)). Pairs with a NaN in `b` are left out.

    Args:
      a: [n] finite numbers.
      b: [n] numbers, or NaN.
      level: coverage, strictly between 0 and 1.

    Raises:
      InputError: shapes that disagree, `a` not finite, `level` out of range.

    Example:
      >>> spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]).rho.__round__(6)
      0.8
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(
            f"`a` has shape {first.shape} and `b` {second.shape}; give two lists of one length."
        )
    if not np.isfinite(first).all():
        raise InputError(
            f"`a` holds {int(np.sum(~np.isfinite(first)))} numbers that are not finite; ranks need "
            "finite ones. Leave those nodes out."
        )
    if not 0.0 < level < 1.0:
        raise InputError(f"`level` is {level}; a coverage lies strictly between 0 and 1.")
    known = ~np.isnan(second)
    first, second = first[known], second[known]
    count = int(known.sum())
    if count < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Correlation(0.0, -1.0, 1.0, count)
    rho = float(np.clip(scipy.stats.spearmanr(first, second).statistic, -1.0, 1.0))
    if count < 4:
        return Correlation(rho, -1.0, 1.0, count)
    if abs(rho) == 1.0:
        return Correlation(rho, rho, rho, count)
    half = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt((1 + rho**2 / 2) / (count - 3))
    center = math.atanh(rho)
    return Correlation(rho, math.tanh(center - half), math.tanh(center + half), count)
