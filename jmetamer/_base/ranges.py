"""Types of numbers with the interval in which they are allowed, for settings and arguments."""

from typing import Annotated, NamedTuple


class Range(NamedTuple):
    """Allowed interval of a number.

    Attributes:
      low: smallest allowed value, or None.
      high: largest allowed value, or None.
      open_low: whether `low` itself is refused.
      open_high: whether `high` itself is refused.

    Example:
      >>> Range(0, 1, open_low=True).holds(0), str(Range(0, 1, open_low=True))
      (False, 'above 0 and up to 1')
    """

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        """Return whether a number lies inside; NaN never does."""
        low, high, open_low, open_high = self
        above = low is None or value > low or (value == low and not open_low)
        below = high is None or value < high or (value == high and not open_high)
        return above and below

    def __str__(self) -> str:
        low, high, open_low, open_high = self
        parts = []
        if low is not None:
            parts.append(f"above {low:g}" if open_low else f"from {low:g} up")
        if high is not None:
            text = f"{high:,}" if isinstance(high, int) and high > 10**5 else f"{high:g}"
            parts.append(f"below {text}" if open_high else f"up to {text}")
        return " and ".join(parts)


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 2**31 - 1)]  # JAX reads seeds as int32
Layers = Annotated[int, Range(1, 1000)]  # each is traced and compiled: a thousand take minutes
Finite = Annotated[float, Range()]
Positive = Annotated[float, Range(0, open_low=True)]
FromZero = Annotated[float, Range(0, float("inf"))]  # infinity too
NonNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
SomeShare = Annotated[float, Range(0, 1, open_low=True)]
Rate = Annotated[float, Range(0, 1, open_high=True)]
Level = Annotated[float, Range(0, 1, open_low=True, open_high=True)]
