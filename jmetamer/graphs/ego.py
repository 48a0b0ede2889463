"""The part of a graph that can send messages to some nodes in k layers: ego graphs, and balls.

Unions come in arrays of one shape. In a union no ball touches another, so one pullback of the sum
over all centers gives one row of every center's Jacobian at once, and the sizes of single balls
need no padding.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jraph
import numpy as np
import scipy.sparse

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import present_edges, with_edges
from jmetamer.graphs.graph import Edges, num_nodes, require_numbers

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
    rows = jax.tree.map(lambda values: np.asarray(values)[node_ids], graph.nodes)
    weight, features = (None if x is None else np.asarray(x)[kept] for x in graph.edges)
    ends = number[senders[kept]], number[receivers[kept]]
    return with_edges(graph._replace(nodes=rows), *ends, weight, features), node_ids


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
    _check_hops(hops)
    distance = np.full(total, hops + 1, np.int32)
    distance[_centers(nodes, total)] = 0
    senders, receivers, _ = present_edges(graph)
    for step in range(1, hops + 1):
        reached = senders[distance[receivers] == step - 1]
        reached = reached[distance[reached] > step]
        if not reached.size:
            break  # all that there is, however many steps are allowed
        distance[reached] = step
    return distance


def _check_hops(hops: int) -> None:
    if not 0 <= hops < _MOST_HOPS:
        raise InputError(f"`hops` is {hops}; allowed: 0 to {_MOST_HOPS - 1:,}.")


def _centers(nodes: int | Sequence[int] | np.ndarray, total: int) -> np.ndarray:
    centers = np.atleast_1d(np.asarray(nodes))
    if centers.size == 0 or centers.ndim != 1 or centers.dtype.kind not in "iu":
        raise InputError(
            f"`nodes` has shape {centers.shape} and dtype {centers.dtype}; allowed: one node "
            "number or a list of them."
        )
    require_numbers("nodes", centers, total)
    return centers


class BallUnion(NamedTuple):
    """Balls around b targets side by side, then padding places; the last place is always padding.

    Attributes:
      graph: edges of the union; `nodes` is None, to be filled with rows of `node_ids`.
      node_ids: [m] int64, the number in the whole graph of the node at each place.
      starts: [b + 1] int64, first place of each ball; ball i is `starts[i] : starts[i + 1]`.
      centers: [c] int32, place of each target, c >= b; the others point to the last place.
      first: place of the first target in the list of all targets.
    """

    graph: jraph.GraphsTuple
    node_ids: np.ndarray
    starts: np.ndarray
    centers: np.ndarray
    first: int

    @property
    def num_balls(self) -> int:
        """Number of targets b."""
        return len(self.starts) - 1


def ball_unions(
    graph: jraph.GraphsTuple, nodes: np.ndarray, hops: int, most_places: int | None
) -> Iterator[BallUnion]:
    """Yield the balls of the nodes in unions of one shape, in the order of the nodes.

    The ball of a node holds every node from which it is reached in at most `hops` steps along the
    messages, over edges of weight above 0, in ascending order. Nodes closer than `hops` keep all
    edges that arrive at them. Of those at distance `hops` a network of `hops` layers uses the
    features and, for normalization, the degree: they keep their self loops, and one edge from the
    last place with the sum of the weights of all the others that arrive.

    Args:
      graph: the graph, host arrays.
      nodes: [b] node numbers.
      hops: number of message-passing layers, 0 or more.
      most_places: places of a union, padding included; more where a single ball is larger.
        None: every ball is a union of its own.

    Raises:
      InputError: `nodes` is empty or names no node of the graph, or `hops` is negative.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> path = make_graph(np.eye(4), [0, 1, 2], [1, 2, 3])
      >>> (union,) = ball_unions(path, np.array([3, 1]), hops=1, most_places=100)
      >>> union.node_ids.tolist(), union.starts.tolist(), union.centers.tolist()
      ([2, 3, 0, 1, 2], [0, 2, 4], [1, 3])
    """
    _check_hops(hops)
    nodes = _centers(nodes, num_nodes(graph)).astype(np.int64)
    arriving = _arriving(graph)
    balls = _balls(arriving, nodes, hops)
    if most_places is None:
        groups = [(place, place + 1) for place in range(len(nodes))]
    else:
        groups = _groups(np.diff(balls.indptr), most_places - 1)
    parts = [_union_of(arriving, balls, nodes, first, last) for first, last in groups]
    places = 1 + max(len(part.node_ids) for part in parts)
    edges = max(len(part.senders) for part in parts)
    centers = max(len(part.centers) for part in parts)
    features = graph.edges.features
    for (first, _), part in zip(groups, parts, strict=True):
        yield _padded(part, first, places, edges, centers, features)


class _Arriving(NamedTuple):
    """Edges by receiver: rows 0..n-1 all of them, rows n..2n-1 with all but the loops summed up."""

    pointer: np.ndarray
    senders: np.ndarray  # n stands for "outside"
    weight: np.ndarray
    edge_ids: np.ndarray  # -1 for a sum


class _Part(NamedTuple):
    """A union without padding; sender -1 is the last place."""

    node_ids: np.ndarray
    starts: np.ndarray
    centers: np.ndarray
    senders: np.ndarray
    receivers: np.ndarray
    weight: np.ndarray
    edge_ids: np.ndarray


def _arriving(graph: jraph.GraphsTuple) -> _Arriving:
    total = num_nodes(graph)
    senders, receivers = (np.asarray(a).astype(np.int64) for a in (graph.senders, graph.receivers))
    weight = np.asarray(graph.edges.weight, np.float64)
    present = np.flatnonzero(weight > 0)
    between = present[senders[present] != receivers[present]]
    loops = present[senders[present] == receivers[present]]
    summed = np.bincount(receivers[between], weight[between], minlength=total)
    fed = np.flatnonzero(summed)
    rows = np.concatenate([receivers[present], total + receivers[loops], total + fed])
    order = np.argsort(rows, kind="stable")
    return _Arriving(
        np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=2 * total))]),
        np.concatenate([senders[present], senders[loops], np.full(len(fed), total)])[order],
        np.concatenate([weight[present], weight[loops], summed[fed]])[order],
        np.concatenate([present, loops, np.full(len(fed), -1)])[order],
    )


def _balls(arriving: _Arriving, nodes: np.ndarray, hops: int) -> scipy.sparse.csr_matrix:
    """Return [b, n] sparse: 2 at nodes closer than `hops`, 1 at those `hops` away."""
    total = len(arriving.pointer) // 2
    ends = arriving.pointer[: total + 1]
    kept = slice(0, ends[-1])
    ones = np.ones(ends[-1], bool)
    step = scipy.sparse.csr_matrix((ones, arriving.senders[kept], ends), shape=(total, total))
    nothing = np.zeros(len(nodes) + 1, np.int64)
    inner = scipy.sparse.csr_matrix(
        (np.zeros(0, bool), nothing[:0], nothing), shape=(len(nodes), total)
    )
    ball = scipy.sparse.csr_matrix(
        (np.ones(len(nodes), bool), nodes, np.arange(len(nodes) + 1)), shape=(len(nodes), total)
    )
    for _ in range(hops):
        inner, ball = ball, ball + ball @ step
        if ball.nnz == inner.nnz:
            break  # all that there is, however many hops are allowed
    both = ball.astype(np.int8) + inner.astype(np.int8)
    both.sort_indices()
    return both


def _groups(sizes: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Cut the balls into runs of about equal size, each of at most `most` places or one ball."""
    ends = np.cumsum(sizes.astype(np.int64))
    # Equal runs leave little padding; a limit alone would leave a nearly empty last union.
    limit = max(int(np.ceil(ends[-1] / np.ceil(ends[-1] / max(most, 1)))), int(sizes.max()))
    groups, first = [], 0
    while first < len(sizes):
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + limit, side="right"))
        groups.append((first, last))
        first = last
    return groups


def _union_of(
    arriving: _Arriving, balls: scipy.sparse.csr_matrix, nodes: np.ndarray, first: int, last: int
) -> _Part:
    total = balls.shape[1]
    starts = balls.indptr[first : last + 1].astype(np.int64)
    kept = slice(starts[0], starts[-1])
    starts = starts - starts[0]
    ids = balls.indices[kept].astype(np.int64)
    owner = np.repeat(np.arange(last - first), np.diff(starts))
    # Ascending, because balls are in order and so are the nodes of a ball.
    keys = owner * (total + 1) + ids
    rows = np.where(balls.data[kept] == 2, ids, total + ids)
    counts = arriving.pointer[rows + 1] - arriving.pointer[rows]
    receivers = np.repeat(np.arange(len(ids)), counts)
    begins = np.repeat(arriving.pointer[rows] - np.cumsum(counts) + counts, counts)
    taken = begins + np.arange(len(begins))
    senders = arriving.senders[taken]
    places = np.searchsorted(keys, owner[receivers] * (total + 1) + senders)
    return _Part(
        ids,
        starts,
        np.searchsorted(keys, np.arange(last - first) * (total + 1) + nodes[first:last]),
        np.where(senders == total, -1, places),
        receivers,
        arriving.weight[taken],
        arriving.edge_ids[taken],
    )


def _padded(
    part: _Part, first: int, places: int, edges: int, centers: int, features: np.ndarray | None
) -> BallUnion:
    end = places - 1

    def filled(values: np.ndarray, length: int, value: float, dtype: type) -> np.ndarray:
        return np.concatenate([values, np.full(length - len(values), value)]).astype(dtype)

    chosen = filled(part.edge_ids, edges, -1, np.int64)
    rows = None
    if features is not None:
        rows = np.where((chosen >= 0)[:, None], np.asarray(features)[chosen], 0)
    senders = np.where(part.senders < 0, end, part.senders)
    graph = jraph.GraphsTuple(
        nodes=None,
        edges=Edges(filled(part.weight, edges, 0, np.float64), rows),
        senders=filled(senders, edges, end, np.int32),
        receivers=filled(part.receivers, edges, end, np.int32),
        n_node=np.array([places], np.int32),
        n_edge=np.array([edges], np.int32),
        globals=None,
    )
    return BallUnion(
        graph,
        # A real node's features at the padding places: all-zero rows could divide by zero.
        filled(part.node_ids, places, part.node_ids[0], np.int64),
        part.starts,
        filled(part.centers, centers, end, np.int32),
        first,
    )
