"""Optimizers by name with a schedule, or any optax transformation as an object."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jmetamer._base.arguments import Positive, checked
from jmetamer._base.composition import Composition, composition_of
from jmetamer._base.errors import InputError, unknown_name
from jmetamer.metamers.methods.optimize.lane_lbfgs import lane_lbfgs

Schedule = Callable[[jax.Array], jax.Array]


# Factor of the learning rate as a function of the share of steps done.
SCHEDULES: dict[str, Schedule] = {
    "constant": jnp.ones_like,
    "cosine": lambda progress: 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(progress, 1))),
    "exponential": lambda progress: 1e-2 ** jnp.minimum(progress, 1),
    "halved_in_blocks": lambda progress: 0.5 ** jnp.floor(8 * jnp.minimum(progress, 1 - 1e-6)),
}


def _feather(rate: Schedule) -> optax.GradientTransformation:
    """Gradient of unit length times the rate, as Feather et al. 2023 step."""
    return optax.chain(optax.normalize_by_update_norm(), optax.scale_by_learning_rate(rate))


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": optax.adam,
    "adamax": optax.adamax,
    "adabelief": optax.adabelief,
    "amsgrad": optax.amsgrad,
    "nadam": optax.nadam,
    "rmsprop": optax.rmsprop,
    "sgd": optax.sgd,
    "momentum": lambda rate, **kept: optax.sgd(rate, momentum=0.9, **kept),
    "nesterov": lambda rate, **kept: optax.sgd(rate, momentum=0.9, nesterov=True, **kept),
    "sign_sgd": optax.sign_sgd,
    "lion": lambda rate, **kept: optax.lion(rate, weight_decay=0.0, **kept),
    "feather": _feather,
    "lbfgs": lambda rate: optax.lbfgs(),
    "lane_lbfgs": lambda rate, **bounds: lane_lbfgs(**bounds),
}
# These can keep the running mean of the gradient in fewer bits, under this name in optax.
_MOMENT_ARGUMENT = {
    "adam": "mu_dtype",
    "amsgrad": "mu_dtype",
    "nadam": "mu_dtype",
    "lion": "mu_dtype",
    "momentum": "accumulator_dtype",
    "nesterov": "accumulator_dtype",
}
WITH_MOMENTS = tuple(_MOMENT_ARGUMENT)
MOMENTS = ("float32", "bfloat16")
# These find their own step length.
WITHOUT_RATE = ("lbfgs", "lane_lbfgs")


@checked
@dataclasses.dataclass(frozen=True)
class Optimizer:
    """An optimizer by name. Two that differ in the learning rate share one compilation.

    Attributes:
      name: one of `OPTIMIZERS`. "feather" is the preset of Feather et al. (2023): a step of fixed
        length along the gradient, halved in blocks (use it with "halved_in_blocks"). "lbfgs" is
        optax's with its zoom line search, "lane_lbfgs" the one whose line search costs one
        evaluation a step.
      learning_rate: positive; ignored by none: leave it None for the L-BFGS methods, which find
        their own step length.
      schedule: one of `SCHEDULES`: "constant", "cosine" to zero, "exponential" to one hundredth,
        "halved_in_blocks" eight times.
      moments: type in which the running mean of the gradient is kept between two steps:
        "float32", or "bfloat16" (half the memory, 8 bits of mantissa) for one of `WITH_MOMENTS`.
        Squared gradients are always kept in float32.

    Raises:
      InputError: unknown name or schedule, missing or useless learning rate, moments that the
        optimizer does not keep.

    Example:
      >>> Optimizer("adam", 0.1, "cosine") == Optimizer("adam", 0.2, "cosine")
      True
    """

    name: str
    learning_rate: Positive | None = dataclasses.field(default=None, compare=False)
    schedule: str = "constant"
    moments: str = "float32"

    def __post_init__(self) -> None:
        if self.name not in OPTIMIZERS:
            raise unknown_name("optimizer", self.name, OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise unknown_name("schedule", self.schedule, SCHEDULES)
        if self.moments not in MOMENTS:
            raise unknown_name("moments", self.moments, MOMENTS)
        if self.moments != "float32" and self.name not in WITH_MOMENTS:
            raise InputError(
                f"optimizer {self.name!r} keeps no running mean of the gradient that could be "
                f"{self.moments}; leave `moments` out, or take one of {', '.join(WITH_MOMENTS)}"
            )
        if self.name in WITHOUT_RATE:
            if self.learning_rate is not None or self.schedule != "constant":
                raise InputError(
                    f"optimizer {self.name!r} finds its own step length: `learning_rate`="
                    f"{self.learning_rate} and `schedule`={self.schedule!r} would be ignored; "
                    "leave both out"
                )
        elif self.learning_rate is None:
            raise InputError(
                f"optimizer {self.name!r} needs a positive `learning_rate`; "
                f"got {self.learning_rate}"
            )

    @property
    def projects(self) -> bool:
        """Whether `update` wants to know the projection onto the legal set."""
        return self.name == "lane_lbfgs"

    @property
    def rate(self) -> float:
        """Learning rate as a number; 1 for methods that find their own."""
        return 1.0 if self.learning_rate is None else float(self.learning_rate)

    def build(
        self, rate: jax.Array, steps: jax.Array, *, bounded: bool = True
    ) -> optax.GradientTransformationExtraArgs:
        """Return the transformation with `rate * schedule(step / steps)` as learning rate.

        Args:
          rate: [] learning rate.
          steps: [] number of steps that the schedule spans.
          bounded: whether `update` will be given a projection, where the optimizer `projects`.
        """

        def scheduled(step: jax.Array) -> jax.Array:
            return rate * SCHEDULES[self.schedule](step / steps)

        kept = {} if self.moments == "float32" else {_MOMENT_ARGUMENT[self.name]: jnp.bfloat16}
        bounds = {"bounded": bounded} if self.projects else {}
        return optax.with_extra_args_support(OPTIMIZERS[self.name](scheduled, **kept, **bounds))


@dataclasses.dataclass(frozen=True)
class OptaxOptimizer:
    """Any optax transformation; two that were made alike share one compilation.

    Example:
      >>> OptaxOptimizer(optax.adam(1e-2)) == OptaxOptimizer(optax.adam(1e-2))
      True
    """

    transformation: optax.GradientTransformation = dataclasses.field(compare=False)
    rate: float = 1.0
    projects: bool = False
    composition: Composition = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "composition", composition_of(self.transformation))

    def build(
        self, rate: jax.Array, steps: jax.Array, *, bounded: bool = True
    ) -> optax.GradientTransformationExtraArgs:
        """Return the transformation as it was given."""
        return optax.with_extra_args_support(self.transformation)


AnyOptimizer = Optimizer | OptaxOptimizer


def as_optimizer(optimizer: object) -> AnyOptimizer:
    """Return `optimizer` as an optimizer of the engine.

    Args:
      optimizer: an `Optimizer`, or an optax transformation.

    Raises:
      InputError: something else.
    """
    if isinstance(optimizer, Optimizer | OptaxOptimizer):
        return optimizer
    if isinstance(optimizer, optax.GradientTransformation):
        return OptaxOptimizer(optimizer)
    raise InputError(
        f"`optimizer` is {optimizer!r}; allowed are an optax transformation such as "
        f"`optax.adam(1e-2)` or `Optimizer(name, learning_rate, schedule)` with a name of "
        f"{', '.join(OPTIMIZERS)}"
    )
