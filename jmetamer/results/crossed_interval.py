"""Confidence limits of a mean over two crossed samples, such as makers and judges."""

from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import Level, Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer.results.seed_interval import ANYWHERE, EQUAL, Bounds


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
