"""Types of settings that are numbers, with the interval in which they are allowed."""

from typing import Annotated, NamedTuple


class Range(NamedTuple):
    """Allowed interval of a number.

    Attributes:
      low: smallest allowed value, or None.
      high: largest allowed value, or None.
      open_low: whether `low` itself is refused.
      open_high: whether `high` itself is refused.
    """

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 2**31 - 1)]  # JAX reads seeds as int32
Positive = Annotated[float, Range(0, open_low=True)]
NonNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
