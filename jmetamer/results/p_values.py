"""p-values of Monte-Carlo tests and of sign flips, and their correction for several tests."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray, Count, Numbers, Seed, checked
from jmetamer._base.errors import InputError

MAX_EXACT = 20  # pairs of which all 2^m flips are made: 8 MB of sums
ROUND_OFF = 1e-12  # sums closer than this, relative to sum |d|, are equal but for round-off


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


class SignFlip(NamedTuple):
    """What a sign-flip test of m paired differences found.

    Attributes:
      mean: mean difference.
      p_value: two-sided.
      smallest_p: the least p-value that m pairs can give.
      exact: whether all 2^m flips were made, rather than some drawn.
    """

    mean: float
    p_value: float
    smallest_p: float
    exact: bool


@checked
def sign_flip_test(differences: Numbers, *, num_draws: Count = 99_999, seed: Seed = 0) -> SignFlip:
    """Test whether paired differences are symmetric about 0, as when the two sides do not differ.

    If exchanging the two sides of a pair changes nothing, every choice of signs e in {-1, 1}^m is
    equally likely, and p = #{e: |sum e_i d_i| >= |sum d_i|} / 2^m (R. A. Fisher, The Design of
    Experiments, 1935, section 21). No other assumption is made and the size is exact. As e = 1 and
    e = -1 always count, p is at least 2^(1-m): five pairs cannot reach 0.05, six can.

    Args:
      differences: [m] finite, of two methods on the same training seed each.
      num_draws: flips drawn instead where m is above 20; p is then the add-one p-value of them.
      seed: of those draws.

    Returns:
      `SignFlip`.

    Raises:
      InputError: if there is no difference, one is not finite, or draws are needed and there are
        none.

    Example:
      >>> sign_flip_test([0.1, 0.3, 0.2, 0.2, 0.4, 0.1]).p_value
      0.03125
    """
    values = np.asarray(differences, np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise InputError(
            f"`differences` has shape {values.shape} and {np.isfinite(values).sum()} finite "
            "values; a list of finite differences, one a pair, is needed."
        )
    threshold = abs(values.sum()) - ROUND_OFF * np.abs(values).sum()
    smallest = 2.0 ** (1 - len(values))
    if len(values) <= MAX_EXACT:
        p_value = float(np.mean(np.abs(_flipped_sums(values)) >= threshold))
        return SignFlip(float(values.mean()), p_value, smallest, True)
    sums = _drawn_sums(values, num_draws, seed)
    p_value = float(add_one_p_value(int(np.sum(np.abs(sums) >= threshold)), num_draws))
    smallest = max(smallest, 1 / (1 + num_draws))
    return SignFlip(float(values.mean()), p_value, smallest, False)


def _flipped_sums(values: np.ndarray) -> np.ndarray:
    """Return the sums of half of all flips; the other half are these with the sign changed."""
    sums = values[:1]
    for value in values[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _drawn_sums(values: np.ndarray, num_draws: int, seed: int) -> np.ndarray:
    """Return the sums of random flips, made one pair after the other to save memory."""
    generator = np.random.default_rng(seed)
    sums = np.zeros(num_draws)
    for value in values:
        sums += np.where(generator.random(num_draws) < 0.5, value, -value)
    return sums


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


@checked
def holm_over_cells(p_values: Sequence[AnArray]) -> list[np.ndarray]:
    """Correct the p-values of a run for the number of its cells.

    The i-th metamers of all cells are one family, adjusted by `holm`: whoever looks at one metamer
    of every cell then finds even one wrong success with probability alpha at most. A cell with
    fewer metamers takes no part in the families beyond its last.

    Args:
      p_values: one list [b_c] for each cell; NaN for metamers that were not tested. An empty list
        is a cell without tests.

    Returns:
      Adjusted p-values, a float64 list [b_c] for each cell, in the order given.

    Raises:
      InputError: if an entry is no list or holds what is no probability.

    Example:
      >>> [adjusted.tolist() for adjusted in holm_over_cells([[0.01, 0.02], [0.04], [0.03, 0.01]])]
      [[0.03, 0.02], [0.06], [0.06, 0.02]]
    """
    families = [np.asarray(values, np.float64) for values in p_values]
    for place, values in enumerate(families):
        if values.ndim != 1:
            raise InputError(
                f"`p_values[{place}]` has shape {values.shape}; one p-value a metamer is needed, "
                "[b], and an empty list for a cell without tests."
            )
    table = np.full((len(families), max(map(len, families), default=0)), np.nan)
    for row, values in zip(table, families, strict=True):
        row[: len(values)] = values
    adjusted = [holm(family) for family in table.T]
    return [
        np.array([family[place] for family in adjusted[: len(values)]], np.float64)
        for place, values in enumerate(families)
    ]
