"""Pairs of nodes: the edges that may be present, and the graph that weights on them make.

An undirected pair stands once, smaller node first, and its weight goes both ways. A pair of a
node with itself is padding. Self loops of a reference are never among the pairs: they stay.
"""

from typing import NamedTuple

import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import Edges, num_nodes
from jmetamer.graphs.symmetry import is_symmetric


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
    senders = np.concatenate([one, loops.nodes]).astype(np.int32)
    receivers = np.concatenate([other, loops.nodes]).astype(np.int32)
    weight = np.concatenate([np.ones(one.size, np.float32), loops.weight])
    order = np.lexsort((senders, receivers))
    return jraph.GraphsTuple(
        nodes=np.asarray(reference.nodes),
        edges=Edges(weight[order]),
        senders=senders[order],
        receivers=receivers[order],
        n_node=np.asarray(reference.n_node),
        n_edge=np.array([senders.size], np.int32),
        globals=None,
    )


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
