"""Effects of factors in a factorial experiment, with training seeds as blocks."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.results.p_values import holm, sign_flip_test
from jmetamer.results.seed_interval import seed_summary

Rows = Sequence[Mapping[str, Any]]
Factors = Mapping[str, tuple[object, ...]]
_ROUND_OFF = 1e-12  # contrasts below this, relative to the outcome, are sums that cancel


class Effect(NamedTuple):
    """An effect of one factor, or an interaction of several.

    Attributes:
      factors: names; of an interaction more than one.
      mean: over seeds, in units of the outcome.
      low, high: limits of its t-interval; infinite for one seed, and where the effect is equal at
        all seeds, which says nothing about its spread.
      p_value: of the exact sign-flip test over seeds.
      adjusted_p: the same after Holm's correction for all effects that were asked for.
      smallest_p: the least p-value that so many seeds can give, before the correction.
      num_seeds: seeds with every combination of levels.
      levels: of each factor the two that are compared; the effect is the second less the first.
    """

    factors: tuple[str, ...]
    mean: float
    low: float
    high: float
    p_value: float
    adjusted_p: float
    smallest_p: float
    num_seeds: int
    levels: tuple[tuple[object, object], ...] = ()

    @property
    def all_equal(self) -> bool:
        """Whether two seeds or more gave one and the same effect, so that it has no interval."""
        return self.num_seeds > 1 and bool(np.isinf(self.low))

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out, or every seed gives the same effect that is not 0."""
        return self.mean != 0 if self.all_equal else not self.low <= 0 <= self.high


@checked
def factorial_effects(
    rows: Rows,
    factors: Factors,
    outcome: str,
    *,
    order: int = 3,
    level: float = 0.95,
    seed: str = "seed",
    largest: float = np.inf,
    round_off: float = _ROUND_OFF,
    size: float = 0.0,
) -> list[Effect]:
    """Return main effects and interactions of a full factorial that every seed repeats.

    With z = -1 and 1 for the two levels of a factor, the effect of a set S of factors at one seed
    is c = (2/n) sum_runs y prod_{f in S} z_f, over n runs: for one factor the mean outcome at its
    second level less that at its first, for two half the difference of those differences, and so
    on (Box, Hunter and Hunter, Statistics for Experimenters, 1978). Of a factor with more levels
    each is compared with the first, over the runs at these two. Cells of one seed share their
    start and are not independent; so one c a seed enters a t-interval and a sign-flip test.

    With m seeds no p-value is below 2^(1-m), so that E effects can be significant after Holm's
    correction only if E 2^(1-m) <= alpha: seven effects at 0.05 need nine seeds.

    Args:
      rows: one mapping a cell, with the level of each factor, the seed and the outcome; other
        entries are ignored.
      factors: name -> levels, two or more.
      outcome: name of a number; a seed where one is missing or NaN is left out.
      order: largest number of factors in an interaction.
      level: coverage of each interval.
      seed: name under which a row holds its seed.
      largest: size that no effect can exceed, as 1 for a share, in [0, 1]; limits end there.
      round_off: of the outcome, relative to its largest value and to `size`; what is smaller is
        no effect.
      size: of the numbers that the outcome is a difference of, whose round-off it has.

    Returns:
      Main effects in the order of `factors`, then interactions of two, then of three.

    Raises:
      InputError: no factors, a level that is not among them, two rows for one cell, or no seed
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
    places, (values,) = factor_tables(rows, factors, (outcome,), seed)
    names, levels = tuple(factors), tuple(factors.values())
    sets = [
        tuple(zip(chosen, seconds, strict=True))
        for size in range(1, min(order, len(names)) + 1)
        for chosen in itertools.combinations(range(len(names)), size)
        for seconds in itertools.product(*(range(1, len(levels[one])) for one in chosen))
    ]
    if not sets:
        raise InputError(f"`order` is {order}; main effects have the order 1, so give at least 1.")
    contrasts = [values @ _weights(places, one) for one in sets]
    # A difference of two numbers that are equal up to round-off has the round-off of these.
    smallest = round_off * max(np.abs(values).max(), size)
    contrasts = [np.where(np.abs(each) > smallest, each, 0.0) for each in contrasts]
    tests = [sign_flip_test(contrast) for contrast in contrasts]
    adjusted = holm([test.p_value for test in tests])
    summaries = [seed_summary(contrast, level) for contrast in contrasts]
    effects = []
    for place, (one, summary, test) in enumerate(zip(sets, summaries, tests, strict=True)):
        mean, low, high, num_seeds = summary
        low = max(low, -largest) if np.isfinite(low) else low
        high = min(high, largest) if np.isfinite(high) else high
        mean = mean if abs(mean) > smallest else 0.0
        p_values = test.p_value, float(adjusted[place]), test.smallest_p
        compared = tuple((levels[factor][0], levels[factor][second]) for factor, second in one)
        factors_of = tuple(names[factor] for factor, _ in one)
        effects.append(Effect(factors_of, mean, low, high, *p_values, num_seeds, compared))
    return effects


def _weights(places: np.ndarray, chosen: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return what each cell counts in an effect of (factor, its second level) pairs."""
    signs = [
        1.0 * (places[:, factor] == second) - (places[:, factor] == 0) for factor, second in chosen
    ]
    product = np.prod(signs, axis=0)
    return 2 * product / np.count_nonzero(product)


def factor_tables(
    rows: Rows, factors: Factors, numbers: Sequence[str], seed: str
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the places of levels [cells, factors], and each number as [complete seeds, cells]."""
    if not factors:
        raise InputError("`factors` is empty; give at least one as name: (first, second level).")
    by_seed: dict[object, dict[tuple[int, ...], list[float]]] = {}
    for row in rows:
        if missing := [name for name in (seed, *factors) if name not in row]:
            raise InputError(
                f"a row has no {missing[0]!r}, but {', '.join(map(repr, row))}; name the keys of "
                "the rows in `factors` and `seed`"
            )
        cell = tuple(_place(row, name, levels) for name, levels in factors.items())
        cells = by_seed.setdefault(row[seed], {})
        if cell in cells:
            raise InputError(
                f"two rows have {seed} {row[seed]!r} and the levels "
                f"{[row[name] for name in factors]}; select or average rows so that there is one, "
                "or name what tells them apart as a factor."
            )
        cells[cell] = [float(row.get(name, np.nan)) for name in numbers]
    every = list(itertools.product(*(range(len(levels)) for levels in factors.values())))
    complete = [
        [cells[cell] for cell in every]
        for cells in by_seed.values()
        if all(cell in cells and np.isfinite(cells[cell]).all() for cell in every)
    ]
    if not complete:
        raise InputError(
            f"no seed has all {len(every)} combinations of {list(factors)} with "
            f"{' and '.join(map(repr, numbers))}, among {len(rows)} rows of {len(by_seed)} seeds."
        )
    table = np.array(complete)
    return np.array(every), [table[:, :, place] for place in range(len(numbers))]


def _place(row: Mapping[str, object], name: str, levels: tuple[object, ...]) -> int:
    if len(set(levels)) != len(levels) or len(levels) < 2 or row[name] not in levels:
        raise InputError(
            f"the level of {name!r} is {row[name]!r} in a row, but `factors` names {levels!r}; "
            "give two different levels or more, and leave rows of others out."
        )
    return levels.index(row[name])
