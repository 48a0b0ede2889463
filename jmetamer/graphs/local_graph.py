"""The neighborhood of some nodes as a graph of its own, with true degrees, and the way back.

Nodes farther than `hops` steps from the centers are cut off. Where that takes edges that arrive at
a node, the node gets a self loop of weight `loop + missing`, `loop` being the weight of its own
self loop (the largest; 1 where it has none, as symmetric normalization supposes) and `missing` the
weights that were cut off. So `deg_v = loop_v + sum_(u != v) w_uv` is at every node what it is in
the whole graph, also after edges between nodes of the neighborhood have come or gone.

In a folded graph the outermost nodes get all that the rest sends them from one node each. Of a node
v of which only the first layer matters, the edges that arrive from nodes which do not change add up
to a constant before the first nonlinearity. They are folded into one edge u' -> v of weight 1, and
v gets one more self loop, so that its degree is as before. With M the number of edges folded,
loop_v the weight of its own self loop (the largest; 1 where there is none), x features,
s = deg^(-1/2) and deg_u' = 2 in undirected graphs, where v -> u' stands too, else 1:

    symmetric (GCN):   s_u' x_u' = sum_u s_u x_u - (M - 1) s_v x_v,  loop of weight loop_v + M - 1
    mean (GraphSAGE):       x_u' = sum_u x_u - (M - 1) x_v,          loop of weight M - 1
    sum (GIN):              x_u' = sum_u x_u,                        no other loop

In every case what v aggregates from u' and the loops, and in the first two its degree, is what it
was. What later layers find at v and at u' is wrong and must not matter.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jraph
import numpy as np
from scipy.sparse import csr_array

from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import EdgeList, is_symmetric, present_edges, with_edges
from jmetamer.graphs.ego import ego_graph, hop_distances
from jmetamer.graphs.graph import NodeArrays, num_nodes

FOLDS = ("symmetric", "mean", "sum")


class LocalGraph(NamedTuple):
    """A neighborhood with m nodes.

    Attributes:
      graph: its edges in the order of the whole graph, then the self loops that stand for edges
        that were cut off.
      node_ids: [m] int32, the number in the whole graph of each node, ascending.
      distance: [m] int32 steps to the nearest center, 0 to `hops`.
      missing: [m] float32 sum of the weights of the edges that arrive from outside.
    """

    graph: jraph.GraphsTuple
    node_ids: np.ndarray
    distance: np.ndarray
    missing: np.ndarray

    @property
    def complete(self) -> np.ndarray:
        """[m] bool: every edge that arrives at the node in the whole graph is here."""
        return self.missing == 0


def local_graph(
    whole: jraph.GraphsTuple, nodes: int | Sequence[int] | np.ndarray, hops: int
) -> LocalGraph:
    """Cut out the nodes from which one of `nodes` is reached in at most `hops` steps.

    Nodes closer than `hops` are complete. Let a layer read of its neighbors values of the layer
    before and of every node the weights of the edges that arrive (all layers of jmetamer do).
    Then K layers give `nodes` the activations of the whole graph if every node from which they are
    reached in at most K - 1 steps is complete, thus for `hops` of K or more.

    Args:
      whole: the graph, host arrays.
      nodes: node or nodes in the center.
      hops: number of steps, 0 or more.

    Returns:
      The neighborhood; time and memory are in proportion to the edges of the whole graph.

    Raises:
      InputError: `nodes` is empty or names no node of the graph, or `hops` is negative.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> path = make_graph(np.eye(4), [0, 1, 2, 1, 2, 3], [1, 2, 3, 0, 1, 2])
      >>> local = local_graph(path, 0, hops=1)
      >>> local.node_ids.tolist(), local.complete.tolist()
      ([0, 1], [True, False])
      >>> local.graph.senders.tolist(), local.graph.edges.weight.tolist()  # 2 -> 1 was cut off
      ([0, 1, 1], [1.0, 1.0, 2.0])
    """
    ego, node_ids = ego_graph(whole, nodes, hops)
    distance = hop_distances(whole, nodes, hops)[node_ids]
    missing = _missing(whole, node_ids)
    cut = np.flatnonzero(missing > 0).astype(np.int32)
    weight = loop_weights(ego)[cut] + missing[cut]
    features = ego.edges.features
    if features is not None:
        features = np.concatenate([features, np.zeros((cut.size, features.shape[1]), np.float32)])
    weight = np.concatenate([ego.edges.weight, weight]).astype(np.float32)
    senders, receivers = (np.concatenate([side, cut]) for side in (ego.senders, ego.receivers))
    graph = with_edges(ego, senders, receivers, weight, features)
    return LocalGraph(graph, node_ids, distance, missing)


def graph_with_local(
    whole: jraph.GraphsTuple, local: LocalGraph, changed: jraph.GraphsTuple
) -> jraph.GraphsTuple:
    """Return the whole graph with its part replaced by a changed neighborhood.

    Args:
      whole: the graph that the neighborhood was cut from.
      local: the neighborhood.
      changed: graph of the same m nodes with other features or edges, host or device arrays.
        Padding nodes after the m nodes are ignored.

    Returns:
      Graph of NumPy arrays. Where the edges of `changed` are those of `local`, it has the edges of
      `whole` in their order; otherwise the edges are sorted by receiver, then sender, and those of
      weight 0 between nodes of the neighborhood are left out.

    Raises:
      InputError: `changed` has fewer nodes, an edge of a padding node, or other self loops at a
        node that is not complete, where they stand for edges that were cut off.

    Example:
      >>> from jmetamer.graphs.graph import Edges, make_graph
      >>> path = make_graph(np.eye(4), [0, 1, 2, 1, 2, 3], [1, 2, 3, 0, 1, 2])
      >>> local = local_graph(path, 0, hops=1)
      >>> weight = np.array([0, 0, 2], np.float32)  # without the edge between 0 and 1
      >>> changed = local.graph._replace(edges=Edges(weight))
      >>> graph_with_local(path, local, changed).senders.tolist()
      [2, 1, 3, 2]
    """
    graph = whole._replace(nodes=_with_rows(whole.nodes, changed.nodes, local.node_ids))
    if _same_edges(changed, local.graph):
        return graph
    senders, receivers, weight, features = _edges_back(local, changed)
    inside = np.zeros(num_nodes(whole), bool)
    inside[local.node_ids] = True
    incomplete = np.zeros(num_nodes(whole), bool)
    incomplete[local.node_ids[~local.complete]] = True
    old = np.asarray(whole.senders), np.asarray(whole.receivers)
    replaced = inside[old[0]] & inside[old[1]] & ~((old[0] == old[1]) & incomplete[old[0]])
    senders = np.concatenate([old[0][~replaced], senders])
    receivers = np.concatenate([old[1][~replaced], receivers])
    weight = np.concatenate([np.asarray(whole.edges.weight)[~replaced], weight])
    order = np.lexsort((senders, receivers))
    if whole.edges.features is not None:
        if features is None:
            raise InputError(
                "`changed` has no edge features, which the edges of the whole graph have; give "
                "every edge its features."
            )
        kept = np.asarray(whole.edges.features)[~replaced]
        features = np.concatenate([kept, features])[order]
    weight = weight[order].astype(np.float32)
    return with_edges(graph, senders[order], receivers[order], weight, features)


def _missing(whole: jraph.GraphsTuple, node_ids: np.ndarray) -> np.ndarray:
    """Sum the weights of the edges that arrive from outside, [m] float32."""
    place = np.full(num_nodes(whole), -1, np.int32)
    place[node_ids] = np.arange(node_ids.size, dtype=np.int32)
    senders, receivers = np.asarray(whole.senders), np.asarray(whole.receivers)
    entering = (place[senders] < 0) & (place[receivers] >= 0)
    weight = np.asarray(whole.edges.weight, np.float64)[entering]
    sums = np.bincount(place[receivers[entering]], weight, minlength=node_ids.size)
    return sums.astype(np.float32)


def loop_weights(graph: jraph.GraphsTuple) -> np.ndarray:
    """Return the largest positive weight of each node's self loops, 1 where it has none, [m].

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> loop_weights(make_graph(np.eye(2), [1, 1], [1, 1], [0.5, 3.0])).tolist()
      [1.0, 3.0]
    """
    weight = np.asarray(graph.edges.weight, np.float64)
    loops = np.flatnonzero((graph.senders == graph.receivers) & (weight > 0))
    largest = np.zeros(num_nodes(graph))
    np.maximum.at(largest, graph.senders[loops], weight[loops])
    return np.where(largest > 0, largest, 1.0)


def _same_edges(one: jraph.GraphsTuple, other: jraph.GraphsTuple) -> bool:
    parts = ((graph.senders, graph.receivers, *graph.edges) for graph in (one, other))
    return all(a is b or np.array_equal(a, b) for a, b in zip(*parts, strict=True))


def _edges_back(
    local: LocalGraph, changed: jraph.GraphsTuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the edges of a changed neighborhood by whole numbers, without the added loops."""
    senders, receivers = np.asarray(changed.senders), np.asarray(changed.receivers)
    weight = np.asarray(changed.edges.weight)
    present = weight > 0
    m = local.node_ids.size
    beyond = present & ((senders >= m) | (receivers >= m))
    if beyond.any():
        at = int(np.argmax(beyond))
        raise InputError(
            f"`changed` has an edge from node {senders[at]} to {receivers[at]}; allowed: 0 to "
            f"{m - 1}, the nodes of the neighborhood."
        )
    _check_standing_loops(local, senders[present], receivers[present], weight[present])
    standing = np.zeros(senders.size, bool)
    loops = present & (senders == receivers)
    standing[loops] = ~local.complete[senders[loops]]
    kept = present & ~standing
    features = changed.edges.features
    return (
        local.node_ids[senders[kept]],
        local.node_ids[receivers[kept]],
        weight[kept],
        None if features is None else np.asarray(features)[kept],
    )


def _check_standing_loops(
    local: LocalGraph, senders: np.ndarray, receivers: np.ndarray, weight: np.ndarray
) -> None:
    """Refuse changed self loops where they stand for edges that were cut off."""
    loops = _standing_loops(local, senders, receivers, weight)
    own = local.graph
    present = own.edges.weight > 0
    expected = _standing_loops(
        local, own.senders[present], own.receivers[present], own.edges.weight[present]
    )
    if not all(np.array_equal(one, other) for one, other in zip(loops, expected, strict=True)):
        raise InputError(
            "`changed` has other self loops at nodes that lost edges to the rest of the graph; "
            "those loops stand for the lost edges and cannot vary. Vary pairs of different nodes."
        )


def _standing_loops(
    local: LocalGraph, senders: np.ndarray, receivers: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    loops = np.flatnonzero(senders == receivers)
    loops = loops[~local.complete[senders[loops]]]
    order = np.lexsort((weight[loops], senders[loops]))
    return senders[loops][order], weight[loops][order]


def _with_rows(nodes: NodeArrays, rows: NodeArrays, node_ids: np.ndarray) -> NodeArrays:
    """Return node features, or each of several arrays of them, with some rows replaced."""
    if isinstance(nodes, dict):
        return {name: _with_rows(nodes[name], rows[name], node_ids) for name in nodes}
    old, new = np.asarray(nodes), np.asarray(rows)
    if new.shape[0] < node_ids.size or new.shape[1:] != old.shape[1:]:
        raise InputError(
            f"`changed` has nodes of shape {new.shape}; allowed: "
            f"({node_ids.size}, {', '.join(map(str, old.shape[1:]))}), a row for each node of the "
            "neighborhood."
        )
    updated = np.array(old)
    updated[node_ids] = new[: node_ids.size]
    return updated


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
    edges = present_edges(whole)
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
    nodes = np.concatenate([np.asarray(whole.nodes)[node_ids], features])
    stripped = whole._replace(nodes=nodes)
    graph = with_edges(stripped, senders, receivers, weight.astype(np.float32))
    return FoldedGraph(graph, node_ids, distance[node_ids])


def _folded(
    whole: jraph.GraphsTuple, edges: EdgeList, folds: np.ndarray, aggregation: str
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
