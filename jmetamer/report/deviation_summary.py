"""How far the metamers of a cell lie from their reference, beside chance and their own start."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import xarray as xr

from jmetamer.measures.table import MEASURES
from jmetamer.report.reading import median, quantiles, table, values
from jmetamer.report.wording import listing

_ROUND_OFF = 1e-5


@dataclasses.dataclass(frozen=True)
class Deviation:
    """How far the metamers of a cell lie from their reference by one measure.

    Attributes:
      measure: name, as in "features/cosine".
      median, low, high: median, 10th and 90th percentile over metamers.
      chance: chance level of the measure, NaN where unknown.
      start: median over the starts of the metamers' searches, NaN where there is none.
      less_start: median over metamers of deviation less that of its own start, NaN likewise.
      nearer, equal: metamers that lie nearer to the reference than their start, and as near.
      paired: metamers of which both are known.
      no_start: why there is no start; empty where there is one.
    """

    measure: str
    median: float
    low: float
    high: float
    chance: float
    start: float = float("nan")
    less_start: float = float("nan")
    nearer: int = 0
    equal: int = 0
    paired: int = 0
    no_start: str = ""


def summarize_deviations(data: xr.Dataset) -> Iterator[Deviation]:
    """Yield the deviations of a cell's metamers, measure by measure."""
    if "deviation" not in data:
        return
    of_metamers = table(data, "deviation", "metamer", "measure")
    of_starts, no_start = np.full(of_metamers.shape, np.nan), "its deviation is not stored"
    if "deviation_start" in data:
        of_starts = table(data, "deviation_start", "metamer", "measure")
        no_start = str(data["deviation_start"].attrs.get("reason", ""))
    chance = values(data, "deviation_chance")
    for column, measure in enumerate(data["measure"].values.tolist()):
        numbers, starts = of_metamers[:, column], of_starts[:, column]
        pairs = np.isfinite(numbers) & np.isfinite(starts)
        # Some have a sign; stored in float32, equal ones differ by round-off.
        of_metamer, of_its_start = np.abs(numbers[pairs]), np.abs(starts[pairs])
        nearer = of_metamer < (1 - _ROUND_OFF) * of_its_start
        farther = of_its_start < (1 - _ROUND_OFF) * of_metamer
        less = numbers - starts
        less[np.abs(less) <= _ROUND_OFF * np.maximum(np.abs(numbers), np.abs(starts))] = 0.0
        low, middle, high = quantiles(numbers, 0.1, 0.5, 0.9)
        yield Deviation(
            measure=str(measure),
            median=middle,
            low=low,
            high=high,
            chance=float(chance[column]) if column < chance.size else float("nan"),
            start=median(starts),
            less_start=median(less),
            nearer=int(nearer.sum()),
            equal=int((~nearer & ~farther).sum()),
            paired=int(pairs.sum()),
            no_start=no_start,
        )


def what_chance_is(deviations: Iterable[Deviation]) -> str:
    """Say with what a measure compares the reference for its chance level.

    Example:
      >>> print(what_chance_is([]))
      what each measure's own null gives
    """
    kinds: dict[str, dict[str, None]] = {}
    for one in (
        d.measure for d in deviations if d.measure in MEASURES and MEASURES[d.measure].null
    ):
        kinds.setdefault(MEASURES[one].null, {})[one.split("/")[0]] = None
    nulls = list(kinds)
    if len(kinds) > 1:
        nulls = [f"{null} ({listing(list(of))})" for null, of in kinds.items()]
    return listing(nulls) or "what each measure's own null gives"
