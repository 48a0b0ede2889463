"""Confidence limits of a mean over training seeds."""

from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import Level, Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer.results.statistics import limits_within

Bounds = tuple[float, float]
ANYWHERE: Bounds = (-np.inf, np.inf)
SHARE: Bounds = (0.0, 1.0)
KAPPA: Bounds = (-1.0, 1.0)
_ROUND_OFF = 1e-9  # by which a mean may leave its range
EQUAL = 1e-12  # of the largest, by which values that are equal differ


@checked
def t_interval(
    values: Numbers, level: Level = 0.95, bounds: Bounds = ANYWHERE
) -> tuple[np.ndarray, np.ndarray]:
    """Return Student's interval of a mean, one value a training seed.

    The limits are mean -+ t s / sqrt(m), with s^2 = sum (x - mean)^2 / (m - 1) and t the two-sided
    quantile of Student's distribution of m - 1 degrees of freedom (Student, Biometrika 6, 1908).
    Its coverage is `level` exactly where the values are independent draws of one normal
    distribution. Average over nodes and metamers first: those of one trained model are not
    independent, and an interval over them is far too short.

    What has a range (a share, an accuracy, kappa) is no normal variable near its ends. Between two
    finite bounds the limits are those of `limits_within`, inside of them; one bound cuts them.
    Values that are all equal say nothing about their spread, so that there are no limits.

    Args:
      values: [..., m] one mean for each of m seeds along the last axis, finite.
      level: coverage, strictly between 0 and 1.
      bounds: lowest and highest value that is possible.

    Returns:
      Lower and upper limit, [...] float64 each; minus and plus infinity where m = 1 and where all
      values are equal, since neither says anything about the spread.

    Raises:
      InputError: if there is no seed, a value is not finite or outside of the bounds, or the level
        is out of range.

    Example:
      >>> low, high = t_interval([0.80, 0.84, 0.82])
      >>> print(f"{low:.3f} to {high:.3f}")
      0.770 to 0.870
      >>> low, high = t_interval([0.80, 0.84, 1.00], bounds=(0, 1))  # else 0.62 to 1.14
      >>> print(f"{low:.3f} to {high:.3f}")
      0.476 to 0.983
    """
    from scipy import special

    means = np.asarray(values, np.float64)
    if means.ndim == 0 or means.shape[-1] == 0:
        raise InputError(
            f"`values` has shape {means.shape}; an interval needs one value for each of at least "
            "one training seed along the last axis."
        )
    if not np.isfinite(means).all():
        raise InputError(
            f"`values` hold {means[~np.isfinite(means)][0]}; leave out the seeds without a value, "
            "and say how many they are."
        )
    outside = (means < bounds[0] - _ROUND_OFF) | (means > bounds[1] + _ROUND_OFF)
    if outside.any():
        raise InputError(
            f"`values` hold {means[outside][0]}, but `bounds` are {bounds[0]:g} and {bounds[1]:g}; "
            "give the range of what the values measure."
        )
    num_seeds, mean = means.shape[-1], means.mean(-1)
    if num_seeds == 1:
        return np.full(mean.shape, -np.inf), np.full(mean.shape, np.inf)
    quantile = special.stdtrit(num_seeds - 1, 0.5 + level / 2)
    equal = np.ptp(means, axis=-1) <= EQUAL * np.abs(means).max(-1)
    variance = np.where(equal, 0.0, means.var(-1, ddof=1) / num_seeds)
    equal |= variance == 0
    if np.isfinite(bounds).all():
        low, high = limits_within(bounds, mean, variance, num_seeds, level)
    else:
        half = quantile * np.sqrt(variance)
        low, high = np.maximum(mean - half, bounds[0]), np.minimum(mean + half, bounds[1])
    return np.where(equal, -np.inf, low)[()], np.where(equal, np.inf, high)[()]


class SeedSummary(NamedTuple):
    """A quantity over training seeds.

    Attributes:
      mean: over seeds; NaN where none has a value.
      low, high: limits of its t-interval; NaN likewise, infinite for one seed, and where all are
        equal.
      num_seeds: seeds with a value.
    """

    mean: float
    low: float
    high: float
    num_seeds: int

    @property
    def all_equal(self) -> bool:
        """Whether two seeds or more have one and the same value, so that there is no interval."""
        return self.num_seeds > 1 and bool(np.isinf(self.low))


@checked
def seed_summary(values: Numbers, level: Level = 0.95, bounds: Bounds = ANYWHERE) -> SeedSummary:
    """Return the mean over training seeds and its t-interval.

    Args:
      values: [m], one for each seed; NaN for a seed without one, as where none of its metamers
        passed. Such seeds are left out and `num_seeds` tells.
      level: coverage, strictly between 0 and 1.
      bounds: lowest and highest value that is possible; see `t_interval`.

    Returns:
      `SeedSummary`.

    Raises:
      InputError: if `values` is no list, one is infinite or outside of the bounds, or the level is
        out of range.

    Example:
      >>> print("{:.2f}, {:.3f} to {:.3f}, of {} seeds".format(*seed_summary([0.80, 0.84, 0.82])))
      0.82, 0.770 to 0.870, of 3 seeds
    """
    seeds = np.asarray(values, np.float64)
    if seeds.ndim != 1:
        raise InputError(f"`values` has shape {seeds.shape}; one number a seed is needed, [m].")
    defined = seeds[~np.isnan(seeds)]
    if len(defined) == 0:
        return SeedSummary(np.nan, np.nan, np.nan, 0)
    low, high = t_interval(defined, level, bounds)
    return SeedSummary(float(defined.mean()), float(low), float(high), len(defined))
