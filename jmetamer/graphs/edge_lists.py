"""Graphs with other edges: undirected, without duplicates, or padded to one shape.

The order that every loader gives its edges: sorted by receiver, then by sender. Padding has weight
0, which every layer takes as "absent"; graphs of different sizes share one compilation by it.
"""

from typing import NamedTuple

import jax
import jraph
import numpy as np
from numpy.typing import ArrayLike

from jmetamer._base.arguments import AnArray, Count, Natural, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import Edges
from jmetamer.graphs.graph import num_nodes as count_nodes


class EdgeList(NamedTuple):
    """Senders, receivers and weights of some edges, [e] each."""

    senders: np.ndarray
    receivers: np.ndarray
    weight: np.ndarray


def present_edges(graph: jraph.GraphsTuple, *, loops: bool = True) -> EdgeList:
    """Return the edges of weight above 0, with self loops or without; on the host."""
    every = EdgeList(*map(np.asarray, (graph.senders, graph.receivers, graph.edges.weight)))
    kept = every.weight > 0
    if not loops:
        kept &= every.senders != every.receivers
    return EdgeList(*(values[kept] for values in every))


def with_edges(
    graph: jraph.GraphsTuple,
    senders: np.ndarray,
    receivers: np.ndarray,
    weight: AnArray,
    features: AnArray | None = None,
) -> jraph.GraphsTuple:
    """Return one graph of the same nodes and other edges; on the host."""
    return graph._replace(
        edges=Edges(weight, features),
        senders=senders.astype(np.int32),
        receivers=receivers.astype(np.int32),
        n_node=np.array([count_nodes(graph)], np.int32),
        n_edge=np.array([senders.size], np.int32),
    )


@checked
def is_symmetric(graph: jraph.GraphsTuple) -> bool:
    """Whether each edge (i, j, weight) is stored as often as (j, i, weight); features are ignored.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> is_symmetric(make_graph(np.eye(2), [0], [1]))
      False
    """
    senders, receivers = (np.asarray(a, np.int64) for a in (graph.senders, graph.receivers))
    total, weight = count_nodes(graph), np.asarray(graph.edges.weight)
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
    kept = _first_of_each(pairs)
    senders, receivers = pairs[:, kept]
    return with_edges(graph, senders, receivers, both[kept])


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
    kept = _first_of_each(pairs)
    features = None if features is None else np.asarray(features)[order][kept]
    senders, receivers = pairs[:, kept]
    return with_edges(graph, senders, receivers, weight[kept], features)


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


@checked
def pad_graph(graph: jraph.GraphsTuple, num_nodes: Count, num_edges: Natural) -> jraph.GraphsTuple:
    """Append all-zero nodes and weight-0 edges up to the given numbers.

    The real nodes and edges come first and keep their numbers. The added edges are self loops of
    the last node. The result is one graph: `n_node` and `n_edge` count the padding too.

    Args:
      graph: a graph without padding, host arrays.
      num_nodes: nodes of the result; above the graph's if edges are to be added.
      num_edges: edges of the result.

    Raises:
      InputError: the graph does not fit.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> padded = pad_graph(make_graph(np.eye(2), [0], [1]), num_nodes=3, num_edges=2)
      >>> padded.senders.tolist(), padded.edges.weight.tolist()
      ([0, 2], [1.0, 0.0])
    """
    old_nodes, old_edges = count_nodes(graph), np.shape(graph.senders)[0]
    if num_nodes < old_nodes:
        raise InputError(f"`num_nodes` is {num_nodes}; allowed: {old_nodes} or more, its size now.")
    if num_edges < old_edges:
        raise InputError(f"`num_edges` is {num_edges}; allowed: {old_edges} or more, its size now.")
    if num_edges > old_edges and num_nodes == old_nodes:
        raise InputError(
            f"`num_nodes` is {num_nodes}; allowed: {old_nodes + 1} or more, as "
            f"{num_edges - old_edges} padding edges need a padding node to sit at."
        )
    new_nodes, new_edges = num_nodes - old_nodes, num_edges - old_edges
    nodes = jax.tree.map(lambda values: _append_zeros(values, new_nodes), graph.nodes)
    edges = (None if x is None else _append_zeros(x, new_edges) for x in graph.edges)
    loops = np.full(new_edges, num_nodes - 1, np.int32)
    ends = (np.concatenate([side, loops]) for side in (graph.senders, graph.receivers))
    return with_edges(graph._replace(nodes=nodes), *ends, *edges)


def _append_zeros(values: AnArray, count: int) -> np.ndarray:
    array = np.asarray(values)
    return np.concatenate([array, np.zeros((count, *array.shape[1:]), array.dtype)])
