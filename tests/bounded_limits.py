"""The limits of a bounded mean over seeds, found as roots: the oracle of `limits_within`."""

import numpy as np
from scipy import stats


def bounded_limits(values, low, high, level=0.95):
    """Return both means that are t standard errors away, if the error scales as u (1 - u) does."""
    shares = (np.asarray(values, float) - low) / (high - low)
    count, mean = len(shares), shares.mean()
    squared = stats.t.ppf(0.5 + level / 2, count - 1) ** 2 * shares.var(ddof=1) / count
    inflation = squared / (mean * (1 - mean))
    if np.ptp(shares) < 1e-9:  # equal values: one trial each
        inflation = stats.norm.ppf(0.5 + level / 2) ** 2 / count
    # (mean - u)^2 = inflation u (1 - u)
    roots = np.roots([1 + inflation, -(2 * mean + inflation), mean**2])
    return tuple(low + (high - low) * np.sort(roots.real))
