"""Which nodes of each layer a target depends on, in arrays of one shape for many targets."""

from typing import NamedTuple

import jraph
import numpy as np

from jmetamer.graphs import ego_graph, num_nodes
from jmetamer.graphs.ball_union import BallUnion, ball_unions
from jmetamer.graphs.graph import Edges
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
    unions = [next(ball_unions(graph, np.array([node]), hops[-1], 1)) for node in nodes]
    visible = [
        tuple(
            np.searchsorted(union.node_ids[: union.starts[-1]], _reached(graph, node, steps))
            for steps in (hops[-1] - reach for reach in hops)
        )
        for node, union in zip(nodes, unions, strict=True)
    ]
    places = max(len(union.node_ids) for union in unions)
    edges = max(len(union.graph.senders) for union in unions)
    widest = [max(len(one[layer]) for one in visible) for layer in range(len(layers))]
    return [
        LightCone(
            int(node),
            union.node_ids[: union.starts[-1]],
            _filled(union.node_ids, places, union.node_ids[0]),
            own,
            tuple(_filled(at, size, places - 1) for at, size in zip(own, widest, strict=True)),
            _widened(union, places, edges),
        )
        for node, union, own in zip(nodes, unions, visible, strict=True)
    ]


def _reached(graph: jraph.GraphsTuple, node: int, steps: int) -> np.ndarray:
    bare = graph._replace(nodes=np.zeros((num_nodes(graph), 0)))
    return np.asarray(ego_graph(bare, int(node), steps)[1])


def _filled(values: np.ndarray, length: int, value: int) -> np.ndarray:
    return np.concatenate([values, np.full(length - len(values), value, values.dtype)])


def _widened(union: BallUnion, places: int, edges: int) -> jraph.GraphsTuple:
    """Append places and edges of weight 0 between the last place and itself."""
    graph, more = union.graph, edges - len(union.graph.senders)
    features = graph.edges.features
    if features is not None:
        features = np.concatenate([features, np.zeros((more, *features.shape[1:]), features.dtype)])
    return graph._replace(
        edges=Edges(np.concatenate([graph.edges.weight, np.zeros(more)]), features),
        senders=_filled(graph.senders, edges, places - 1),
        receivers=_filled(graph.receivers, edges, places - 1),
        n_node=np.array([places], np.int32),
        n_edge=np.array([edges], np.int32),
    )
