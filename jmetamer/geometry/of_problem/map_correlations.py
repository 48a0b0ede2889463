"""What a map over nodes goes with: degree, homophily and class."""

import math
from typing import NamedTuple

import jraph
import numpy as np
import scipy.stats

from jmetamer._base.arguments import AnArray, Level, Numbers, Seed, Vector, checked
from jmetamer._base.errors import InputError
from jmetamer.geometry.of_problem.noise_on_graph import NoiseOnGraph, normal_scores
from jmetamer.graphs import num_nodes
from jmetamer.graphs.edge_lists import present_edges

_DRAWS = 199
_ROUND_OFF = 1e-12


class Correlation(NamedTuple):
    """A rank correlation of a map over nodes.

    Attributes:
      rho: Spearman's, 0 where one side is constant.
      low, high: confidence limits; -1 and 1 where nothing is known.
      num_nodes: number of nodes it was taken over.
      effective: number of independent nodes that would leave the same doubt.
    """

    rho: float
    low: float
    high: float
    num_nodes: int
    effective: float


class MapCorrelations(NamedTuple):
    """A map against what is known of its nodes; k classes.

    Attributes:
      degree: against the number of neighbors.
      homophily: against the share of neighbors of the same class, over nodes that have neighbors.
      classes: [k] class numbers, ascending.
      class_mean: [k] mean of the map in each class.
      class_error: [k] standard error of the mean, of nodes that resemble their neighbors as much as
        this map's do; 0 for a class of one node and for a constant map, NaN for fewer than 4 nodes.
      class_count: [k] number of nodes.
    """

    degree: Correlation
    homophily: Correlation
    classes: np.ndarray
    class_mean: np.ndarray
    class_error: np.ndarray
    class_count: np.ndarray


@checked
def map_correlations(
    values: Numbers,
    graph: jraph.GraphsTuple,
    labels: Numbers,
    nodes: Numbers | None = None,
    level: Level = 0.95,
    seed: Seed = 0,
) -> MapCorrelations:
    """Return how a map over nodes goes with their degree, homophily and class.

    Neighbors share most of what they see, so that nodes are no independent draws, and a map has
    some correlation with anything. Intervals and errors are those of `map_correlation`: of maps
    that resemble themselves along the edges as this one does, but know nothing of degrees and
    classes. They hold for this network; over training seeds the uncertainty is that of the seeds.

    Args:
      values: [b] one finite number a node.
      graph: the graph, host arrays.
      labels: [n] integer class of every node of the graph.
      nodes: [b] node numbers of `values`; all by default.
      level: coverage of the intervals.
      seed: of the draws behind intervals and errors.

    Raises:
      InputError: shapes that disagree, values that are not finite, `level` out of range.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> star = make_graph(np.ones((4, 1)), [1, 2, 3, 0, 0, 0], [0, 0, 0, 1, 2, 3])
      >>> result = map_correlations([3.0, 1.0, 1.0, 1.0], star, [0, 0, 1, 1])
      >>> round(result.degree.rho, 6), result.class_mean
      (1.0, array([2., 1.]))
    """
    total = num_nodes(graph)
    chosen = np.arange(total) if nodes is None else np.asarray(nodes)
    numbers, classes = np.asarray(values, np.float64), np.asarray(labels)
    degree, homophily = neighborhood_statistics(graph, classes)
    if numbers.shape != chosen.shape:
        raise InputError(
            f"`values` has shape {numbers.shape} for {chosen.size} nodes; give one number a node."
        )
    present, place = np.unique(classes[chosen], return_inverse=True)
    _check(numbers, level)
    alike = _as_smooth(numbers, graph, chosen, seed)
    defined = ~np.isnan(homophily[chosen])
    other = alike
    if not defined.all():
        other = _as_smooth(numbers[defined], graph, chosen[defined], seed)
    groups = [place == k for k in range(len(present))]
    return MapCorrelations(
        correlation(alike, degree[chosen], level),
        correlation(other, homophily[chosen][defined], level),
        present,
        np.array([numbers[own].mean() for own in groups]),
        np.array([_error_of_mean(alike, own) for own in groups]),
        np.array([own.sum() for own in groups]),
    )


@checked
def map_correlation(
    a: Vector,
    b: Vector,
    graph: jraph.GraphsTuple,
    nodes: Numbers | None = None,
    level: Level = 0.95,
    seed: Seed = 0,
) -> Correlation:
    """Return Spearman's rank correlation of a map over nodes with another, and its interval.

    The interval excludes 0 where the correlation is larger than those of 95% of random maps that
    are as smooth on the graph: noise averaged over hops, with the covariances that are fitted to
    the map's normal scores (`NoiseOnGraph`), and with the map's own values in the order of the
    noise. The deviate is t = artanh(rho) / sqrt((1 + rho^2 / 2) / (n_eff - 1)), with the variance
    of D. G. Bonett and T. A. Wright (Psychometrika 65, 2000) for the effective number of nodes,
    which is fitted anew to every random map; its quantile in 199 of them takes the place of 1.96.
    The other map counts as fixed, whatever it is.

    Args:
      a: [b] finite numbers.
      b: [b] numbers, or NaN, which leaves the node out.
      graph: the graph, host arrays.
      nodes: [b] node numbers of both; all by default.
      level: coverage, strictly between 0 and 1.
      seed: of the random maps.

    Raises:
      InputError: shapes that disagree, `a` not finite, `level` out of range.

    Example:
      >>> import jmetamer as jm
      >>> karate = jm.load_dataset("karate").graph
      >>> smooth = np.convolve(np.random.default_rng(0).normal(size=34), np.ones(9), "same")
      >>> result = map_correlation(smooth, np.arange(34.0), karate)
      >>> result.num_nodes, bool(result.low < result.rho < result.high)
      (34, True)
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    chosen = np.arange(num_nodes(graph)) if nodes is None else np.asarray(nodes)
    if first.ndim != 1 or not first.shape == second.shape == chosen.shape:
        raise InputError(
            f"`a` has shape {first.shape} and `b` {second.shape} for {chosen.size} nodes; give two "
            "lists of one number a node."
        )
    _check(first, level)
    defined = ~np.isnan(second)
    alike = _as_smooth(first[defined], graph, chosen[defined], seed)
    return correlation(alike, second[defined], level)


class SmoothMaps(NamedTuple):
    """A map [b] and random maps [b, m] with its values; `noise` is None where it says nothing.

    `theta` and `thetas` are the variances that are fitted to them, [kinds, 1] and [kinds, m].
    """

    values: np.ndarray
    noise: NoiseOnGraph | None
    theta: np.ndarray
    maps: np.ndarray
    thetas: np.ndarray


def _check(values: np.ndarray, level: float) -> None:
    """Raise `InputError` for values without ranks and for a level that is none."""
    if not np.isfinite(values).all():
        raise InputError(
            f"`values` hold {int(np.sum(~np.isfinite(values)))} numbers that are not finite; ranks "
            "need finite ones. Leave those nodes out."
        )


def _as_smooth(
    values: np.ndarray, graph: jraph.GraphsTuple, nodes: np.ndarray, seed: int
) -> SmoothMaps:
    if len(values) < 4 or np.ptp(values) == 0:
        nothing = np.zeros((0, 0))
        return SmoothMaps(values, None, nothing, nothing, nothing)
    return smooth_maps(values, NoiseOnGraph(graph, nodes, seed))


def smooth_maps(values: np.ndarray, noise: NoiseOnGraph) -> SmoothMaps:
    """Return a map with random ones: its values in the order of noise that is as smooth."""
    scores = normal_scores(values)
    theta = noise.fit(scores[:, None])
    order = np.argsort(np.argsort(noise.draws(theta[:, 0], _DRAWS), axis=0), axis=0)
    thetas = noise.fit(np.sort(scores)[order])
    return SmoothMaps(values, noise, theta, np.sort(values)[order], thetas)


def correlation(alike: SmoothMaps, other: np.ndarray, level: float) -> Correlation:
    """Return the rank correlation with another map of the same nodes, and its interval."""
    count = len(other)
    if count < 2 or np.ptp(alike.values) == 0 or np.ptp(other) == 0:
        return Correlation(0.0, -1.0, 1.0, count, 0.0)
    ranks = _unit_ranks(other)
    rho = float(np.clip(ranks @ _unit_ranks(alike.values), -1.0, 1.0))
    if alike.noise is None:
        return Correlation(rho, -1.0, 1.0, count, 0.0)
    moments = alike.noise.moments(ranks[:, None])
    effective = float(alike.noise.effective(alike.theta, moments)[0])
    random = ranks @ _unit_ranks(alike.maps)
    spreads = _spread(random, alike.noise.effective(alike.thetas, moments))
    with np.errstate(divide="ignore"):
        random = np.arctanh(np.where(np.abs(random) > 1 - _ROUND_OFF, np.sign(random), random))
    deviates = np.sort(np.abs(random) / spreads)
    place = math.ceil(level * (_DRAWS + 1) - _ROUND_OFF)
    half = np.inf if place > _DRAWS else deviates[place - 1] * _spread(rho, effective)
    # Ranks know a perfect correlation up to half of what exchanging two neighbors changes.
    most = 1 - 6 / (count**3 - count)
    inner = math.atanh(float(np.clip(rho, -most, most)))
    low, high = (math.tanh(inner + side * half) for side in (-1, 1))
    return Correlation(rho, min(low, rho), max(high, rho), count, effective)


def _spread(rho: AnArray, effective: AnArray) -> AnArray:
    """Return the standard error of artanh(rho)."""
    return np.sqrt((1 + np.square(rho) / 2) / (effective - 1))


def _unit_ranks(maps: np.ndarray) -> np.ndarray:
    """Return ranks of each column, centered and of length 1."""
    ranks = scipy.stats.rankdata(maps, axis=0)
    centered = ranks - ranks.mean(0)
    return centered / np.linalg.norm(centered, axis=0)


def _error_of_mean(alike: SmoothMaps, own: np.ndarray) -> float:
    """Return the standard error of the mean over some nodes, by the effective number of these."""
    if own.sum() < 2 or np.ptp(alike.values) == 0:
        return 0.0
    if alike.noise is None:
        return math.nan  # too few nodes to say how alike they are
    group = alike.maps[own]
    within = group.var(axis=0, ddof=1).mean()
    share = group.mean(0).var(ddof=1) / within if within > 0 else 0.0
    return float(alike.values[own].std(ddof=1) * math.sqrt(share))


def neighborhood_statistics(
    graph: jraph.GraphsTuple, labels: AnArray
) -> tuple[np.ndarray, np.ndarray]:
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
    if classes.shape != (total,):
        raise InputError(
            f"`labels` has shape {classes.shape}, but the graph has {total} nodes; give one a node."
        )
    senders, receivers, _ = present_edges(graph, loops=False)
    degree = np.bincount(receivers, minlength=total)
    same = np.bincount(receivers[classes[senders] == classes[receivers]], minlength=total)
    share = np.full(total, np.nan)
    np.divide(same, degree, out=share, where=degree > 0)
    return degree, share
