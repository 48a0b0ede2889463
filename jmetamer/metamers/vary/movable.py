"""Which edges may come and go: all, or those between some of the nodes, beside which others stay.

Pairs of the p nodes between which edges move are drawn and listed by places 0 to p - 1, and named
by their numbers in the graph afterwards, so that nothing grows with the rest of the graph.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import num_nodes
from jmetamer.graphs.pairs import Pairs, pairs_of_graph


class Movable(NamedTuple):
    """The edges of a reference, without self loops.

    Attributes:
      nodes: [p] int32 ascending, the nodes between which edges may come and go; None: all.
      pairs: [E] edges between these nodes.
      fixed: [F] all others, which stay.
    """

    nodes: np.ndarray | None
    pairs: Pairs
    fixed: Pairs


def movable_edges(
    reference: jraph.GraphsTuple, nodes: Sequence[int] | None, *, directed: bool
) -> Movable:
    """Return which edges of a reference may go, and which stay.

    Args:
      reference: simple graph of concrete arrays.
      nodes: ascending, all different; None: all nodes.
      directed: whether (i, j) and (j, i) are two edges.

    Raises:
      InputError: a node that the graph does not have, or a graph that is not simple.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> path = make_graph(np.eye(4), [0, 1, 2, 1, 2, 3], [1, 2, 3, 0, 1, 2])
      >>> found = movable_edges(path, (1, 2, 3), directed=False)
      >>> found.pairs.receivers.tolist(), found.fixed.receivers.tolist()
      ([2, 3], [1])
    """
    pairs = pairs_of_graph(reference, directed=directed)
    if nodes is None:
        nothing = np.zeros(0, np.int32)
        return Movable(None, pairs, Pairs(nothing, nothing))
    n = num_nodes(reference)
    if nodes[-1] >= n:
        raise InputError(
            f"`nodes` names node {nodes[-1]}, but the graph has {n} nodes: allowed are 0 to {n - 1}"
        )
    inside = are_inside(pairs, nodes, n)
    return Movable(
        np.array(nodes, np.int32),
        Pairs(*(side[inside] for side in pairs)),
        Pairs(*(side[~inside] for side in pairs)),
    )


def are_inside(
    pairs: Pairs, nodes: Sequence[int] | np.ndarray | None, num_nodes: int
) -> np.ndarray:
    """Return which pairs have both ends among some nodes, [m] bool; on the host.

    Args:
      pairs: [m].
      nodes: [p].
      num_nodes: number of nodes of the graph.

    Example:
      >>> are_inside(Pairs(np.array([0, 1]), np.array([1, 2])), [1, 2], 3).tolist()
      [False, True]
    """
    is_inside = np.zeros(num_nodes, bool)
    is_inside[np.asarray(nodes)] = True
    return is_inside[np.asarray(pairs.senders)] & is_inside[np.asarray(pairs.receivers)]


def named(pairs: Pairs, nodes: np.ndarray | jax.Array | None) -> Pairs:
    """Return pairs of places among some nodes as pairs of nodes; padding stays padding.

    Args:
      pairs: [m] places 0 to p - 1; undirected ones with the smaller first.
      nodes: [p] ascending; None where places are nodes.

    Example:
      >>> named(Pairs(np.array([0, 0]), np.array([2, 0])), np.array([3, 5, 9])).receivers.tolist()
      [9, 3]
    """
    return pairs if nodes is None else Pairs(*(nodes[side] for side in pairs))
