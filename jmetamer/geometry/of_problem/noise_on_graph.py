"""Noise that is averaged over neighborhoods of a graph: what chance gives a map over its nodes."""

import jraph
import numpy as np
import scipy.sparse as sp
import scipy.special
import scipy.stats

from jmetamer.graphs.edge_lists import present_edges

_HOPS = 3
_PROBES = 48  # draws of every kind of noise, for its moments
_LEAST = 1e-9  # variance of plain noise, so that no map is without any


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
        fits = [nnls(self._root, column)[0] for column in right.T]
        theta = np.stack(fits, axis=1) / self._scale[:, None]
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


def normal_scores(maps: np.ndarray) -> np.ndarray:
    """Return maps [b, m] with each column's ranks as quantiles of a normal distribution."""
    ranks = scipy.stats.rankdata(maps, axis=0)
    return scipy.special.ndtri((ranks - 0.5) / len(maps))


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
