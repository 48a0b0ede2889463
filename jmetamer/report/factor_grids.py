"""Finds factorial grids over training seeds in the settings of a run's cells."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jmetamer.report.cells import distinguishing, flatten, name_cells, setting
from jmetamer.report.makers import SEEDS, MadeCell, as_key, nested_without
from jmetamer.report.wording import listing, plural

ACTIVATION, PERTURBATION = "model.activation", "training.perturbation"
# First and second level; the last pair says what an adversary does beyond the size of its changes.
_CONTRASTS = (("none", "adversarial"), ("none", "random"), ("random", "adversarial"))
_SEED = "training.seed"
_MIN_SEEDS = 2


@dataclasses.dataclass(frozen=True)
class Factor:
    """A setting of model or training with two levels.

    Attributes:
      key: dotted name of the setting.
      levels: first and second value; an effect is the second less the first.
      along: settings that change with it, and so cannot be told apart from it.
    """

    key: str
    levels: tuple[Any, Any]
    along: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the setting's name."""
        return self.key.rsplit(".", 1)[-1]

    @property
    def told(self) -> str:
        """What is compared, as in "activation elu instead of relu"."""
        first, second = map(level_text, self.levels)
        return f"{self.name} {second} instead of {first}"


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """Cells that cross two or more factors, the same at every training seed.

    Attributes:
      where: dataset, layer and whatever else is the same in all of them.
      factors: in the order of the settings.
      cells: (levels, training seed) -> cells; more than one where another seed varies too.
      seeds: training seeds that have every combination of levels.
      note: which seeds are left out; empty where none is.
    """

    where: str
    factors: tuple[Factor, ...]
    cells: Mapping[tuple[tuple[Any, ...], Any], tuple[MadeCell, ...]]
    seeds: tuple[Any, ...]
    note: str

    @property
    def pairs(self) -> dict[str, tuple[Any, Any]]:
        """Name -> first and second level of each factor."""
        return {factor.name: factor.levels for factor in self.factors}

    @property
    def architectures(self) -> set[str]:
        """Architectures of the cells."""
        made = itertools.chain.from_iterable(self.cells.values())
        return {str(setting(one.settings, "model.architecture")) for one in made}


@dataclasses.dataclass(frozen=True, eq=False)
class _Asked:
    """A cell that was asked for; `made` is None where it failed."""

    run: str
    settings: Mapping[str, Any]
    made: MadeCell | None = None

    def level(self, key: str) -> Any:
        return setting(self.settings, key)


def factor_grids(
    cells: Sequence[MadeCell], failed: Sequence[tuple[str, Mapping[str, Any]]] = ()
) -> tuple[list[Grid], list[str]]:
    """Return the factorial grids of the cells, and why others are incomplete.

    Two or more settings of model or training take two levels each while everything else is the
    same, and at least two training seeds have every combination of them. Of
    `training.perturbation` every two of none, random and adversarial are a grid of their own. A
    setting with more levels, as a width, is no factor: there is a grid for each of its values.
    Settings that always change together are one factor.

    Args:
      cells: finished cells.
      failed: run and settings of the cells that failed.

    Returns:
      Grids, and a sentence for each grid of which at most one seed is complete, but more than half
      was asked for.
    """
    asked = [_Asked(made.run, made.settings, made) for made in cells]
    asked += [_Asked(run, settings) for run, settings in failed if settings]
    recipes: dict[str, list[_Asked]] = {}
    for one in asked:
        recipes.setdefault(_recipe(one), []).append(one)
    parts = [part for recipe in recipes.values() for part in _separated(recipe)]
    found = [(part, factors) for part in parts if len(factors := _factors(part)) >= 2]
    grids, refused = [], []
    for (part, factors), where in zip(found, _titles(found), strict=True):
        grid = _grid(part, factors, where)
        if isinstance(grid, Grid):
            grids.append(grid)
        elif grid:
            refused.append(grid)
    return grids, refused


def level_text(level: Any) -> str:
    """Write a level as the configuration has it.

    Example:
      >>> level_text(True), level_text("elu")
      ('true', 'elu')
    """
    return str(level).lower() if isinstance(level, bool) else str(level)


def _recipe(one: _Asked) -> str:
    """Return all that must agree: the run, and settings of neither model nor training."""
    rest = {k: v for k, v in flatten(one.settings) if not _may_vary(k) and k not in SEEDS}
    return as_key({"run": one.run, **rest})


def _may_vary(key: str) -> bool:
    return key.startswith(("model.", "training.")) and key not in SEEDS


def _separated(cells: Sequence[_Asked]) -> Iterator[list[_Asked]]:
    """Yield parts of a recipe in which every setting has two levels at most.

    A cell to which a setting does not apply (null), as the size of a perturbation to plain
    training, is compared with each of that setting's values.
    """
    for key in _keys(cells):
        levels = _levels(cells, key)
        partly = any(one.level(key) is None for one in cells)
        if len(levels) > 2 - partly and key != PERTURBATION:
            for level in levels:
                yield from _separated([one for one in cells if one.level(key) in (None, level)])
            return
    present = _levels(cells, PERTURBATION)
    contrasts = [pair for pair in _CONTRASTS if set(pair) <= set(present)]
    for pair in contrasts:
        yield [one for one in cells if one.level(PERTURBATION) in pair]
    if not contrasts:
        yield list(cells)


def _keys(cells: Sequence[_Asked]) -> list[str]:
    keys = dict.fromkeys(key for one in cells for key, _ in flatten(one.settings))
    return [key for key in keys if _may_vary(key)]


def _levels(cells: Sequence[_Asked], key: str) -> list[Any]:
    """Return the values of a setting that are not null: numbers rising, others as they appear."""
    found = {json.dumps(one.level(key), default=str): one.level(key) for one in cells}
    levels = [level for level in found.values() if level is not None]
    if key == PERTURBATION:
        return sorted(levels, key=("none", "random", "adversarial").index)
    numeric = all(isinstance(level, int | float) for level in levels)
    return sorted(levels) if numeric else levels


def _factors(cells: Sequence[_Asked]) -> tuple[Factor, ...]:
    """Return settings with two levels in all cells, those that change together as one."""
    factors: list[Factor] = []
    for key in _keys(cells):
        levels = _levels(cells, key)
        if len(levels) != 2 or any(one.level(key) is None for one in cells):
            continue
        for place, factor in enumerate(factors):
            if len({(one.level(factor.key), one.level(key)) for one in cells}) == 2:
                factors[place] = dataclasses.replace(factor, along=(*factor.along, key))
                break
        else:
            factors.append(Factor(key, (levels[0], levels[1])))
    return tuple(factors)


def _titles(found: Sequence[tuple[Sequence[_Asked], Sequence[Factor]]]) -> list[str]:
    """Name grids by what is the same within each, as far as it is not the same in all."""
    if not found:
        return []
    settings, runs = {}, {}
    for place, (part, factors) in enumerate(found):
        varying = {key for factor in factors for key in (factor.key, *factor.along)}
        fullest = max(part, key=lambda one: sum(v is not None for _, v in flatten(one.settings)))
        settings[str(place)] = nested_without(fullest.settings, {*SEEDS, *varying})
        runs[str(place)] = part[0].run
    titles = distinguishing([name.title for name in name_cells(settings, runs).values()])
    return [_told_apart(title, titles, own) for title, (_, own) in zip(titles, found, strict=True)]


def _told_apart(title: str, titles: Sequence[str], factors: Sequence[Factor]) -> str:
    """Add the kinds of perturbation that are compared, where that is all that is different."""
    if titles.count(title) == 1:
        return title
    pairs = [factor.levels for factor in factors if factor.key == PERTURBATION]
    return title + "".join(f" · {second} against {first}" for first, second in pairs)


def _grid(cells: Sequence[_Asked], factors: tuple[Factor, ...], where: str) -> Grid | str:
    """Return the grid of the seeds that are complete, or why there are too few of these."""
    asked: dict[tuple[tuple[Any, ...], Any], list[_Asked]] = {}
    for one in cells:
        place = tuple(one.level(factor.key) for factor in factors), one.level(_SEED)
        asked.setdefault(place, []).append(one)
    seeds = tuple(dict.fromkeys(seed for _, seed in asked))
    combinations = list(itertools.product(*(factor.levels for factor in factors)))
    every = list(itertools.product(combinations, seeds))
    made = {place: tuple(one.made for one in own if one.made) for place, own in asked.items()}
    missing = [place for place in every if not made.get(place)]
    incomplete = {seed for _, seed in missing}
    complete = tuple(seed for seed in seeds if seed not in incomplete)
    num_failed = sum(place in asked for place in missing)
    if len(complete) >= _MIN_SEEDS:
        note = _left_out(factors, missing, num_failed, len(combinations))
        there = {place: found for place, found in made.items() if place[1] in complete if found}
        return Grid(where, factors, there, complete, note)
    if len(seeds) < _MIN_SEEDS or 2 * len(asked) <= len(every):
        return ""
    names = listing([factor.name for factor in factors])
    return (
        f"{where}: no main effects and interactions of {names}, as "
        f"{'no training seed has' if not complete else 'only one training seed has'} all "
        f"{len(combinations)} combinations of their levels. Of {len(every)} cells (at "
        f"{plural(len(seeds), 'seed')}), {len(missing)} "
        f"{_are_missing(len(missing), num_failed)}: {_places(factors, missing)}."
    )


def _left_out(
    factors: Sequence[Factor], missing: Sequence[tuple[Any, Any]], num_failed: int, of: int
) -> str:
    seeds = list(dict.fromkeys(seed for _, seed in missing))
    if not seeds:
        return ""
    return (
        f"Left out: training {'seed' if len(seeds) == 1 else 'seeds'} "
        f"{listing([str(seed) for seed in seeds])}, which must have all {of} combinations; "
        f"{plural(len(missing), 'cell')} {_are_missing(len(missing), num_failed)}: "
        f"{_places(factors, missing)}."
    )


def _are_missing(count: int, num_failed: int) -> str:
    """Say how many of the missing cells failed, after their number."""
    verb = "is missing" if count == 1 else "are missing"
    if not num_failed:
        return verb
    failed = "failed" if num_failed == count else f"{num_failed} of them failed"
    return f"{verb} ({failed}, see Failures)"


def _places(factors: Sequence[Factor], missing: Sequence[tuple[Any, Any]]) -> str:
    told = []
    for levels, seed in missing:
        pairs = zip(factors, levels, strict=True)
        told.append(", ".join(f"{f.name} {level_text(level)}" for f, level in pairs))
        told[-1] += f", seed {seed}"
    return "; ".join(told[:4]) + (f"; and {len(told) - 4} more" if len(told) > 4 else "")
