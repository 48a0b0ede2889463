"""Bounds of the cut norm of the difference of two graphs, nodes aligned.

The cut norm `|A - A'|_cut = max_{S, T} |sum_{u in S, v in T} (a_uv - a'_uv)|` (Frieze and Kannan,
1999) is the largest change of the number of edges between any two sets of nodes. It is NP-hard, so
there is a bound from below and one from above. Random changes of many edges cancel in it, as they
do not in the edge Jaccard distance; a change that moves communities does not.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.measures.edge_set import EdgeSet, edge_matrix
from jmetamer.measures.measure import EDGE_KINDS
from jmetamer.measures.random_edges import edge_measure

EXACT_NODES = 12  # 4,096 sets S are tried
_DENSE_NODES = 400
_STARTED_NODES, _BLOCK = 1000, 256  # nodes that start alone, and how many of them at once
_DRAWS = 8
_ROUND_OFF = 1e-9  # of the largest singular value, relative


class CutNorm(NamedTuple):
    """Bounds of a cut norm, in the unit of the weights; an undirected edge counts both ways.

    Attributes:
      low: sum of the differences between two sets that were found.
      high: bound from above.
      total: sum of the weights of both graphs, by which the measures divide.
    """

    low: float
    high: float
    total: float


@checked
def cut_norm(reference: EdgeSet, metamer: EdgeSet) -> CutNorm:
    """Return a lower and an upper bound of the cut norm of A - A'; equal up to 12 nodes.

    From below: S starts as all nodes, and as each single one (of more than 1,000 nodes, as either
    sign of the leading singular vector); the best T for S and the best S for T are taken in turns
    until the sum stays. Nothing is drawn, so that renumbering the nodes changes nothing. From
    above, with D = A - A', the least of

      - the larger one of the sums of its positive and of its negative entries,
      - `B` and `(|sum D| + sum_u |sum_v d_uv| + sum_v |sum_u d_uv| + B) / 4`, where `B = sigma_1(
        P^(-1/2) D Q^(-1/2)) sqrt(tr P tr Q)` bounds `s^T D t` over signs s and t for all positive
        diagonal P and Q. Taken are the sums of |D| along rows and columns to the powers 0 (the
        spectral bound), 1/2 and 1 (never above `sum |D|`).

    Args:
      reference: its edges.
      metamer: its edges, of as many nodes.

    Raises:
      InputError: other numbers of nodes.

    Example:
      >>> pair, other = (EdgeSet(3, np.array(at), np.ones(2)) for at in ([1, 3], [2, 6]))
      >>> cut_norm(pair, other)  # one edge less, one more
      CutNorm(low=2.0, high=2.0, total=4.0)
    """
    n = reference.num_nodes
    if metamer.num_nodes != n:
        raise InputError(
            f"`reference` has {n} and `metamer` {metamer.num_nodes} nodes; allowed: equally many, "
            "the same in both, as sets of them are compared"
        )
    total = float(reference.weight.sum() + metamer.weight.sum())
    if not np.isfinite(total):
        return CutNorm(*[float("nan")] * 3)
    difference = _difference(reference, metamer)
    return CutNorm(_low(difference), _high(difference), total)


def _difference(reference: EdgeSet, metamer: EdgeSet) -> scipy.sparse.csr_array:
    return edge_matrix(reference, reference.weight) - edge_matrix(metamer, metamer.weight)


def _exact(difference: scipy.sparse.csr_array) -> float:
    """Return the largest change between any set S and its best T: 2^n sets are tried."""
    n = difference.shape[0]
    sums = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) @ difference.toarray()
    return float(max(np.maximum(sign * sums, 0).sum(axis=1).max() for sign in (1, -1)))


def _low(difference: scipy.sparse.csr_array) -> float:
    return (_exact if difference.shape[0] <= EXACT_NODES else _searched)(difference)


def _high(difference: scipy.sparse.csr_array) -> float:
    return (_exact if difference.shape[0] <= EXACT_NODES else _bound)(difference)


def _searched(difference: scipy.sparse.csr_array) -> float:
    """Return the best of what a few sets lead to."""
    n = difference.shape[0]
    starts = [np.ones((1, n))]
    if n <= _STARTED_NODES:
        starts += [np.eye(min(_BLOCK, n - first), n, first) for first in range(0, n, _BLOCK)]
    elif difference.nnz:
        left = _leading(difference)[0]
        starts.append(np.stack([left > 0, left < 0]).astype(float))
    signed = (difference, -difference)
    return max(_improved(table, sets) for table in signed for sets in starts)


def _improved(difference: scipy.sparse.csr_array, sets: np.ndarray) -> float:
    """Return the largest sum that [s, n] sets S lead to, taking the best T, the best S and on."""
    back, reached = difference.T.tocsr(), np.zeros(len(sets))
    while True:
        sums = ((sets @ difference) > 0) @ back
        sets = sums > 0
        values = np.where(sets, sums, 0).sum(axis=1)
        if (values <= reached * (1 + _ROUND_OFF)).all():
            return float(reached.max())
        reached = values


def _bound(difference: scipy.sparse.csr_array) -> float:
    positive = float(np.maximum(difference.data, 0).sum())
    plain = max(positive, positive - float(difference.sum()))
    if not difference.data.any():
        return 0.0
    sums = [np.abs(difference.sum(axis=axis)).sum() for axis in (0, 1)]
    ends = abs(difference.sum()) + sums[0] + sums[1]
    signs = min(_spectral(difference, power) for power in (0.0, 0.5, 1.0))
    return float(min(plain, signs, (ends + signs) / 4))


def _spectral(difference: scipy.sparse.csr_array, power: float) -> float:
    """Return a bound of the largest `s^T D t` over signs s and t."""
    sizes = [np.asarray(abs(difference).sum(axis=axis)) for axis in (1, 0)]
    scales = [np.where(size > 0, size, 1.0) ** power for size in sizes]
    trace = np.prod([scale[size > 0].sum() for scale, size in zip(scales, sizes, strict=True)])
    left, right = (scipy.sparse.diags_array(scale**-0.5) for scale in scales)
    scaled = left @ difference @ right
    return float(_leading(scaled)[1] * (1 + _ROUND_OFF) * np.sqrt(trace))


def _leading(table: scipy.sparse.csr_array) -> tuple[np.ndarray, float]:
    """Return the first left singular vector and the largest singular value."""
    if table.shape[0] <= _DENSE_NODES:
        left, values, _ = np.linalg.svd(table.toarray())
    else:
        start = np.random.default_rng(0).normal(size=table.shape[0])
        left, values, _ = scipy.sparse.linalg.svds(table, k=1, v0=start)
    return left[:, 0], float(values[0])


def _share(
    bound: Callable[[scipy.sparse.csr_array], float], reference: EdgeSet, metamer: EdgeSet
) -> float:
    """Return a bound over the sum of all weights, which it does not exceed."""
    total = float(reference.weight.sum() + metamer.weight.sum())
    if not np.isfinite(total):
        return float("nan")
    return bound(_difference(reference, metamer)) / total if total else 0.0


CUT_NORM_MEASURES = tuple(
    edge_measure(
        name=f"structure/cut_norm_{name}",
        function=functools.partial(_share, bound),
        draws=_DRAWS,
        applies_to=EDGE_KINDS,
        permutation="joint",
        formula=f"{text} bound of max_{{S, T}} |sum_{{S x T}} (w - w')| / (sum w + sum w')",
        default=False,
    )
    for name, text, bound in (("low", "lower", _low), ("high", "upper", _high))
)
