"""Effects of factors, where cells are a grid over training seeds, in numbers and words."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.report.factor_grids import Grid, factor_grids
from jmetamer.report.factor_settings import ACTIVATION, Factor
from jmetamer.report.outcomes import LOG_VOLUME, RANK, WHY_ABSENT, grid_rows, grid_widths
from jmetamer.report.prose import paragraphs, said
from jmetamer.report.sources import OF_EFFECTS
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.wording import plural
from jmetamer.results.adjusted_effect import MARGIN, AdjustedEffect, adjusted_effect
from jmetamer.results.factorial import Effect, Rows, factorial_effects
from jmetamer.results.p_values import holm
from jmetamer.results.setting_tree import Settings

if TYPE_CHECKING:
    from jmetamer.report.pictures import Picture

_ROUND_OFF = 1e-6  # of what is computed in float32
_MIN_SEEDS = 2  # with one there is no interval
EXPLAINED, MORE = "rank alone explains it", "a part is left at equal rank"
NO_DIRECT_PART, UNDETERMINED = "no direct part found", "not determined"
NOTHING = "no effect found"
VERDICTS = {"explained": EXPLAINED, "more": MORE, "no_direct_part": NO_DIRECT_PART,
            "undetermined": UNDETERMINED, "nothing": NOTHING}  # fmt: skip
_OF_DATA = "datasets differ in it by themselves; what is less the start's is compared"
_MAX_DRAWN = 12
MAX_OPEN = 6  # grids that stand on the page; more are folded, behind those of the clearest effects


@dataclasses.dataclass(frozen=True)
class EqualRank:
    """The effect of the activation on one outcome, beside the part of it at equal rank.

    Attributes:
      outcome: its name.
      plain: effect of the activation.
      direct: the same at equal rank, where every combination of the other factors has a mean of
        its own; None where it is not determined.
      reason: why it is not determined; empty where it is.
    """

    outcome: str
    plain: Effect
    direct: AdjustedEffect | None
    reason: str

    @property
    def is_clear(self) -> bool:
        """Whether there is an effect to explain."""
        return self.plain.is_clear

    @property
    def verdict(self) -> str:
        """Whether counting rank alone explains the effect, in a few words."""
        if not self.is_clear:
            return NOTHING
        if self.direct is None:
            return UNDETERMINED
        if self.direct.is_clear:
            return MORE
        return EXPLAINED if self.direct.within_margin else NO_DIRECT_PART


@dataclasses.dataclass(frozen=True, eq=False)
class EffectStudy:
    """Effects of the factors of one grid.

    Attributes:
      grid: its cells and factors.
      effects: outcome -> effects, main ones first.
      at_equal_rank: one of each outcome but the rank; empty without activation or rank.
      without: outcome -> why there is no effect on it, though cells hold it.
      absent: kind of outcome that no cell holds -> why.
      note: on what an outcome was compared; empty where on all.
    """

    grid: Grid
    effects: Mapping[str, tuple[Effect, ...]]
    at_equal_rank: tuple[EqualRank, ...]
    without: Mapping[str, str]
    absent: Mapping[str, str]
    note: str
    margin: ClassVar[float] = MARGIN  # share of an effect that counts as none at equal rank
    verdicts: ClassVar[Mapping[str, str]] = VERDICTS

    @property
    def all(self) -> list[tuple[str, Effect]]:
        """Outcome and effect, one after the other."""
        return [(outcome, one) for outcome, effects in self.effects.items() for one in effects]

    @property
    def activation(self) -> Factor | None:
        """The factor whose effects may go through the rank."""
        return next((one for one in self.grid.factors if one.key == ACTIVATION), None)

    @property
    def family(self) -> int:
        """Most effects on one outcome, which are corrected together."""
        return max(map(len, self.effects.values()))

    def seeds_to_pass(self, alpha: float) -> int:
        """Seeds with which a sign-flip test can reach alpha after the correction."""
        return 1 + math.ceil(math.log2(self.family / alpha))

    @property
    def several_activations(self) -> bool:
        """Whether more than one activation is compared with the first."""
        return len({one.plain.levels for one in self.at_equal_rank}) > 1

    def alone(self, outcome: str, name: str, second: object) -> Effect:
        """Effect of one factor's level by itself."""
        return next(
            one
            for one in self.effects[outcome]
            if one.factors == (name,) and one.levels[0][1] == second
        )

    def label(self, effect: Effect) -> str:
        """What an effect is of, with the level where a factor has more than two.

        The first level is named by the grid, and all others are compared with it.
        """
        own = {factor.name: factor for factor in self.grid.factors}
        return " × ".join(
            own[name].compared(second) if len(own[name].levels) > 2 else name
            for name, (_, second) in zip(effect.factors, effect.levels, strict=True)
        )


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
    cells: Sequence[StoredCell], failed: Sequence[tuple[str, Settings]] = (), order: int = 3
) -> Effects:
    """Return the effects for every factorial grid that the cells form.

    Args:
      order: largest number of factors in an interaction.

    Returns:
      `Effects`, empty for cells that form no grid.

    Raises:
      InputError: if `order` is below 1.
    """
    grids, refused = factor_grids(cells, failed)
    studies = tuple(_study(grid, order) for grid in grids)
    return Effects(tuple(one for one in studies if one.effects), tuple(refused))


def _study(grid: Grid, order: int) -> EffectStudy:
    rows, without, note = grid_rows(grid)
    places = {"seed", *grid.pairs}
    names = dict.fromkeys(name for row in rows for name in row if name not in places)
    widths = grid_widths(grid)
    combinations = int(np.prod([len(levels) for levels in grid.pairs.values()]))
    effects: dict[str, tuple[Effect, ...]] = {}
    of_data = grid.compares("dataset")
    absent = {
        name: text
        for name, text in WHY_ABSENT.items()
        if not _held(name, names) and name not in without
    }
    for name in names:
        seeds = _seeds_with(rows, name, combinations)
        if of_data and name.startswith("deviation ") and " less " not in name:
            without[name] = _OF_DATA
        elif len(seeds) >= _MIN_SEEDS:
            effects[name] = _effects(grid, rows, name, order, widths.get(name, np.inf))
        elif name not in without:
            held = sum(bool(np.isfinite(row.get(name, np.nan))) for row in rows)
            without[name] = (
                f"{held} of {plural(len(rows), 'cell')} hold a number, and "
                f"{plural(len(seeds), 'seed')} one in every cell"
            )
    equal = tuple(_equal_ranks(grid, rows, effects, widths))
    return EffectStudy(grid, effects, equal, without, absent, note if LOG_VOLUME in effects else "")


def _held(family: str, names: Mapping[str, None]) -> bool:
    """Return whether there is an outcome of a family, as deviations are one."""
    if family.startswith("deviation less"):
        return any(name.startswith("deviation ") and " less " in name for name in names)
    return any(name == family or name.startswith(f"{family} ") for name in names)


def _effects(grid: Grid, rows: Rows, name: str, order: int, width: float) -> tuple[Effect, ...]:
    """Return the effects on one outcome that the grid is about, corrected for as many."""
    # A difference of two numbers has their round-off; a share may be 1 less something.
    numbers = np.array([row.get(name.split(" less ")[0], np.nan) for row in rows])
    every = factorial_effects(
        rows, grid.pairs, name, order=order, largest=width, round_off=_ROUND_OFF,
        size=max([1.0 * (width == 1), *abs(numbers[np.isfinite(numbers)])]),
    )  # fmt: skip
    own = [one for one in every if grid.about.intersection(one.factors)]
    adjusted = holm([one.p_value for one in own])
    return tuple(one._replace(adjusted_p=float(p)) for one, p in zip(own, adjusted, strict=True))


def _seeds_with(rows: Rows, name: str, num_cells: int) -> list[Any]:
    """Return the seeds at which every cell has this number."""
    have = [row["seed"] for row in rows if np.isfinite(row.get(name, np.nan))]
    return [seed for seed in dict.fromkeys(have) if have.count(seed) == num_cells]


def _equal_ranks(
    grid: Grid, rows: Rows, effects: Mapping[str, Sequence[Effect]], widths: Mapping[str, float]
) -> Iterator[EqualRank]:
    """Yield the effects of the activation at equal rank, level by level and outcome by outcome."""
    for factor in grid.factors:
        if factor.key != ACTIVATION or factor.name not in grid.about or RANK not in effects:
            continue
        for outcome, width in ((name, widths.get(name, np.inf)) for name in effects):
            plain = [one for one in effects[outcome] if one.factors == (factor.name,)]
            for one in plain if outcome != RANK else ():
                yield EqualRank(outcome, one, *_direct(rows, grid, factor, one, outcome, width))


def _direct(
    rows: Rows, grid: Grid, factor: Factor, plain: Effect, outcome: str, width: float
) -> tuple[AdjustedEffect | None, str]:
    """Return the effect at equal rank, or None and why there is none."""
    (levels,) = plain.levels
    compared = [row for row in rows if row[factor.name] in levels]
    factors = {**grid.pairs, factor.name: levels}
    try:
        effect = adjusted_effect(
            compared, factors, factor.name, RANK, outcome, others="crossed", largest=width
        )
    except InputError as error:
        return None, str(error)
    return effect, ""


@dataclasses.dataclass(frozen=True, eq=False)
class StudySection:
    """One grid as the page shows it.

    Attributes:
      study: its numbers.
      headline: what each factor changes.
      sentences: the rest in words.
      pictures: its figures; none beyond the first 12 grids.
      sources: names in the store of what the numbers are made from.
    """

    study: EffectStudy
    headline: str
    sentences: tuple[str, ...]
    pictures: "tuple[Picture, ...]"
    sources: tuple[str, ...]


def study_sections(
    effects: Effects, stored_names: Mapping[str, frozenset[str]]
) -> list[StudySection]:
    """Return the words and the figure of each grid; of many, those of the clearest effects first.

    Effects of the dataset stand last: the clearest of them are facts of the data.

    Args:
      stored_names: cell -> names of what the store holds of it.
    """
    studies = list(effects.studies)
    if len(studies) > MAX_OPEN:
        studies.sort(key=lambda one: (one.grid.compares("dataset"), -_clearest(one)))
    return [_section(place, study, stored_names) for place, study in enumerate(studies, start=1)]


def _clearest(study: EffectStudy) -> float:
    """Return the largest effect of a grid, as a multiple of half its interval."""
    own = [one for _, one in study.all if one.high > one.low]
    return max((2 * abs(one.mean) / (one.high - one.low) for one in own), default=0.0)


def _section(
    place: int, study: EffectStudy, stored_names: Mapping[str, frozenset[str]]
) -> StudySection:
    cells = [stored_names[one.cell] for own in study.grid.cells.values() for one in own]
    keys = [key for factor in study.grid.factors for key in (factor.key, *factor.along)]
    return StudySection(
        study=study,
        headline=said("effects_sentences", "main", study),
        sentences=tuple(paragraphs("effects_sentences", "all", study)),
        pictures=_pictures(place, study, cells),
        sources=(*(f"settings.{key}" for key in keys), *OF_EFFECTS),
    )


def _pictures(
    place: int, study: EffectStudy, stored_names: Sequence[frozenset[str]]
) -> "tuple[Picture, ...]":
    if place > _MAX_DRAWN:
        return ()
    from jmetamer.report.figures.page_figure import GridView
    from jmetamer.report.pictures import draw_all

    return draw_all(f"effects{place}", GridView(study, tuple(stored_names)))[0]
