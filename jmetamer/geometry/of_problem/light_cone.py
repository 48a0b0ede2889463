"""Which nodes of each layer a target depends on, in arrays of one shape for many targets."""

from typing import NamedTuple

import jraph
import numpy as np

from jmetamer.graphs import ego_graph, num_nodes
from jmetamer.graphs.ego import ball_unions
from jmetamer.models.protocol import Model


class LightCone(NamedTuple):
    """A target, the nodes that it can see, and those of each layer on the way.

    Attributes:
      center: the target node, or None for all nodes together.
      node_ids: [m] int64, the number in the whole graph of every node in sight, ascending.
      node_ids_padded: [M] the same with padding, M places in the graph.
      visible: for each layer, [c] places of the nodes whose activation the target depends on.
      places: for each layer, the same filled up with the last place.
      graph: edges between the places.
    """

    center: int | None
    node_ids: np.ndarray
    node_ids_padded: np.ndarray
    visible: tuple[np.ndarray, ...]
    places: tuple[np.ndarray, ...]
    graph: jraph.GraphsTuple

    def varied(self, inputs: str) -> np.ndarray:
        """Return the places whose features vary: of the target itself ("node"), else all."""
        if inputs == "node" and self.center is not None:
            return np.searchsorted(self.node_ids, [self.center])
        return np.arange(len(self.node_ids))


def light_cones(
    model: Model, graph: jraph.GraphsTuple, layers: tuple[str, ...], nodes: np.ndarray | None
) -> list[LightCone]:
    """Return the cone of each node, all of one shape.

    With r(k) the hops of layer k and K the last layer, the target depends on layer k at the nodes
    from which it is reached in at most r(K) - r(k) steps.

    Args:
      model: the network.
      graph: host arrays.
      layers: names, from the first to the target's.
      nodes: [b] target nodes, or None for all together.

    Raises:
      InputError: a node that does not exist.

    Example:
      >>> import jmetamer as jm
      >>> graph = jm.make_graph(np.eye(4), [0, 1, 2], [1, 2, 3])
      >>> (cone,) = light_cones(jm.GCN(), graph, ("conv1", "logits"), np.array([3]))
      >>> cone.node_ids, cone.node_ids[cone.visible[0]], cone.node_ids[cone.visible[1]]
      (array([1, 2, 3]), array([2, 3]), array([3]))
    """
    if nodes is None:
        everything = np.arange(num_nodes(graph))
        all_places = (everything,) * len(layers)
        bare = graph._replace(nodes=None)
        return [LightCone(None, everything, everything, all_places, all_places, bare)]
    hops = [model.num_hops(name) for name in layers]
    unions = list(ball_unions(graph, nodes, hops[-1], None))
    inside = [union.node_ids[: union.starts[-1]] for union in unions]
    visible = [
        tuple(np.searchsorted(ids, _reached(graph, node, hops[-1] - reach)) for reach in hops)
        for node, ids in zip(nodes, inside, strict=True)
    ]
    widest = [max(len(one[layer]) for one in visible) for layer in range(len(layers))]
    last = len(unions[0].node_ids) - 1  # the place of padding
    return [
        LightCone(
            int(node),
            ids,
            union.node_ids,
            own,
            tuple(
                np.concatenate([at, np.full(size - len(at), last)])
                for at, size in zip(own, widest, strict=True)
            ),
            union.graph,
        )
        for node, ids, union, own in zip(nodes, inside, unions, visible, strict=True)
    ]


def _reached(graph: jraph.GraphsTuple, node: int, steps: int) -> np.ndarray:
    bare = graph._replace(nodes=np.zeros((num_nodes(graph), 0)))
    return np.asarray(ego_graph(bare, int(node), steps)[1])
