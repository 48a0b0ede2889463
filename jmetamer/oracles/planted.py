"""Planted structure metamers: pairs of graphs that message passing cannot tell apart, by proof.

They serve as positive controls: a search that does not find them finds little else. Each holds for
every network whose layers treat the neighbors of a node as a multiset (GCN, GIN, GraphSAGE, GAT),
whatever its parameters, random or trained. A node's activation after k layers is a function of
its color after k rounds of refinement (Weisfeiler and Leman; Xu et al. 2019, arXiv:1810.00826):
round 0 is its features (for a GCN, which reads degrees, with its degree), and every round adds the
colors of its neighbors. In each pair all target nodes have the same color in both graphs.
"""

import dataclasses
from collections.abc import Sequence

import jraph
import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError
from jmetamer.graphs import make_graph
from jmetamer.graphs.edge_lists import simple_undirected
from jmetamer.models.protocol import Model

_ROWS_NEEDED = 5


@dataclasses.dataclass(frozen=True, eq=False)
class PlantedMetamer:
    """A reference and a metamer of it that is known in advance.

    Attributes:
      name: short name.
      reference: simple undirected graph, nodes [n, d].
      metamer: the same nodes, other edges; not the reference renamed.
      nodes: target nodes, or None for all.
      hops: number of layers of message passing up to which it holds, or None for any number.
      reason: why no network tells them apart.
    """

    name: str
    reference: jraph.GraphsTuple
    metamer: jraph.GraphsTuple
    nodes: tuple[int, ...] | None
    hops: int | None
    reason: str

    def holds_at(self, model: Model, layer: str) -> bool:
        """Return whether the pair is one of metamers at a layer of a network.

        Args:
          model: its `num_hops` says how many layers of message passing a layer has behind it.
          layer: name of the layer.
        """
        return self.hops is None or model.num_hops(layer) <= self.hops


def planted_metamers(rows: AnArray) -> tuple[PlantedMetamer, ...]:
    """Return the planted problems, with given feature rows.

    A ring of six nodes; rings with skip links on 10, 11 and 12 nodes; two copies of a triangle and
    of a square with a tail, of 6 and 10 nodes; twins, in a graph of 6 nodes. Those of six nodes
    can be enumerated.

    Args:
      rows: [r, d] feature rows, the first five of them different; as of a network's training data.

    Raises:
      InputError: there are fewer than five rows, or two of them are equal.

    Example:
      >>> planted = planted_metamers(np.eye(5))
      >>> [(case.name, len(case.reference.nodes), case.hops) for case in planted][::3]
      [('ring_6', 6, None), ('skip_links_12', 12, None), ('twins_6', 6, 1)]
    """
    rows = np.asarray(rows, np.float32)
    if rows.ndim != 2 or len(np.unique(rows[:_ROWS_NEEDED], axis=0)) < _ROWS_NEEDED:
        raise InputError(
            f"`rows` has shape {rows.shape}; allowed: (r, d) with the first {_ROWS_NEEDED} rows "
            "different, because some nodes must differ for the planted graphs to differ; take "
            "unlike nodes of the data"
        )
    triangle, tailed_square = [(0, 1), (1, 2), (0, 2)], [(0, 1), (1, 2), (2, 3), (0, 3), (0, 4)]
    return (
        ring_or_triangles(rows[0]),
        circular_skip_links(10, (2, 3), rows[0]),
        circular_skip_links(11, (2, 3), rows[0]),
        circular_skip_links(12, (2, 3), rows[0]),
        joined_copies(triangle, rows[:3]),
        joined_copies(tailed_square, rows[:5]),
        rewired_twins(rows),
    )


def ring_or_triangles(row: AnArray) -> PlantedMetamer:
    """Return six equal nodes in one ring, and in two triangles.

    Args:
      row: [d] features of every node.

    Example:
      >>> ring_or_triangles(np.ones(2)).metamer.n_edge.tolist()
      [12]
    """
    ring = [(i, (i + 1) % 6) for i in range(6)]
    triangles = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)]
    nodes = np.tile(row, (6, 1))
    reason = "all nodes are equal and have two neighbors each, in one ring as in two"
    return _planted("ring_6", nodes, ring, triangles, None, None, reason)


def circular_skip_links(total: int, skips: tuple[int, int], row: AnArray) -> PlantedMetamer:
    """Return a ring of equal nodes with links to the nodes one skip ahead, for two skips.

    Every node has four neighbors, and no number of layers tells the skips apart (Murphy et al.
    2019, arXiv:1903.02541). Some pairs of skips are the same graph renamed, as 2 and 5 on 11 nodes:
    on 10, 11 and 12 nodes 2 and 3 are not.

    Args:
      total: number of nodes n.
      skips: of the reference and of the metamer, each from 2 to (n - 1) / 2.
      row: [d] features of every node.

    Raises:
      InputError: a skip that gives no four different neighbors, or equal skips.

    Example:
      >>> case = circular_skip_links(10, (2, 3), np.ones(1))
      >>> case.name, np.bincount(case.metamer.receivers).tolist()
      ('skip_links_10', [4, 4, 4, 4, 4, 4, 4, 4, 4, 4])
    """
    if not all(2 <= skip < total / 2 for skip in skips) or skips[0] == skips[1]:
        raise InputError(
            f"`skips` are {skips}; allowed: two different numbers from 2 to {(total - 1) // 2} on "
            f"{total} nodes, so that every node has four different neighbors"
        )
    reference, metamer = (
        [(i, (i + step) % total) for i in range(total) for step in (1, skip)] for skip in skips
    )
    reason = "all nodes are equal and have four neighbors each, whatever the skip"
    nodes = np.tile(row, (total, 1))
    return _planted(f"skip_links_{total}", nodes, reference, metamer, None, None, reason)


def joined_copies(pairs: Sequence[tuple[int, int]], rows: AnArray) -> PlantedMetamer:
    """Return two copies of a graph, and the same with one edge of each led to the other copy.

    The second edge (a, b) of `pairs` and its copy (a', b') become (a, b') and (a', b): every node
    keeps neighbors of the same colors. The edge must lie on a cycle, or the copies come out as
    they were, renamed.

    Args:
      pairs: edges of one copy on the nodes 0, 1, ..., k - 1, at least two.
      rows: [k, d] features of one copy, all different.

    Example:
      >>> case = joined_copies([(0, 1), (1, 2), (0, 2)], np.eye(3))
      >>> case.metamer.senders[case.metamer.receivers == 1].tolist()
      [0, 5]
    """
    nodes = np.concatenate([rows, rows])
    size = len(rows)
    kept = [pair for number, pair in enumerate(pairs) if number != 1]
    a, b = pairs[1]
    copies = [(i + shift, j + shift) for i, j in kept for shift in (0, size)]
    reference = [*copies, (a, b), (a + size, b + size)]
    metamer = [*copies, (a, b + size), (a + size, b)]
    reason = "a node and its copy are equal, so a neighbor may be taken from either copy"
    return _planted(f"copies_{2 * size}", nodes, reference, metamer, None, None, reason)


def rewired_twins(rows: AnArray) -> PlantedMetamer:
    """Return a node that is linked to one of two twins, and to the other.

    Nodes 1 and 2 have equal features, so that node 0 sees the same after one layer whichever of
    them it is linked to; for networks that read a neighbor's degree, that is the same too. Others
    are linked to each twin, and a second layer would see which. Targets are node 0 and node 5,
    which does not change.

    Args:
      rows: [r, d] feature rows, the first five of them different.

    Example:
      >>> case = rewired_twins(np.eye(5))
      >>> [g.senders[g.receivers == 0].tolist() for g in (case.reference, case.metamer)]
      [[1, 5], [2, 5]]
    """
    nodes = np.asarray(rows)[[0, 1, 1, 2, 3, 4]]
    others = [(1, 3), (2, 4), (0, 5)]
    reason = "the twins are equal, and have the same degree when node 0 is linked to them"
    reference, metamer = [(0, 1), *others], [(0, 2), *others]
    return _planted("twins_6", nodes, reference, metamer, (0, 5), 1, reason)


def _planted(
    name: str,
    nodes: np.ndarray,
    reference: Sequence[tuple[int, int]],
    metamer: Sequence[tuple[int, int]],
    targets: tuple[int, ...] | None,
    hops: int | None,
    reason: str,
) -> PlantedMetamer:
    before, after = (
        make_graph(nodes, *simple_undirected(one, other, len(nodes)))
        for one, other in (np.array(pairs).T for pairs in (reference, metamer))
    )
    return PlantedMetamer(name, before, after, targets, hops, reason)
