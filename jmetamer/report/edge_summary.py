"""The edges of a cell's metamers in a few numbers, and in words."""

import dataclasses

import numpy as np
import xarray as xr

from jmetamer.report.reading import number_of, quantiles, values

_ROWS = {
    "loss_relaxed": "loss with weights between 0 and 1",
    "loss_rounded": "loss after rounding",
    "loss_flipped": "loss after flips of single pairs",
    "num_flips": "flips of single pairs",
    "num_available": "graphs one color-preserving swap away",
    "num_moves": "moves of the search",
    "num_proposed": "swaps proposed",
    "num_changed": "pairs changed since the start",
    "edges_added": "edges added to the reference's",
    "edges_removed": "edges of the reference removed",
    "edge_jaccard": "Jaccard distance of the edge sets",
}


@dataclasses.dataclass(frozen=True)
class EdgeNumber:
    """One number of every metamer.

    Attributes:
      label: what it is.
      median, low, high: median, 10th and 90th percentile over metamers.
      chance: level of unrelated graphs; NaN where there is none.
    """

    label: str
    median: float
    low: float
    high: float
    chance: float


@dataclasses.dataclass(frozen=True)
class EdgeSummary:
    """Metamers whose edges vary.

    Attributes:
      features_stay: whether edges alone vary.
      are_weights: whether edges have real weights, instead of being there or not.
      numbers: name of the variable -> its spread, for those that the cell holds.
    """

    features_stay: bool
    are_weights: bool
    numbers: dict[str, EdgeNumber]

    def median(self, name: str) -> float:
        """Return a median; NaN where the cell does not hold the number."""
        return self.numbers[name].median if name in self.numbers else float("nan")

    @property
    def by_swaps(self) -> bool:
        """Whether edges changed by swaps that keep colors, and not by what the loss said."""
        return "num_available" in self.numbers

    @property
    def none_exists(self) -> bool:
        """Whether no such swap is available, so that every graph is the reference itself."""
        return self.by_swaps and self.median("num_available") == 0


def summarize_edges(data: xr.Dataset) -> EdgeSummary | None:
    """Return the numbers of edges that vary, or None where they stay."""
    are_weights = "edge_weight" in data
    if not are_weights and "edge_jaccard" not in data:
        return None
    numbers = {}
    for name, label in _ROWS.items():
        low, median, high = quantiles(values(data, name), 0.1, 0.5, 0.9)
        if not np.isnan(median):
            chance = number_of(data.attrs.get(f"{name}_chance"))
            numbers[name] = EdgeNumber(label, median, low, high, chance)
    return EdgeSummary("features" not in data, are_weights, numbers)
