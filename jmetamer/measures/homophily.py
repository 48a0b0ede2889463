"""How many edges link nodes of one class, and how that changes in metamers of the structure."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.measures.edge_set import EdgeSet, edge_set


class Homophily(NamedTuple):
    """Homophily of one graph.

    Attributes:
      edge: share of the weight of edges between nodes of one class, in [0, 1]; NaN without edges.
      chance: the same with the ends of edges paired at random, `sum_k p_k^2`.
      adjusted: `(edge - chance) / (1 - chance)`, at most 1; 0 for ends paired at random. NaN where
        all edges end in one class.
    """

    edge: float
    chance: float
    adjusted: float


class HomophilyChange(NamedTuple):
    """Homophily of a reference and of b metamers.

    Attributes:
      reference: of the reference.
      edge, adjusted: [b] of the metamers; NaN where not defined.
      edge_deviation, adjusted_deviation: [b] `|h - h'|`, in [0, 1] and from 0 up.
      edge_chance: deviation of the edge homophily where the ends of the reference's edges are
        paired at random; that of the adjusted homophily is `|adjusted|` of the reference.
    """

    reference: Homophily
    edge: np.ndarray
    adjusted: np.ndarray
    edge_deviation: np.ndarray
    adjusted_deviation: np.ndarray
    edge_chance: float


def homophily(edges: EdgeSet, labels: Any) -> Homophily:
    """Return the edge homophily and the adjusted homophily of a graph.

    `h = sum_{uv, y_u = y_v} w_uv / sum_uv w_uv` and, with `p_k` the share of all degrees that lie
    in class k, `(h - sum_k p_k^2) / (1 - sum_k p_k^2)` (Platonov et al., 2023), which compares
    between data sets; it is Newman's assortativity of the classes. Of directed graphs `p_k^2` is
    the product of the shares of leaving and of arriving edges.

    Args:
      edges: of the graph; finite weights.
      labels: [n] classes.

    Raises:
      InputError: not one label for each node.

    Example:
      >>> path = EdgeSet(4, np.array([1, 4, 6, 9, 11, 14]), np.ones(6))  # 0 - 1 - 2 - 3
      >>> found = homophily(path, [0, 0, 1, 1])
      >>> round(found.edge, 6), found.chance, round(found.adjusted, 6)
      (0.666667, 0.5, 0.333333)
    """
    given = np.asarray(labels)
    if given.shape != (edges.num_nodes,):
        raise InputError(
            f"`labels` has shape {given.shape}; one class for each of {edges.num_nodes} nodes is "
            "needed"
        )
    total = edges.weight.sum()
    if not total or not np.isfinite(total):
        return Homophily(float("nan"), float("nan"), float("nan"))
    names, classes = np.unique(given, return_inverse=True)
    one, other = (classes[ends] for ends in np.divmod(edges.numbers, edges.num_nodes))
    same = float(edges.weight[one == other].sum() / total)
    shares = [np.bincount(ends, edges.weight, names.size) / total for ends in (one, other)]
    chance = float(shares[0] @ shares[1])
    alone = np.unique(np.append(one, other)).size == 1
    adjusted = float("nan") if alone else (same - chance) / (1 - chance)
    return Homophily(same, chance, adjusted)


def homophily_change(
    reference: jraph.GraphsTuple, metamers: Iterable[jraph.GraphsTuple], labels: Any
) -> HomophilyChange:
    """Compare the homophily of metamers with that of their reference, on the host.

    Deviations are symmetric and unchanged by the same reordering of all nodes.

    Args:
      reference: graph of n nodes.
      metamers: graphs of the same nodes, one at a time where they come from a store.
      labels: [n] classes.

    Returns:
      `HomophilyChange`, in the order of the metamers.

    Raises:
      InputError: not one label for each node of every graph.

    Example:
      >>> import jmetamer as jm
      >>> pair = jm.make_graph(np.eye(3), [0, 1], [1, 0])
      >>> other = jm.make_graph(np.eye(3), [0, 2], [2, 0])
      >>> homophily_change(pair, [pair, other], [0, 0, 1]).edge_deviation.tolist()
      [0.0, 1.0]
    """
    original = homophily(edge_set(reference), labels)
    found = [homophily(edge_set(graph), labels) for graph in metamers]
    edge = np.array([one.edge for one in found], np.float64)
    adjusted = np.array([one.adjusted for one in found], np.float64)
    return HomophilyChange(
        reference=original,
        edge=edge,
        adjusted=adjusted,
        edge_deviation=np.abs(edge - original.edge),
        adjusted_deviation=np.abs(adjusted - original.adjusted),
        edge_chance=abs(original.edge - original.chance),
    )
