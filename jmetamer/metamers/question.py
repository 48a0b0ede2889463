"""`Question`: what is asked of a network before any data; a method says whether it applies."""

import dataclasses
from collections.abc import Sequence
from typing import cast

from jmetamer.metamers.losses import Loss
from jmetamer.metamers.vary.protocol import Vary
from jmetamer.metamers.vary.simple_edges import SimpleEdges
from jmetamer.metamers.vary.together import parts_of
from jmetamer.models.protocol import Model


class WithParts:
    """What follows from `vary`, one part of the graph or several."""

    vary: Vary | Sequence[Vary]

    @property
    def parts(self) -> tuple[Vary, ...]:
        """The parts that vary, features first."""
        return parts_of(self.vary)

    @property
    def features(self) -> Vary | None:
        """How features vary, or None where they stay."""
        return next((part for part in self.parts if part.part == "features"), None)

    @property
    def edges(self) -> Vary | None:
        """How edges or their weights vary, or None where they stay."""
        return next((part for part in self.parts if part.part in ("edges", "edge_weights")), None)

    @property
    def edge_kind(self) -> str | None:
        """Kind of the edges, by which measures are chosen, or None where they stay."""
        return None if self.edges is None else self.edges.kind

    @property
    def simple_edges(self) -> SimpleEdges:
        """How edges vary, where their kind is "simple_edges"."""
        return cast(SimpleEdges, self.edges)

    @property
    def is_free(self) -> bool:
        """Whether features alone vary, and all real ones are allowed."""
        return len(self.parts) == 1 and self.parts[0].is_free

    @property
    def smooth(self) -> bool:
        """Whether the loss is a smooth function of all that gradients move."""
        return all(part.smooth for part in self.parts if part.relaxed)

    @property
    def tolerance(self) -> float:
        """L_act at which a metamer counts as matched by default: the strictest of the parts."""
        return min(part.tolerance for part in self.parts)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the parts, by which measures are chosen."""
        return tuple(part.kind for part in self.parts)

    @property
    def default_method(self) -> str:
        """Name of the method that finds such metamers best."""
        return self.parts[-1].default_method


@dataclasses.dataclass(frozen=True)
class Varying(WithParts):
    """Parts that vary, whatever they are asked for."""

    vary: Vary | Sequence[Vary]


@dataclasses.dataclass(frozen=True)
class Question(WithParts):
    """Which layers of a network must match while what varies, and by which loss it is searched for.

    Attributes:
      model: the network, without parameters.
      layers: names of the layers to match.
      vary: one part, or several.
      loss: what the search minimizes.
    """

    model: Model
    layers: tuple[str, ...]
    vary: Vary | Sequence[Vary]
    loss: Loss
