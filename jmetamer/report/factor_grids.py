"""Finds factorial grids over training seeds in the settings of a run's cells."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence

from jmetamer.report.cells import distinguishing, name_cells
from jmetamer.report.factor_settings import (
    PERTURBATION,
    Factor,
    Level,
    PlannedCell,
    Which,
    factors_of,
    is_cause,
    is_place,
    is_setting,
    levels_of,
    recipes,
    separated,
)
from jmetamer.report.makers import without_seeds
from jmetamer.report.prose import said
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.wording import level_text
from jmetamer.results.setting_tree import Settings

_SEED = "training.seed"
_MIN_SEEDS = 2
_IN_MODEL = ("shuffle_labels ", "perturbation ")  # where unlike the usual, the model says so
Place = tuple[tuple[Level, ...], Level]  # levels and training seed


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """Cells of one factor, or that cross several, the same at every training seed.

    Attributes:
      where: dataset, layer and whatever else is the same in all of them.
      factors: in the order of the settings.
      cells: (levels, training seed) -> cells; more than one where another seed varies too.
      seeds: training seeds that have every combination of levels.
      note: which seeds are left out; empty where none is.
      about: names of factors; effects that involve none of them belong to other grids.
    """

    where: str
    factors: tuple[Factor, ...]
    cells: Mapping[Place, tuple[StoredCell, ...]]
    seeds: tuple[Level, ...]
    note: str
    about: frozenset[str]

    @property
    def pairs(self) -> dict[str, tuple[Level, ...]]:
        """Name -> levels of each factor."""
        return {factor.name: factor.levels for factor in self.factors}

    def compares(self, key: str) -> bool:
        """Return whether the grid is about effects of a setting, or of what goes along with it."""
        about = (one for one in self.factors if one.name in self.about)
        return any(key in (one.key, *one.along) for one in about)

    @property
    def architectures(self) -> set[str]:
        """Architectures of the cells."""
        cells = itertools.chain.from_iterable(self.cells.values())
        return {one.architecture for one in cells}


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """Cells that differ in some factors and in seeds alone; `fixed` is what is not crossed."""

    cells: Sequence[PlannedCell]
    factors: tuple[Factor, ...]
    fixed: tuple[str, ...] = ()

    @functools.cached_property
    def by_place(self) -> dict[Place, list[PlannedCell]]:
        """Levels and training seed -> cells."""
        places: dict[Place, list[PlannedCell]] = {}
        for one in self.cells:
            levels = tuple(one.level(factor.key) for factor in self.factors)
            places.setdefault((levels, one.level(_SEED)), []).append(one)
        return places

    @functools.cached_property
    def combinations(self) -> list[tuple[Level, ...]]:
        """All combinations of levels."""
        return list(itertools.product(*(factor.levels for factor in self.factors)))

    @property
    def size(self) -> int:
        """How many places there would be."""
        return len(self.combinations) * len(self.seeds)

    @functools.cached_property
    def seeds(self) -> tuple[Level, ...]:
        """Training seeds that any cell has."""
        return tuple(dict.fromkeys(seed for _, seed in self.by_place))

    @functools.cached_property
    def missing(self) -> list[Place]:
        """Places without a finished cell."""
        every = itertools.product(self.combinations, self.seeds)
        return [one for one in every if not any(cell.stored for cell in self.by_place.get(one, ()))]

    @property
    def num_failed(self) -> int:
        """How many of the missing failed."""
        return sum(place in self.by_place for place in self.missing)

    @property
    def complete(self) -> tuple[Level, ...]:
        """Training seeds with every combination."""
        incomplete = {seed for _, seed in self.missing}
        return tuple(seed for seed in self.seeds if seed not in incomplete)

    def at(self, factor: Factor, levels: Sequence[Level]) -> "_Part":
        """Return the cells at some levels of one factor, as a part with this factor alone."""
        cells = [one for one in self.cells if one.level(factor.key) in levels]
        return _Part(cells, (dataclasses.replace(factor, levels=tuple(levels)),), self.fixed)


def factor_grids(
    cells: Sequence[StoredCell], failed: Sequence[tuple[str, Settings]] = ()
) -> tuple[list[Grid], list[str]]:
    """Return the factorial grids of the cells, and why others are incomplete.

    Any setting but a seed may be a factor. Settings of model and training are crossed within
    cells of the same dataset and metamers; where other settings differ too, as the layer, a grid
    of all settings follows, which is about the effects of those others. At least two training
    seeds must have every combination; where fewer do, each factor is compared within cells that
    are otherwise equal. Of `training.perturbation` every two of null, random and adversarial are
    a grid of their own. Settings that always change together are one factor.

    Returns:
      Grids, and a sentence for each grid of which at most one seed is complete, but more than half
      was asked for.
    """
    planned = [PlannedCell(cell.run, cell.settings, cell) for cell in cells]
    planned += [PlannedCell(run, settings) for run, settings in failed if settings]
    grids: list[Grid] = []
    refused: list[str] = []
    for may_vary, is_about in ((is_cause, is_cause), (is_setting, is_place)):
        parts = [
            _Part(part, factors_of(part, may_vary))
            for recipe in recipes(planned, may_vary)
            for part in separated(recipe, may_vary)
        ]
        parts = [part for part in parts if any(is_about(factor.key) for factor in part.factors)]
        for part, where in zip(parts, _titles(parts), strict=True):
            refused += _refusal(part, where)
        complete = [one for part in parts for one in _complete(part, is_about)]
        for part, where in zip(complete, _titles(complete), strict=True):
            grids.append(_grid(part, where, is_about))
    return grids, refused


def _titles(parts: Sequence[_Part]) -> list[str]:
    """Name grids by what is the same within each, as far as it is not the same in all."""
    if not parts:
        return []
    flat, runs = {}, {}
    for place, part in enumerate(parts):
        varying = {key for factor in part.factors for key in (factor.key, *factor.along)}
        fullest = max((without_seeds(one.settings) for one in part.cells), key=len)
        flat[str(place)] = {key: value for key, value in fullest.items() if key not in varying}
        runs[str(place)] = part.cells[0].run
    titles = distinguishing([name.title for name in name_cells(flat, runs).values()])
    return [_distinguished(one, titles, part) for one, part in zip(titles, parts, strict=True)]


def _distinguished(title: str, titles: Sequence[str], part: _Part) -> str:
    """Add what is fixed, or the kinds of perturbation, where the title does not tell."""
    in_title = [*title.lower().split(), *(["0"] if "untrained" in title else [])]
    fixed = [text for text in part.fixed if not text.startswith(_IN_MODEL)]
    more = [text for text in fixed if text.split(" ", 1)[1].lower() not in in_title]
    if not more and titles.count(title) > 1:
        pairs = [factor.levels for factor in part.factors if factor.key == PERTURBATION]
        more = [f"{level_text(second)} against {level_text(first)}" for first, second in pairs]
    return " · ".join([title, *more])


def _complete(part: _Part, is_about: Which) -> Iterator[_Part]:
    """Yield a grid, or, where too few seeds have all of it, its parts with one factor each."""
    first, *more = part.factors
    if len(part.complete) >= _MIN_SEEDS:
        yield part
    elif more:
        for factor in part.factors:
            if not is_about(factor.key):
                continue
            for equal in _otherwise_equal(part, factor):
                there = {one.level(factor.key) for one in equal.cells if one.stored}
                levels = [one for one in levels_of(equal.cells, factor.key) if one in there]
                if len(levels) > 1:
                    yield from _complete(equal.at(factor, levels), is_about)
    elif len(first.levels) > 2:
        for second in first.levels[1:]:
            yield from _complete(part.at(first, (first.levels[0], second)), is_about)


def _otherwise_equal(part: _Part, factor: Factor) -> list[_Part]:
    """Return the cells that agree in all factors but one."""
    groups: dict[tuple[str, ...], list[PlannedCell]] = {}
    for one in part.cells:
        rest = [other for other in part.factors if other != factor]
        fixed = tuple(f"{other.name} {level_text(one.level(other.key))}" for other in rest)
        groups.setdefault(fixed, []).append(one)
    return [_Part(cells, part.factors, fixed) for fixed, cells in groups.items()]


def _grid(part: _Part, where: str, is_about: Which) -> Grid:
    """Return the grid of the seeds that are complete."""
    finished = {
        place: tuple(one.stored for one in cells if one.stored)
        for place, cells in part.by_place.items()
        if place[1] in part.complete
    }
    note = said("effects_sentences", "left_out", part)
    about = frozenset(factor.name for factor in part.factors if is_about(factor.key))
    return Grid(where, part.factors, finished, part.complete, note, about)


def _refusal(part: _Part, where: str) -> list[str]:
    """Say why there is no grid of all combinations, where more than half of it was asked for."""
    few = len(part.complete) < _MIN_SEEDS <= len(part.seeds)
    if not few or 2 * len(part.by_place) <= part.size:
        return []
    return [said("effects_sentences", "refused", part, where)]
