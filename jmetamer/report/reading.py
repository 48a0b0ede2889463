"""Numbers from a cell's variables, where it holds them."""

import dataclasses
from collections.abc import Hashable, Iterable
from typing import TypeVar

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from jmetamer.results.criteria import with_status

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


def grouped(pairs: Iterable[tuple[_Key, _Value]]) -> dict[_Key, list[_Value]]:
    """Return key -> its values, all in order of appearance.

    Example:
      >>> grouped([("a", 1), ("b", 2), ("a", 3)])
      {'a': [1, 3], 'b': [2]}
    """
    groups: dict[_Key, list[_Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def values(data: xr.Dataset, name: str) -> np.ndarray:
    """Return a variable as a NumPy array, empty where the cell does not hold it."""
    return np.asarray(data[name].values) if name in data else np.zeros(0)


def scalar(data: xr.Dataset, *names: str) -> float:
    """Return the first number of these names, from the variables or the attributes, else NaN."""
    for name in names:
        if name in data and data[name].size == 1:
            return number_of(data[name].values.item())
        if name in data.attrs:
            return number_of(data.attrs[name])
    return float("nan")


def converged(data: xr.Dataset) -> np.ndarray:
    """Return which metamers ended as converged, [metamer] bool; all where no status is stored."""
    if "status" not in data:
        return np.ones(data.sizes.get("metamer", 0), bool)
    return with_status(data, "CONVERGED")


def number_of(value: object) -> float:
    """Return a number as float, and NaN for what is none.

    Example:
      >>> number_of("3"), number_of(None)
      (3.0, nan)
    """
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")


def finite(numbers: ArrayLike) -> np.ndarray:
    """Return the finite ones of any numbers, as a list.

    Example:
      >>> finite([[1.0, float("nan")], [float("inf"), 2.0]]).tolist()
      [1.0, 2.0]
    """
    flat = np.asarray(numbers, float).ravel()
    return flat[np.isfinite(flat)]


def table(data: xr.Dataset, name: str, *dims: str) -> np.ndarray:
    """Return a variable as floats with its axes in this order."""
    return np.asarray(data[name].transpose(*dims).values, float)


def quantiles(numbers: ArrayLike, *levels: float) -> list[float]:
    """Return quantiles of the finite ones, NaN without any.

    Example:
      >>> quantiles([3.0, float("nan"), 1.0], 0.0, 0.5)
      [1.0, 2.0]
    """
    kept = finite(numbers)
    return np.quantile(kept, levels).tolist() if kept.size else [np.nan] * len(levels)


@dataclasses.dataclass(frozen=True)
class Spread:
    """Median, 10th and 90th percentile over metamers; NaN where undefined."""

    median: float
    low: float
    high: float


def spread(numbers: ArrayLike) -> tuple[float, float, float]:
    """Return the fields of a `Spread`."""
    low, median, high = quantiles(numbers, 0.1, 0.5, 0.9)
    return median, low, high


def middle(counts: ArrayLike) -> float:
    """Return the median of counts, the lower of two in the middle; NaN of none."""
    kept = finite(counts)
    return float(np.quantile(kept, 0.5, method="lower")) if kept.size else float("nan")


def median(numbers: ArrayLike) -> float:
    """Return the median of the finite ones, NaN without any.

    Example:
      >>> median([3.0, float("nan"), 1.0])
      2.0
    """
    kept = finite(numbers)
    return float(np.median(kept)) if kept.size else float("nan")


def mean(numbers: ArrayLike) -> float:
    """Return the mean of the finite ones, NaN without any.

    Example:
      >>> mean([3.0, float("nan"), 1.0])
      2.0
    """
    kept = finite(numbers)
    return float(kept.mean()) if kept.size else float("nan")
