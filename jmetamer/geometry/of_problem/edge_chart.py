"""Weights of undirected pairs as coordinates: one number a pair, whatever list stores its edges."""

from collections.abc import Sequence
from typing import NamedTuple

import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.graphs import num_nodes
from jmetamer.graphs.graph import Edges


class EdgeChart(NamedTuple):
    """Where the weights of candidate pairs lie in an edge list.

    Attributes:
      pairs: [c, 2] int32, i < j.
      weights: [c] float64 of the pairs; 0 for those that are absent.
      graph: the graph with an entry in each direction for every pair, of weight 0 if absent.
      entries: [2c] int32 places in its edge list.
      owner: [2c] int32 the pair that each place belongs to.
    """

    pairs: np.ndarray
    weights: np.ndarray
    graph: jraph.GraphsTuple
    entries: np.ndarray
    owner: np.ndarray


def edge_chart(
    graph: jraph.GraphsTuple, pairs: Sequence[tuple[int, int]] | np.ndarray | None = None
) -> EdgeChart:
    """Return coordinates for the weights of undirected pairs of nodes.

    Both directions share one weight. A pair that is present starts at its weight, one that is
    absent at 0 and is appended to the edge list.

    Args:
      graph: host arrays; every candidate is stored in both directions or in none.
      pairs: [c, 2] candidates; all pairs that are present if None.

    Raises:
      InputError: a pair that is no pair of two nodes, or given twice; a pair stored in one
        direction only, with two weights or several times; an absent pair where edges have features.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> chart = edge_chart(make_graph(np.eye(3), [0, 1], [1, 0]), [(1, 0), (1, 2)])
      >>> chart.weights, chart.entries, chart.graph.senders
      (array([1., 0.]), array([0, 2, 1, 3], dtype=int32), array([0, 1, 1, 2], dtype=int32))
    """
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    present = np.flatnonzero((np.asarray(graph.edges.weight) > 0) & (senders != receivers))
    total = num_nodes(graph)
    stored = _key(senders[present], receivers[present], total)
    if pairs is None:
        low = np.minimum(senders[present], receivers[present])
        high = np.maximum(senders[present], receivers[present])
        checked = np.unique(np.stack([low, high], axis=1), axis=0)
    else:
        checked = _check_pairs(pairs, total)
    low, high = checked[:, 0], checked[:, 1]
    forward = _find(stored, present, _key(low, high, total), checked)
    backward = _find(stored, present, _key(high, low, total), checked)
    weight = np.asarray(graph.edges.weight)
    start = _shared_weight(weight, forward, backward, checked)
    absent = forward < 0
    first = senders.size + np.cumsum(absent) - 1
    forward = np.where(absent, first, forward)
    backward = np.where(absent, first + int(absent.sum()), backward)
    return EdgeChart(
        checked.astype(np.int32),
        start,
        _with_absent(graph, checked[absent]),
        np.concatenate([forward, backward]).astype(np.int32),
        np.tile(np.arange(len(checked), dtype=np.int32), 2),
    )


def _key(senders: np.ndarray, receivers: np.ndarray, total: int) -> np.ndarray:
    return senders.astype(np.int64) * total + receivers


def _check_pairs(pairs: Sequence[tuple[int, int]] | np.ndarray, total: int) -> np.ndarray:
    table = np.asarray(pairs)
    if table.ndim != 2 or table.shape[1] != 2 or table.size == 0 or table.dtype.kind not in "iu":
        raise InputError(
            f"`pairs` has shape {table.shape} and dtype {table.dtype}; allowed: a list of pairs of "
            "node numbers, at least one."
        )
    ordered = np.sort(table.astype(np.int64), axis=1)
    wrong = np.flatnonzero((ordered[:, 0] < 0) | (ordered[:, 1] >= total))
    if wrong.size:
        raise InputError(
            f"`pairs[{wrong[0]}]` is {tuple(table[wrong[0]].tolist())}; allowed are nodes 0 to "
            f"{total - 1}."
        )
    loops = np.flatnonzero(ordered[:, 0] == ordered[:, 1])
    if loops.size:
        raise InputError(
            f"`pairs[{loops[0]}]` joins node {ordered[loops[0], 0]} to itself; a self loop is no "
            "candidate: networks give it a meaning of its own."
        )
    _, position, count = np.unique(ordered, axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        twice = ordered[position[count > 1][0]]
        raise InputError(
            f"`pairs` names the pair {tuple(twice.tolist())} twice; both directions share one "
            "weight, so give it once."
        )
    return ordered


def _find(
    stored: np.ndarray, places: np.ndarray, keys: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Return the place of each key in the edge list, -1 where it is absent."""
    order = np.argsort(stored, kind="stable")
    left = np.searchsorted(stored[order], keys, "left")
    count = np.searchsorted(stored[order], keys, "right") - left
    if (count > 1).any():
        pair = tuple(pairs[np.flatnonzero(count > 1)[0]].tolist())
        raise InputError(
            f"the edge between {pair[0]} and {pair[1]} is stored {count.max()} times in one "
            "direction; one weight cannot stand for them. Use `symmetrize`."
        )
    result = np.full(len(keys), -1, np.int64)
    result[count > 0] = places[order[left[count > 0]]]
    return result


def _shared_weight(
    weight: np.ndarray, forward: np.ndarray, backward: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    padded = np.append(weight.astype(np.float64), 0.0)
    there, back = padded[forward], padded[backward]
    wrong = np.flatnonzero(there != back)
    if wrong.size:
        i, j = pairs[wrong[0]].tolist()
        raise InputError(
            f"the edge between {i} and {j} has weight {there[wrong[0]]} in one direction and "
            f"{back[wrong[0]]} in the other; a candidate has one weight for both. Use `symmetrize`."
        )
    return there


def _with_absent(graph: jraph.GraphsTuple, absent: np.ndarray) -> jraph.GraphsTuple:
    """Append both directions of the absent pairs with weight 0."""
    if len(absent) == 0:
        return graph
    if graph.edges.features is not None:
        pair = tuple(absent[0].tolist())
        raise InputError(
            f"`pairs` holds {pair}, which is no edge, and the edges of this graph have features "
            "that an absent edge lacks; give pairs that are edges."
        )
    low, high = absent[:, 0].astype(np.int32), absent[:, 1].astype(np.int32)
    weight = np.asarray(graph.edges.weight)
    counts = np.array(graph.n_edge)
    counts[-1] += 2 * len(absent)
    return graph._replace(
        edges=Edges(np.concatenate([weight, np.zeros(2 * len(absent), weight.dtype)])),
        senders=np.concatenate([np.asarray(graph.senders), low, high]),
        receivers=np.concatenate([np.asarray(graph.receivers), high, low]),
        n_edge=counts,
    )
