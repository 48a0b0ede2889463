"""Confidence limits of a mean over training seeds, or over two crossed samples."""

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


class CrossedSummary(NamedTuple):
    """A quantity over two samples, every member of one with every member of the other.

    Attributes:
      mean: over rows and columns; NaN where no row has values.
      low, high: limits of its interval; NaN likewise, infinite for one row or one column, and
        where all values are equal, since neither says anything about the spread.
      num_rows, num_columns: members of each sample that count.
    """

    mean: float
    low: float
    high: float
    num_rows: int
    num_columns: int

    @property
    def all_equal(self) -> bool:
        """Whether several of both give one and the same value, which leaves no interval."""
        return min(self.num_rows, self.num_columns) > 1 and bool(np.isinf(self.low))


@checked
def crossed_summary(
    values: Numbers, level: Level = 0.95, bounds: Bounds = ANYWHERE
) -> CrossedSummary:
    """Return the mean of a two-way table whose rows and columns are both samples, and its interval.

    With x_ij = mu + r_i + c_j + e_ij, the variance of the mean over m rows and a columns is at
    most the expectation of v_r + v_c, the variances of the row means over m and of the column
    means over a (that of e is in both). The limits are mean -+ sqrt(t_r^2 v_r + t_c^2 v_c), t_r and
    t_c the two-sided quantiles of Student's distribution of m - 1 and a - 1 degrees of freedom
    (Banerjee, Sankhya 22, 1960): for normal effects they cover mu with at least `level`, whatever
    the three variances, and with exactly that where r or c is all there is. An interval over rows
    alone holds for these columns only. `experiments/intervals/crossed.py` has simulations.

    Args:
      values: [m, a]; a row with a NaN is left out, and `num_rows` tells.
      level: coverage, strictly between 0 and 1.
      bounds: lowest and highest value that is possible; limits are cut to it.

    Returns:
      `CrossedSummary`.

    Raises:
      InputError: `values` is no table, has no column or an infinite number, or the level is out of
        range.

    Example:
      >>> found = crossed_summary([[0.1, 0.3], [0.2, 0.4], [0.3, 0.5]])
      >>> print(f"{found.mean:.2f}, {found.low:.2f} to {found.high:.2f}")
      0.30, -0.99 to 1.59
    """
    from scipy import special

    table = np.asarray(values, np.float64)
    if table.ndim != 2 or table.shape[1] == 0 or np.isinf(table).any():
        raise InputError(
            f"`values` has shape {table.shape} and {int(np.isinf(table).sum())} infinite numbers; "
            "a table [m, a] is needed, one finite number (or NaN) for each of m rows and a columns."
        )
    table = table[~np.isnan(table).any(1)]
    shape = table.shape
    if not shape[0]:
        return CrossedSummary(np.nan, np.nan, np.nan, *shape)
    mean, square = float(table.mean()), 0.0
    for axis, size in enumerate(shape):
        if size == 1:
            square = np.inf  # one member says nothing about the spread
        else:
            quantile = special.stdtrit(size - 1, 0.5 + level / 2)
            square += quantile**2 * table.mean(1 - axis).var(ddof=1) / size
    half = float(np.sqrt(square))
    if np.isinf(half) or np.ptp(table) <= EQUAL * np.abs(table).max():
        return CrossedSummary(mean, -np.inf, np.inf, *shape)
    return CrossedSummary(mean, max(mean - half, bounds[0]), min(mean + half, bounds[1]), *shape)
