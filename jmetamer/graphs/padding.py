"""Padding: graphs of different sizes brought to one shape, so that one compilation serves all.

Padding is expressed by weight 0, which every layer takes as "absent"; nothing else is needed.
"""

import jax
import jraph
import numpy as np

from jmetamer._base.arguments import AnArray, Count, Natural, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import Edges
from jmetamer.graphs.graph import num_nodes as count_nodes


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
    features = graph.edges.features
    return graph._replace(
        nodes=jax.tree.map(lambda values: _append_zeros(values, new_nodes), graph.nodes),
        edges=Edges(
            _append_zeros(graph.edges.weight, new_edges),
            None if features is None else _append_zeros(features, new_edges),
        ),
        senders=_append_ends(graph.senders, new_edges, num_nodes - 1),
        receivers=_append_ends(graph.receivers, new_edges, num_nodes - 1),
        n_node=np.array([num_nodes], np.int32),
        n_edge=np.array([num_edges], np.int32),
    )


def _append_zeros(values: AnArray, count: int) -> np.ndarray:
    array = np.asarray(values)
    return np.concatenate([array, np.zeros((count, *array.shape[1:]), array.dtype)])


def _append_ends(values: AnArray, count: int, node: int) -> np.ndarray:
    return np.concatenate([np.asarray(values), np.full(count, node, np.int32)]).astype(np.int32)
