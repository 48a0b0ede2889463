"""Deviation of the local structure of simple graphs as message passing sees it.

Never judge a structure metamer by it alone: a message-passing network tells no more graphs apart
than 1-WL does, so an exact metamer has distance 0 here by construction, however different it is.
The spectral measures (`spectra`) and triangles (`subgraph_counts`) are what breaks this circle,
and the colors of pairs of nodes see more than messages, too.
"""

import jraph
import numpy as np

from jmetamer._base.arguments import Natural, Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.colors import joint_colors, ranks_of_rows
from jmetamer.graphs.graph import make_graph
from jmetamer.measures.edge_set import EdgeSet
from jmetamer.measures.random_edges import edge_measure

_ITERATIONS, _DRAWS = 5, 8
MAX_NODES = 100  # of pairs: a round looks at n^3 pairs of pairs in each graph


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


@checked
def folklore_wl_distance(reference: EdgeSet, metamer: EdgeSet) -> float:
    """Return the share of ordered pairs of nodes whose stable 2-FWL colors differ, in [0, 1].

    A pair (u, v) starts with whether u = v, u -> v and v -> u. A round makes its color the pair of
    its old color and the multiset `{{ (c(u, w), c(w, v)) : w }}` (Cai, Fuerer and Immerman, 1992),
    in both graphs from one palette, until no color splits. The distance is the total variation of
    the two histograms, `sum_c |p_c - p'_c| / 2`. It sees more than message passing and than any
    spectrum: cycles up to length 7 and all distances, but no strongly regular graphs of equal
    parameters. 0 exactly where no formula of three variables with counting tells the graphs apart.
    Weights are ignored. Multisets are sorted, not hashed: O(n^3 log n) time a round, O(n^3) memory.

    Args:
      reference: its edges.
      metamer: its edges, of as many nodes.

    Raises:
      InputError: more than 100 nodes, or other numbers of nodes.

    Example:
      >>> from jmetamer.oracles.known_answers import cycles
      >>> from jmetamer.measures.edge_set import edge_set
      >>> folklore_wl_distance(edge_set(cycles([6])), edge_set(cycles([3, 3])))
      1.0
    """
    n = reference.num_nodes
    if n > MAX_NODES or metamer.num_nodes != n:
        raise InputError(
            f"`reference` has {n} and `metamer` {metamer.num_nodes} nodes; allowed: equally many, "
            f"up to {MAX_NODES}, since a round takes n^3 steps. Compare larger graphs by "
            "'structure/four_cycles', 'structure/four_cliques' and 'structure/netlsd'"
        )
    if not (np.isfinite(reference.weight).all() and np.isfinite(metamer.weight).all()):
        return float("nan")
    if not n:
        return 0.0
    colors = np.stack([_first_colors(reference), _first_colors(metamer)])
    count, last = len(np.unique(colors)), 0
    while count > last:
        colors, last = _refined(colors), count
        count = int(colors.max()) + 1
    ours, theirs = (np.bincount(color.ravel(), minlength=count) for color in colors)
    return float(np.abs(ours - theirs).sum() / (2 * n**2))


def _first_colors(edges: EdgeSet) -> np.ndarray:
    table = np.zeros((edges.num_nodes, edges.num_nodes), np.int64)
    table.ravel()[edges.numbers] = 1
    return 4 * np.eye(edges.num_nodes, dtype=np.int64) + 2 * table + table.T


def _refined(colors: np.ndarray) -> np.ndarray:
    """Return the colors [2, n, n] after one more round, numbered from 0 without gaps."""
    _, n, _ = colors.shape
    base = int(colors.max()) + 1
    # [2, u, v, w]: the colors of (u, w) and of (w, v) as one number.
    pairs = colors[:, :, None, :] * base + colors.transpose(0, 2, 1)[:, None, :, :]
    rows = np.concatenate([colors[..., None], np.sort(pairs, axis=-1)], axis=-1).reshape(-1, n + 1)
    return ranks_of_rows(rows).reshape(colors.shape)


WL_MEASURES = (
    edge_measure(
        name="structure/weisfeiler_leman",
        function=wl_distance,
        draws=_DRAWS,
        high=float(np.sqrt(2)),
        formula="sqrt(2 - 2 k), k = normalized subtree kernel of 5 rounds from one color",
        default=False,
    ),
    edge_measure(
        name="structure/folklore_wl",
        function=folklore_wl_distance,
        draws=_DRAWS,
        formula="sum_c |p_c - p'_c| / 2 over stable 2-FWL colors, of graphs of at most 100 nodes",
        default=False,
        max_nodes=MAX_NODES,
    ),
)
