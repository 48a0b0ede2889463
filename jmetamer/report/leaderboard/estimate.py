"""`Estimate` and `Difference`: a number over training seeds, or the reason why there is none."""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

from jmetamer.measures.transfer import Paired
from jmetamer.results import SeedSummary, seed_summary
from jmetamer.results.seed_interval import SHARE, Bounds


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over training seeds.

    Attributes:
      value: the mean; None where it is not known.
      low, high: limits of its 95% interval over seeds; None where it is not known, for one, and
        where all are equal.
      num_seeds: seeds with a value.
      reason: why `value` is None; empty where it is not.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    num_seeds: int = 0
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Difference:
    """Recognition of metamers less that of a control, over makers' seeds and architectures.

    Attributes:
      control: name of the control; empty where there is none.
      value: mean difference of kappa; None where it is not known.
      low, high: limits of its 95% interval, which takes seeds and architectures as samples; None
        where it is not known, and for fewer than two of either.
      num_seeds, num_architectures: of the maker, and of its judges.
      num_pairs: metamers that succeeded and have this control.
      reason: why `value` is None; empty where it is not.
    """

    control: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    num_seeds: int = 0
    num_architectures: int = 0
    num_pairs: int = 0
    reason: str = ""


def differing(control: str, paired: Paired | None, reason: str) -> Difference:
    """Return a paired difference, with `reason` where there is no pair.

    Args:
      paired: from `transfer`; None where no control was read.
    """
    if paired is None or not paired.num_pairs:
        return Difference(control, reason=reason)
    mean, *limits, num_seeds, num_architectures = paired.difference
    low, high = (limit if math.isfinite(limit) else None for limit in limits)
    return Difference(control, mean, low, high, num_seeds, num_architectures, paired.num_pairs)


def estimated(summary: SeedSummary, reason: str) -> Estimate:
    """Return a summary over seeds, with `reason` where no seed has a value.

    Example:
      >>> estimated(seed_summary([0.5]), "")
      Estimate(value=0.5, low=None, high=None, num_seeds=1, reason='')
    """
    if summary.num_seeds == 0:
        return Estimate(reason=reason)
    low, high = (limit if math.isfinite(limit) else None for limit in (summary.low, summary.high))
    return Estimate(summary.mean, low, high, summary.num_seeds)


def over_seeds(values: Iterable[float], reason: str, bounds: Bounds = SHARE) -> Estimate:
    """Return the mean over seeds of one value each; NaN where a seed has none.

    Args:
      bounds: lowest and highest value that is possible, by default of a share.

    Example:
      >>> over_seeds([0.25, float("nan"), 0.75], "not stored").num_seeds
      2
      >>> over_seeds([], "not stored").reason
      'not stored'
    """
    return estimated(seed_summary(np.array([*values], np.float64), bounds=bounds), reason)
