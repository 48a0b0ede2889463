"""Pairs of nodes: the edges that may be present, the graph that they make, and its flips.

An undirected pair stands once, smaller node first, and its weight goes both ways. A pair of a
node with itself is padding. Self loops of a reference are never among the pairs: they stay.
"""

from typing import NamedTuple

import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import is_symmetric, with_edges
from jmetamer.graphs.graph import Edges, num_nodes


class Pairs(NamedTuple):
    """Pairs of nodes; both ends equal: padding.

    Attributes:
      senders: [m] int32; of an undirected pair the smaller node.
      receivers: [m] int32.

    Example:
      >>> Pairs(np.array([0, 0]), np.array([2, 0])).is_pair.tolist()
      [True, False]
    """

    senders: AnArray
    receivers: AnArray

    @property
    def is_pair(self) -> AnArray:
        """[m] bool: not padding."""
        return self.senders != self.receivers


def pairs_of_graph(graph: jraph.GraphsTuple, *, directed: bool) -> Pairs:
    """Return the edges of a simple graph as pairs, sorted; self loops left out.

    Args:
      graph: simple: weights 0 or 1, no edge twice; edges of weight 0 count as absent. Self loops
        may have any weight.
      directed: whether the pair (i, j) differs from (j, i).

    Returns:
      `Pairs` of NumPy int32 arrays, sorted by sender, then receiver.

    Raises:
      InputError: the graph is not simple, carries edge features, or is not symmetric although
        `directed` is False.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> graph = make_graph(np.eye(3), [0, 1, 2, 1], [1, 0, 1, 2])
      >>> pairs = pairs_of_graph(graph, directed=False)
      >>> list(zip(pairs.senders.tolist(), pairs.receivers.tolist()))
      [(0, 1), (1, 2)]
    """
    weight = np.asarray(graph.edges.weight)
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    if graph.edges.features is not None:
        raise InputError(
            "`graph` has edge features, which a new edge would not have; leave them out, or vary "
            "node features instead of edges"
        )
    relaxed = (senders != receivers) & (weight != 0) & (weight != 1)
    if relaxed.any():
        raise InputError(
            f"`weight` holds {weight[relaxed][0]}; edges that come and go need "
            "weights of 0 or 1; for real-valued weights vary them with `EdgeWeights`"
        )
    if not directed and not is_symmetric(graph):
        raise InputError(
            "`graph` stores some edge in one direction only; allowed with `directed=True`, or "
            "make it undirected with `symmetrize`"
        )
    kept = (weight > 0) & ((senders != receivers) if directed else (senders < receivers))
    order = np.lexsort((receivers[kept], senders[kept]))
    pairs = Pairs(senders[kept][order].astype(np.int32), receivers[kept][order].astype(np.int32))
    twice = (np.diff(pairs.senders) == 0) & (np.diff(pairs.receivers) == 0)
    if twice.any():
        at = int(np.argmax(twice))
        raise InputError(
            f"`graph` stores the edge ({pairs.senders[at]}, {pairs.receivers[at]}) twice; edges "
            "that come and go need a simple graph; make one with `symmetrize`"
        )
    return pairs


class Loops(NamedTuple):
    """Self loops of a reference: nodes [l] int32 and weight [l]."""

    nodes: AnArray
    weight: AnArray


def loops_of_graph(graph: jraph.GraphsTuple) -> Loops:
    """Return the self loops of a graph of concrete arrays, those of weight 0 left out.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> loops_of_graph(make_graph(np.eye(2), [0, 1], [1, 1])).nodes.tolist()
      [1]
    """
    senders, weight = np.asarray(graph.senders), np.asarray(graph.edges.weight)
    kept = (senders == np.asarray(graph.receivers)) & (weight > 0)
    return Loops(senders[kept].astype(np.int32), weight[kept].astype(np.float32))


def graph_of_pairs_and_loops(
    reference: jraph.GraphsTuple, pairs: Pairs, weight: AnArray, loops: Loops, *, directed: bool
) -> jraph.GraphsTuple:
    """Return the graph of weighted pairs and given self loops; for use inside transformations.

    Args:
      reference: its nodes [n, d] are taken.
      pairs: [m].
      weight: [m].
      loops: [l] from `loops_of_graph`.
      directed: whether a pair is one edge, or two of the same weight.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> graph = make_graph(np.eye(2), [1], [1])
      >>> pairs = Pairs(np.array([0]), np.array([1]))
      >>> both = graph_of_pairs_and_loops(graph, pairs, [1.0], loops_of_graph(graph), directed=True)
      >>> both.senders.tolist(), both.receivers.tolist()
      ([0, 1], [1, 1])
    """
    weight = jnp.where(pairs.is_pair, jnp.asarray(weight), 0)
    one_way = (jnp.asarray(pairs.senders), jnp.asarray(pairs.receivers), weight)
    ways = [one_way] if directed else [one_way, (one_way[1], one_way[0], weight)]
    ways.append((jnp.asarray(loops.nodes), jnp.asarray(loops.nodes), jnp.asarray(loops.weight)))
    senders, receivers, weights = (jnp.concatenate(parts) for parts in zip(*ways, strict=True))
    return jraph.GraphsTuple(
        nodes=reference.nodes,
        edges=Edges(weights),
        senders=senders.astype(jnp.int32),
        receivers=receivers.astype(jnp.int32),
        n_node=reference.n_node,
        n_edge=jnp.asarray([senders.shape[0]], jnp.int32),
        globals=None,
    )


def require_nodes(pairs: Pairs, num_nodes: int) -> None:
    """Raise `InputError` where a pair names a node that the graph does not have.

    Example:
      >>> require_nodes(Pairs(np.array([0]), np.array([1])), 2)
    """
    ends = np.concatenate([np.ravel(side) for side in pairs])
    if ends.size and not 0 <= ends.min() <= ends.max() < num_nodes:
        outside = f"outside 0 to {num_nodes - 1}, which the graph does not have"
        raise InputError(f"`pairs` name a node {outside}")


def simple_graph(
    reference: jraph.GraphsTuple, pairs: Pairs, present: AnArray, *, directed: bool
) -> jraph.GraphsTuple:
    """Return the graph that has just the pairs that are present, of weight 1; on the host.

    Args:
      reference: its nodes and self loops are taken.
      pairs: [m]; no pair twice.
      present: [m] bool.
      directed: whether a pair is one edge or two.

    Returns:
      Graph of NumPy arrays, edges sorted by receiver, then sender, as every loader gives them.

    Raises:
      InputError: a pair is there twice, or names a node that is not.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> pairs = Pairs(np.array([0, 1]), np.array([2, 2]))
      >>> graph = simple_graph(make_graph(np.eye(3), [], []), pairs, [True, False], directed=False)
      >>> graph.senders.tolist(), graph.receivers.tolist()
      ([2, 0], [0, 2])
    """
    kept = np.asarray(present, bool) & np.asarray(pairs.is_pair)
    one, other = (np.asarray(side)[kept].astype(np.int64) for side in pairs)
    require_nodes(pairs, num_nodes(reference))
    if not directed:
        one, other = np.concatenate([one, other]), np.concatenate([other, one])
    order = np.lexsort((one, other))
    one, other = one[order], other[order]
    if ((np.diff(one) == 0) & (np.diff(other) == 0)).any():
        raise InputError("`pairs` hold some pair twice; a simple graph has each at most once")
    loops = loops_of_graph(reference)
    senders, receivers = (np.concatenate([ends, loops.nodes]) for ends in (one, other))
    weight = np.concatenate([np.ones(one.size, np.float32), loops.weight])
    order = np.lexsort((senders, receivers))
    bare = reference._replace(nodes=np.asarray(reference.nodes))
    return with_edges(bare, senders[order], receivers[order], weight[order])


def pair_numbers(pairs: Pairs, num_nodes: int) -> np.ndarray:
    """Return one int64 number a pair, [m]; the square of 65,536 nodes does not fit in 32 bits.

    Args:
      pairs: [m].
      num_nodes: number of nodes of the graph.

    Example:
      >>> pair_numbers(Pairs(np.array([99_999]), np.array([7])), 100_000).tolist()
      [9999900007]
    """
    return np.asarray(pairs.senders, np.int64) * num_nodes + np.asarray(pairs.receivers, np.int64)


class Flips(NamedTuple):
    """By which edges one graph differs from another: pairs [f], and whether each was added.

    Attributes:
      pairs: the edges present in just one of both, sorted by sender, then receiver.
      added: [f] bool; False where the edge was removed.
    """

    pairs: Pairs
    added: np.ndarray


def flips_between(
    reference: jraph.GraphsTuple, other: jraph.GraphsTuple, *, directed: bool
) -> Flips:
    """Return the edges to add to and to remove from a simple graph to get another.

    Args:
      reference: simple graph.
      other: simple graph of the same nodes.
      directed: whether the pair (i, j) differs from (j, i).

    Raises:
      InputError: a graph is not simple, or the numbers of nodes differ.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> path = make_graph(np.eye(3), [0, 1], [1, 0])
      >>> other = make_graph(np.eye(3), [0, 2], [2, 0])
      >>> flips = flips_between(path, other, directed=False)
      >>> flips.pairs.receivers.tolist(), flips.added.tolist()
      ([1, 2], [False, True])
    """
    n = num_nodes(reference)
    if num_nodes(other) != n:
        raise InputError(
            f"`other` has {num_nodes(other)} nodes and `reference` {n}; flips need the same nodes"
        )
    before, after = (
        pair_numbers(pairs_of_graph(graph, directed=directed), n) for graph in (reference, other)
    )
    changed = np.setxor1d(before, after)
    pairs = Pairs((changed // n).astype(np.int32), (changed % n).astype(np.int32))
    return Flips(pairs, np.isin(changed, after))


def flipped(reference: jraph.GraphsTuple, flips: Flips, *, directed: bool) -> jraph.GraphsTuple:
    """Return the simple graph that flips make of a reference: the inverse of `flips_between`.

    Args:
      reference: simple graph.
      flips: edges to add that are absent, and to remove that are present.
      directed: whether the pair (i, j) differs from (j, i).

    Raises:
      InputError: an edge to add is there already, or one to remove is not.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> flips = Flips(Pairs(np.array([0]), np.array([2])), np.array([True]))
      >>> flipped(make_graph(np.eye(3), [], []), flips, directed=False).senders.tolist()
      [2, 0]
    """
    n = num_nodes(reference)
    before = pair_numbers(pairs_of_graph(reference, directed=directed), n)
    numbers, added = pair_numbers(flips.pairs, n), np.asarray(flips.added, bool)
    wrong = np.isin(numbers, before) == added
    if wrong.any():
        pair = int(numbers[np.argmax(wrong)])
        there = "there already" if added[np.argmax(wrong)] else "not there"
        raise InputError(
            f"`flips` do not belong to this reference: edge ({pair // n}, {pair % n}) is {there}"
        )
    after = np.setxor1d(before, numbers)
    pairs = Pairs((after // n).astype(np.int32), (after % n).astype(np.int32))
    return simple_graph(reference, pairs, np.ones(after.size, bool), directed=directed)


def random_flips_like(
    rng: np.random.Generator, flips: Flips, pairs: Pairs, nodes: np.ndarray, *, directed: bool
) -> Flips:
    """Return as many random flips of a graph: edges to remove and pairs to join, each kind apart.

    Args:
      rng: NumPy generator.
      flips: of the same graph; they say how many.
      pairs: its edges between `nodes`, of which some are removed.
      nodes: [p] ascending, those that may be joined.
      directed: whether the pair (i, j) differs from (j, i).

    Example:
      >>> path = Pairs(np.array([0, 1]), np.array([1, 2]))
      >>> like = Flips(Pairs(np.array([0, 0]), np.array([1, 2])), np.array([False, True]))
      >>> rng = np.random.default_rng(0)
      >>> random_flips_like(rng, like, path, np.arange(3), directed=False).added.tolist()
      [False, True]
    """
    most = int(nodes[-1]) + 1 if len(nodes) else 0
    before = pair_numbers(pairs, most)
    num_added = int(np.sum(flips.added))
    removed = rng.choice(before, flips.added.size - num_added, replace=False)
    added = np.zeros(0, np.int64)
    while added.size < num_added:
        ends = rng.choice(nodes, (2, 2 * num_added + len(nodes)))
        one, other = ends if directed else np.sort(ends, axis=0)
        drawn = (one.astype(np.int64) * most + other)[one != other]
        added = np.append(added, drawn[~np.isin(drawn, before)])
        added = added[np.sort(np.unique(added, return_index=True)[1])]
    numbers = np.append(removed, added[:num_added])
    chosen = Pairs((numbers // most).astype(np.int32), (numbers % most).astype(np.int32))
    return Flips(chosen, np.arange(numbers.size) >= removed.size)


def edge_jaccard(flips: Flips, num_edges: int) -> float:
    """Return the Jaccard distance of the edge sets, `1 - #(E and E') / #(E or E')`, in [0, 1].

    Args:
      flips: from `flips_between(reference, other)`.
      num_edges: number of pairs of the reference, self loops left out.

    Example:
      >>> edge_jaccard(Flips(Pairs(np.array([0]), np.array([2])), np.array([True])), 3)
      0.25
    """
    added = int(np.sum(flips.added))
    union = num_edges + added
    return (added + int(np.sum(~np.asarray(flips.added, bool)))) / union if union else 0.0
