"""`LoopSettings`: what a search by gradients may be told, whatever it moves."""

import dataclasses
from typing import Annotated, Any, Self

from jmetamer._base.arguments import Count, OneOf, Rate, checked
from jmetamer._base.precision import PRECISIONS
from jmetamer.metamers.methods.optimize.coordinates import COORDINATES
from jmetamer.metamers.methods.optimize.optimizers import Optimizer, as_optimizer


@checked
@dataclasses.dataclass(frozen=True)
class LoopSettings:
    """Settings of a loop; what is None is chosen for the problem (`Method.for_problem`).

    Attributes:
      optimizer: an `Optimizer`, or an optax transformation.
      steps: largest number of steps.
      patience: steps without improvement after which a seed has stalled.
      improvement: relative decrease of the loss that counts as improvement.
      coordinates: of features: "auto", "features", "row_space" or "entry".
      precision: of the loop's matrix products: "default" (the device's own; TF32 on recent NVIDIA
        GPUs, bfloat16 on TPUs, float32 on processors), "high" or "highest". References and final
        losses are always computed at the highest.
    """

    optimizer: Annotated[Any | None, Optimizer] = None
    steps: Count | None = None
    patience: Count | None = None
    improvement: Rate = 1e-2
    coordinates: Annotated[str, OneOf(COORDINATES)] = "auto"
    precision: Annotated[str, OneOf(PRECISIONS)] = "default"

    @classmethod
    def of(cls, method: object) -> Self:
        """Return a method as these settings, which it is made of."""
        assert isinstance(method, cls)
        return method

    def __post_init__(self) -> None:
        if self.optimizer is not None:
            as_optimizer(self.optimizer)

    @property
    def num_steps(self) -> int:
        """The steps of settings that leave nothing open."""
        assert self.steps is not None
        return self.steps

    def filled(self, **defaults: Any) -> Self:
        """Return the settings with defaults where they are None."""
        left = {name: value for name, value in defaults.items() if getattr(self, name) is None}
        return dataclasses.replace(self, **left)
