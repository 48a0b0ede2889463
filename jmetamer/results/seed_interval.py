"""Confidence limits of a mean over training seeds."""

from typing import Any, NamedTuple

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.results.levels import check_level


def t_interval(values: Any, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return Student's interval of a mean, one value a training seed.

    The limits are mean -+ t s / sqrt(m), with s^2 = sum (x - mean)^2 / (m - 1) and t the two-sided
    quantile of Student's distribution of m - 1 degrees of freedom (Student, Biometrika 6, 1908).
    Its coverage is `level` exactly where the values are independent draws of one normal
    distribution. Average over nodes and metamers first: those of one trained model are not
    independent, and an interval over them is far too short.

    Args:
      values: [..., m] one mean for each of m seeds along the last axis, finite.
      level: coverage, strictly between 0 and 1.

    Returns:
      Lower and upper limit, [...] float64 each; minus and plus infinity where m = 1, since one
      seed says nothing about the spread.

    Raises:
      InputError: if there is no seed, a value is not finite or the level is out of range.

    Example:
      >>> low, high = t_interval([0.80, 0.84, 0.82])
      >>> print(f"{low:.3f} to {high:.3f}")
      0.770 to 0.870
    """
    from scipy import special

    check_level(level)
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
    num_seeds, mean = means.shape[-1], means.mean(-1)
    if num_seeds == 1:
        return np.full(mean.shape, -np.inf), np.full(mean.shape, np.inf)
    quantile = special.stdtrit(num_seeds - 1, 0.5 + level / 2)
    half_width = quantile * means.std(-1, ddof=1) / np.sqrt(num_seeds)
    return mean - half_width, mean + half_width


class SeedSummary(NamedTuple):
    """A quantity over training seeds.

    Attributes:
      mean: over seeds; NaN where none has a value.
      low, high: limits of its t-interval; NaN likewise, infinite for one seed.
      num_seeds: seeds with a value.
    """

    mean: float
    low: float
    high: float
    num_seeds: int


def seed_summary(values: Any, level: float = 0.95) -> SeedSummary:
    """Return the mean over training seeds and its t-interval.

    Args:
      values: [m], one for each seed; NaN for a seed without one, as where none of its metamers
        passed. Such seeds are left out and `num_seeds` tells.
      level: coverage, strictly between 0 and 1.

    Returns:
      `SeedSummary`.

    Raises:
      InputError: if `values` is no list, one is infinite or the level is out of range.

    Example:
      >>> print("{:.2f}, {:.3f} to {:.3f}, of {} seeds".format(*seed_summary([0.80, 0.84, 0.82])))
      0.82, 0.770 to 0.870, of 3 seeds
    """
    seeds = np.asarray(values, np.float64)
    if seeds.ndim != 1:
        raise InputError(f"`values` has shape {seeds.shape}; one number a seed is needed, [m].")
    known = seeds[~np.isnan(seeds)]
    if len(known) == 0:
        check_level(level)
        return SeedSummary(np.nan, np.nan, np.nan, 0)
    low, high = t_interval(known, level)
    return SeedSummary(float(known.mean()), float(low), float(high), len(known))
