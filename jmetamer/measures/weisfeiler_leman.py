"""Deviation of the local structure of simple graphs as message passing sees it.

Never judge a structure metamer by it alone: a message-passing network tells no more graphs apart
than 1-WL does, so an exact metamer has distance 0 here by construction, however different it is.
The spectral measures (`spectra`) and triangles (`clustering`) are what breaks this circle.
"""

import jraph
import numpy as np

from jmetamer._base.arguments import Natural, Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.colors import joint_colors
from jmetamer.graphs.graph import make_graph
from jmetamer.measures.edge_set import EdgeSet
from jmetamer.measures.random_edges import edge_measure

_ITERATIONS, _DRAWS = 5, 8


@checked
def wl_distance(
    reference: EdgeSet,
    metamer: EdgeSet,
    *,
    iterations: Natural = _ITERATIONS,
    labels: Numbers | None = None,
) -> float:
    """Return `sqrt(2 - 2 k)`, k the normalized Weisfeiler-Leman subtree kernel, in [0, sqrt 2].

    `k = K(G, G') / sqrt(K(G, G) K(G', G'))` and `K = sum_t <hist_t, hist'_t>` over the numbers of
    nodes of each color after t = 0, ..., h rounds (Shervashidze et al., 2011); of directed graphs,
    colors of what arrives. All nodes start with one color, which does not tell degrees, or with
    labels. Take h above the depth of the network: what it sees in h layers has distance 0. Weights
    are ignored. It sees no more than message passing does, so it is never enough on its own: see
    the spectral measures and the clustering beside it.

    Args:
      reference: its edges.
      metamer: its edges, of as many nodes.
      iterations: rounds h, 0 or more.
      labels: [n] integers, the first color of each node of both graphs; None for one color.

    Returns:
      The distance; 0 without nodes.

    Raises:
      InputError: not one label for each node, or less than 0 rounds.

    Example:
      >>> path = EdgeSet(3, np.array([1, 3, 5, 7]), np.ones(4))
      >>> ring = EdgeSet(3, np.array([1, 2, 3, 5, 6, 7]), np.ones(6))
      >>> round(wl_distance(path, ring, iterations=1), 6)
      0.698672
    """
    if not (np.isfinite(reference.weight).all() and np.isfinite(metamer.weight).all()):
        return float("nan")
    first = np.zeros(reference.num_nodes, np.int64) if labels is None else np.asarray(labels)
    if first.shape != (reference.num_nodes,) or metamer.num_nodes != reference.num_nodes:
        raise InputError(
            f"`labels` has shape {first.shape}, `reference` {reference.num_nodes} and `metamer` "
            f"{metamer.num_nodes} nodes; the same nodes in both, one label each, are needed"
        )
    if not first.size:
        return 0.0
    graphs = [_graph_of(reference, first), _graph_of(metamer, first)]
    products, kinds = np.zeros(3), 0
    for number in range(iterations + 1):
        # Colors of one round are the features that the next one starts from.
        colors = joint_colors(graphs, min(number, 1))
        graphs = [g._replace(nodes=c[:, None]) for g, c in zip(graphs, colors, strict=True)]
        size = max(int(color.max()) for color in colors) + 1
        one, other = (np.bincount(color, minlength=size) for color in colors)
        # Where no color splits any more, all further rounds are as this one.
        rounds = 1 if size > kinds or number < 2 else iterations + 1 - number
        products += rounds * np.array([one @ other, one @ one, other @ other], float)
        if rounds > 1:
            break
        kinds = size
    cross, ours, theirs = products
    kernel = cross / np.sqrt(ours * theirs)
    return float(np.sqrt(max(2 - 2 * kernel, 0.0)))


def _graph_of(edges: EdgeSet, labels: np.ndarray) -> jraph.GraphsTuple:
    graph = make_graph(labels[:, None], *np.divmod(edges.numbers, edges.num_nodes))
    return graph._replace(nodes=labels[:, None])  # integers, compared exactly


WL_MEASURES = (
    edge_measure(
        name="structure/weisfeiler_leman",
        function=wl_distance,
        draws=_DRAWS,
        high=float(np.sqrt(2)),
        formula="sqrt(2 - 2 k), k = normalized subtree kernel of 5 rounds from one color",
        default=False,
    ),
)
