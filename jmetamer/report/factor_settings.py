"""Settings that differ between cells: which of them are factors, and with which levels."""

import collections
import dataclasses
import functools
import json
from collections.abc import Callable, Hashable, Iterator, Sequence

from jmetamer.report.cells import canonical
from jmetamer.report.makers import SEEDS
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.wording import level_text
from jmetamer.results.setting_tree import Settings, flatten

ACTIVATION, PERTURBATION = "model.activation", "training.perturbation"
_KINDS = (None, "random", "adversarial")
# First and second level; the last pair says what an adversary does beyond the size of its changes.
_CONTRASTS = ((None, "adversarial"), (None, "random"), ("random", "adversarial"))
_FOLLOW = ("measures",)  # from what varies
_ABSENT = "absent"  # the level of a setting that a cell does not have
_EMPTY = (_ABSENT, None)
Which = Callable[[str], bool]
Level = Hashable  # value of a setting; a list as text


@dataclasses.dataclass(frozen=True)
class Factor:
    """A setting with two levels or more.

    Attributes:
      key: dotted name of the setting.
      levels: values; an effect is one of the others less the first.
      name: the last part of the key, or more of it where that is not enough.
      along: settings that change with it, and so cannot be told apart from it.
    """

    key: str
    levels: tuple[Level, ...]
    name: str
    along: tuple[str, ...] = ()

    @property
    def of_metamers(self) -> bool:
        """Whether one network has all levels."""
        return all(key.startswith("metamers.") for key in (self.key, *self.along))

    @property
    def contrast(self) -> str:
        """What is compared, as in "activation elu instead of relu"."""
        return self.compared(*self.levels[1:])

    def compared(self, *others: Level) -> str:
        """Name some levels that are compared with the first."""
        names = " or ".join(map(level_text, others))
        return f"{self.name} {names} instead of {level_text(self.levels[0])}"


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedCell:
    """A cell that was asked for; `stored` is None where it failed."""

    run: str
    settings: Settings
    stored: StoredCell | None = None

    @functools.cached_property
    def levels(self) -> dict[str, Level]:
        """Dotted setting -> value; a list as text, so that it can name a place."""
        return {
            key: json.dumps(value, default=str) if isinstance(value, list | dict) else value
            for key, value in flatten(self.settings)
        }

    def level(self, key: str) -> Level:
        """Return the value of a setting, or that the cell does not have it."""
        return self.levels.get(key, _ABSENT)


def is_setting(key: str) -> bool:
    """Return whether a setting may be a factor."""
    return key not in SEEDS and key not in _FOLLOW


def is_cause(key: str) -> bool:
    """Return whether a factor is of the network or its training."""
    return is_setting(key) and key.split(".")[0] in ("model", "training")


def is_place(key: str) -> bool:
    """Return whether a factor is of the dataset, the metamers or what is made of them."""
    return is_setting(key) and not is_cause(key)


def recipes(cells: Sequence[PlannedCell], may_vary: Which) -> Iterator[list[PlannedCell]]:
    """Yield cells of one run that agree in all settings that may not vary."""
    groups: dict[str, list[PlannedCell]] = {}
    for one in cells:
        fixed = {
            key: value
            for key, value in flatten(one.settings)
            if is_setting(key) and not may_vary(key)
        }
        groups.setdefault(canonical({"run": one.run, **fixed}), []).append(one)
    yield from groups.values()


def separated(cells: Sequence[PlannedCell], may_vary: Which) -> Iterator[list[PlannedCell]]:
    """Yield parts of a recipe in which all cells have a setting, or those that do agree.

    A cell that does not have a setting, as plain training no size of a perturbation, is compared
    with each of that setting's values.
    """
    keys = _keys(cells, may_vary)
    for key in keys:
        levels = [level for level in levels_of(cells, key) if level != _ABSENT]
        if len(levels) > 1 and _is_partial(cells, key, keys):
            for level in levels:
                part = [one for one in cells if one.level(key) in (_ABSENT, level)]
                yield from separated(part, may_vary)
            return
    present = levels_of(cells, PERTURBATION)
    contrasts = [pair for pair in _CONTRASTS if set(pair) <= set(present)]
    if not contrasts or may_vary is is_setting:
        yield list(cells)
        return
    for pair in contrasts:
        yield [one for one in cells if one.level(PERTURBATION) in pair]


def _is_partial(cells: Sequence[PlannedCell], key: str, keys: Sequence[str]) -> bool:
    """Return whether another setting says which cells do not have this one."""
    absent = [one.level(key) == _ABSENT for one in cells]
    return any(absent) and any(
        _follows([one.level(other) for one in cells], absent) for other in keys if other != key
    )


def _follows(levels: Sequence[Level], values: Sequence[Level]) -> bool:
    """Return whether each level goes with one value alone."""
    return len(set(zip(levels, values, strict=True))) == len(set(levels))


def _keys(cells: Sequence[PlannedCell], may_vary: Which) -> list[str]:
    """Return the settings that are not the same in all cells that have them."""
    keys = dict.fromkeys(key for one in cells for key in one.levels)
    levels = {key: {one.level(key) for one in cells} - {_ABSENT} for key in keys if may_vary(key)}
    return [key for key, values in levels.items() if len(values) > 1]


def levels_of(cells: Sequence[PlannedCell], key: str) -> list[Level]:
    """Return the values of a setting: nothing first, numbers rising, others as they appear."""
    levels = list(dict.fromkeys(one.level(key) for one in cells))
    if key == PERTURBATION and set(levels) <= set(_KINDS):
        return sorted(levels, key=_KINDS.index)
    if all(level in _EMPTY or isinstance(level, int | float) for level in levels):
        return sorted(levels, key=lambda level: (False, 0) if level in _EMPTY else (True, level))
    return levels


def factors_of(cells: Sequence[PlannedCell], may_vary: Which) -> tuple[Factor, ...]:
    """Return the settings that differ; what follows from others goes along with these."""
    keys = _keys(cells, may_vary)
    columns = {key: [one.level(key) for one in cells] for key in keys}
    along: dict[str, list[str]] = {}
    # The most levels first: what follows from a setting has as many or fewer.
    for key in sorted(keys, key=lambda key: -len(set(columns[key]))):
        above = list(along)
        together = list(zip(*(columns[one] for one in above), strict=True))
        if above and _follows(together, columns[key]):
            alone = [one for one in above if _follows(columns[one], columns[key])]
            for one in alone[:1] or above:
                # What some cells do not have is no change of its own.
                along[one] += [key] if _ABSENT not in columns[key] else []
        else:
            along[key] = []
    kept = [key for key in keys if key in along]
    names = _names(kept)
    return tuple(
        Factor(key, tuple(levels_of(cells, key)), names[key], tuple(along[key])) for key in kept
    )


def _names(keys: Sequence[str]) -> dict[str, str]:
    """Return what factors are called: the end of the key where that is unique."""
    short = {key: _short_name(key) for key in keys}
    counts = collections.Counter([*short.values(), "seed"])
    return {key: name if counts[name] == 1 else key for key, name in short.items()}


def _short_name(key: str) -> str:
    """Return the part of a key that says what it is of."""
    section, _, rest = key.partition(".")
    return rest if rest and section in ("model", "training", "metamers") else key
