"""Confidence limits of proportions."""

import math
from statistics import NormalDist

from jmetamer._base.errors import InputError
from jmetamer.results.levels import check_level


def wilson_interval(successes: int, total: int, level: float = 0.95) -> tuple[float, float]:
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
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / total
    center = share + z**2 / (2 * total)
    half_width = z * math.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    scale = 1 + z**2 / total
    # At the ends the limits are 0 and 1 exactly; round-off would leave 1e-17 behind.
    low = 0.0 if successes == 0 else (center - half_width) / scale
    high = 1.0 if successes == total else (center + half_width) / scale
    return low, high


def clopper_pearson_interval(
    successes: int, total: int, level: float = 0.95
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
    check_level(level)
