"""Exact edit distance of tiny graphs: how many edits apart they are, however nodes are numbered."""

import functools
import itertools

import numpy as np

from jmetamer._base.arguments import Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer.measures.edge_set import EdgeSet
from jmetamer.measures.random_edges import edge_measure

MAX_NODES = 8  # 40,320 orders of the nodes are tried
_DRAWS = 8  # graphs for the chance level, each compared in all orders


@checked
def graph_edit_distance(
    reference: EdgeSet, metamer: EdgeSet, labels: Numbers | None = None
) -> float:
    """Return the least number of edges added, edges removed and nodes relabeled, at least 0.

    `min_pi #(pi(E) symmetric difference E') + #{v: y_v != y_pi(v)}` over all orders pi of the
    nodes; an undirected edge counts once. Both graphs have equally many nodes, so removing a node
    and adding another never costs less than keeping it. A metric on graphs up to their numbering,
    unchanged when either is renumbered by itself; exact, hence for tiny graphs: it shows whether an
    edge Jaccard distance is only a renumbering. At most the number of pairs, with labels n more.

    Args:
      reference: its edges; weights are ignored.
      metamer: its edges, of as many nodes.
      labels: [n] classes of the nodes of both graphs; None where they have none.

    Returns:
      A whole number; NaN if a weight is not finite.

    Raises:
      InputError: more than 8 nodes, other numbers of nodes, or not one label for each node.

    Example:
      >>> path = EdgeSet(3, np.array([1, 3, 5, 7]), np.ones(4))  # 0 - 1 - 2
      >>> moved = EdgeSet(3, np.array([2, 5, 6, 7]), np.ones(4))  # 0 - 2 - 1
      >>> graph_edit_distance(path, moved), graph_edit_distance(path, moved, labels=[0, 1, 2])
      (0.0, 2.0)
    """
    n = reference.num_nodes
    if n > MAX_NODES or metamer.num_nodes != n:
        raise InputError(
            f"`reference` has {n} and `metamer` {metamer.num_nodes} nodes; allowed: equally many, "
            f"up to {MAX_NODES}, since all orders of the nodes are tried. Compare larger graphs "
            "by 'structure/edge_jaccard' and 'structure/netlsd'"
        )
    classes = np.zeros(n, int) if labels is None else np.asarray(labels)
    if classes.shape != (n,):
        raise InputError(f"`labels` has shape {classes.shape}; one for each of {n} nodes is needed")
    if not (np.isfinite(reference.weight).all() and np.isfinite(metamer.weight).all()):
        return float("nan")
    one, other = _table(reference), _table(metamer)
    orders = _orders(n)
    directed = not (np.array_equal(one, one.T) and np.array_equal(other, other.T))
    ends = np.nonzero(other if directed else np.triu(other))
    total = one.sum() + other.sum()
    shared = one[orders[:, ends[0]], orders[:, ends[1]]].sum(axis=1)
    edits = (total if directed else total // 2) - 2 * shared
    return float((edits + (classes[orders] != classes).sum(axis=1)).min())


@functools.cache
def _orders(count: int) -> np.ndarray:
    return np.array(list(itertools.permutations(range(count))), np.int8)


def _table(edges: EdgeSet) -> np.ndarray:
    table = np.zeros(edges.num_nodes**2, bool)
    table[edges.numbers] = True
    return table.reshape(edges.num_nodes, edges.num_nodes)


EDIT_MEASURES = (
    edge_measure(
        name="structure/edit_distance",
        function=graph_edit_distance,
        draws=_DRAWS,
        high=float(MAX_NODES * (MAX_NODES - 1)),
        formula="min_pi #(pi(E) symmetric difference E'), of graphs of at most 8 nodes",
        max_nodes=MAX_NODES,
    ),
)
