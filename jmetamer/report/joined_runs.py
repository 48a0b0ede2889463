"""Several runs read as one, so that one page can show them side by side."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from jmetamer._base.errors import InputError, shortened
from jmetamer.report.stored_cell import read_cells
from jmetamer.results import Run, open_run
from jmetamer.results.setting_tree import Settings
from jmetamer.results.store import StoredFailure


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
