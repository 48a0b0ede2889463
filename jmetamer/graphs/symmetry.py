"""Undirected graphs as edge lists: is every edge stored in both directions, and how to make it so.

The order that every loader gives its edges: sorted by receiver, then by sender.
"""

import jraph
import numpy as np
from numpy.typing import ArrayLike

from jmetamer._base.arguments import AnArray, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import Edges, num_nodes


@checked
def is_symmetric(graph: jraph.GraphsTuple) -> bool:
    """Whether each edge (i, j, weight) is stored as often as (j, i, weight); features are ignored.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> is_symmetric(make_graph(np.eye(2), [0], [1]))
      False
    """
    senders, receivers = (np.asarray(a, np.int64) for a in (graph.senders, graph.receivers))
    total, weight = num_nodes(graph), np.asarray(graph.edges.weight)
    forward, backward = senders * total + receivers, receivers * total + senders
    if weight.size == 0 or (weight == weight[0]).all():
        return np.array_equal(np.sort(forward), np.sort(backward))
    order, reverse = np.lexsort((weight, forward)), np.lexsort((weight, backward))
    return np.array_equal(forward[order], backward[reverse]) and np.array_equal(
        weight[order], weight[reverse]
    )


@checked
def symmetrize(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
    """Return the undirected simple graph: each edge once in each direction, sorted by receiver.

    The weight of a pair is the largest that any of its copies, in either direction, carries. A
    self loop is kept, once. Applying it twice changes nothing.

    Args:
      graph: any graph without edge features.

    Raises:
      InputError: the graph has edge features, which have no agreed value on a reversed edge.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> graph = symmetrize(make_graph(np.eye(3), [0, 2, 1], [1, 1, 0]))
      >>> graph.senders.tolist(), graph.receivers.tolist()
      ([1, 0, 2, 1], [0, 1, 1, 2])
    """
    if graph.edges.features is not None:
        raise InputError(
            "`edge_features` are given: a reversed edge has no agreed features; store both "
            "directions yourself, or leave the edge features out."
        )
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    weight = np.asarray(graph.edges.weight)
    pairs = undirected_pairs(senders, receivers)
    order = np.lexsort((-np.concatenate([weight, weight]), pairs[0], pairs[1]))
    pairs, both = pairs[:, order], np.concatenate([weight, weight])[order]
    return _keep(graph, pairs, both, _first_of_each(pairs))


def remove_duplicate_edges(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
    """Keep the first copy of each directed edge; the result is sorted by receiver, then sender.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> remove_duplicate_edges(make_graph(np.eye(2), [0, 0], [1, 1], [3.0, 4.0])).edges.weight
      array([3.], dtype=float32)
    """
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    order = np.lexsort((senders, receivers))  # stable: the first copy stays first
    pairs = np.stack([senders[order], receivers[order]])
    weight, features = np.asarray(graph.edges.weight)[order], graph.edges.features
    features = None if features is None else np.asarray(features)[order]
    return _keep(graph, pairs, weight, _first_of_each(pairs), features)


def undirected_pairs(senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
    """Return [2, 2e] senders and receivers: the edges followed by their reverses, duplicates kept.

    Example:
      >>> undirected_pairs(np.array([0]), np.array([1])).tolist()
      [[0, 1], [1, 0]]
    """
    return np.stack([np.concatenate([senders, receivers]), np.concatenate([receivers, senders])])


def simple_undirected(
    senders: ArrayLike, receivers: ArrayLike, total: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges in both directions, each once, without self loops, sorted by receiver.

    Args:
      senders: [e] integers.
      receivers: [e] integers.
      total: number of nodes; the indices lie in [0, total).

    Returns:
      Senders and receivers, [e'] int32 each.

    Example:
      >>> senders, receivers = simple_undirected([0, 1, 2], [1, 0, 2], 3)
      >>> senders.tolist(), receivers.tolist()
      ([1, 0], [0, 1])
    """
    pairs = undirected_pairs(np.asarray(senders, np.int64), np.asarray(receivers, np.int64))
    codes = np.unique((pairs[1] * total + pairs[0])[pairs[0] != pairs[1]])
    return (codes % total).astype(np.int32), (codes // total).astype(np.int32)


def _first_of_each(pairs: np.ndarray) -> np.ndarray:
    """Mask of the first column of each run of equal columns."""
    changed = np.ones(pairs.shape[1], bool)
    changed[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
    return changed


def _keep(
    graph: jraph.GraphsTuple,
    pairs: np.ndarray,
    weight: np.ndarray,
    mask: np.ndarray,
    features: AnArray | None = None,
) -> jraph.GraphsTuple:
    return graph._replace(
        senders=pairs[0, mask].astype(np.int32),
        receivers=pairs[1, mask].astype(np.int32),
        edges=Edges(weight[mask], None if features is None else np.asarray(features)[mask]),
        n_node=np.array([num_nodes(graph)], np.int32),
        n_edge=np.array([int(mask.sum())], np.int32),
    )
