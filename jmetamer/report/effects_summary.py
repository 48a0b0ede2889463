"""Main effects and interactions of a run whose cells are a factorial grid over training seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.report.factor_grids import ACTIVATION, Grid, factor_grids
from jmetamer.report.makers import MadeCell
from jmetamer.report.outcomes import RANK, cell_outcomes
from jmetamer.report.reading import mean
from jmetamer.results.factorial import AdjustedEffect, Effect, adjusted_effect, factorial_effects

_MIN_SEEDS = 2  # with one there is no interval
EXPLAINED, MORE, UNDECIDED = "rank alone explains it", "more than rank", "cannot be told"
NOTHING, DEPENDS = "no effect to explain", "depends on the other factors"


@dataclasses.dataclass(frozen=True)
class EqualRank:
    """The effect of the activation on one outcome, beside the effect that the rank explains.

    Attributes:
      outcome: its name.
      plain: effect of the activation.
      alone: the same at equal rank, where one line in the rank carries all cells.
      beside: the same where the other factors have effects of their own; None where a fit is not
        determined.
      reason: why a fit is not determined; empty where both are.
    """

    outcome: str
    plain: Effect
    alone: AdjustedEffect | None
    beside: AdjustedEffect | None
    reason: str

    @property
    def verdict(self) -> str:
        """Whether counting rank alone explains the effect, in a few words.

        Letting the other factors act directly is the more careful model, so a part beyond the rank
        counts only where that model finds it too.
        """
        if self.plain.low <= 0 <= self.plain.high:
            return NOTHING
        alone, beside = _part(self.alone), _part(self.beside)
        if beside == UNDECIDED:
            return EXPLAINED if alone == EXPLAINED else UNDECIDED
        return beside if alone in (beside, UNDECIDED) else DEPENDS


@dataclasses.dataclass(frozen=True, eq=False)
class EffectStudy:
    """Effects of the factors of one grid.

    Attributes:
      grid: its cells and factors.
      effects: outcome -> effects, main ones first.
      at_equal_rank: one of each outcome but the rank; empty without activation or rank.
      without: outcomes that too few seeds have in every cell.
    """

    grid: Grid
    effects: Mapping[str, tuple[Effect, ...]]
    at_equal_rank: tuple[EqualRank, ...]
    without: tuple[str, ...]

    @property
    def all(self) -> list[tuple[str, Effect]]:
        """Outcome and effect, one after the other."""
        return [(outcome, one) for outcome, found in self.effects.items() for one in found]


@dataclasses.dataclass(frozen=True, eq=False)
class Effects:
    """What the page shows of factors.

    Attributes:
      studies: one of each grid.
      refused: sentences on grids that are incomplete.
    """

    studies: tuple[EffectStudy, ...]
    refused: tuple[str, ...]


def summarize_effects(
    cells: Sequence[MadeCell],
    failed: Sequence[tuple[str, Mapping[str, Any]]] = (),
    order: int = 3,
) -> Effects:
    """Return the effects for every factorial grid that the cells form.

    Args:
      cells: finished cells.
      failed: run and settings of the cells that failed.
      order: largest number of factors in an interaction.

    Returns:
      `Effects`, empty for cells that form no grid.

    Raises:
      InputError: if `order` is below 1.
    """
    grids, refused = factor_grids(cells, failed)
    studies = tuple(_study(grid, order) for grid in grids)
    return Effects(tuple(one for one in studies if one.effects), tuple(refused))


def grid_rows(grid: Grid) -> list[dict[str, Any]]:
    """Return one mapping for each place of a grid: levels, training seed and outcomes.

    Args:
      grid: from `factor_grids`; cells that differ in another seed alone are averaged.
    """
    rows = []
    for (levels, seed), cells in grid.cells.items():
        found = [cell_outcomes(one.settings, one.data, grid.architectures) for one in cells]
        names = dict.fromkeys(name for each in found for name in each)
        rows.append(
            dict(zip(grid.pairs, levels, strict=True))
            | {"seed": seed}
            | {name: mean([each.get(name, np.nan) for each in found]) for name in names}
        )
    return rows


def _study(grid: Grid, order: int) -> EffectStudy:
    rows = grid_rows(grid)
    known = {"seed", *grid.pairs}
    names = dict.fromkeys(name for row in rows for name in row if name not in known)
    enough = {name: _seeds_with(rows, name, 2 ** len(grid.factors)) >= _MIN_SEEDS for name in names}
    effects = {
        name: tuple(factorial_effects(rows, grid.pairs, name, order=order))
        for name in names
        if enough[name]
    }
    without = tuple(name for name in names if not enough[name])
    return EffectStudy(grid, effects, tuple(_equal_ranks(grid, rows, effects)), without)


def _seeds_with(rows: Sequence[Mapping[str, Any]], name: str, num_cells: int) -> int:
    """Count the seeds at which every cell has this number."""
    have = [row["seed"] for row in rows if np.isfinite(row.get(name, np.nan))]
    return sum(have.count(seed) == num_cells for seed in set(have))


def _equal_ranks(
    grid: Grid, rows: Sequence[Mapping[str, Any]], effects: Mapping[str, Sequence[Effect]]
) -> list[EqualRank]:
    names = [factor.name for factor in grid.factors if factor.key == ACTIVATION]
    if not names or RANK not in effects:
        return []
    place, others = list(grid.pairs).index(names[0]), [n for n in grid.pairs if n != names[0]]
    found = []
    for outcome in (name for name in effects if name != RANK):
        alone, reason = _fit(rows, grid, names[0], outcome, ())
        beside, other = _fit(rows, grid, names[0], outcome, others)
        reasons = " ".join(dict.fromkeys(text for text in (reason, other) if text))
        found.append(EqualRank(outcome, effects[outcome][place], alone, beside, reasons))
    return found


def _fit(
    rows: Sequence[Mapping[str, Any]], grid: Grid, factor: str, outcome: str, others: Sequence[str]
) -> tuple[AdjustedEffect | None, str]:
    """Return the effect at equal rank, or None and why there is none."""
    try:
        return adjusted_effect(rows, grid.pairs, factor, RANK, outcome, others=others), ""
    except InputError as error:
        return None, str(error)


def _part(fit: AdjustedEffect | None) -> str:
    """Say what one fit tells about the part that the rank does not explain."""
    if fit is None:
        return UNDECIDED
    if not fit.low <= 0 <= fit.high:
        return MORE
    return UNDECIDED if fit.low <= fit.unadjusted <= fit.high else EXPLAINED
