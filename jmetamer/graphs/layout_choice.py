"""Which way of summing over neighbors is the fastest: the measured choice."""

import jraph

from jmetamer.graphs.graph import num_nodes
from jmetamer.graphs.neighbor_slots import NeighborSlots, neighbor_slots

# backend -> (least number of edges, least mean number of neighbors) from which a layout of slots
# beats summing edge by edge. Measured by `experiments/benchmark/propagation.py`; a backend that is
# not here sums edge by edge.
SLOTS_FROM = {"cpu": (8_000, 8.0)}


def choose_layout(graph: jraph.GraphsTuple, backend: str) -> NeighborSlots | None:
    """Return the layout in which sums over this graph's neighbors are fastest, or None.

    Small and sparse graphs and other backends sum edge by edge: there a layout gains nothing, and
    a program with one is compiled anew for every edge list, without one for every number of edges.

    Args:
      graph: senders and receivers [e] on the host.
      backend: "cpu", "gpu" or "tpu".

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> choose_layout(make_graph([[1.0]], senders=[0], receivers=[0]), "cpu") is None
      True
    """
    if backend not in SLOTS_FROM:
        return None
    total, num_edges = num_nodes(graph), len(graph.senders)
    least_edges, least_neighbors = SLOTS_FROM[backend]
    if num_edges < max(least_edges, least_neighbors * total):
        return None
    return neighbor_slots(graph.senders, graph.receivers, total)
