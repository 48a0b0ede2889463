"""What edges that come and go have in common: a simple graph, in which there is an edge to move."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

import jax
import jraph

from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import is_symmetric
from jmetamer.graphs.graph import num_nodes
from jmetamer.metamers.vary.movable import movable_edges
from jmetamer.metamers.vary.protocol import Vary


class SimpleEdges(Vary, Protocol):
    """Edges that come and go, with weights 0 and 1; a method makes them, so theta is empty."""

    part: ClassVar[str] = "edges"
    kind: ClassVar[str] = "simple_edges"
    relaxed: ClassVar[bool] = False
    smooth: ClassVar[bool] = False
    tolerance: ClassVar[float] = 1e-2
    default_method: ClassVar[str] = "relax_edges"

    @property
    def start(self) -> str:
        """At which edges a seed begins."""
        ...

    @property
    def directed(self) -> bool | None:
        """Whether (i, j) and (j, i) are two edges; None: as the reference has it."""
        ...

    @property
    def nodes(self) -> Sequence[int] | None:
        """Nodes between which edges come and go, ascending; None: all."""
        return None

    @property
    def budget(self) -> int | None:
        """Largest number of pairs by which a metamer may differ from its start; None: any."""
        return None

    @property
    def distance(self) -> float | None:
        """Jaccard distance of the edges that a walk from the reference has to reach."""
        return None

    def check(self, reference: jraph.GraphsTuple) -> None:
        """Raise `InputError` unless the reference is a simple graph with an edge to move."""
        num_pairs = check_simple(reference, self.directed, self.nodes)
        n = num_nodes(reference) if self.nodes is None else len(self.nodes)
        directed = is_directed(reference, self.directed)
        if num_pairs == most_pairs(n, directed) and self.start in ("noise", "rewired"):
            which = "its" if self.nodes is None else "the"
            where = "" if self.nodes is None else " in `nodes`"
            raise InputError(
                f"`graph` has all {num_pairs} pairs of {which} {n} nodes{where} as edges, so that "
                "another graph with as many edges does not exist; use `start='reference'` with "
                "`distance`"
            )
        if self.budget is not None and self.distance is not None:
            reached = min(1.0, self.budget / num_pairs)
            if reached < self.distance:
                raise InputError(
                    f"`budget`={self.budget} changes of {num_pairs} edges reach a distance of "
                    f"{reached:.3g} at most, but `distance` is {self.distance}; raise the one or "
                    "lower the other"
                )

    def init(self, key: jax.Array, reference: jraph.GraphsTuple) -> tuple[()]:
        """Return nothing."""
        return ()

    def encode(self, reference: jraph.GraphsTuple) -> tuple[()]:
        """Return nothing."""
        return ()

    def decode(self, theta: tuple[()], reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the reference."""
        return reference


def is_directed(reference: jraph.GraphsTuple, directed: bool | None = None) -> bool:
    """Return whether (i, j) and (j, i) are two edges: as asked, or as the reference has it.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> is_directed(make_graph([[1.0], [2.0]], [0], [1]))
      True
    """
    return not is_symmetric(reference) if directed is None else directed


def most_pairs(num_nodes: int, directed: bool) -> int:
    """Return the number of pairs of different nodes.

    Example:
      >>> most_pairs(4, directed=False), most_pairs(100_000, directed=False)
      (6, 4999950000)
    """
    return num_nodes * (num_nodes - 1) // (1 if directed else 2)


def check_simple(
    reference: jraph.GraphsTuple, directed: bool | None, nodes: Sequence[int] | None = None
) -> int:
    """Return the number of edges that may go; refuse what is no simple graph, or has none.

    Args:
      reference: concrete arrays.
      directed: whether (i, j) and (j, i) are two edges; None: as the reference has it.
      nodes: those between which edges may go, ascending; None: all.

    Raises:
      InputError: weights other than 0 and 1, edge features, an edge stored twice, an unknown node,
        no edge.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> check_simple(make_graph([[1.0], [2.0]], [0, 1], [1, 0]), None)
      1
    """
    movable = movable_edges(reference, nodes, directed=is_directed(reference, directed))
    num_pairs = int(movable.pairs.senders.size)
    if num_pairs == 0 and nodes is not None:
        raise InputError(
            f"`graph` has no edges between the {len(nodes)} different nodes in `nodes`, so there "
            f"is nothing to move, though it has {movable.fixed.senders.size} edges elsewhere; name "
            "nodes that are joined, such as the targets and their neighbors"
        )
    if num_pairs == 0:
        raise InputError(
            "`graph` has no edges between different nodes, so there is nothing to move; vary its "
            "features, or give a reference with edges"
        )
    return num_pairs
