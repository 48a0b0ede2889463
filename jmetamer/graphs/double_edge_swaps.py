"""Double-edge swaps that keep colors: how many there are, and long random walks over them.

A swap takes two edges and exchanges their ends, (a, u), (b, v) -> (a, v), (b, u). It is *legal*
where it makes no self loop and no edge that is there already, and where it keeps colors:

    undirected:  color(a) = color(b) and color(u) = color(v);
    directed (a -> u, b -> v):  color(a) = color(b).

Every node then has as many neighbors of each color as before: what arrives at u came from a and
now comes from b. In an undirected graph something arrives at a as well, from u before and from v
now. Colors refined from these would come out the same, so that swaps compose without end.

Edges fall into groups that no swap leaves: by the colors of both ends, or of the sender where the
graph is directed. Two edges of a group are a *candidate*, and two candidates where both ends have
the same color and edges no direction: then (a, u), (b, v) may also become (a, b), (u, v).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from jmetamer._base.arguments import Natural, checked
from jmetamer.graphs.pairs import Pairs

# Multiply-adds of one block of a sparse product, which bound its memory to some 200 MB.
_BLOCK = 1 << 22
# Proposals that are drawn at once.
_DRAWS = 1 << 14
# Proposals after which a walk ends, for each accepted swap that it wants.
_PROPOSALS_PER_SWAP = 100


def count_swaps(pairs: Pairs, colors: np.ndarray, *, directed: bool) -> int:
    """Return how many graphs are one legal swap away.

    This is the number of unordered pairs of edges and of ways to rewire them that are legal; no
    two of them lead to the same graph. Two undirected edges can be rewired in two ways; both count
    where both keep colors, which takes four ends of one color.

    It is found by counting, not by trying: of all candidates of a group, those with a shared end
    go, and those where (a, v) or (b, u) is an edge or a loop, by inclusion and exclusion: single
    ones are paths of three edges, double ones closed walks of four. The cost is the sum over nodes
    and groups of the squared number of edges, as small as the groups are.

    Args:
      pairs: [m] edges of a simple graph, each once; padding counts as absent.
      colors: [n] integers.
      directed: whether the pair (i, j) differs from (j, i).

    Example:
      >>> ring = Pairs(np.array([0, 1, 2, 3, 4, 0]), np.array([1, 2, 3, 4, 5, 5]))
      >>> count_swaps(ring, np.zeros(6), directed=False)
      12
      >>> count_swaps(ring, np.array([0, 0, 0, 1, 1, 1]), directed=False)
      1
    """
    tails, heads = (side.astype(np.int64) for side in _edges(pairs))
    if not directed:  # both directions, each group with its mirror: everything is counted twice
        tails, heads = np.concatenate([tails, heads]), np.concatenate([heads, tails])
    if not tails.size:
        return 0
    n = len(colors)
    groups = _groups(tails, heads, colors, directed)
    # The graph of every group by itself: a node has one copy a group that sends, one that receives.
    senders, left = np.unique(groups * n + tails, return_inverse=True)
    receivers, right = np.unique(groups * n + heads, return_inverse=True)
    edges = csr_array(
        (np.ones(tails.size, np.int64), (left, right)), (senders.size, receivers.size)
    )
    _, own_left, own_right = np.intersect1d(senders, receivers, return_indices=True)
    loops = csr_array((np.ones(own_left.size, np.int64), (own_left, own_right)), edges.shape)
    out, into = np.bincount(left), np.bincount(right)
    disjoint = _two_of(np.bincount(groups)) - _two_of(out) - _two_of(into)
    # Ordered: (a, v) is an edge, or a = v; times the other ends that a and v have.
    single = int(((out[left] - 1) * (into[right] - 1)).sum())
    single += int((out[own_left] * into[own_right]).sum())
    total = disjoint - single + _both_taken(edges, loops)
    return total if directed else total // 2


def _both_taken(edges: csr_array, loops: csr_array) -> int:
    """Count unordered pairs of edges (a, u), (b, v) where (a, v) and (b, u) are edges or loops.

    With M the edges and M' the edges and loops, over a != b and u != v, half the sum of
    `M_au M_bv M'_av M'_bu = N_ab N_ba - (M M^T)_ab`, `N = M M'^T`, off the diagonal.
    """
    out, into = edges.sum(axis=1), edges.sum(axis=0)
    if (out**2).sum() < (into**2).sum():  # the same by the other ends, and cheaper
        edges, loops, out, into = edges.T.tocsr(), loops.T.tocsr(), into, out
    total = -int((into**2).sum()) - int((out * (out - 1)).sum())
    across, loops_across = edges.T.tocsr(), loops.T.tocsr()
    block = np.cumsum(edges @ into) // _BLOCK
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    for start, end in zip(starts, [*starts[1:], out.size], strict=True):
        common = edges[start:end] @ across
        there = common + edges[start:end] @ loops_across
        back = common + loops[start:end] @ across
        total += int(there.multiply(back).sum())
    return total // 2


class Walked(NamedTuple):
    """The end of a walk.

    Attributes:
      pairs: [m] edges, sorted by sender, then receiver; of an undirected pair the smaller node is
        the sender.
      accepted: number of swaps made.
      proposed: number of candidates drawn.
    """

    pairs: Pairs
    accepted: int
    proposed: int


@checked
def swap_walk(
    pairs: Pairs,
    colors: np.ndarray,
    rng: np.random.Generator,
    num_swaps: Natural,
    *,
    directed: bool,
    max_proposals: Natural | None = None,
) -> Walked:
    """Walk at random over the graphs that legal swaps reach.

    Every proposal is drawn uniformly from all candidates and made where it is legal. The number of
    candidates never changes and every swap can be undone, so after a given number of proposals
    (`num_swaps = max_proposals`) all graphs that can be reached become equally likely, as long as
    some proposals are illegal. After a given number of swaps a graph's share is proportional to
    its own number of legal swaps.

    Args:
      pairs: [m] edges of a simple graph, each once; padding counts as absent.
      colors: [n] integers.
      rng: draws the proposals.
      num_swaps: number of accepted swaps after which the walk ends.
      directed: whether the pair (i, j) differs from (j, i).
      max_proposals: number of proposals after which the walk ends; 100 a swap by default.

    Raises:
      InputError: a number is negative.

    Example:
      >>> ring = Pairs(np.array([0, 1, 2, 3, 4, 0]), np.array([1, 2, 3, 4, 5, 5]))
      >>> colors = np.array([0, 0, 0, 1, 1, 1])
      >>> walked = swap_walk(ring, colors, np.random.default_rng(0), 1, directed=False)
      >>> walked.accepted, list(zip(*(side.tolist() for side in walked.pairs)))
      (1, [(0, 1), (0, 3), (1, 2), (2, 5), (3, 4), (4, 5)])
    """
    limit = _PROPOSALS_PER_SWAP * num_swaps if max_proposals is None else max_proposals
    candidates = _Candidates(*_edges(pairs), np.asarray(colors), directed)
    tails, heads = candidates.tails.tolist(), candidates.heads.tolist()
    n = len(colors)

    def number(tail: int, head: int) -> int:
        return tail * n + head if directed or tail < head else head * n + tail

    present = {number(tail, head) for tail, head in zip(tails, heads, strict=True)}
    accepted = proposed = 0
    proposals = candidates.draw(rng, limit) if num_swaps else iter(())
    for i, j, turned in proposals:
        proposed += 1
        a, u = tails[i], heads[i]
        b, v = (heads[j], tails[j]) if turned else (tails[j], heads[j])
        if a in (b, v) or u in (b, v):
            continue
        one, other = number(a, v), number(b, u)
        if one in present or other in present:
            continue
        present.difference_update((number(a, u), number(b, v)))
        present.update((one, other))
        heads[i], tails[j], heads[j] = v, b, u
        accepted += 1
        if accepted == num_swaps:
            break
    numbers = np.sort(np.fromiter(present, np.int64, len(present)))
    ends = Pairs((numbers // n).astype(np.int32), (numbers % n).astype(np.int32))
    return Walked(ends, accepted, proposed)


class _Candidates:
    """Edges in slots, sorted by group; a slot holds an edge of its group for ever.

    Args:
      tails: [m].
      heads: [m].
      colors: [n].
      directed: whether direction matters.
    """

    def __init__(
        self, tails: np.ndarray, heads: np.ndarray, colors: np.ndarray, directed: bool
    ) -> None:
        if not directed:  # the smaller color first, so that edges of a group line up
            turned = colors[tails] > colors[heads]
            tails, heads = np.where(turned, heads, tails), np.where(turned, tails, heads)
        groups = _groups(tails, heads, colors, directed)
        order = np.argsort(groups, kind="stable")
        self.tails, self.heads = tails[order], heads[order]
        self.starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        self.sizes = np.diff(self.starts, append=tails.size)
        first = self.starts
        same = colors[self.tails[first]] == colors[self.heads[first]]
        self.two_ways = same & (not directed)
        self.until = np.cumsum(self.sizes * (self.sizes - 1) // 2 * (1 + self.two_ways))

    def draw(self, rng: np.random.Generator, limit: int) -> Iterator[tuple[int, int, int]]:
        """Yield candidates: two slots of a group, and whether to turn the second edge around."""
        if not self.until.size or not self.until[-1]:
            return
        for done in range(0, limit, _DRAWS):
            count = min(_DRAWS, limit - done)
            drawn = rng.integers(self.until[-1], size=count)
            group = np.searchsorted(self.until, drawn, side="right")
            one = rng.integers(self.sizes[group])
            other = rng.integers(self.sizes[group] - 1)
            other += other >= one
            turned = rng.integers(2, size=count) * self.two_ways[group]
            start = self.starts[group]
            yield from zip(
                (start + one).tolist(), (start + other).tolist(), turned.tolist(), strict=True
            )


def _edges(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the pairs that are not padding."""
    kept = np.asarray(pairs.is_pair)
    return np.asarray(pairs.senders)[kept], np.asarray(pairs.receivers)[kept]


def _groups(tails: np.ndarray, heads: np.ndarray, colors: np.ndarray, directed: bool) -> np.ndarray:
    """Return the number of each edge's group, 0 to the number of groups - 1."""
    palette, ranked = np.unique(colors, return_inverse=True)
    keys = ranked[tails] if directed else ranked[tails] * palette.size + ranked[heads]
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def _two_of(counts: np.ndarray) -> int:
    """Sum of `k (k - 1) / 2`."""
    return int((counts * (counts - 1) // 2).sum())
