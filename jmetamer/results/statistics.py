"""Confidence limits of proportions, of one network's metamers and over networks; of a median."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from jmetamer._base.arguments import Level, Numbers, checked
from jmetamer._base.errors import InputError


@checked
def wilson_interval(successes: int, total: int, level: Level = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    With p = successes / total and z the two-sided normal quantile of `level`, the limits are
    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), E. B. Wilson, J. Am.
    Stat. Assoc. 22 (1927). It stays inside [0, 1] and is not empty at 0 or `total` successes.

    Args:
      successes: number of successes, from 0 to `total`.
      total: number of trials; with 0 trials nothing is known and the interval is (0, 1).
      level: coverage, strictly between 0 and 1.

    Returns:
      Lower and upper limit, both in [0, 1].

    Raises:
      InputError: if the counts or the level are out of range.

    Example:
      >>> low, high = wilson_interval(63, 64)
      >>> print(f"{low:.3f} to {high:.3f}")
      0.917 to 0.997
    """
    _check(successes, total, level)
    if total == 0:
        return 0.0, 1.0
    low, high = _score_limits(successes / total, _normal_quantile(level) ** 2 / total)
    return float(low), float(high)


@checked
def rate_interval(
    successes: Sequence[int], totals: Sequence[int], level: Level = 0.95
) -> tuple[float, float]:
    """Return the interval of a rate over several networks, from the counts of each.

    Metamers of one network are alike in what their network is, so that the network is the unit.
    With x_i of n_i and p = sum x_i / sum n_i, the variance of p is that of a ratio of totals,
    m / (m - 1) sum (x_i - p n_i)^2 / (sum n_i)^2 (W. G. Cochran, Sampling Techniques, 1977, 6.4);
    `limits_within` says how it becomes limits in [0, 1], also where all rates are equal. They hold
    Wilson's over all metamers. Over one network the interval is Wilson's over that network's
    metamers, and says nothing about other networks.

    Args:
      successes: number of successes of each network.
      totals: number of trials of each; networks without any are left out.
      level: coverage, strictly between 0 and 1.

    Returns:
      Lower and upper limit, both in [0, 1]; (0, 1) without a trial.

    Raises:
      InputError: if the counts or the level are out of range.

    Example:
      >>> low, high = rate_interval([60, 40, 52], [64, 64, 64])
      >>> print(f"{low:.2f} to {high:.2f}")
      0.34 to 0.97
      >>> low, high = wilson_interval(152, 192)  # as if all came from one network
      >>> print(f"{low:.2f} to {high:.2f}")
      0.73 to 0.84
    """
    if len(successes) != len(totals):
        raise InputError(
            f"`successes` has {len(successes)} counts and `totals` {len(totals)}; give one of each "
            "a network."
        )
    for count, total in zip(successes, totals, strict=True):
        _check(count, total, level)
    drawn = np.array([(x, n) for x, n in zip(successes, totals, strict=True) if n], float)
    if len(drawn) < 2:
        return wilson_interval(sum(successes), sum(totals), level)
    count, total = drawn.sum(0)
    rate = count / total
    residuals = drawn[:, 0] * total - count * drawn[:, 1]  # whole numbers: 0 where rates are equal
    variance = len(drawn) / (len(drawn) - 1) * np.sum(residuals**2) / total**4
    alike = wilson_interval(int(count), int(total), level)
    low, high = limits_within((0, 1), rate, variance, len(drawn), level)
    return min(float(low), alike[0]), max(float(high), alike[1])


def limits_within(
    bounds: tuple[float, float], mean: ArrayLike, variance: ArrayLike, num_seeds: int, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return limits of a mean that stay inside of the finite range of its values.

    The mean, as a share u of the range, is as sure as that of u (1 - u) / variance trials, and
    Wilson's limits are taken with this number in place of n and Student's quantile t in place of z:
    c = t^2 variance / (u (1 - u)) is what z^2 / n is there. So are proportions of samples in
    clusters treated (E. L. Korn and B. I. Graubard, Survey Methodology 24, 1998). Far from the ends
    these are the limits mean -+ t sqrt(variance). Values that are all equal (all at one end, or
    with a variance of 0) tell nothing about their spread: each counts as one trial, the least it
    can, and z stays: right of counts of successes, which are trials, and of nothing else.

    Args:
      bounds: lowest and highest possible value.
      mean: [...] within the bounds.
      variance: [...] of the mean.
      num_seeds: values behind the mean, at least two.

    Returns:
      Lower and upper limit, [...] each.

    Example:
      >>> low, high = limits_within((-1, 1), 0.88, 0.0036, 3, 0.95)
      >>> print(f"{low:.2f} to {high:.2f}")
      0.38 to 0.98
    """
    from scipy import special

    width = bounds[1] - bounds[0]
    share = np.clip((np.asarray(mean, np.float64) - bounds[0]) / width, 0.0, 1.0)
    spread = np.asarray(variance, np.float64) / width**2
    quantile = special.stdtrit(num_seeds - 1, 0.5 + level / 2)
    inflation = np.full(np.shape(share), _normal_quantile(level) ** 2 / num_seeds)
    inside = (share > 0) & (share < 1) & (spread > 0)
    np.divide(quantile**2 * spread, share * (1 - share), out=inflation, where=inside)
    low, high = _score_limits(share, inflation)
    return bounds[0] + width * low, bounds[0] + width * high


def _score_limits(share: ArrayLike, inflation: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the score limits of a share; `inflation` is the squared quantile by the trials."""
    share, inflation = np.asarray(share, np.float64), np.asarray(inflation, np.float64)
    center = share + inflation / 2
    half_width = np.sqrt(inflation * share * (1 - share) + (inflation / 2) ** 2)
    # At the ends the limits are 0 and 1 exactly; round-off would leave 1e-17 behind.
    low = np.where(share == 0, 0.0, (center - half_width) / (1 + inflation))
    return low, np.where(share == 1, 1.0, (center + half_width) / (1 + inflation))


def _normal_quantile(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


@checked
def clopper_pearson_interval(
    successes: int, total: int, level: Level = 0.95
) -> tuple[float, float]:
    """Return the exact interval of a proportion, whose coverage is nowhere below `level`.

    With k successes of n and a = 1 - level, the limits are the proportions at which the binomial
    tails `P(K >= k)` and `P(K <= k)` are a / 2 (C. J. Clopper and E. S. Pearson, Biometrika 26,
    1934): the beta quantiles `B(a/2; k, n-k+1)` and `B(1-a/2; k+1, n-k)`. Each limit alone holds
    with probability 1 - a / 2. With no success of n the upper limit is `1 - (a/2)^(1/n)`.

    Args:
      successes: number of successes, from 0 to `total`.
      total: number of trials; with 0 trials nothing is known and the interval is (0, 1).
      level: coverage, strictly between 0 and 1.

    Returns:
      Lower and upper limit, both in [0, 1].

    Raises:
      InputError: if the counts or the level are out of range.

    Example:
      >>> low, high = clopper_pearson_interval(0, 64)
      >>> print(f"{low:.3f} to {high:.3f}")
      0.000 to 0.056
    """
    from scipy import special

    _check(successes, total, level)
    failures, tail = total - successes, (1 - level) / 2
    low = special.betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = special.betainccinv(successes + 1, failures, tail) if failures else 1.0
    return float(low), float(high)


def _check(successes: int, total: int, level: float) -> None:
    """Raise `InputError` unless there can be so many successes, and the level is one."""
    if not 0 <= successes <= total:
        raise InputError(
            f"`successes` is {successes} and `total` is {total}: a proportion needs "
            "0 <= `successes` <= `total`; count both over the same metamers."
        )


@checked
def median_interval(values: Numbers, level: Level = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of a median between two order statistics, whatever the distribution.

    With B(j) = P(K <= j) of a fair coin thrown n times, the limits are the k-th smallest and the
    k-th largest value for the largest k with 2 B(k - 1) <= 1 - level (W. R. Thompson, Ann. Math.
    Stat. 7, 1936). The median lies outside them with probability 2 B(k - 1) if no two values can
    be equal, else with no more, so coverage is at least `level`.

    Args:
      values: [..., n] independent draws along the last axis, not NaN.
      level: coverage, strictly between 0 and 1.

    Returns:
      Lower and upper limit, [...] float64 each; minus and plus infinity where n is too small for
      the level (below 6 for 95%): even the extremes miss the median too often.

    Raises:
      InputError: if a value is NaN, there is no axis to count or the level is out of range.

    Example:
      >>> low, high = median_interval([3, 1, 4, 1, 5, 9, 2, 6])
      >>> print(f"{low:.0f} to {high:.0f}")
      1 to 9
    """
    from scipy import special

    draws = np.asarray(values, np.float64)
    if draws.ndim == 0 or np.isnan(draws).any():
        raise InputError(
            f"`values` of shape {draws.shape} hold NaN or are no list; a median's interval needs "
            "one number a draw along the last axis."
        )
    ordered = np.sort(draws, axis=-1)
    count = ordered.shape[-1]
    tails = 2 * special.bdtr(np.arange(count // 2), count, 0.5)
    rank = int(np.sum(tails <= 1 - level))
    if rank == 0:
        shape = ordered.shape[:-1]
        return np.full(shape, -np.inf), np.full(shape, np.inf)
    return ordered[..., rank - 1], ordered[..., count - rank]
