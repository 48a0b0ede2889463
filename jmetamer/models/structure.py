"""What follows from what a network says of its layers, so that no room asks which one it is."""

import jax
import jraph
import numpy as np

from jmetamer._base.precision import float64_on_host
from jmetamer.models.protocol import FEATURES, Model, Operator


def passes_through(model: Model, layer: str) -> tuple[str, ...]:
    """Return earlier layers, in order, through which all passes that a layer knows of features.

    Args:
      model: the network.
      layer: one of its layers.

    Example:
      >>> from jmetamer.models import GIN
      >>> passes_through(GIN(), "conv1.pre")
      ('conv1.mlp.pre', 'conv1.mlp')
      >>> passes_through(GIN(residual=True), "conv1.pre")
      ()
    """
    gates: dict[str, frozenset[str]] = {FEATURES: frozenset()}
    for name in model.layer_names:
        structure = model.layer_structure(name)
        sources = structure.sources if structure else None
        shared = [gates[source] for source in sources] if sources else [frozenset[str]()]
        gates[name] = frozenset.intersection(*shared) | {name}
    return tuple(name for name in model.layer_names if name in gates[layer] - {layer})


def neighborhoods(model: Model) -> set[str | None]:
    """Return all ways in which layers read their neighbors, None among them if one is unknown.

    Example:
      >>> from jmetamer.models import GCN
      >>> neighborhoods(GCN())
      {'symmetric'}
    """
    structures = map(model.layer_structure, model.layer_names)
    return {structure.neighborhood if structure else None for structure in structures} - {"none"}


def linear_aggregation(model: Model) -> str | None:
    """Return "sum", "mean" or "symmetric" where all layers read neighbors so, else None.

    Example:
      >>> from jmetamer.models import GAT, GIN
      >>> linear_aggregation(GIN()), linear_aggregation(GAT())
      ('sum', None)
    """
    ways = neighborhoods(model)
    return ways.pop() if len(ways) == 1 and ways <= {"sum", "mean", "symmetric"} else None


def operator_matrix(
    operator: Operator, graph: jraph.GraphsTuple, columns: np.ndarray | None = None
) -> np.ndarray:
    """Return a linear operator over nodes as a dense matrix, [n, k] float64.

    Args:
      operator: from a graph and values [n, c] to values; its parameters in float64.
      graph: n nodes, whose features do not count.
      columns: [k] nodes that are read; None for all.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> graph = make_graph(np.ones((2, 3)), [], [])
      >>> operator_matrix(lambda graph, values: 2 * values, graph).tolist()
      [[2.0, 0.0], [0.0, 2.0]]
    """
    total = int(np.sum(graph.n_node))
    one = np.eye(total) if columns is None else np.eye(total)[:, columns]
    with float64_on_host():
        weight = np.asarray(graph.edges.weight, np.float64)
        bare = graph._replace(nodes=None, edges=graph.edges._replace(weight=weight))
        return np.asarray(jax.jit(operator)(bare, one))
