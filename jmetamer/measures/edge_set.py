"""`EdgeSet`: the edges of a graph as sorted numbers with weights, by which graphs are compared."""

from typing import NamedTuple

import jraph
import numpy as np
from scipy.sparse import csr_array

from jmetamer._base.arguments import AnArray, checked
from jmetamer.graphs.graph import num_nodes


class EdgeSet(NamedTuple):
    """Edges between different nodes, each once; on the host.

    An undirected edge stands in both directions, so every measure of edge sets is the same whether
    it counts pairs or their two directions.

    Attributes:
      num_nodes: number of nodes n.
      numbers: [m] int64, `sender * n + receiver`, sorted.
      weight: [m] float64, positive; 1 in a simple graph.
      features: [n, d] of the nodes, for measures of both; None where they are not known.
    """

    num_nodes: int
    numbers: np.ndarray
    weight: np.ndarray
    features: AnArray | None = None

    @property
    def degree(self) -> np.ndarray:
        """[n] float64 sum of the weights that arrive at each node: its degree in a simple graph."""
        receivers = self.numbers % max(self.num_nodes, 1)
        return np.bincount(receivers, self.weight, self.num_nodes)


@checked
def edge_set(graph: jraph.GraphsTuple) -> EdgeSet:
    """Return the edges of a graph without self loops and without edges of weight 0.

    An edge that is stored several times counts once, with the sum of its weights.

    Args:
      graph: concrete arrays; weights from 0.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> edges = edge_set(make_graph(np.eye(3), [0, 1, 2], [1, 0, 2]))
      >>> edges.numbers.tolist(), edges.degree.tolist()
      ([1, 3], [1.0, 1.0, 0.0])
    """
    n = num_nodes(graph)
    senders, receivers = (np.asarray(side, np.int64) for side in (graph.senders, graph.receivers))
    weight = np.asarray(graph.edges.weight, np.float64)
    kept = (weight != 0) & (senders != receivers)
    numbers, place = np.unique(senders[kept] * n + receivers[kept], return_inverse=True)
    return EdgeSet(n, numbers, np.bincount(place, weight[kept], numbers.size), graph.nodes)


def edge_matrix(edges: EdgeSet, values: np.ndarray) -> csr_array:
    """Return a sparse [n, n] of values [m] of the edges, senders by receivers."""
    ends = np.divmod(edges.numbers, max(edges.num_nodes, 1))
    return csr_array((values, ends), shape=(edges.num_nodes, edges.num_nodes))


def on_common_pairs(one: EdgeSet, other: EdgeSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of both on the pairs that either has, [u] each; 0 where it has none.

    Example:
      >>> one = EdgeSet(3, np.array([1]), np.array([2.0]))
      >>> on_common_pairs(one, EdgeSet(3, np.array([1, 5]), np.array([1.0, 4.0])))
      (array([2., 0.]), array([1., 4.]))
    """
    union = np.union1d(one.numbers, other.numbers)
    both = np.zeros((2, union.size))
    for weights, edges in zip(both, (one, other), strict=True):
        weights[np.searchsorted(union, edges.numbers)] = edges.weight
    return both[0], both[1]
