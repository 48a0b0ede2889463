"""`StoredCell`: one finished cell, the only way in which pages and boards read it; several runs."""

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import xarray as xr

from jmetamer._base.errors import InputError, shortened
from jmetamer.report.harm_summary import StoredHarm, read_harm
from jmetamer.report.reading import converged, finite, scalar, values
from jmetamer.results import (
    Run,
    StoredJudge,
    holm_over_cells,
    open_run,
    paired_controls,
    stored_judges,
)
from jmetamer.results.criteria import Missed, most_missed
from jmetamer.results.setting_tree import Settings, setting
from jmetamer.results.store import StoredFailure

Judge = tuple[str, int]  # architecture and training seed


class Correction(NamedTuple):
    """Correction of a cell's null test for the number of cells in its run.

    Attributes:
      p_values: [metamer] adjusted by Holm's method.
      num_cells: number of cells that were adjusted together.
      most_pairs: largest number of random pairs of any of them, NaN where unknown.
    """

    p_values: np.ndarray
    num_cells: int
    most_pairs: float = float("nan")


@dataclasses.dataclass(frozen=True, eq=False)
class StoredCell:
    """The metamers of one trained model. What the store does not hold is None, NaN or empty.

    Attributes:
      run: name of the run; empty on a page of one run.
      cell: identifier on the page.
      number: place on the page, from 1.
      settings: resolved settings.
      data: variables; scalars in its attributes.
      source: the opened run, and the identifier of the cell within it.
      correction: of the null test over the cells of the run.
    """

    run: str
    cell: str
    number: int
    settings: Settings
    data: xr.Dataset
    source: tuple[Run | None, str] = (None, "")
    correction: Correction | None = None

    def stored(self, what: str) -> Any:
        """Return what the run holds beside the variables, as its provenance."""
        run, cell = self.source
        return getattr(run, what)(cell)

    @functools.cached_property
    def counts(self) -> Mapping[str, int]:
        """Status name -> number of metamers."""
        return self.stored("status_counts")

    @property
    def num_metamers(self) -> int:
        """Number of metamers b."""
        return sum(self.counts.values())

    @property
    def seed(self) -> int:
        """Training seed of the model that made the metamers."""
        return int(setting(self.settings, "training.seed") or 0)

    @property
    def architecture(self) -> str:
        """Architecture of the model that made the metamers."""
        return str(setting(self.settings, "model") or "")

    def table(self, name: str, dims: Sequence[str], dtype: type = float) -> np.ndarray | None:
        """Return a variable with its axes in this order, or None where it is not stored."""
        if name not in self.data:
            return None
        return np.asarray(self.data[name].transpose(*dims).values, dtype)

    def column(self, name: str) -> np.ndarray:
        """Return a number of each metamer, [b]; NaN where it is not stored."""
        numbers, count = values(self.data, name), self.data.sizes.get("metamer", 0)
        return np.asarray(numbers, float) if numbers.size == count else np.full(count, np.nan)

    def scalar(self, *names: str) -> float:
        """Return the first number of these names, else NaN."""
        return scalar(self.data, *names)

    @functools.cached_property
    def success(self) -> np.ndarray | None:
        """[b] bool: metamers that fulfill every criterion."""
        return self.table("success", ("metamer",), bool)

    @property
    def passed(self) -> np.ndarray:
        """[b] bool: metamers that succeed, or where the store does not say, that converged."""
        return converged(self.data) if self.success is None else self.success

    @property
    def missed(self) -> Missed | None:
        """What most metamers that do not succeed lack."""
        return most_missed(self.data, self.counts, self.settings)

    @property
    def criteria(self) -> Mapping[str, Any] | None:
        """Settings of success, with the shares of target nodes that the data decided where null.

        A cell that names a share and one that takes the default are then of one recipe.
        """
        success = dict(setting(self.settings, "success") or {})
        for key in ("share", "agreement"):
            decided = self.data.attrs.get(f"success_{key}")
            if success.get(key) is None and decided is not None:
                success[key] = decided
        return success or setting(self.settings, "success")

    @property
    def null_not_applicable(self) -> str:
        """Why the null test says nothing of this cell; empty where it counts."""
        return str(self.data.attrs.get("null_not_applicable", ""))

    @property
    def p_adjusted(self) -> np.ndarray | None:
        """[b] p-values corrected over the cells of the run; None without a test."""
        if self.correction is None or "null_p_value" not in self.data:
            return None
        return self.correction.p_values

    @functools.cached_property
    def harm(self) -> StoredHarm:
        """Where the network is right on the metamers that succeed, and on their controls."""
        return read_harm(self.data)

    @functools.cached_property
    def judges(self) -> tuple[StoredJudge, ...]:
        """Models that read the metamers; none where no reading is stored."""
        if not values(self.data, "recognition_kappa").size:
            return ()
        return stored_judges(self.data)

    @property
    def judge_keys(self) -> tuple[Judge, ...]:
        """Architecture and training seed of each judge."""
        return tuple((judge.architecture, judge.seed) for judge in self.judges)

    def read_by(self, judges: Sequence[Judge], table: np.ndarray) -> np.ndarray:
        """Return a table [..., j] of the cell's judges as one of these judges."""
        return table[..., [self.judge_keys.index(judge) for judge in judges]]

    def readings(self, measure: str) -> np.ndarray | None:
        """[b, j] what judges read of metamers: "kappa", "accuracy", "agreement" or "chance"."""
        return self.table(f"recognition_{measure}", ("metamer", "judge"))

    def controls(self, measure: str) -> dict[str, np.ndarray]:
        """Control -> [s, j] what judges read of it, or [s] of its loss or the maker's kappa."""
        dims = ["control", "sample"]
        dims += [] if measure in ("loss", "own_kappa") else ["judge"]
        table = self.table(f"control_{measure}", dims)
        if table is None or "control" not in self.data:
            return {}
        return dict(zip(map(str, self.data["control"].values.tolist()), table, strict=True))

    @functools.cached_property
    def paired(self) -> dict[str, np.ndarray]:
        """Control -> [b, j] kappa of the control of each metamer; NaN where it has none."""
        return paired_controls(self.data)

    def control_of(self, name: str) -> np.ndarray | None:
        """[b, j] kappa of the control of this name, None where the cell has none."""
        return self.paired.get(name)


def read_cells(
    run: Run, name: str | None = None, prefix: str = "", readable: Sequence[str] | None = None
) -> list[StoredCell]:
    """Read the finished cells of a run, with p-values corrected over all of them.

    Those that are damaged are passed over; `run.readable` names them.

    Args:
      name: of the run; by default that of its folder.
      prefix: before the identifiers of its cells.
      readable: which cells, where that is known.

    Raises:
      StoreError: the files cannot be read.
    """
    name = run.folder.resolve().name if name is None else name
    cells = [
        StoredCell(name, prefix + cell, number, run.settings(cell), run.dataset(cell), (run, cell))
        for number, cell in enumerate(run.readable()[0] if readable is None else readable, start=1)
    ]
    p_values = [np.asarray(values(one.data, "null_p_value"), float).ravel() for one in cells]
    tested = sum(bool(np.isfinite(one).any()) for one in p_values)
    pairs = finite([one.scalar("null_pairs") for one in cells])
    most = float(pairs.max()) if pairs.size else float("nan")
    return [
        dataclasses.replace(one, correction=Correction(adjusted, tested, most))
        for one, adjusted in zip(cells, holm_over_cells(p_values), strict=True)
    ]


class JoinedRuns:
    """The cells of one run or several, under names that are unique on a page.

    Args:
      runs: opened runs, at least one.

    Attributes:
      labels: names of the runs.
      cells: finished cells; identifiers of several runs begin with the name of the run.
      failures: cells without numbers: those that failed, with settings and traceback, and those
        that are damaged, with the reason as their traceback.
      failed_settings: run and settings of each of these.
      num_failed: number of these in each run.
      num_unfinished: cells that were asked for and have not ended.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.labels = run_labels([Path(run.folder) for run in runs])
        self.num_unfinished = sum(len(run.unfinished) for run in runs)
        self.failures: dict[str, StoredFailure] = {}
        self.failed_settings: list[tuple[str, Settings]] = []
        self.num_failed: tuple[int, ...] = ()
        cells = []
        for label, run in zip(self.labels, runs, strict=True):
            name, prefix = (label, f"{label}/") if len(runs) > 1 else ("", "")
            readable, unreadable = run.readable()
            cells += read_cells(run, name, prefix, readable)
            failures = dict(run.failures)
            for cell, why in unreadable.items():
                failures[cell] = StoredFailure(cell=cell, settings={}, traceback=why)
            self.failures |= {prefix + cell: entry for cell, entry in failures.items()}
            self.failed_settings += [(name, one["settings"]) for one in failures.values()]
            self.num_failed += (len(failures),)
        self.cells = [
            dataclasses.replace(cell, number=number) for number, cell in enumerate(cells, start=1)
        ]


def opened(run: object) -> Run:
    """Return an opened run, or open its folder."""
    if isinstance(run, str | os.PathLike):
        return open_run(run)
    if not hasattr(run, "cells"):
        raise InputError(f"`run` is {shortened(run)}; allowed: a run, or its folder")
    return cast(Run, run)


def run_labels(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return a short name for each run: its folder's, with the folder above where two agree.

    Example:
      >>> run_labels([Path("runs/cora"), Path("runs/digits")])
      ('cora', 'digits')
      >>> run_labels([Path("monday/cora"), Path("friday/cora"), Path("friday/cora")])
      ('monday/cora', 'friday/cora', 'friday/cora (2)')
    """
    names = [folder.name or str(folder) for folder in folders]
    if len(set(names)) < len(names):
        names = ["/".join(folder.parts[-2:]) for folder in folders]
    counts: dict[str, int] = {}
    for place, name in enumerate(names):
        counts[name] = counts.get(name, 0) + 1
        names[place] = name if counts[name] == 1 else f"{name} ({counts[name]})"
    return tuple(names)
