"""What a map over nodes goes with, degree, homophily, class, and what noise on the graph gives."""

import math
from typing import NamedTuple

import jraph
import numpy as np
import scipy.sparse as sp
import scipy.special
import scipy.stats

from jmetamer._base.arguments import AnArray, Level, Numbers, Seed, Vector, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs import num_nodes
from jmetamer.graphs.edge_lists import present_edges

_HOPS = 3
_PROBES = 48  # draws of every kind of noise, for its moments
_LEAST = 1e-9  # variance of plain noise, so that no map is without any
_DRAWS = 199
_ROUND_OFF = 1e-12


class NoiseOnGraph:
    """Sums of independent noises, each averaged over some hops of a graph.

    The kinds are plain noise, the averages of one to three hops by three weights (mean over
    neighbors and self, mean over neighbors, GCN's symmetric weights) and the mean over a ball of
    two hops. A map is taken for a sum of all kinds, kind k with variance theta_k >= 0 and so with
    the covariance sum_k theta_k F_k F_k'. The theta_k are fitted to its second moments |F_k' x|^2
    by least squares over all pairs of nodes (variance components by moments, as in C. R. Henderson,
    Biometrics 9, 1953).

    Args:
      graph: host arrays; edges of weight above 0 count, loops do not.
      nodes: [b] nodes of the map.
      seed: of all draws.
    """

    def __init__(self, graph: jraph.GraphsTuple, nodes: np.ndarray, seed: int = 0) -> None:
        self._nodes, self._seed = nodes, seed
        self._total = len(np.asarray(graph.nodes))
        self._chains, self._ball = _averages(graph, self._total)
        self._count = 2 + _HOPS * len(self._chains)
        generator = np.random.default_rng((seed, 0))
        drawn = [self._kind(k, _PROBES, generator) for k in range(self._count)]
        self.traces = np.array([np.var(x, axis=0).mean() * len(nodes) for x in drawn])
        moments = np.array([self.moments(x).mean(1) for x in drawn])
        moments = (moments + moments.T) / 2
        scale = np.sqrt(np.diag(moments))
        # A kind that is the same at all nodes, as the mean of a complete graph, explains nothing.
        self._scale = np.where(scale > _LEAST * scale.max(), scale, np.inf)
        scaled = moments / self._scale / self._scale[:, None]
        values, vectors = np.linalg.eigh(scaled)
        self._root = np.sqrt(np.maximum(values, 1e-9))[:, None] * vectors.T

    def moments(self, maps: np.ndarray) -> np.ndarray:
        """Return |F_k' x|^2 of centered maps [b, m], [kinds, m]."""
        centered = maps - maps.mean(0)
        there = np.zeros((self._total, centered.shape[1]))
        np.add.at(there, self._nodes, centered)
        kinds = [there, self._ball.T @ there]
        for chain in self._chains:
            averaged = there
            for _ in range(_HOPS):
                averaged = chain.T @ averaged
                kinds.append(averaged)
        return np.stack([np.sum(kind**2, axis=0) for kind in kinds])

    def fit(self, maps: np.ndarray) -> np.ndarray:
        """Return the variances theta of maps [b, m], [kinds, m]."""
        from scipy.optimize import nnls

        right = np.linalg.solve(self._root.T, self.moments(maps) / self._scale[:, None])
        fits = np.stack([nnls(self._root, column)[0] for column in right.T], axis=1)
        theta = fits / self._scale[:, None]
        theta[0] += _LEAST
        return theta

    def effective(self, theta: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """Return as how many independent nodes a map counts beside another, [m].

        The correlation of a map of covariance S with a fixed centered y varies by
        y'Sy / (y'y tr S), which is 1 / (n - 1) for independent nodes (P. Clifford, S. Richardson
        and D. Hemon, Biometrics 45, 1989).

        Args:
          theta: [kinds, m] of the map.
          moments: [kinds, 1] of y, scaled to unit length.
        """
        return 1 + (theta * self.traces[:, None]).sum(0) / (theta * moments).sum(0)

    def draws(self, theta: np.ndarray, count: int) -> np.ndarray:
        """Return [b, count] maps with the variances theta, [kinds]."""
        generator = np.random.default_rng((self._seed, 1))
        maps = np.zeros((len(self._nodes), count))
        for kind in np.flatnonzero(theta).tolist():
            maps += np.sqrt(theta[kind]) * self._kind(kind, count, generator)
        return maps

    def _kind(self, kind: int, width: int, generator: np.random.Generator) -> np.ndarray:
        """Return maps [b, width] of one kind, in the order of `moments`."""
        noise = generator.standard_normal((self._total, width))
        if kind == 1:
            noise = self._ball @ noise
        elif kind > 1:
            chain, hops = divmod(kind - 2, _HOPS)
            for _ in range(hops + 1):
                noise = self._chains[chain] @ noise
        return noise[self._nodes]


def _averages(graph: jraph.GraphsTuple, total: int) -> tuple[list[sp.csr_array], sp.csr_array]:
    """Return averages over one hop by three weights, and the mean over balls of two hops."""
    senders, receivers, _ = present_edges(graph, loops=False)
    ones = np.ones(len(senders))
    neighbors = sp.csr_matrix((ones, (receivers, senders)), shape=(total, total))
    neighbors.data[:] = 1.0
    with_self = neighbors + sp.eye_array(total, format="csr")
    root = sp.diags_array(np.asarray(with_self.sum(1)).ravel() ** -0.5)
    reached = with_self @ with_self
    reached.data[:] = 1.0
    chains = [_mean(with_self), _mean(neighbors), sp.csr_array(root @ with_self @ root)]
    return chains, _mean(reached)


def _mean(weights: sp.csr_array) -> sp.csr_array:
    """Return rows that sum to 1, or to 0 where they are empty."""
    sums = np.maximum(np.asarray(weights.sum(1)).ravel(), 1.0)
    return sp.csr_array(sp.diags_array(1 / sums) @ weights)


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
    _check(numbers)
    present, place = np.unique(classes[chosen], return_inverse=True)
    alike = _as_smooth(numbers, graph, chosen, seed)
    defined = ~np.isnan(homophily[chosen])
    both = numbers[defined], graph, chosen[defined], seed
    other = alike if defined.all() else _as_smooth(*both)
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
    _check(first)
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


def _check(values: np.ndarray) -> None:
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
    quantiles = (scipy.stats.rankdata(values, axis=0) - 0.5) / len(values)
    scores = scipy.special.ndtri(quantiles)
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
