"""`RelaxSettings`: how weights of edges are moved by gradients and made hard."""

import dataclasses
from typing import Literal

from jmetamer._base.arguments import Count, Natural, NonNegative, Positive, checked
from jmetamer._base.errors import InputError
from jmetamer.metamers.methods.optimize.settings import LoopSettings


@checked
@dataclasses.dataclass(frozen=True)
class RelaxSettings(LoopSettings):
    """Settings of a relaxation of edges; the attributes are documented at `RelaxEdges`."""

    block: Count | None = None
    refill: Literal["uniform", "near", "gradient"] = "uniform"
    refill_every: Count = 25
    penalty: NonNegative = 0.3
    draws: Natural = 20
    flips: Natural = 1000
    kicks: Natural | None = None
    learning_rate: Positive = 0.05
    feature_learning_rate: Positive = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kicks and not self.flips:
            raise InputError(
                f"`kicks` is {self.kicks}, but `flips` is 0, so that nothing would be "
                "flipped after a kick; raise `flips`, or leave `kicks` out"
            )
