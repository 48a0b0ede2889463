"""Tree Mover's Distance: how far the trees that message passing unfolds have to be moved."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer._base.ranges import Range
from jmetamer.measures.edge_set import EdgeSet
from jmetamer.measures.random_edges import edge_measure

MAX_NODES = 200  # an assignment of neighbors for each of n^2 pairs of nodes, and each level
_DEPTH, _MOST_DEPTH, _DRAWS = 4, 100, 8


@checked
def tree_movers_distance(
    reference: EdgeSet,
    metamer: EdgeSet,
    *,
    depth: Annotated[int, Range(1, _MOST_DEPTH)] = _DEPTH,
    weights: float | Sequence[float] = 1.0,
) -> float:
    """Return the Tree Mover's Distance of two graphs, 0 or more, in the unit of the features.

    Chuang and Jegelka (2022): the tree of depth l at a node has the node as root and the trees of
    depth l - 1 of its neighbors below it (of directed graphs, of those whose edges arrive). Trees
    are as far apart as their roots' features and the best assignment of what is below them,

        TD_1(v, v') = |x_v - x'_v'|,    TD_l(v, v') = |x_v - x'_v'| + w_l OT(below v, below v'),

    where the smaller side is filled up with blank trees, one node of features 0, and OT is the sum
    over the best one-to-one assignment of costs TD_(l-1). The distance is that assignment's sum
    for the trees of all nodes. A pseudometric; it bounds how much the output of a message-passing
    network of l - 1 layers may change, and is 0 where 1-WL from the features tells nothing apart in
    l - 1 rounds, so an exact metamer of all nodes has 0 at the network's own depth. Take it deeper.
    Weights of edges are ignored.

    Args:
      reference: its edges, with features.
      metamer: its edges, with as many features a node.
      depth: levels L of the trees, 1 to 100; 1 compares features alone.
      weights: w_2, ..., w_L, 0 or more, one number for all of them.

    Raises:
      InputError: more than 200 nodes, features that are missing or of other lengths, or depth and
        weights out of range.

    Example:
      >>> path = EdgeSet(3, np.array([1, 3, 5, 7]), np.ones(4), np.ones((3, 1)))  # 0 - 1 - 2
      >>> edge = EdgeSet(3, np.array([1, 3]), np.ones(2), np.ones((3, 1)))  # 0 - 1
      >>> tree_movers_distance(path, edge, depth=1), tree_movers_distance(path, edge, depth=2)
      (0.0, 2.0)
    """
    _check(reference, metamer)
    levels = _levels(depth, weights)
    one, other = (np.asarray(edges.features, np.float64) for edges in (reference, metamer))
    entries = (one, other, reference.weight, metamer.weight)
    if not all(np.isfinite(values).all() for values in entries):
        return float("nan")
    between = cdist(one, other)
    blanks = [np.linalg.norm(features, axis=1) for features in (one, other)]
    roots, below = [*blanks], [_below(edges) for edges in (reference, metamer)]
    moved = between
    for weight in levels:
        moved = between + weight * _between_children(moved, blanks, below)
        blanks = [
            root + weight * np.array([blank[nodes].sum() for nodes in neighbors])
            for root, blank, neighbors in zip(roots, blanks, below, strict=True)
        ]
    return _assigned(moved, *blanks)


def _between_children(
    moved: np.ndarray, blanks: Sequence[np.ndarray], below: Sequence[Sequence[np.ndarray]]
) -> np.ndarray:
    """Return the cost of assigning what is below every node to what is below every other one."""
    costs = np.zeros(moved.shape)
    for v, ours in enumerate(below[0]):
        for u, theirs in enumerate(below[1]):
            table = moved[np.ix_(ours, theirs)]
            costs[v, u] = _assigned(table, blanks[0][ours], blanks[1][theirs])
    return costs


def _assigned(table: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the least sum over one-to-one assignments of the rows to the columns of `table`.

    What is left over of the longer side is matched with blanks, at the costs `ours` or `theirs`.
    """
    rows, columns = table.shape
    left = 0.0
    if rows < columns:
        left, table = theirs.sum(), table - theirs[None, :]
    elif rows > columns:
        left, table = ours.sum(), table - ours[:, None]
    return float(left + table[linear_sum_assignment(table)].sum()) if table.size else float(left)


def _below(edges: EdgeSet) -> list[np.ndarray]:
    """Return the senders of the edges that arrive at each node."""
    senders, receivers = np.divmod(edges.numbers, max(edges.num_nodes, 1))
    order = np.argsort(receivers, kind="stable")
    ends = np.cumsum(np.bincount(receivers, minlength=edges.num_nodes))
    return np.split(senders[order], ends[:-1]) if edges.num_nodes else []


def _levels(depth: int, weights: float | Sequence[float]) -> list[float]:
    levels = [*weights] if isinstance(weights, Sequence) else [float(weights)] * (depth - 1)
    if len(levels) != depth - 1 or not all(0 <= weight < np.inf for weight in levels):
        raise InputError(
            f"`weights` are {weights} with `depth` {depth}; allowed: one number from 0 up, or "
            f"{depth - 1} of them, one for each level below the roots"
        )
    return levels


def _check(reference: EdgeSet, metamer: EdgeSet) -> None:
    for name, edges in (("reference", reference), ("metamer", metamer)):
        if edges.num_nodes > MAX_NODES:
            raise InputError(
                f"`{name}` has {edges.num_nodes} nodes; allowed: up to {MAX_NODES}, since the "
                "neighbors of every two nodes are assigned to each other. Compare larger graphs by "
                "'structure/weisfeiler_leman'"
            )
    shapes = [np.asarray(edges.features).shape for edges in (reference, metamer)]
    sizes = (reference.num_nodes, metamer.num_nodes)
    if any(len(s) != 2 or s[0] != n for s, n in zip(shapes, sizes, strict=True)) or (
        shapes[0][1] != shapes[1][1]
    ):
        raise InputError(
            f"`features` of `reference` and `metamer` have shapes {shapes[0]} and {shapes[1]}; "
            f"allowed: ({sizes[0]}, d) and ({sizes[1]}, d), as `edge_set` reads them of a graph"
        )


TREE_MOVER_MEASURES = (
    edge_measure(
        name="structure/tree_mover",
        function=tree_movers_distance,
        draws=_DRAWS,
        high=float("inf"),
        formula="Tree Mover's Distance, depth 4, weights 1, of graphs of at most 200 nodes",
        default=False,
        max_nodes=MAX_NODES,
    ),
)
