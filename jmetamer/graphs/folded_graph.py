"""A neighborhood whose outermost nodes get all that the rest sends them from one node each.

Of a node v of which only the first layer matters, the edges that arrive from nodes which do not
change add up to a constant before the first nonlinearity. They are folded into one edge u' -> v of
weight 1, and v gets one more self loop, so that its degree is as before. With M the number of
edges folded, loop_v the weight of its own self loop (the largest; 1 where there is none), x
features, s = deg^(-1/2) and deg_u' = 2 in undirected graphs, where v -> u' stands too, else 1:

    symmetric (GCN):   s_u' x_u' = sum_u s_u x_u - (M - 1) s_v x_v,  loop of weight loop_v + M - 1
    mean (GraphSAGE):       x_u' = sum_u x_u - (M - 1) x_v,          loop of weight M - 1
    sum (GIN):              x_u' = sum_u x_u,                        no other loop

In every case what v aggregates from u' and the loops, and in the first two its degree, is what it
was. What later layers find at v and at u' is wrong and must not matter.
"""

from typing import NamedTuple

import jraph
import numpy as np
from scipy.sparse import csr_array

from jmetamer._base.errors import InputError
from jmetamer.graphs.ego import hop_distances
from jmetamer.graphs.graph import Edges, num_nodes
from jmetamer.graphs.local_graph import loop_weights
from jmetamer.graphs.symmetry import is_symmetric

FOLDS = ("symmetric", "mean", "sum")


class FoldedGraph(NamedTuple):
    """A neighborhood of m nodes and r stand-ins.

    Attributes:
      graph: nodes [m + r, d]; the m nodes of the neighborhood, then the stand-ins.
      node_ids: [m] int32, the number in the whole graph of each node, ascending.
      distance: [m] int32 steps to the nearest center.
    """

    graph: jraph.GraphsTuple
    node_ids: np.ndarray
    distance: np.ndarray


def folded_graph(
    whole: jraph.GraphsTuple, nodes: np.ndarray, depth: int, radius: int, aggregation: str
) -> FoldedGraph:
    """Cut out the nodes at most `depth` steps away; fold what arrives at the outermost of them.

    Folded are edges from nodes at least `depth` steps away, where no edge may come or go. Time and
    memory are in proportion to edges and features of the whole graph.

    Args:
      whole: simple graph, host arrays.
      nodes: [t] the centers.
      depth: only the first layer matters of nodes that far away; above `radius`.
      radius: edges may come and go between nodes at most that many steps away.
      aggregation: how layers combine neighbors, one of `FOLDS`.

    Raises:
      InputError: an unknown aggregation, or a depth that is not above the radius.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> ends = [0, 1, 1, 2, 2], [1, 2, 3, 4, 5]
      >>> tree = make_graph(np.eye(6), ends[0] + ends[1], ends[1] + ends[0])
      >>> folded = folded_graph(tree, np.array([0]), depth=2, radius=1, aggregation="sum")
      >>> folded.node_ids.tolist(), folded.graph.nodes[4].tolist()  # of nodes 4 and 5
      ([0, 1, 2, 3], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    """
    if aggregation not in FOLDS or depth <= radius:
        raise InputError(
            f"`aggregation` is {aggregation!r} and `depth` {depth} with `radius` {radius}; allowed "
            f"are {', '.join(FOLDS)}, and a depth above the radius"
        )
    distance = hop_distances(whole, nodes, depth)
    node_ids = np.flatnonzero(distance <= depth).astype(np.int32)
    place = np.full(num_nodes(whole), -1, np.int32)
    place[node_ids] = np.arange(node_ids.size, dtype=np.int32)
    edges = _present(whole)
    # Of an undirected edge between two of these nodes both directions are folded.
    far = distance[edges.senders] >= depth
    folds = (distance[edges.receivers] == depth) & far & (edges.senders != edges.receivers)
    stays = (place[edges.senders] >= 0) & (place[edges.receivers] >= 0) & ~folds
    rims, features, loop = _folded(whole, edges, folds, aggregation)
    rim, stand_in = place[rims], node_ids.size + np.arange(rims.size, dtype=np.int32)
    ways = [(stand_in, rim, np.ones(rim.size)), (rim[loop > 0], rim[loop > 0], loop[loop > 0])]
    if is_symmetric(whole):
        ways.append((rim, stand_in, np.ones(rim.size)))
    kept = place[edges.senders[stays]], place[edges.receivers[stays]], edges.weight[stays]
    senders, receivers, weight = (np.concatenate(part) for part in zip(kept, *ways, strict=True))
    graph = whole._replace(
        nodes=np.concatenate([np.asarray(whole.nodes)[node_ids], features]),
        edges=Edges(weight.astype(np.float32)),
        senders=senders.astype(np.int32),
        receivers=receivers.astype(np.int32),
        n_node=np.array([node_ids.size + rims.size], np.int32),
        n_edge=np.array([senders.size], np.int32),
    )
    return FoldedGraph(graph, node_ids, distance[node_ids])


class _Edges(NamedTuple):
    """Edges of weight above 0, [e] each."""

    senders: np.ndarray
    receivers: np.ndarray
    weight: np.ndarray


def _present(graph: jraph.GraphsTuple) -> _Edges:
    present = np.asarray(graph.edges.weight) > 0
    listed = graph.senders, graph.receivers, graph.edges.weight
    return _Edges(*(np.asarray(values)[present] for values in listed))


def _folded(
    whole: jraph.GraphsTuple, edges: _Edges, folds: np.ndarray, aggregation: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nodes [r] at which edges were folded, features [r, d] and weights [r] of new loops."""
    n = num_nodes(whole)
    scale = np.ones(n)
    own = np.zeros(n)
    of_stand_in = 1.0
    if aggregation == "symmetric":
        own = loop_weights(whole)
        between = edges.senders != edges.receivers
        scale = 1 / np.sqrt(own + np.bincount(edges.receivers[between], minlength=n))
        of_stand_in = np.sqrt(2.0 if is_symmetric(whole) else 1.0)
    rims, row, count = np.unique(edges.receivers[folds], return_inverse=True, return_counts=True)
    senders = edges.senders[folds]
    sums = csr_array((scale[senders], (row, senders)), shape=(rims.size, n))
    x = np.asarray(whole.nodes)
    features = sums @ x.astype(np.float64)
    extra = np.zeros(rims.size) if aggregation == "sum" else count - 1.0
    features -= (extra * scale[rims])[:, None] * x[rims]
    loop = np.where(extra > 0, own[rims] + extra, 0)
    return rims, (of_stand_in * features).astype(np.float32), loop
