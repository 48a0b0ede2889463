"""Deviation of pairs of nodes as folklore 2-dimensional Weisfeiler-Leman refinement colors them."""

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.colors import ranks_of_rows
from jmetamer.measures.edge_set import EdgeSet
from jmetamer.measures.random_edges import edge_measure

MAX_NODES = 100  # a round looks at n^3 pairs of pairs in each graph
_DRAWS = 8


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


FOLKLORE_WL_MEASURES = (
    edge_measure(
        name="structure/folklore_wl",
        function=folklore_wl_distance,
        draws=_DRAWS,
        formula="sum_c |p_c - p'_c| / 2 over stable 2-FWL colors, of graphs of at most 100 nodes",
        default=False,
        max_nodes=MAX_NODES,
    ),
)
