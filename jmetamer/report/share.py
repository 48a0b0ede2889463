"""`Share`: how many of how many, with its interval."""

import dataclasses

from jmetamer.results.statistics import wilson_interval


@dataclasses.dataclass(frozen=True)
class Share:
    """Metamers of which something holds.

    Attributes:
      count, total: how many of how many.

    Example:
      >>> Share(3, 4).share, round(Share(3, 4).interval[0], 2)
      (0.75, 0.3)
    """

    count: int
    total: int

    @property
    def share(self) -> float:
        """Share, NaN without metamers."""
        return self.count / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95% Wilson interval of the share."""
        return wilson_interval(self.count, self.total)
