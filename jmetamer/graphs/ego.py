"""k-hop ego graphs: the part of a graph that can send messages to some nodes in k layers."""

from collections.abc import Sequence

import jax
import jraph
import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import Edges, num_nodes

_MOST_HOPS = 2**31 - 1  # distances are int32


@checked
def ego_graph(
    graph: jraph.GraphsTuple, nodes: int | Sequence[int] | np.ndarray, hops: int
) -> tuple[jraph.GraphsTuple, np.ndarray]:
    """Cut out every node from which one of `nodes` is reached in at most `hops` steps.

    Steps go along the messages, from sender to receiver, over edges of weight above 0. The result
    holds all edges between its nodes. A network of `hops` message-passing layers gives `nodes`
    the same activations on the ego graph as on the whole graph if its layers use no degrees; where
    they do (symmetric normalization), cut out `hops + 1`.

    Args:
      graph: the graph, host arrays.
      nodes: node or nodes in the center.
      hops: number of steps, 0 or more.

    Returns:
      The ego graph, and [m] int32: the number in `graph` of each of its nodes, ascending.

    Raises:
      InputError: `nodes` is empty or names no node of the graph, or `hops` is negative.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> path = make_graph(np.eye(4), [0, 1, 2], [1, 2, 3])
      >>> ego_graph(path, 2, hops=1)[1]
      array([1, 2], dtype=int32)
    """
    reached = hop_distances(graph, nodes, hops) <= hops
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    kept = reached[senders] & reached[receivers]
    number = np.cumsum(reached, dtype=np.int32) - 1
    node_ids = np.flatnonzero(reached).astype(np.int32)
    features = graph.edges.features
    ego = graph._replace(
        nodes=jax.tree.map(lambda values: np.asarray(values)[node_ids], graph.nodes),
        edges=Edges(
            np.asarray(graph.edges.weight)[kept],
            None if features is None else np.asarray(features)[kept],
        ),
        senders=number[senders[kept]],
        receivers=number[receivers[kept]],
        n_node=np.array([node_ids.size], np.int32),
        n_edge=np.array([int(kept.sum())], np.int32),
    )
    return ego, node_ids


def hop_distances(
    graph: jraph.GraphsTuple, nodes: int | Sequence[int] | np.ndarray, hops: int
) -> np.ndarray:
    """Return how few steps lead from each node to the nearest of `nodes`, along the messages.

    Steps go from sender to receiver over edges of weight above 0. Time is in proportion to edges
    times hops, memory to edges.

    Args:
      graph: the graph, host arrays.
      nodes: node or nodes in the center.
      hops: the largest number of steps to look for, 0 or more.

    Returns:
      [n] int32; `hops + 1` stands for more steps, or no way.

    Raises:
      InputError: `nodes` is empty or names no node of the graph, or `hops` is negative.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> path = make_graph(np.eye(4), [0, 1, 2], [1, 2, 3])
      >>> hop_distances(path, 2, hops=1)
      array([2, 1, 0, 2], dtype=int32)
    """
    total = num_nodes(graph)
    if not 0 <= hops < _MOST_HOPS:
        raise InputError(f"`hops` is {hops}; allowed: 0 to {_MOST_HOPS - 1:,}.")
    distance = np.full(total, hops + 1, np.int32)
    distance[_centers(nodes, total)] = 0
    present = np.asarray(graph.edges.weight) > 0
    senders, receivers = (np.asarray(ends)[present] for ends in (graph.senders, graph.receivers))
    for step in range(1, hops + 1):
        reached = senders[distance[receivers] == step - 1]
        reached = reached[distance[reached] > step]
        if not reached.size:
            break  # all that there is, however many steps are allowed
        distance[reached] = step
    return distance


def _centers(nodes: int | Sequence[int] | np.ndarray, total: int) -> np.ndarray:
    centers = np.atleast_1d(np.asarray(nodes))
    if centers.size == 0 or centers.ndim != 1 or centers.dtype.kind not in "iu":
        raise InputError(
            f"`nodes` has shape {centers.shape} and dtype {centers.dtype}; allowed: one node "
            "number or a list of them."
        )
    bad = np.flatnonzero((centers < 0) | (centers >= total))
    if bad.size:
        raise InputError(
            f"`nodes[{bad[0]}]` is {centers[bad[0]]}; allowed: 0 to {total - 1}, as the graph has "
            f"{total} nodes."
        )
    return centers
