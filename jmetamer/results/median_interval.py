"""Confidence limits of a median."""

import numpy as np

from jmetamer._base.arguments import Level, Numbers, checked
from jmetamer._base.errors import InputError


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
