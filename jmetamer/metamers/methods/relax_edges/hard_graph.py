"""The graph of hard edges: as it is kept, as it is handed out, and as compiled code reads it."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jraph
import numpy as np
from jax.typing import ArrayLike

from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import Edges, num_nodes
from jmetamer.graphs.pairs import Pairs, simple_graph
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.vary.movable import are_inside, movable_edges
from jmetamer.metamers.vary.protocol import Theta

_LEAST_EDGES = 64


class EdgesTheta(NamedTuple):
    """What is kept of a structure metamer; arrays of one shape for all seeds of a problem.

    Attributes:
      senders: [m] int32, sorted; of an undirected edge the smaller node. Behind the last edge both
        ends are 0. Edges that may not move are the reference's, and not among them.
      receivers: [m] int32.
      features: [n, d] float32, or () where the reference's stay.
    """

    senders: np.ndarray
    receivers: np.ndarray
    features: Theta = ()


def edges_theta(pairs: Pairs, present: ArrayLike, features: Theta = ()) -> EdgesTheta:
    """Return hard pairs as they are kept.

    Args:
      pairs: [m].
      present: [m] bool, or 0 and 1.
      features: [n, d], or ().

    Example:
      >>> pairs = Pairs(np.array([1, 0, 0]), np.array([2, 0, 2]))
      >>> edges_theta(pairs, [1, 0, 1]).senders.tolist()
      [0, 1, 0]
    """
    kept = (np.asarray(present) > 0.5) & np.asarray(pairs.is_pair)
    one, other = (np.asarray(side)[kept] for side in pairs)
    order = np.lexsort((other, one))
    left = kept.size - order.size
    one, other = (np.pad(side[order].astype(np.int32), (0, left)) for side in (one, other))
    return EdgesTheta(one, other, features)


def host_graph(problem: Problem, theta: EdgesTheta) -> jraph.GraphsTuple:
    """Return the legal simple graph of NumPy arrays, but for features that stay.

    Args:
      problem: gives the features that stay, the self loops, and whether edges are directed.
      theta: of one seed.

    Raises:
      InputError: theta is not of a graph of this problem.
    """
    reference, nodes, directed = problem.graph, problem.simple_edges.nodes, problem.directed
    pairs = Pairs(np.asarray(theta.senders), np.asarray(theta.receivers))
    if nodes is not None:
        pairs = _with_fixed(reference, pairs, nodes, directed)
    graph = simple_graph(reference, pairs, pairs.is_pair, directed=directed)
    stay = isinstance(theta.features, tuple)
    return graph._replace(nodes=problem.arrays.graph.nodes if stay else theta.features)


def graph_of_theta(problem: Problem, theta: EdgesTheta) -> jraph.GraphsTuple:
    """Return the legal simple graph on the device; see `host_graph`.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1", vary=jm.BinaryEdges())
      >>> theta = EdgesTheta(np.array([0, 2, 0]), np.array([5, 3, 0]))
      >>> graph_of_theta(problem, theta).senders.tolist()
      [5, 3, 2, 0]
    """
    # Not `jnp.asarray`, which compiles a program for every new number of edges.
    return jax.device_put(host_graph(problem, theta))


def _with_fixed(
    reference: jraph.GraphsTuple, pairs: Pairs, nodes: Sequence[int], directed: bool
) -> Pairs:
    """Return the pairs and the edges that stay; refuse pairs that may not be edges."""
    outside = pairs.is_pair & ~are_inside(pairs, nodes, num_nodes(reference))
    if outside.any():
        at = int(np.argmax(outside))
        raise InputError(
            f"`theta` holds the edge ({pairs.senders[at]}, {pairs.receivers[at]}), but edges come "
            "and go between the `nodes` of the problem alone; give the problem that it was made for"
        )
    fixed = movable_edges(reference, nodes, directed=directed).fixed
    return Pairs(*(np.concatenate(sides) for sides in zip(pairs, fixed, strict=True)))


def padded_edges(graph: jraph.GraphsTuple, num_edges: int) -> jraph.GraphsTuple:
    """Return the graph with edges of weight 0 appended, so that graphs of all seeds share a shape.

    The added entries are loops of the first node, which layers take as absent.

    Args:
      graph: without edge features.
      num_edges: edges of the result.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> padded_edges(make_graph(np.eye(2), [0], [1]), 3).edges.weight.tolist()
      [1.0, 0.0, 0.0]
    """
    left = (0, num_edges - graph.senders.shape[0])
    return graph._replace(
        senders=np.pad(np.asarray(graph.senders), left),
        receivers=np.pad(np.asarray(graph.receivers), left),
        edges=Edges(np.pad(np.asarray(graph.edges.weight), left)),
        n_edge=np.array([num_edges], np.int32),
    )


def few_shapes(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
    """Return the graph padded to one of few numbers of edges, for programs compiled only once."""
    return padded_edges(graph, few_sizes(graph.senders.size))


def few_sizes(size: int) -> int:
    """Round a size up to one of few, at most a quarter larger, so that few programs are compiled.

    Args:
      size: at least 0.

    Example:
      >>> [few_sizes(size) for size in (3, 130, 160, 161, 257)]
      [64, 160, 160, 192, 320]
    """
    step = max(_LEAST_EDGES, 1 << max(size - 1, 1).bit_length()) // 8
    return max(_LEAST_EDGES, -(-size // step) * step)
