"""The sign-flip test of paired differences."""

from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import Count, Numbers, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer.results.p_values import add_one_p_value

MAX_EXACT = 20  # pairs of which all 2^m flips are made: 8 MB of sums
ROUND_OFF = 1e-12  # sums closer than this, relative to sum |d|, are equal but for round-off


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
