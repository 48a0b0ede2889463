"""`Share`: how many of how many, of how many networks, with its interval."""

import dataclasses
from collections.abc import Iterable

from jmetamer.report.wording import percent, plural
from jmetamer.results.statistics import rate_interval


@dataclasses.dataclass(frozen=True)
class Share:
    """Metamers of which something holds.

    Attributes:
      count, total: how many of how many.
      networks: (how many, of how many) of each trained network; empty for those of one.

    Example:
      >>> Share(3, 4).share, round(Share(3, 4).interval[0], 2)
      (0.75, 0.3)
    """

    count: int
    total: int
    networks: tuple[tuple[int, int], ...] = dataclasses.field(default=(), kw_only=True)

    @property
    def share(self) -> float:
        """Share, NaN without metamers."""
        return self.count / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the share over networks, of one network over its metamers."""
        networks = self.networks or ((self.count, self.total),)
        return rate_interval([count for count, _ in networks], [total for _, total in networks])

    @property
    def over(self) -> str:
        """What the interval is over."""
        number = sum(total > 0 for _, total in self.networks)
        return "metamers of one network" if number < 2 else plural(number, "network")

    @property
    def text(self) -> str:
        """Share and interval in words."""
        low, high = map(percent, self.interval)
        return f"{percent(self.share)}; 95% interval over {self.over} {low} to {high}"


def over_networks(parts: Iterable[tuple[str, Share]]) -> Share:
    """Return the shares of several cells together, cells of one network as one.

    Args:
      parts: (name of the network, share) of each cell.

    Example:
      >>> share = over_networks([("a", Share(1, 2)), ("b", Share(2, 2)), ("a", Share(1, 4))])
      >>> share.networks, share.text
      (((2, 6), (2, 2)), '50%; 95% interval over 2 networks 0.6% to 99.4%')
    """
    counts: dict[str, tuple[int, int]] = {}
    for network, share in parts:
        count, total = counts.get(network, (0, 0))
        counts[network] = count + share.count, total + share.total
    networks = tuple(counts.values())
    count, total = (sum(side) for side in zip(*networks, strict=True)) if networks else (0, 0)
    return Share(count, total, networks=networks)
