"""`BinaryEdges`: edges come and go, and are searched for."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from jmetamer._base.arguments import Count, SomeShare, checked
from jmetamer._base.errors import InputError
from jmetamer.metamers.vary.simple_edges import SimpleEdges

_OF_RELAX_EDGES = "block refill refill_every penalty draws flips kicks learning_rate"


@checked
@dataclasses.dataclass(frozen=True)
class BinaryEdges(SimpleEdges):
    """Edges come and go: a metamer is a simple graph.

    Self loops of the reference stay. With `nodes` edges come and go between these alone, and all
    others stay: "edges" below are those that may move. How they are searched for says the method,
    by default `RelaxEdges()`.

    Attributes:
      start: "noise", a random simple graph with as many edges as the reference; "any_density", one
        whose pairs are edges with a probability that is itself random, uniform in [0, 1], for
        graphs so small that `block` of `RelaxEdges` holds all pairs; "rewired", one with the
        reference's degrees; "reference", the reference, to walk away from it.
      budget: largest number of pairs by which a metamer may differ from its start; None: any.
      distance: of a walk from the reference, the Jaccard distance of the edge sets to reach,
        `1 - #(E and E') / #(E or E')`; of the edges that may move.
      directed: whether (i, j) and (j, i) are two edges; None: as the reference has it.
      nodes: numbers of the nodes between which edges come and go, kept as an ascending tuple; None:
        all. `local_problem` takes those near the targets.

    Raises:
      InputError: a number outside its range, or settings that do not go together.

    Example:
      >>> BinaryEdges(start="reference", distance=0.2).budget is None
      True
    """

    start: Literal["noise", "any_density", "rewired", "reference"] = "noise"
    budget: Count | None = None
    distance: SomeShare | None = None
    directed: bool | None = None
    nodes: Sequence[int] | None = None
    _moved: ClassVar[Mapping[str, str]] = dict.fromkeys(_OF_RELAX_EDGES.split(), "RelaxEdges")

    def __post_init__(self) -> None:
        if self.nodes is not None:
            object.__setattr__(self, "nodes", _ascending(self.nodes))
        if self.start != "reference":
            if self.distance is not None:
                raise InputError(
                    f"`distance` is {self.distance}, but the start is {self.start!r}, which is "
                    "away from the reference; leave it out, or use `start='reference'`"
                )
        elif self.distance is None:
            raise InputError(
                f"`distance` is {self.distance}, but a walk from the reference needs to know how "
                "far: a Jaccard distance of edges above 0 and up to 1, such as 0.2"
            )


def _ascending(nodes: Sequence[int]) -> tuple[int, ...]:
    """Return node numbers as an ascending tuple, which is hashable and equal for equal sets."""
    numbers = np.asarray(nodes)
    if numbers.ndim != 1 or numbers.size < 2 or numbers.dtype.kind not in "iu":
        raise InputError(
            "`nodes` must be a list of at least two node numbers, because an edge has two ends, or "
            f"None for all nodes; got {nodes!r}"
        )
    ordered = np.sort(numbers)
    if ordered[0] < 0:
        raise InputError(f"`nodes` names node {ordered[0]}; allowed are node numbers from 0")
    twice = np.flatnonzero(np.diff(ordered) == 0)
    if twice.size:
        raise InputError(f"`nodes` names node {ordered[twice[0]]} twice; name each once")
    return tuple(ordered.tolist())
