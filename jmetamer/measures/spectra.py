"""Deviations of the spectrum of a graph: distributions of Laplacian eigenvalues, nodes unaligned.

Eigenvalues of the normalized Laplacian `I - D^(-1/2) A D^(-1/2)`, in [0, 2]; rows of isolated nodes
are zero. Of a directed graph, A is the mean of both directions. They see what messages cannot:
one ring of six and two rings of three look the same to every message-passing network.
"""

import functools
from collections.abc import Callable

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.measures.edge_set import EdgeSet
from jmetamer.measures.measure import EDGE_KINDS
from jmetamer.measures.random_edges import edge_measure, mean_over_random_edges

MAX_NODES = 4000  # CiteSeer has 3,327; a full decomposition takes O(n^3) time
_TIMES = np.logspace(-2, 2, 250)
# Drawn for a chance level: the second number above so many nodes, where spectra hardly vary.
_DRAWS, _MANY_NODES = (16, 2), 500


def laplacian_eigenvalues(edges: EdgeSet) -> np.ndarray:
    """Return the eigenvalues of the normalized Laplacian, [n] float64 in [0, 2], rising.

    Args:
      edges: finite weights.

    Raises:
      InputError: more than 4,000 nodes.

    Example:
      >>> pair = EdgeSet(3, np.array([1, 3]), np.ones(2))  # 0 - 1, and 2 alone
      >>> laplacian_eigenvalues(pair).round(6).tolist()
      [0.0, 0.0, 2.0]
    """
    if edges.num_nodes > MAX_NODES:
        raise InputError(
            f"the graph has {edges.num_nodes} nodes; all eigenvalues of its Laplacian are computed "
            f"for up to {MAX_NODES}, since the time grows as the cube of their number. Leave "
            "'structure/laplacian_spectrum' and 'structure/netlsd' out of `measures`"
        )
    return _eigenvalues(edges.num_nodes, edges.numbers.tobytes(), edges.weight.tobytes()).copy()


def laplacian_spectrum_wasserstein(reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return `mean_i |lambda_i - lambda'_i|` over sorted eigenvalues, in [0, 2].

    The Wasserstein-1 distance of the distributions of eigenvalues of the normalized Laplacian. 0
    also for different graphs that share a spectrum. O(n^3) time a graph.

    Raises:
      InputError: more than 4,000 nodes.

    Example:
      >>> ring = EdgeSet(3, np.array([1, 2, 3, 5, 6, 7]), np.ones(6))
      >>> path = EdgeSet(3, np.array([1, 3, 5, 7]), np.ones(4))
      >>> round(laplacian_spectrum_wasserstein(ring, path), 6)
      0.333333
    """
    if not _finite(reference, metamer):
        return float("nan")
    gaps = np.abs(laplacian_eigenvalues(reference) - laplacian_eigenvalues(metamer))
    return float(gaps.mean()) if gaps.size else 0.0


def netlsd(reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return the L2 distance of heat traces `h_t = (1/n) sum_i exp(-t lambda_i)`, in [0, 15.8].

    NetLSD (Tsitsulin et al., 2018): at 250 times t evenly spaced in log from 0.01 to 100, divided
    by the trace of the empty graph. Short times see degrees and triangles, long ones clusters.

    Raises:
      InputError: more than 4,000 nodes.

    Example:
      >>> ring = EdgeSet(3, np.array([1, 2, 3, 5, 6, 7]), np.ones(6))
      >>> round(netlsd(ring, EdgeSet(3, np.array([], int), np.array([]))), 3)
      7.683
    """
    if not _finite(reference, metamer):
        return float("nan")
    traces = [_heat_trace(laplacian_eigenvalues(edges)) for edges in (reference, metamer)]
    return float(np.linalg.norm(traces[0] - traces[1]))


def _chance(distance: Callable[[EdgeSet, EdgeSet], float], reference: EdgeSet) -> float:
    """Return the mean over a few graphs: spectra of large ones take seconds."""
    draws = _DRAWS[reference.num_nodes > _MANY_NODES]
    return mean_over_random_edges(distance, reference, draws)


# Both measures ask for the same spectra, and every metamer for that of its reference.
@functools.lru_cache(maxsize=4)
def _eigenvalues(n: int, numbers: bytes, weight: bytes) -> np.ndarray:
    table = np.zeros((n, n))
    table.ravel()[np.frombuffer(numbers, np.int64)] = np.frombuffer(weight, np.float64)
    table = (table + table.T) / 2
    degree = table.sum(axis=1)
    root = np.sqrt(np.where(degree > 0, degree, 1.0))
    laplacian = np.diag((degree > 0).astype(float)) - table / root[:, None] / root[None, :]
    return np.clip(np.linalg.eigvalsh(laplacian), 0.0, 2.0)


def _heat_trace(eigenvalues: np.ndarray) -> np.ndarray:
    if not eigenvalues.size:
        return np.zeros(_TIMES.size)
    return np.array([np.exp(-time * eigenvalues).mean() for time in _TIMES])


def _finite(*graphs: EdgeSet) -> bool:
    return all(bool(np.isfinite(edges.weight).all()) for edges in graphs)


SPECTRAL_MEASURES = (
    edge_measure(
        name="structure/laplacian_spectrum",
        function=laplacian_spectrum_wasserstein,
        chance=functools.partial(_chance, laplacian_spectrum_wasserstein),
        high=2.0,
        applies_to=EDGE_KINDS,
        formula="mean_i |lambda_i - lambda'_i| over sorted eigenvalues of I - D^-1/2 A D^-1/2",
        default=False,
    ),
    edge_measure(
        name="structure/netlsd",
        function=netlsd,
        chance=functools.partial(_chance, netlsd),
        high=float(np.sqrt(_TIMES.size)),
        applies_to=EDGE_KINDS,
        formula="|h - h'|_2, h_t = mean_i exp(-t lambda_i) at 250 times from 0.01 to 100",
        default=False,
    ),
)
