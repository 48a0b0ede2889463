"""`JudgeTable`: what judges read of a maker's metamers, and of graphs that are none, by seeds."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from jmetamer.measures.transfer import Transfer, transfer
from jmetamer.report.reading import finite, grouped, mean
from jmetamer.report.stored_cell import Judge, StoredCell
from jmetamer.report.wording import CONTROLS
from jmetamer.results.seed_interval import KAPPA, SHARE, Bounds, SeedSummary, seed_summary

Read = Callable[[StoredCell], np.ndarray | None]
BySeed = dict[str, np.ndarray]  # judge architecture -> [seed]
# What is stored of every reading beside kappa, and what it says.
MEASURES = {
    "agreement": "share of nodes read as on the reference",
    "accuracy": "share of nodes read as their label",
}


@dataclasses.dataclass(frozen=True, eq=False)
class JudgeTable:
    """Cells of one maker and the judges that all of them have.

    Makers may have different numbers of metamers at their seeds, or in several cells: those of a
    seed stand one after the other, and what is added to the shorter counts nowhere.

    Attributes:
      cells: at least one; equal but for seeds.
      judges: those that are read.
    """

    cells: Sequence[StoredCell]
    judges: tuple[Judge, ...]

    @functools.cached_property
    def by_seed(self) -> dict[int, list[StoredCell]]:
        """Training seed of the maker -> its cells."""
        return grouped((cell.seed, cell) for cell in self.cells)

    @functools.cached_property
    def columns(self) -> dict[str, list[int]]:
        """Judge architecture -> places of its judges."""
        return grouped((name, place) for place, (name, _) in enumerate(self.judges))

    @functools.cached_property
    def panel(self) -> dict[str, tuple[int, ...]]:
        """Judge architecture -> training seeds of its judges."""
        return {
            name: tuple(self.judges[place][1] for place in places)
            for name, places in self.columns.items()
        }

    @functools.cached_property
    def foreign(self) -> np.ndarray:
        """[seed, judge] bool: judges of another training seed than the maker's."""
        judge_seeds = np.array([seed for _, seed in self.judges])
        return np.array([*self.by_seed])[:, None] != judge_seeds

    @functools.cached_property
    def kappa(self) -> np.ndarray:
        """[seed, judge, metamer]; NaN where a judge cannot read a metamer."""
        return self.arranged(lambda cell: cell.readings("kappa"))

    @functools.cached_property
    def passed(self) -> np.ndarray:
        """[seed, metamer] bool: metamers that passed."""
        return self._one_after_the_other(lambda cell: cell.passed, False)

    @functools.cached_property
    def readable(self) -> np.ndarray:
        """[seed, metamer] bool: metamers that all judges of other seeds can read."""
        return (np.isfinite(self.kappa) | ~self.foreign[:, :, None]).all(1)

    @property
    def counted(self) -> np.ndarray:
        """[seed, metamer] bool: metamers that passed and that all judges can read."""
        return self.passed & self.readable

    def column(self, name: str) -> np.ndarray:
        """[seed, metamer] a stored number of each metamer."""
        return self._one_after_the_other(lambda cell: cell.column(name), np.nan)

    def arranged(self, read: Read) -> np.ndarray:
        """Return [b, judge] tables of cells as [seed, judge, metamer]; NaN where one has none."""

        def columns(cell: StoredCell) -> np.ndarray:
            table = read(cell)
            if table is None:
                return np.full((len(self.judges), cell.passed.size), np.nan)
            return cell.read_by(self.judges, table).T

        return self._one_after_the_other(columns, np.nan)

    def transfer(self, own: str, control: Read | None = None) -> Transfer:
        """Return R and its parts; what metamers have above their controls, where these are read."""
        return transfer(
            self._by_architecture(self.kappa),
            own,
            list(self.by_seed),
            self.panel,
            passed=self.counted,
            control=None if control is None else self._by_architecture(self.arranged(control)),
        )

    def averaged(self, table: np.ndarray) -> BySeed:
        """Average [seed, judge, metamer] over judges of other seeds and metamers that count."""
        counted = self.counted
        return self.over_judges(lambda row, judges: mean(table[row][judges][:, counted[row]]))

    def over_judges(self, average: Callable[[int, list[int]], float]) -> BySeed:
        """Return architecture -> [seed] of what is averaged over its judges of other seeds."""

        def of_seed(row: int, places: list[int]) -> float:
            return average(row, [place for place in places if self.foreign[row, place]])

        seeds = range(len(self.by_seed))
        return {
            name: np.array([of_seed(row, places) for row in seeds])
            for name, places in self.columns.items()
        }

    def _by_architecture(self, table: np.ndarray) -> dict[str, np.ndarray]:
        return {name: table[:, places] for name, places in self.columns.items()}

    def _one_after_the_other(
        self, read: Callable[[StoredCell], np.ndarray], fill: float | bool
    ) -> np.ndarray:
        rows = [
            np.concatenate([read(cell) for cell in cells], axis=-1)
            for cells in self.by_seed.values()
        ]
        width = max(row.shape[-1] for row in rows)
        padded = np.full((len(rows), *rows[0].shape[:-1], width), fill)
        for place, row in enumerate(rows):
            padded[place, ..., : row.shape[-1]] = row
        return padded


def summaries(each: BySeed, bounds: Bounds) -> dict[str, SeedSummary]:
    """Return architecture -> mean over the maker's seeds with its t-interval."""
    return {name: seed_summary(values, bounds=bounds) for name, values in each.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class Control:
    """Graphs that are no metamers, read by the same judges.

    Attributes:
      name: of the control in the store.
      label: what it is.
      loss: median loss (L_act) at the matched layer.
      own_kappa: mean kappa of the maker itself.
      kappa: judge architecture -> [seed] mean kappa.
      by_judge: the same over the maker's seeds, with its t-interval.
      beside: "agreement" and "accuracy" -> the same of these; without what is not stored.
      chance: judge architecture -> mean agreement by chance; NaN where it is not stored.
    """

    name: str
    label: str
    loss: float
    own_kappa: float
    kappa: BySeed
    by_judge: dict[str, SeedSummary]
    beside: dict[str, dict[str, SeedSummary]]
    chance: dict[str, float]


def summarize_controls(table: JudgeTable) -> tuple[Control, ...]:
    """Average each control over samples and judges, then over cells of a seed, then over seeds.

    Returns:
      One of each control that any cell has.
    """
    names = dict.fromkeys(name for cell in table.cells for name in cell.controls("kappa"))
    controls = (_control(name, table) for name in names)
    return tuple(one for one in controls if one is not None)


def _control(name: str, table: JudgeTable) -> Control | None:
    kappa, own = _means("kappa", name, table), _numbers("own_kappa", name, table)
    loss = finite(np.concatenate([*_numbers("loss", name, table), np.zeros(0)]))
    own_kappa = mean([mean(one) for one in own])
    if np.isnan([own_kappa, *np.concatenate(list(kappa.values()))]).all() and not loss.size:
        return None  # a control that does not exist for this maker
    return Control(
        name=name,
        label=CONTROLS.get(name, name),
        loss=float(np.median(loss)) if loss.size else float("nan"),
        own_kappa=own_kappa,
        kappa=kappa,
        by_judge=summaries(kappa, KAPPA),
        beside={
            measure: summaries(_means(measure, name, table), SHARE)
            for measure in MEASURES
            if _numbers(measure, name, table)
        },
        chance={judge: mean(each) for judge, each in _means("chance", name, table).items()},
    )


def _numbers(measure: str, name: str, table: JudgeTable) -> list[np.ndarray]:
    """Return what is stored of a control in the cells that hold it."""
    return [held[name] for cell in table.cells if name in (held := cell.controls(measure))]


def _means(measure: str, name: str, table: JudgeTable) -> BySeed:
    """Return the mean of each seed of the maker, over its cells, NaN where it has none."""
    tables = [
        [
            cell.read_by(table.judges, held[name])
            for cell in cells
            if name in (held := cell.controls(measure))
        ]
        for cells in table.by_seed.values()
    ]
    return table.over_judges(
        lambda row, judges: mean([mean(each[:, judges]) for each in tables[row]])
    )
