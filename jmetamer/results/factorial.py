"""Effects of factors in a 2^k factorial experiment, with training seeds as blocks."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.results.holm import holm
from jmetamer.results.seed_interval import seed_summary, t_interval
from jmetamer.results.sign_flip import sign_flip_test

Rows = Sequence[Mapping[str, Any]]
Factors = Mapping[str, tuple[Any, Any]]
_ROUND_OFF = 1e-12  # contrasts below this, relative to the outcome, are sums that cancel
_COLLINEAR = 1e-8  # share of a column's variation that no other column explains


class Effect(NamedTuple):
    """An effect of one factor, or an interaction of several.

    Attributes:
      factors: names; of an interaction more than one.
      mean: over seeds, in units of the outcome.
      low, high: limits of its t-interval; infinite for one seed.
      p_value: of the exact sign-flip test over seeds.
      adjusted_p: the same after Holm's correction for all effects that were asked for.
      smallest_p: the least p-value that so many seeds can give, before the correction.
      num_seeds: seeds with every combination of levels.
    """

    factors: tuple[str, ...]
    mean: float
    low: float
    high: float
    p_value: float
    adjusted_p: float
    smallest_p: float
    num_seeds: int


class AdjustedEffect(NamedTuple):
    """The effect of one factor beside its effect through a covariate.

    Attributes:
      mean: effect at an equal covariate, in units of the outcome.
      low, high: limits over seeds.
      slope: change of the outcome by one unit of the covariate, at equal levels.
      unadjusted: effect without the covariate in the model, for comparison.
      num_seeds: seeds with every combination of levels.
    """

    mean: float
    low: float
    high: float
    slope: float
    unadjusted: float
    num_seeds: int


def factorial_effects(
    rows: Rows,
    factors: Factors,
    outcome: str,
    *,
    order: int = 3,
    level: float = 0.95,
    seed: str = "seed",
) -> list[Effect]:
    """Return main effects and interactions of a full 2^k factorial that every seed repeats.

    With z = -1 and 1 for the two levels of a factor, the effect of a set S of factors at one seed
    is c = 2^(1-k) sum_runs y prod_{f in S} z_f: for one factor the mean outcome at its second
    level less that at its first, for two half the difference of those differences, and so on
    (Box, Hunter and Hunter, Statistics for Experimenters, 1978). Cells of one seed share their
    start and are not independent; so one c a seed enters a t-interval and a sign-flip test.

    With m seeds no p-value is below 2^(1-m), so that E effects can be significant after Holm's
    correction only if E 2^(1-m) <= alpha: seven effects at 0.05 need nine seeds.

    Args:
      rows: one mapping a cell, with the level of each factor, the seed and the outcome; other
        entries are ignored.
      factors: name -> (first level, second level).
      outcome: name of a number; a seed where one is missing or NaN is left out.
      order: largest number of factors in an interaction.
      level: coverage of each interval.
      seed: name under which a row holds its seed.

    Returns:
      Main effects in the order of `factors`, then interactions of two, then of three.

    Raises:
      InputError: no factors, a level that is neither of the two, two rows for one cell, or no seed
        with all combinations.

    Example:
      >>> rows = [
      ...     {"activation": name, "seed": seed, "rank": rank + seed}
      ...     for seed in (0, 1) for name, rank in (("relu", 20), ("elu", 32))
      ... ]
      >>> (effect,) = factorial_effects(rows, {"activation": ("relu", "elu")}, "rank")
      >>> effect.mean, effect.num_seeds
      (12.0, 2)
    """
    signs, (values,) = _tables(rows, factors, (outcome,), seed)
    names = tuple(factors)
    sets = [
        chosen
        for size in range(1, min(order, len(names)) + 1)
        for chosen in itertools.combinations(range(len(names)), size)
    ]
    if not sets:
        raise InputError(f"`order` is {order}; main effects have the order 1, so give at least 1.")
    contrasts = [values @ signs[:, list(one)].prod(axis=1) * 2 / len(signs) for one in sets]
    smallest = _ROUND_OFF * np.abs(values).max()
    contrasts = [np.where(np.abs(each) > smallest, each, 0.0) for each in contrasts]
    tests = [sign_flip_test(contrast) for contrast in contrasts]
    adjusted = holm([test.p_value for test in tests])
    summaries = [seed_summary(contrast, level) for contrast in contrasts]
    return [
        Effect(
            tuple(names[place] for place in one),
            summary.mean if abs(summary.mean) > smallest else 0.0,
            summary.low,
            summary.high,
            test.p_value,
            float(corrected),
            test.smallest_p,
            len(contrast),
        )
        for one, contrast, summary, test, corrected in zip(
            sets, contrasts, summaries, tests, adjusted, strict=True
        )
    ]


def adjusted_effect(
    rows: Rows,
    factors: Factors,
    factor: str,
    covariate: str,
    outcome: str,
    *,
    others: Sequence[str] = (),
    level: float = 0.95,
    seed: str = "seed",
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

    What it cannot do: cells that differ in the covariate also differ otherwise, so that a direct
    effect of another factor on the outcome biases g and b unless that factor is in `others`; and
    where the covariate hardly varies at equal levels, b is an extrapolation and its limits are
    wide.

    Args:
      rows: one mapping a cell, as for `factorial_effects`.
      factors: name -> (first level, second level) of all factors that vary.
      factor: the one in question.
      covariate: name of a number, as "rank".
      outcome: name of a number; a seed where one of both is missing or NaN is left out.
      others: factors that get an effect of their own; none asks whether one line through all
        cells, whatever changed the covariate, is enough.
      level: coverage.
      seed: name under which a row holds its seed.

    Returns:
      `AdjustedEffect`.

    Raises:
      InputError: unknown factors, fewer than three seeds, or a covariate that follows from seeds
        and levels, also where one seed is left out.

    Example:
      >>> rows = [
      ...     {"elu": elu, "seed": seed, "rank": rank, "error": 2 * rank + seed}
      ...     for seed, ranks in enumerate([(20, 32), (22, 32), (25, 32)])
      ...     for elu, rank in enumerate(ranks)
      ... ]
      >>> found = adjusted_effect(rows, {"elu": (0, 1)}, "elu", "rank", "error")
      >>> abs(found.mean) < 1e-9, round(found.slope, 9), round(found.unadjusted, 2)
      (True, 2.0, 19.33)
    """
    for name in (factor, *others):
        if name not in factors or (name == factor and name in others):
            raise InputError(
                f"{name!r} is not one of the factors {list(factors)}, or is named twice; give "
                "`factor` one of them and `others` others."
            )
    signs, (x, y) = _tables(rows, factors, (covariate, outcome), seed)
    num_seeds, names = len(y), list(factors)
    if num_seeds < 3:
        raise InputError(
            f"only {num_seeds} seeds have every combination of levels with {covariate!r} and "
            f"{outcome!r}; limits over seeds of an adjusted effect need at least 3."
        )
    levels = signs[:, [names.index(name) for name in (factor, *others)]] / 2

    def fit(kept: np.ndarray) -> np.ndarray:
        return _least_squares(levels, x[kept], y[kept], covariate)

    everyone = np.arange(num_seeds)
    found = fit(everyone)
    without = np.array([fit(np.delete(everyone, place))[0] for place in everyone])
    pseudo = num_seeds * found[0] - (num_seeds - 1) * without
    half_width = (np.diff(t_interval(pseudo, level), axis=0) / 2).item()
    unadjusted = (y @ signs[:, names.index(factor)]).mean() * 2 / len(signs)
    low, high = found[0] - half_width, found[0] + half_width
    return AdjustedEffect(
        float(found[0]), float(low), float(high), float(found[-1]), float(unadjusted), num_seeds
    )


def _least_squares(levels: np.ndarray, x: np.ndarray, y: np.ndarray, name: str) -> np.ndarray:
    """Return the coefficients of levels [cells, q] and of the covariate x [seeds, cells]."""
    columns = [np.broadcast_to(column, x.shape) for column in levels.T] + [x]
    centered = [(column - column.mean(axis=1, keepdims=True)).ravel() for column in (*columns, y)]
    design, target = np.stack(centered[:-1], axis=1), centered[-1]
    known, own = design[:, :-1], design[:, -1]
    left = own - known @ np.linalg.lstsq(known, own, rcond=None)[0]
    # Round-off of a covariate is relative to its size, not to its variation.
    noise = len(own) * (np.finfo(float).eps * np.abs(x).max()) ** 2
    if left @ left <= _COLLINEAR**2 * (own @ own) + noise:
        raise InputError(
            f"{name!r} does not vary beyond what seeds and levels say, or does at one seed only, "
            "so its effect and theirs cannot be told apart; use more seeds, or a covariate that "
            "differs between seeds at equal levels."
        )
    return np.linalg.lstsq(design, target, rcond=None)[0]


def _tables(
    rows: Rows, factors: Factors, numbers: Sequence[str], seed: str
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the signs [cells, factors], and each number as [complete seeds, cells]."""
    if not factors:
        raise InputError("`factors` is empty; give at least one as name: (first, second level).")
    found: dict[Any, dict[tuple[int, ...], list[float]]] = {}
    for row in rows:
        cell = tuple(_sign(row, name, pair) for name, pair in factors.items())
        cells = found.setdefault(row[seed], {})
        if cell in cells:
            raise InputError(
                f"two rows have {seed} {row[seed]!r} and the levels "
                f"{[row[name] for name in factors]}; select or average rows so that there is one, "
                "or name what tells them apart as a factor."
            )
        cells[cell] = [float(row.get(name, np.nan)) for name in numbers]
    every = list(itertools.product((-1, 1), repeat=len(factors)))
    complete = [
        [cells[cell] for cell in every]
        for cells in found.values()
        if all(cell in cells and np.isfinite(cells[cell]).all() for cell in every)
    ]
    if not complete:
        raise InputError(
            f"no seed has all {len(every)} combinations of {list(factors)} with "
            f"{' and '.join(map(repr, numbers))}, among {len(rows)} rows of {len(found)} seeds."
        )
    table = np.array(complete)
    return np.array(every), [table[:, :, place] for place in range(len(numbers))]


def _sign(row: Mapping[str, Any], name: str, pair: tuple[Any, Any]) -> int:
    if pair[0] == pair[1] or row[name] not in pair:
        raise InputError(
            f"the level of {name!r} is {row[name]!r} in a row, but `factors` names {pair!r}; give "
            "two different levels, and leave rows of others out."
        )
    return -1 if row[name] == pair[0] else 1
