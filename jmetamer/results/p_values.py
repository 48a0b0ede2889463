"""p-values of Monte-Carlo tests."""

import numpy as np

from jmetamer._base.arguments import AnArray, Numbers, checked
from jmetamer._base.errors import InputError


@checked
def add_one_p_value(exceedances: AnArray, num_draws: int) -> np.ndarray:
    """Return p = (1 + exceedances) / (1 + num_draws).

    The observed value counts among the draws, as under the null hypothesis it is one more of them.
    So P(p <= a) <= a holds exactly, and p is never 0: without the ones a test of few draws rejects
    too often (B. Phipson and G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010, art. 39).

    Args:
      exceedances: number of draws at least as extreme as what was observed, any shape.
      num_draws: N, number of draws from the null distribution.

    Returns:
      float64 of the same shape, from 1 / (1 + N) to 1.

    Raises:
      InputError: if a count is negative or above `num_draws`.

    Example:
      >>> float(add_one_p_value(0, 999))
      0.001
    """
    counts = np.asarray(exceedances)
    if num_draws < 0 or (counts < 0).any() or (counts > num_draws).any():
        raise InputError(
            f"`exceedances` go from {counts.min()} to {counts.max()} and `num_draws` is "
            f"{num_draws}; count how many of the draws are at least as extreme as the observed one."
        )
    return (1.0 + counts) / (1.0 + num_draws)


@checked
def monte_carlo_p_value(observed: AnArray, null: Numbers) -> np.ndarray:
    """Return the p-value of observed values against draws from the null, large being extreme.

    p = (1 + #{null >= observed}) / (1 + N). Under the null hypothesis p is uniform on 1 / (1 + N),
    ..., 1 if values cannot be equal; with ties it is larger, which is on the safe side.

    Args:
      observed: any shape; NaN, which nothing is known of, gives p = 1.
      null: [N] draws, not NaN.

    Returns:
      float64 p-values of the shape of `observed`.

    Raises:
      InputError: if `null` is not a list of numbers.

    Example:
      >>> monte_carlo_p_value([4.0, 1.0, 2.5], [1.0, 2.0, 3.0])
      array([0.25, 1.  , 0.5 ])
    """
    draws = np.sort(np.asarray(null, np.float64))
    if draws.ndim != 1 or np.isnan(draws).any():
        raise InputError(
            f"`null` has shape {draws.shape} or holds NaN; a list [N] of the statistic's values "
            "under the null hypothesis is needed."
        )
    values = np.asarray(observed, np.float64)
    below = np.where(np.isnan(values), 0, np.searchsorted(draws, values, side="left"))
    return add_one_p_value(len(draws) - below, len(draws))
