"""Deviations of the edges of many metamers from those of one reference."""

from collections.abc import Iterable, Sequence

import jraph
import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError, unknown_name
from jmetamer.graphs.graph import num_nodes
from jmetamer.measures.deviation import Deviations, tabulated
from jmetamer.measures.edge_set import edge_set
from jmetamer.measures.facts import NOTHING, Facts
from jmetamer.measures.table import EDGE_KINDS, measures_for, ready


@checked
def edge_deviations(
    reference: jraph.GraphsTuple,
    metamers: Iterable[jraph.GraphsTuple],
    edge_kind: str = "simple_edges",
    names: Sequence[str] | None = None,
    *,
    facts: Facts = NOTHING,
) -> Deviations:
    """Measure how far the edges of each metamer are from the reference's, on the host.

    Args:
      reference: graph of n nodes.
      metamers: graphs of the same nodes, one at a time where they come from a store.
      edge_kind: "simple_edges" (there or not) or "edge_weights".
      names: keys of `MEASURES` in the order wanted, or None for all that apply and are cheap.
      facts: what is known beside the edges, for measures that need it.

    Returns:
      `Deviations`, in the order of the metamers.

    Raises:
      InputError: a name is unknown or does not apply (for lack of facts, too), a metamer has
        another number of nodes, or edges called simple have other weights than 0 and 1.

    Example:
      >>> import jmetamer as jm
      >>> pair = jm.make_graph(np.eye(3), [0, 1], [1, 0])
      >>> other = jm.make_graph(np.eye(3), [0, 2], [2, 0])
      >>> edge_deviations(pair, [pair, other], names=["structure/edge_jaccard"]).values
      array([[0.], [1.]], dtype=float32)
    """
    if edge_kind not in EDGE_KINDS:
        raise unknown_name("edge kind", edge_kind, EDGE_KINDS)
    original = edge_set(reference)
    chosen = measures_for(edge_kind, names)
    chosen = ready(chosen, original, facts, asked_for=names is not None)
    rows = []
    for place, graph in enumerate(metamers):
        if num_nodes(graph) != original.num_nodes:
            raise InputError(
                f"`metamers` {place} has {num_nodes(graph)} nodes and `reference` "
                f"{original.num_nodes}; edges are compared between the same nodes"
            )
        edges = edge_set(graph)
        if edge_kind == "simple_edges" and not (edges.weight == 1).all():
            raise InputError(
                f"`metamers` {place} has an edge of weight {edges.weight[edges.weight != 1][0]}, "
                "but `edge_kind` is 'simple_edges'; pass 'edge_weights'"
            )
        rows.append([measure.function(original, edges) for measure in chosen])
    values = np.array(rows, np.float32).reshape(len(rows), len(chosen))
    return tabulated(chosen, values, original)
