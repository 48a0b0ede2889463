"""Graphs whose structure metamers are known, to test with what searches for them should find.

Features are one constant column, or the one-hot rows of given labels.
"""

import itertools
from collections.abc import Sequence

import jraph
import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import simple_undirected
from jmetamer.graphs.graph import make_graph, num_nodes
from jmetamer.graphs.pairs import pairs_of_graph


def cycles(lengths: Sequence[int], labels: AnArray | None = None) -> jraph.GraphsTuple:
    """Return disjoint rings; node numbers run along each ring.

    With constant features no message-passing network tells two graphs of rings with the same total
    from each other: a ring of six nodes and two triangles have the same activations.

    Args:
      lengths: number of nodes of each ring, 3 or more.
      labels: [n] integers, or None for constant features.

    Raises:
      InputError: a ring is shorter than 3, or the labels do not fit.

    Example:
      >>> cycles([3, 3]).senders.tolist()
      [1, 2, 0, 2, 0, 1, 4, 5, 3, 5, 3, 4]
    """
    if not len(lengths) or min(lengths) < 3:
        raise InputError(f"`lengths` is {list(lengths)}; allowed: one or more rings of 3 or more")
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rings = [np.arange(start, end) for start, end in itertools.pairwise(starts)]
    ahead = np.concatenate([np.roll(ring, -1) for ring in rings])
    return _undirected(np.arange(starts[-1]), ahead, int(starts[-1]), labels)


def circular_skip_links(total: int, skip: int, labels: AnArray | None = None) -> jraph.GraphsTuple:
    """Return CSL(n, s): a ring with an edge from every node i to i + s (mod n).

    All are 4-regular, so with constant features no message-passing network tells them apart, and
    CSL(n, s) and CSL(n, t) with s and t prime to a prime n are isomorphic only if
    `t = +-s^(+-1) mod n` (Murphy, Srinivasan, Rao and Ribeiro 2019, Relational Pooling).

    Args:
      total: number of nodes n, 5 or more.
      skip: s, 2 to n - 2, but not n / 2, which would leave 3 edges a node.
      labels: [n] integers, or None for constant features.

    Raises:
      InputError: a number is out of range, or the labels do not fit.

    Example:
      >>> graph = circular_skip_links(11, 3)
      >>> sorted(graph.senders[graph.receivers == 0].tolist())
      [1, 3, 8, 10]
    """
    if total < 5 or not 2 <= skip <= total - 2 or 2 * skip == total:
        raise InputError(
            f"`total` is {total} and `skip` is {skip}; allowed: 5 nodes or more, and a skip from 2 "
            "to two less than these, but not half of them"
        )
    nodes = np.arange(total)
    ahead = np.concatenate([nodes + 1, nodes + skip]) % total
    return _undirected(np.tile(nodes, 2), ahead, total, labels)


def random_regular(
    total: int, degree: int, *, num_labels: int = 1, seed: int = 0
) -> jraph.GraphsTuple:
    """Return a random graph in which every node has the same number of edges.

    With one label all nodes keep one color for ever, so that every swap of two edges that makes no
    loop and no double edge gives a structure metamer of every layer. Each further label splits the
    colors, and each further layer splits them more.

    Args:
      total: number of nodes.
      degree: number of edges of each; `total * degree` is even.
      num_labels: number of labels, drawn with equal probabilities; one-hot features.
      seed: draws edges and labels.

    Raises:
      InputError: no such graph exists, or `num_labels` is below 1.

    Example:
      >>> graph = random_regular(10, 3, num_labels=2)
      >>> np.bincount(graph.receivers).tolist(), graph.nodes.shape
      ([3, 3, 3, 3, 3, 3, 3, 3, 3, 3], (10, 2))
    """
    import networkx

    if num_labels < 1:
        raise InputError(f"`num_labels` is {num_labels}; allowed: 1 or more")
    if not 0 <= degree < total or total * degree % 2:
        raise InputError(
            f"`total` is {total} and `degree` is {degree}; allowed: fewer edges a node than nodes, "
            "and an even product of both, as each edge has two ends"
        )
    regular = networkx.random_regular_graph(degree, total, seed=seed)
    one, other = np.array(regular.edges, np.int64).reshape(-1, 2).T
    labels = np.random.default_rng(seed).integers(num_labels, size=total)
    return _undirected(one, other, total, _one_hot(labels, num_labels))


def disjoint_copies(graph: jraph.GraphsTuple, count: int) -> jraph.GraphsTuple:
    """Return some copies of a graph as one graph; copy k of node v is node `k n + v`.

    An edge may change places with its own copy: (u, v) and (u', v') become (u, v') and (u', v),
    and no network sees it, however irregular the graph is. So the swaps of colors after any number
    of rounds are at least `m c (c - 1) / 2` for m edges and c copies.

    Args:
      graph: host graph without edge features.
      count: number of copies, 1 or more.

    Raises:
      InputError: `count` is below 1, or the graph has edge features.

    Example:
      >>> disjoint_copies(make_graph([[1.0], [2.0]], [0], [1]), 2).receivers.tolist()
      [1, 3]
    """
    if count < 1:
        raise InputError(f"`count` is {count}; allowed: 1 or more")
    if graph.edges.features is not None:
        raise InputError("`graph` has edge features; copies are made of graphs without them")
    shift = np.repeat(np.arange(count) * num_nodes(graph), np.size(graph.senders))
    return make_graph(
        np.tile(graph.nodes, (count, 1)),
        np.tile(graph.senders, count) + shift,
        np.tile(graph.receivers, count) + shift,
        np.tile(graph.edges.weight, count),
    )


def cai_fuerer_immerman(base: jraph.GraphsTuple, *, twisted: bool = False) -> jraph.GraphsTuple:
    """Return the graph of Cai, Fuerer and Immerman (1992) over a base graph, or its twisted twin.

    A node of it is a node v of the base with an even number of the edges at v; nodes of adjacent u
    and v are joined where both or neither have the edge between them. The twin has odd numbers at
    one node of the base. Over a connected base the two are not isomorphic, and k-dimensional
    folklore Weisfeiler-Leman tells them apart only where the treewidth of the base is at most k:
    over a cycle not even message passing does, over K4, K33 and the cube 2-FWL does not.

    Args:
      base: undirected simple graph; its features are not read.
      twisted: whether to return the twin.

    Returns:
      Graph with constant features, of `sum_v 2^(k_v - 1)` nodes for degrees k_v.

    Raises:
      InputError: the base is not simple and undirected, or has a node without edges.

    Example:
      >>> [cai_fuerer_immerman(cycles([3]), twisted=one).senders.tolist() for one in (False, True)]
      [[2, 4, 3, 5, 0, 4, 1, 5, 0, 2, 1, 3], [3, 4, 2, 5, 1, 4, 0, 5, 0, 2, 1, 3]]
    """
    pairs = pairs_of_graph(base, directed=False)
    at: list[list[int]] = [[] for _ in range(num_nodes(base))]
    for number, ends in enumerate(zip(pairs.senders, pairs.receivers, strict=True)):
        for node in ends:
            at[node].append(number)
    if not all(at):
        raise InputError(f"`base` has a node without edges, node {at.index([])}; remove it")
    owner, chosen = [], []
    for node, numbers in enumerate(at):
        odd = twisted and node == 0
        for size in range(odd, len(numbers) + 1, 2):
            for some in itertools.combinations(numbers, size):
                owner.append(node)
                chosen.append(np.isin(np.arange(pairs.senders.size), some))
    owners, table = np.array(owner), np.array(chosen)
    joined = [
        np.argwhere(
            (owners[:, None] == u) & (owners == v) & (table[:, number][:, None] == table[:, number])
        )
        for number, (u, v) in enumerate(zip(pairs.senders, pairs.receivers, strict=True))
    ]
    one, other = np.concatenate(joined).T
    return _undirected(one, other, len(owner), None)


def with_twin(graph: jraph.GraphsTuple, node: int, *, adjacent: bool = False) -> jraph.GraphsTuple:
    """Return the graph with one node more, of the same features and neighbors as a given one.

    Twins have the same color at every round, but an edge of one changes places with none of the
    other's: both would-be edges are there already. A graph whose nodes of equal color are all
    twins has no structure metamer by swaps, however many of its edges join the same colors.

    Args:
      graph: undirected simple graph without self loops.
      node: the node that gets a twin; the twin is the last node.
      adjacent: join the twins ("true" twins, of equal closed neighborhoods) or not ("false").

    Raises:
      InputError: there is no such node.

    Example:
      >>> path = make_graph(np.eye(3), [0, 1, 1, 2], [1, 0, 2, 1])
      >>> twins = with_twin(path, 0)
      >>> twins.senders[twins.receivers == 3].tolist(), twins.nodes[3].tolist()
      ([1], [1.0, 0.0, 0.0])
    """
    total = num_nodes(graph)
    if not 0 <= node < total:
        raise InputError(f"`node` is {node}; allowed: 0 to {total - 1}")
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    present = np.asarray(graph.edges.weight) > 0
    neighbors = senders[present & (receivers == node)]
    joined = np.append(neighbors, node) if adjacent else neighbors
    one = np.concatenate([senders[present], joined])
    other = np.concatenate([receivers[present], np.full(joined.size, total)])
    nodes = np.concatenate([graph.nodes, np.asarray(graph.nodes)[[node]]])
    return make_graph(nodes, *simple_undirected(one, other, total + 1))


def _undirected(
    one: np.ndarray, other: np.ndarray, total: int, labels: AnArray | None
) -> jraph.GraphsTuple:
    """Return the undirected graph of some pairs, with constant or one-hot features."""
    if labels is None:
        nodes = np.ones((total, 1))
    else:
        nodes = np.asarray(labels)
        if nodes.ndim == 1 and nodes.dtype.kind in "iu" and nodes.size and nodes.min() >= 0:
            nodes = _one_hot(nodes, int(nodes.max()) + 1)
        if nodes.ndim != 2 or len(nodes) != total:
            raise InputError(
                f"`labels` is {labels!r}; allowed: {total} integers, 0 or more, one for each node"
            )
    return make_graph(nodes, *simple_undirected(one, other, total))


def _one_hot(labels: np.ndarray, num_labels: int) -> np.ndarray:
    return np.eye(num_labels)[labels]
