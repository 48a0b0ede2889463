"""Correction of p-values for the number of hypotheses tested."""

import numpy as np

from jmetamer._base.arguments import Numbers, checked
from jmetamer._base.errors import InputError


@checked
def holm(p_values: Numbers) -> np.ndarray:
    """Return Holm's adjusted p-values, which control the family-wise error rate.

    With p_(1) <= ... <= p_(k), the adjusted value is
    max_{j <= i} min(1, (k - j + 1) p_(j)) (S. Holm, Scand. J. Stat. 6, 1979). Rejecting where it
    is at most alpha, the probability of even one wrong rejection is at most alpha, however the
    tests depend on each other.

    A Monte-Carlo p-value is at least 1 / (1 + N), so k of them stay significant together only
    with N + 1 >= k / alpha draws.

    Args:
      p_values: any shape, all entries one family; NaN for hypotheses that were not tested, which
        stay NaN and do not count.

    Returns:
      float64 of the same shape, at least the p-values and at most 1.

    Raises:
      InputError: if an entry is outside [0, 1].

    Example:
      >>> holm([0.01, 0.04, 0.03])
      array([0.03, 0.06, 0.06])
    """
    values = np.asarray(p_values, np.float64)
    if (values < 0).any() or (values > 1).any():
        outside = values[(values < 0) | (values > 1)][0]
        raise InputError(f"`p_values` hold {outside}; a p-value is a probability, from 0 to 1.")
    flat = values.ravel()
    tested = np.flatnonzero(~np.isnan(flat))
    order = tested[np.argsort(flat[tested], kind="stable")]
    adjusted = np.full(flat.shape, np.nan)
    remaining = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(remaining * flat[order]), 1.0)
    return adjusted.reshape(values.shape)
