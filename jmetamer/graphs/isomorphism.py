"""Are two graphs one graph with its nodes renamed? Canonical colors first, then an exact search.

An isomorphism is a bijection of the nodes that keeps colors, edges, their directions, weights and
features. Colors of Weisfeiler and Leman, refined over both graphs at once, refuse most pairs after
a round or two at any size. What they leave open is searched: edges between two colors that are all
there carry no news and are left out, parts that are then apart are matched one by one, and within
a part a node of the first graph is held against every node of its color in the second, after which
colors are refined again (individualization and refinement; McKay and Piperno 2014, Practical graph
isomorphism II). The search is exact; its limits count entries, not seconds, so that the answer is
the same on every machine.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jraph
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jmetamer.graphs.colors import joined, multiset_ranks, ranks, ranks_of_rows
from jmetamer.graphs.graph import num_nodes

MAX_NODES = 1000  # nodes up to which what colors leave open is searched
MAX_ENTRIES = 10**7  # nodes and edges that all rounds of refinement may read: some seconds
_ROUND = 1000  # entries that a round costs beyond those that it reads
_WALK = 8  # arcs of the longest walks that tell nodes apart before the search
_ODD = np.uint64(0x9E3779B97F4A7C15)
_FEW_NODES = 300  # up to which a key counts walks
_MAX_DEPTH = 100  # nodes held fixed at once; each takes a few frames of the interpreter

Answer = Literal["yes", "no", "undecided"]


class _LimitError(Exception):
    """A limit is reached before the search has ended."""


class _Side(NamedTuple):
    """Some nodes of one graph: color [m], and arcs [e], each stored from both of its ends."""

    colors: np.ndarray
    senders: np.ndarray
    receivers: np.ndarray
    labels: np.ndarray


def isomorphic(
    first: jraph.GraphsTuple,
    second: jraph.GraphsTuple,
    *,
    colors: tuple[np.ndarray, np.ndarray] | None = None,
    max_nodes: int = MAX_NODES,
    max_entries: int = MAX_ENTRIES,
) -> Answer:
    """Return whether two graphs are the same but for the names of their nodes.

    Edges may be directed, weighted, featured and stored twice; weights and features are compared
    exactly, edges of weight 0 count as absent.

    Args:
      first, second: graphs of any size.
      colors: [n] integers for each graph, 0 or more: a node becomes one of its color; None compares
        the rows of `nodes` exactly.
      max_nodes: size up to which pairs that refined colors leave open are searched.
      max_entries: nodes and edges that refinement may read in all rounds together, and
        1000 more a round.

    Returns:
      "yes", "no", or "undecided" where a limit is reached.

    Example:
      >>> from jmetamer.oracles.known_answers import cycles
      >>> isomorphic(cycles([6]), cycles([3, 3])), isomorphic(cycles([3, 4]), cycles([4, 3]))
      ('no', 'yes')
    """
    if num_nodes(first) != num_nodes(second):
        return "no"
    if colors is None:
        rows = [np.asarray(graph.nodes) + 0.0 for graph in (first, second)]
        if rows[0].shape != rows[1].shape:
            return "no"
        marks = ranks_of_rows(np.concatenate(rows))
    else:
        marks = np.concatenate([np.asarray(side, np.int64) for side in colors])
    try:
        sides = _sides(first, second, marks)
        return "yes" if _Search(max_nodes, max_entries).same(*sides) else "no"
    except _LimitError:
        return "undecided"


def color_key(graph: jraph.GraphsTuple, colors: np.ndarray, rounds: int = 3) -> int:
    """Return a number that renaming the nodes does not change: graphs of different ones differ.

    Colors are refined by sums of hashes, by which many graphs are told apart without comparing each
    with each; on few nodes walks are counted as well.

    Args:
      graph: as for `isomorphic`; weights count as there or not, features do not.
      colors: [n] integers, 0 or more.
      rounds: of refinement.

    Example:
      >>> from jmetamer.oracles.known_answers import cycles
      >>> keys = [color_key(cycles(sizes), np.zeros(7)) for sizes in ([3, 4], [4, 3], [7])]
      >>> keys[0] == keys[1], keys[0] == keys[2]
      (True, False)
    """
    present = np.asarray(graph.edges.weight) != 0
    senders, receivers = (np.asarray(s)[present] for s in (graph.senders, graph.receivers))
    values = _mixed(np.asarray(colors).astype(np.uint64))
    for _ in range(rounds):
        heard = np.zeros_like(values)
        np.add.at(heard, receivers, _mixed(values[senders]))
        values = _mixed(values * np.uint64(3) + heard)
    if values.size <= _FEW_NODES:
        side = _sides(graph, graph, np.tile(np.asarray(colors, np.int64), 2))[0]
        values = values + _mixed(_walks(side)).sum(axis=1)
    return int(_mixed(values).sum())


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return uint64 values whose sums tell different multisets apart, but for accidents."""
    values = (values ^ (values >> np.uint64(31))) * _ODD + np.uint64(1)
    return values ^ (values >> np.uint64(29))


class _Search:
    """One comparison and what it may still read."""

    def __init__(self, max_nodes: int, entries_left: int) -> None:
        self.max_nodes, self.entries_left, self.depth = max_nodes, entries_left, 0

    def same(self, first: _Side, second: _Side) -> bool:
        """Whether the nodes of both sides can be matched."""
        if first.colors.size != second.colors.size or first.senders.size != second.senders.size:
            return False
        both = _joint(first, second)
        colors = self.refined(both)
        if colors is None:
            return False
        pieces = _pieces(_without_full_blocks(both._replace(colors=colors)))
        if len(pieces[0]) != len(pieces[1]):
            return False
        if len(pieces[0]) == 1:
            return self.branched(pieces[0][0], pieces[1][0])
        return self.paired(*pieces)

    def refined(self, both: _Side) -> np.ndarray | None:
        """Return equitable colors, or None once the sides hold different numbers of one."""
        colors = ranks(both.colors)
        second = np.arange(colors.size) >= colors.size // 2
        while True:
            most = int(colors.max(initial=0))
            counts = np.bincount(2 * colors + second, minlength=2 * most + 2)
            if (counts[::2] != counts[1::2]).any():
                return None
            self.entries_left -= colors.size + both.senders.size + _ROUND
            if self.entries_left < 0:
                raise _LimitError
            heard = joined(both.labels, colors[both.senders])
            finer = joined(colors, multiset_ranks(heard, both.receivers, colors.size))
            # The old color leads in the new one's order, so without a split the numbers stay too.
            if finer.max(initial=0) == most:
                return colors
            colors = finer

    def paired(self, own: list[_Side], others: list[_Side]) -> bool:
        """Whether each piece has one of its own on the second side.

        To be isomorphic is transitive, so that the first partner that fits is as good as any.
        """
        left: dict[bytes, list[_Side]] = {}
        for piece in others:
            left.setdefault(np.sort(piece.colors).tobytes(), []).append(piece)
        for piece in own:
            alike = left.get(np.sort(piece.colors).tobytes(), [])
            fits = (place for place, other in enumerate(alike) if self.same(piece, other))
            place = next(fits, None)
            if place is None:
                return False
            del alike[place]
        return True

    def branched(self, first: _Side, second: _Side) -> bool:
        """Whether some node of the second side can stand for one of the first of its color.

        A node that a symmetry of the second side takes to one that failed fails as that one did.
        """
        sizes = np.bincount(first.colors)
        if first.colors.size > self.max_nodes or self.depth >= _MAX_DEPTH:
            raise _LimitError
        if self.depth == 0:
            self.entries_left -= first.colors.size**2
            walks = ranks_of_rows(np.concatenate([_walks(first), _walks(second)]))
            colors = joined(np.concatenate([first.colors, second.colors]), walks)
            if colors.max() >= np.count_nonzero(sizes):
                halves = np.split(colors, 2)
                return self.same(
                    first._replace(colors=halves[0]), second._replace(colors=halves[1])
                )
        color = np.argmin(np.where(sizes > 1, sizes, first.colors.size + 1))
        fixed = _fixed(first, int(np.flatnonzero(first.colors == color)[0]))
        failed: _Side | None = None
        self.depth += 1
        for node in np.flatnonzero(second.colors == color).tolist():
            candidate = _fixed(second, node)
            if failed is not None and self.same(failed, candidate):
                continue
            if self.same(fixed, candidate):
                self.depth -= 1
                return True
            failed = failed or candidate
        self.depth -= 1
        return False


def _walks(side: _Side) -> np.ndarray:
    """Return [n, n] sorted sums over the walks from each node to each: equal rows if alike.

    Walks of k arcs count the product of their labels times the k-th power of a number, mod 2^64.
    """
    size = side.colors.size
    arcs = coo_array(
        ((side.labels + 1).astype(np.uint64), (side.receivers, side.senders)), (size, size)
    ).tocsr()
    sums = np.eye(size, dtype=np.uint64)
    for _ in range(_WALK):
        sums = (arcs @ sums) * _ODD + np.eye(size, dtype=np.uint64)
    return np.sort(sums, axis=1)


def _fixed(side: _Side, node: int) -> _Side:
    """Return the side with a color of its own for one node."""
    colors = 2 * side.colors
    colors[node] += 1
    return side._replace(colors=colors)


def _sides(
    first: jraph.GraphsTuple, second: jraph.GraphsTuple, marks: np.ndarray
) -> tuple[_Side, _Side]:
    """Return both graphs, their arcs labeled by what joins the two ends either way."""
    graphs, size = (first, second), num_nodes(first)
    total = 2 * size
    senders, receivers = (
        np.concatenate([np.asarray(ends[0], np.int64), np.asarray(ends[1], np.int64) + size])
        for ends in ((first.senders, second.senders), (first.receivers, second.receivers))
    )
    weight = np.concatenate([np.asarray(graph.edges.weight) for graph in graphs])
    labels = ranks(weight)
    if any(graph.edges.features is not None for graph in graphs):
        labels = joined(labels, _edge_feature_ranks(graphs))
    present = weight != 0
    senders, receivers, labels = senders[present], receivers[present], labels[present]
    # One arc an ordered pair; what stands on it is the multiset of its edges' labels.
    codes, places = np.unique(
        np.concatenate([senders * total + receivers, receivers * total + senders]),
        return_inverse=True,
    )
    along = multiset_ranks(labels, places[: labels.size], codes.size)
    labels = joined(along, along[np.searchsorted(codes, codes % total * total + codes // total)])
    senders, receivers = np.divmod(codes, total)
    loop = senders == receivers
    loops = np.zeros(total, np.int64)
    loops[senders[loop]] = labels[loop] + 1
    colors = joined(marks, loops)
    own = ~loop & (senders < size), ~loop & (senders >= size)
    return (
        _Side(colors[:size], senders[own[0]], receivers[own[0]], labels[own[0]]),
        _Side(colors[size:], senders[own[1]] - size, receivers[own[1]] - size, labels[own[1]]),
    )


def _edge_feature_ranks(graphs: Sequence[jraph.GraphsTuple]) -> np.ndarray:
    """Return [e] ranks of the rows of all edges' features, or of which graph an edge is."""
    rows = [graph.edges.features for graph in graphs]
    if any(row is None for row in rows) or len({np.shape(row)[1] for row in rows}) > 1:
        return np.repeat([0, 1], [np.size(graph.senders) for graph in graphs])
    return ranks_of_rows(np.concatenate([np.asarray(row) + 0.0 for row in rows]))


def _without_full_blocks(both: _Side) -> _Side:
    """Leave out arcs between two colors where all pairs carry one label: any bijection fits."""
    colors, size = both.colors, int(both.colors.max(initial=0)) + 1
    ends = colors[both.senders], colors[both.receivers]
    blocks = joined(ends[0] * size + ends[1], both.labels)
    _, block, counts = np.unique(blocks, return_inverse=True, return_counts=True)
    members = np.bincount(colors, minlength=size) // 2  # of one side
    kept = counts[block] < 2 * members[ends[0]] * (members[ends[1]] - (ends[0] == ends[1]))
    arcs = (array[kept] for array in both[1:])
    return _Side(colors, *arcs)


def _pieces(both: _Side) -> tuple[list[_Side], list[_Side]]:
    """Return each side's connected pieces of more than one node; others match by color alone."""
    total = both.colors.size
    arcs = coo_array((np.ones(both.senders.size), (both.senders, both.receivers)), (total, total))
    piece = connected_components(arcs, directed=False)[1]
    order, arc_order = (np.argsort(x, kind="stable") for x in (piece, piece[both.senders]))
    numbers = np.arange(piece.max(initial=-1) + 2)
    bounds = np.searchsorted(piece[order], numbers)
    arc_bounds = np.searchsorted(piece[both.senders][arc_order], numbers)
    local = np.empty(total, np.int64)
    local[order] = np.arange(total) - bounds[piece[order]]
    pieces: tuple[list[_Side], list[_Side]] = ([], [])
    for place in np.flatnonzero(np.diff(bounds) > 1):
        nodes = order[bounds[place] : bounds[place + 1]]
        inner = arc_order[arc_bounds[place] : arc_bounds[place + 1]]
        ends = local[both.senders[inner]], local[both.receivers[inner]]
        pieces[int(nodes[0] >= total // 2)].append(
            _Side(both.colors[nodes], *ends, both.labels[inner])
        )
    return pieces


def _joint(first: _Side, second: _Side) -> _Side:
    """Return both sides as one, the second behind the first."""
    shift = first.colors.size
    moved = second._replace(senders=second.senders + shift, receivers=second.receivers + shift)
    return _Side(*(np.concatenate(pair) for pair in zip(first, moved, strict=True)))
