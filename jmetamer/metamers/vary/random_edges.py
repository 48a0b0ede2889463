"""`RandomEdges`: every seed gets random edges, which stay: is there a match on them?"""

import dataclasses
from typing import ClassVar, Literal

from jmetamer._base.arguments import checked
from jmetamer.metamers.vary.simple_edges import SimpleEdges


@checked
@dataclasses.dataclass(frozen=True)
class RandomEdges(SimpleEdges):
    """Edges that are drawn for each seed and not searched for; something else varies beside them.

    Attributes:
      start: "noise", a random simple graph with as many edges as the reference, or "rewired", one
        with the reference's degrees.
      directed: whether (i, j) and (j, i) are two edges; None: as the reference has it.

    Raises:
      InputError: an unknown start, or "reference", which would leave the edges as they are.

    Example:
      >>> RandomEdges(start="rewired").searched
      False
    """

    start: Literal["noise", "rewired"] = "noise"
    directed: bool | None = None
    searched: ClassVar[bool] = False
