"""Colors of nodes by Weisfeiler-Leman refinement: what k rounds of messages can tell apart.

Start from a color for each node, `c^0_v`. In each round a node's color becomes the pair of its old
color and the multiset of the colors that arrive over its edges (Weisfeiler and Leman 1968; 1-WL):

    c^k_v = (c^(k-1)_v, {{ c^(k-1)_u : u -> v }}).

With features as the start, nodes of equal `c^k` have equal activations after k layers of every
message-passing network whose messages depend on the values at both ends of an edge (Xu et al.
2019, Morris et al. 2019). Pairs and multisets are ranked, not hashed, so that no two of them ever
share a number by accident.
"""

from collections.abc import Sequence
from typing import Literal

import jraph
import numpy as np

from jmetamer._base.arguments import Natural, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import num_nodes
from jmetamer.graphs.pairs import loops_of_graph, pairs_of_graph

Initial = Literal["features", "constant"]


def refined_colors(
    graph: jraph.GraphsTuple,
    rounds: int | None,
    *,
    initial: Initial = "features",
    with_degree: bool = False,
) -> np.ndarray:
    """Return the color of every node after some rounds of refinement.

    Messages go from sender to receiver, so that a directed graph is refined by what arrives. A
    self loop is no neighbor but a mark of the node, part of its initial color: layers differ in
    whether they pass a message along it, and the mark serves them all. Renumbering the nodes
    renumbers the colors with them and does not change their values.

    Args:
      graph: simple: weights 0 or 1, no edge twice; edges of weight 0 count as absent.
      rounds: number of rounds, 0 or more; None goes on until no color splits any more.
      initial: "features" starts from the rows of `graph.nodes` [n, d], compared exactly;
        "constant" from one color.
      with_degree: make the number of edges that arrive part of the initial color, as layers need
        that divide by the degrees of both ends of an edge.

    Returns:
      [n] int64, 0 to the number of colors - 1; equal where the histories of multisets are equal.
      The numbers mean nothing beyond this call; compare graphs by `joint_colors`.

    Raises:
      InputError: the graph is not simple, `initial` is unknown, or `rounds` is negative.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> path = make_graph(np.ones((5, 1)), [0, 1, 1, 2, 2, 3, 3, 4], [1, 0, 2, 1, 3, 2, 4, 3])
      >>> refined_colors(path, 1).tolist(), refined_colors(path, 2).tolist()
      ([0, 1, 1, 1, 0], [0, 1, 2, 1, 0])
    """
    return joint_colors([graph], rounds, initial=initial, with_degree=with_degree)[0]


@checked
def joint_colors(
    graphs: Sequence[jraph.GraphsTuple],
    rounds: Natural | None,
    *,
    initial: Initial = "features",
    with_degree: bool = False,
) -> list[np.ndarray]:
    """Return the colors of several graphs from one palette, so that they can be compared.

    Args:
      graphs: one or more simple graphs, with equally many features where these are the start.
      rounds: as in `refined_colors`; None goes on until no color of any graph splits.
      initial: as in `refined_colors`.
      with_degree: as in `refined_colors`.

    Returns:
      For every graph [n] int64.

    Raises:
      InputError: as `refined_colors`, or the graphs have different numbers of features.

    Example:
      >>> from jmetamer.oracles.known_answers import cycles
      >>> one_ring, two_rings = joint_colors([cycles([6]), cycles([3, 3])], rounds=None)
      >>> one_ring.tolist(), two_rings.tolist()
      ([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0])
    """
    sizes = [num_nodes(graph) for graph in graphs]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    edges = [pairs_of_graph(graph, directed=True) for graph in graphs]
    shifts = np.repeat(offsets[:-1], [pairs.senders.size for pairs in edges])
    senders = np.concatenate([pairs.senders for pairs in edges]) + shifts
    receivers = np.concatenate([pairs.receivers for pairs in edges]) + shifts
    marks = np.zeros(offsets[-1], np.int64)
    for graph, offset in zip(graphs, offsets[:-1], strict=True):
        marks[loops_of_graph(graph).nodes + offset] = 1
    colors = marks if initial == "constant" else joined(ranks_of_rows(_features(graphs)), marks)
    if with_degree:
        colors = joined(colors, np.bincount(receivers, minlength=colors.size))
    colors = _refined(ranks(colors), senders, receivers, rounds)
    return np.split(colors, offsets[1:-1])


def _refined(
    colors: np.ndarray, senders: np.ndarray, receivers: np.ndarray, rounds: int | None
) -> np.ndarray:
    """Refine until no color splits, or for a number of rounds."""
    left = colors.size if rounds is None else rounds
    while left > 0 and colors.size:
        finer = joined(colors, multiset_ranks(colors[senders], receivers, colors.size))
        # The old color leads in the new one's order, so without a split the numbers stay too.
        if finer.max() == colors.max():
            break
        colors, left = finer, left - 1
    return colors


def multiset_ranks(values: np.ndarray, rows: np.ndarray, num_rows: int) -> np.ndarray:
    """Return [num_rows] numbers, equal where the multisets of the values of two rows are equal.

    Each row is sorted; then neighbors within a row are ranked as pairs, which halves its length
    and keeps different rows different, until one number is left of each: all in O(e log e).

    Args:
      values: [e] integers, 0 or more.
      rows: [e] integers, the row of each value.
      num_rows: number of rows; those without a value get 0.
    """
    result = np.zeros(num_rows, np.int64)
    if not values.size:
        return result
    base = int(values.max()) + 1
    keys = np.sort(rows * base + values)
    rows, values = np.divmod(keys, base)
    while True:
        first = np.concatenate([[True], rows[1:] != rows[:-1]])
        if first.all():
            result[rows] = values + 1
            return result
        index = np.arange(rows.size)
        place = index - np.maximum.accumulate(np.where(first, index, 0))
        left = np.flatnonzero(place % 2 == 0)
        right = np.minimum(left + 1, rows.size - 1)
        has_right = (right > left) & ~first[right]
        values = joined(values[left], np.where(has_right, values[right] + 1, 0))
        rows = rows[left]


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the ranks of the pairs of two arrays of integers, 0 or more; the first one leads."""
    return ranks(first * (int(second.max(initial=0)) + 1) + second)


def ranks(values: np.ndarray) -> np.ndarray:
    """Return [m] int64 from 0 without gaps, in the order of the values."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _features(graphs: Sequence[jraph.GraphsTuple]) -> np.ndarray:
    """Return the features of all graphs below each other, with one zero in place of both."""
    rows = [np.asarray(graph.nodes) for graph in graphs]
    widths = {array.shape[1:] for array in rows}
    if len(widths) != 1 or rows[0].ndim != 2:
        shapes = ", ".join(str(array.shape) for array in rows)
        raise InputError(
            f"the features have shapes {shapes}; exact comparison needs [n, d] with the same d in "
            "all graphs. Start from 'constant' instead, or give all graphs the same features"
        )
    return np.concatenate(rows) + 0.0


def ranks_of_rows(rows: np.ndarray) -> np.ndarray:
    """Return [n] ranks of the rows of [n, d] by their bytes."""
    if not rows.size:
        return np.zeros(len(rows), np.int64)
    rows = np.ascontiguousarray(rows)
    return ranks(rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0])
