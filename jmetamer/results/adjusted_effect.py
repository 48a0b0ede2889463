"""The effect of a factor at an equal covariate: the part that does not go through the covariate."""

import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from jmetamer._base.arguments import Level, checked
from jmetamer._base.errors import InputError
from jmetamer.results.factorial import Factors, Rows, factor_tables

MARGIN = 0.25  # share of an effect below which its direct part counts as none
_LEVEL_OF_SHARE = 0.9  # two one-sided tests at 5 %
# Without a direct part one study in twenty finds one, and few seeds say little of the spread: with
# these two, eight of ten studies that follow end within the margin (experiments/effects).
_POWER = 0.9
_SURE_OF_SPREAD = 0.95
_MOST_SEEDS = 10_000
_EQUAL = 1e-9
_COLLINEAR = 1e-8  # share of a column's variation that no other column explains


class AdjustedEffect(NamedTuple):
    """The effect of one factor beside its effect through a covariate.

    Attributes:
      mean: effect at an equal covariate (the direct part), in units of the outcome.
      low, high: limits over seeds.
      slope: change of the outcome by one unit of the covariate, at equal levels.
      unadjusted: effect without the covariate in the model (the total).
      num_seeds: seeds with every combination of levels.
      share: direct part as a share of the total; NaN where the total is 0.
      share_low, share_high: its 90 % limits over seeds; infinite where the total is not told from
        0.
      seeds_needed: number of seeds with which, at this spread and without a direct part, the
        limits of the share lie within the margin in 80 % of studies; infinite beyond 10,000.
      margin: largest share that counts as none.
    """

    mean: float
    low: float
    high: float
    slope: float
    unadjusted: float
    num_seeds: int
    share: float = np.nan
    share_low: float = -np.inf
    share_high: float = np.inf
    seeds_needed: float = np.inf
    margin: float = MARGIN

    @property
    def all_equal(self) -> bool:
        """Whether every seed gives the same direct part, up to round-off of the whole effect."""
        return self.high - self.low <= _EQUAL * max(abs(self.unadjusted), abs(self.mean))

    @property
    def is_clear(self) -> bool:
        """Whether the limits leave 0 out by more than round-off of the whole effect."""
        limit = _EQUAL * abs(self.unadjusted)
        return self.low > limit or self.high < -limit

    @property
    def within_margin(self) -> bool:
        """Whether the whole interval of the share lies within the margin."""
        return -self.margin < self.share_low and self.share_high < self.margin


@checked
def adjusted_effect(
    rows: Rows,
    factors: Factors,
    factor: str,
    covariate: str,
    outcome: str,
    *,
    others: Sequence[str] | Literal["crossed"] = (),
    level: Level = 0.95,
    seed: str = "seed",
    largest: float = np.inf,
    margin: Level = MARGIN,
) -> AdjustedEffect:
    """Return the effect of a factor at an equal covariate, by analysis of covariance.

    The model of the outcome of cell j at seed s is y = a_s + b z / 2 + g x + sum_o b_o z_o / 2 +
    error, with a_s a free mean of each seed, z = -1 or 1 the level of the factor, x the covariate
    and o over `others`. Least squares have a closed form after subtracting each seed's means. If
    the factor acts through the covariate alone, b is 0.

    The limits are those of Tukey's jackknife over seeds (Miller, Biometrika 61, 1974): with b_(s)
    the fit without seed s, the values m b - (m - 1) b_(s) enter a t-interval. The formula of least
    squares would take the cells of a seed as independent beyond a shared mean, and is too short
    where a factor acts differently on different seeds; the jackknife is not, and contains the
    uncertainty of g. Without a covariate it is the interval of `factorial_effects`.

    That an interval of b holds 0 does not say that b is small. The share b / T of the total effect
    T has Fieller's limits (J. R. Statist. Soc. B 16, 1954) from the same values and each seed's T;
    at 90 % they lie within the margin exactly where both one-sided tests at 5 %, of b < margin T
    and of b > -margin T, reject (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987). So a direct
    part as large as the margin is passed as none in at most 5 % of studies, as far as the
    jackknife is exact (experiments/effects).

    What it cannot do: cells that differ in the covariate also differ otherwise, so that a direct
    effect of another factor on the outcome biases g and b unless that factor is in `others`; an
    error in the covariate makes g too small; and where the covariate hardly varies at equal levels,
    b is an extrapolation and its limits are wide.

    Args:
      rows: one mapping a cell, as for `factorial_effects`.
      factors: name -> levels of all factors that vary.
      factor: the one in question, of two levels.
      covariate: name of a number, as "rank".
      outcome: name of a number; a seed where one of both is missing or NaN is left out.
      others: factors that get an effect of their own; none asks whether one line through all
        cells, whatever changed the covariate, is enough; "crossed" gives every combination of
        levels a mean of its own, so that g comes from seeds at equal levels alone.
      level: coverage of the limits of b.
      seed: name under which a row holds its seed.
      largest: size that no effect can exceed, as 1 for a share, in [0, 1]; limits end there.
      margin: largest share of the total effect that counts as none, above 0 and below 1.

    Returns:
      `AdjustedEffect`.

    Raises:
      InputError: unknown factors, fewer than three seeds, a margin out of range, or a covariate
        that follows from seeds and levels, also where one seed is left out.

    Example:
      >>> rows = [
      ...     {"elu": elu, "seed": seed, "rank": rank, "error": 2 * rank + seed}
      ...     for seed, ranks in enumerate([(20, 32), (22, 32), (25, 32)])
      ...     for elu, rank in enumerate(ranks)
      ... ]
      >>> effect = adjusted_effect(rows, {"elu": (0, 1)}, "elu", "rank", "error")
      >>> abs(effect.mean) < 1e-9, round(effect.slope, 9), round(effect.unadjusted, 2)
      (True, 2.0, 19.33)
      >>> effect.within_margin
      True
    """
    from scipy import special

    _check(factors, factor, others, margin)
    places, (x, y) = factor_tables(rows, factors, (covariate, outcome), seed)
    num_seeds = len(y)
    if num_seeds < 3:
        raise InputError(
            f"only {num_seeds} seeds have every combination of levels with both numbers; "
            "limits over seeds of an adjusted effect need at least 3."
        )
    columns = _columns(places, list(factors), factor, others)
    direct, slope = _least_squares(columns, x, y, covariate)
    kept = np.array([np.delete(np.arange(num_seeds), place) for place in range(num_seeds)])
    without, _ = _least_squares(columns, x[kept], y[kept], covariate)
    pseudo = num_seeds * direct - (num_seeds - 1) * without
    totals = y @ np.linalg.pinv(columns)[0]
    covariance = np.cov(pseudo, totals) / num_seeds
    half_width = special.stdtrit(num_seeds - 1, 0.5 + level / 2) * np.sqrt(covariance[0, 0])
    total = float(totals.mean())
    limits = max(float(direct - half_width), -largest), min(float(direct + half_width), largest)
    share = float(direct) / total if total else np.nan
    share_limits = _share_limits(float(direct), total, covariance, num_seeds)
    needed = _seeds_needed(pseudo, margin * abs(total))
    return AdjustedEffect(
        float(direct), *limits, float(slope), total, num_seeds, share, *share_limits, needed, margin
    )


def _check(factors: Factors, factor: str, others: Sequence[str] | str, margin: float) -> None:
    for name in (factor, *(() if others == "crossed" else others)):
        if name not in factors or (name == factor and name in others):
            raise InputError(
                f"{name!r} is not one of the factors {list(factors)}, or is named twice; give "
                "`factor` one of them and `others` others."
            )
    if len(factors[factor]) != 2:
        raise InputError(
            f"`factor` {factor!r} has the levels {factors[factor]!r}; an effect at an equal "
            "covariate compares two, so give two of them and the rows of these."
        )


def _columns(
    places: np.ndarray, names: Sequence[str], factor: str, others: Sequence[str] | str
) -> np.ndarray:
    """Return centered columns [cells, q]: half the sign of the factor, then those of the others."""
    sign = 2.0 * places[:, [names.index(factor)]] - 1
    if others == "crossed":
        rest = np.delete(places, names.index(factor), axis=1)
        _, combination = np.unique(rest, axis=0, return_inverse=True)
        dummies = _centered(np.eye(combination.max() + 1)[combination.ravel()])
        more = [dummies, sign * dummies]
    else:
        levels = [places[:, names.index(name)] for name in others]
        more = [_centered(np.eye(one.max() + 1)[one]) for one in levels]
    return np.hstack([sign / 2, *more])


def _centered(columns: np.ndarray) -> np.ndarray:
    return columns - columns.mean(axis=0)


def _least_squares(
    columns: np.ndarray, x: np.ndarray, y: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first column's coefficient and the covariate's, of x and y [..., seeds, cells].

    By Frisch, Waugh and Lovell: the slope is that of what seeds and columns leave of y and x.
    """
    inverse = np.linalg.pinv(columns)

    def rest(values: np.ndarray) -> np.ndarray:
        explained = (values.mean(axis=-2, keepdims=True) @ inverse.T) @ columns.T
        return values - values.mean(axis=-1, keepdims=True) - explained

    left = rest(x)
    # Round-off of a covariate is relative to its size, not to its variation.
    noise = x[..., 0].size * (np.finfo(float).eps * np.abs(x).max()) ** 2
    own = x - x.mean(axis=-1, keepdims=True)
    variation = (left**2).sum(axis=(-2, -1))
    if (variation <= _COLLINEAR**2 * (own**2).sum(axis=(-2, -1)) + noise).any():
        raise InputError(
            f"{name!r} does not vary beyond what seeds and levels say, or does at one seed only, "
            "so its effect and theirs cannot be told apart; use more seeds, or a covariate that "
            "differs between seeds at equal levels."
        )
    slope = (left * rest(y)).sum(axis=(-2, -1)) / variation
    return (y - slope[..., None, None] * x).mean(axis=-2) @ inverse[0], slope


def _share_limits(
    direct: float, total: float, covariance: np.ndarray, num_seeds: int
) -> tuple[float, float]:
    """Return Fieller's limits of direct / total: where the t-value of direct - share total is t."""
    from scipy import special

    quantile = special.stdtrit(num_seeds - 1, 0.5 + _LEVEL_OF_SHARE / 2) ** 2
    a = total**2 - quantile * covariance[1, 1]
    b = direct * total - quantile * covariance[0, 1]
    c = direct**2 - quantile * covariance[0, 0]
    if a <= 0:
        return -np.inf, np.inf
    # The square root is real where a > 0; below 0 it is round-off.
    root = np.sqrt(max(b**2 - a * c, 0.0))
    return float((b - root) / a), float((b + root) / a)


def _seeds_needed(pseudo: np.ndarray, margin: float) -> float:
    """Return the least number of seeds of two one-sided tests with enough power at no direct part.

    m such that (t_{0.95, m-1} + z_{0.95}) s <= margin sqrt(m): without a direct part both tests
    share what lacks of the power. The spread s is the upper 95 % limit of what so few seeds say of
    it (Browne, Stat. Med. 14, 1995).
    """
    from scipy import special

    freedom = len(pseudo) - 1
    # Where the true spread is s, chi^2 = freedom var / s^2 is below this in one of twenty studies.
    least = special.chdtri(freedom, _SURE_OF_SPREAD)
    spread = np.sqrt(freedom / least) * pseudo.std(ddof=1)
    seeds, tests = _one_sided_tests()
    enough = (tests + special.ndtri(0.5 + _POWER / 2)) * spread <= margin * np.sqrt(seeds)
    return float(seeds[enough.argmax()]) if enough.any() else np.inf


@functools.cache
def _one_sided_tests() -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of seeds, and the quantiles of their one-sided tests."""
    from scipy import special

    seeds = np.arange(3, _MOST_SEEDS + 1)
    return seeds, special.stdtrit(seeds - 1, 0.5 + _LEVEL_OF_SHARE / 2)
