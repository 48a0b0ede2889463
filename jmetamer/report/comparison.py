"""Several runs side by side: which settings differ, and what came of it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jmetamer.report.cells import canonical, distinguishing, name_cells, value_text
from jmetamer.report.makers import without_seeds
from jmetamer.report.reading import grouped, mean, median
from jmetamer.report.share import Share, over_networks
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.summary import CellSummary
from jmetamer.report.transfer_summary import Reading
from jmetamer.report.wording import listing
from jmetamer.results import CrossedSummary, SeedSummary
from jmetamer.results.setting_tree import flatten

_ABSENT = "not set"
_LEVELS = ("median", "start", "chance")  # of a deviation


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """The cells of one run that belong to one row of the comparison.

    Attributes:
      what: settings that its rows have in common, in words.
      run: name of the run.
      numbers: places of the cells on the page.
      alone: whether no other run has such cells.
      converged: metamers that reached the tolerance.
      success: metamers that fulfill every criterion; None where the store does not say.
      loss: median over cells of the median loss.
      agreement: mean share of nodes that keep their class.
      deviations: measure -> means over cells of the median, of the median of the starts, and of the
        chance level.
      above_length: recognition less that of equally long random changes; empty without pairs.
      recognition: R of the judges; empty without judges.
    """

    what: str
    run: str
    numbers: tuple[int, ...]
    alone: bool
    converged: Share
    success: Share | None
    loss: float
    agreement: float
    deviations: Mapping[str, tuple[float, ...]]
    above_length: tuple[CrossedSummary, ...]
    recognition: tuple[SeedSummary, ...]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a page of several runs shows first.

    Attributes:
      runs: (name, cells, failed cells) of each run.
      settings: (dotted setting, its values in each run), for those that differ.
      rows: cells of all runs, those that match one below the other.
      measures: deviations in any row.
    """

    runs: tuple[tuple[str, int, int], ...]
    settings: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[SideBySide, ...]
    measures: tuple[str, ...]


def compare_runs(
    labels: Sequence[str],
    num_failed: Sequence[int],
    cells: Sequence[StoredCell],
    summaries: Mapping[str, CellSummary],
    readings: Sequence[Reading],
) -> Comparison:
    """Match the cells of several runs and put them side by side.

    Cells match that have the same settings, leaving out seeds and the settings by which whole runs
    differ: those with one value in each run, but not the same in all.

    Args:
      num_failed: of cells, for each run.
    """
    values = _values(labels, cells)
    of_runs = {
        key for key, each in values.items() if all(len(in_run) <= 1 for in_run in each.values())
    }

    def apart(cell: StoredCell) -> dict[str, Any]:
        return {k: v for k, v in without_seeds(cell.settings).items() if k not in of_runs}

    groups: dict[str, dict[str, list[StoredCell]]] = {}
    for cell in cells:
        groups.setdefault(canonical(apart(cell)), {}).setdefault(cell.run, []).append(cell)
    first = {key: next(iter(group.values()))[0] for key, group in groups.items()}
    names = name_cells({key: apart(cell) for key, cell in first.items()})
    titles = distinguishing([name.title for name in names.values()])
    headings = {key: title or "all cells" for key, title in zip(names, titles, strict=True)}
    rows = [
        _row(headings[key], label, own, len(group) == 1, summaries, readings)
        for key, group in groups.items()
        for label, own in group.items()
    ]
    counts = [sum(cell.run == label for cell in cells) for label in labels]
    return Comparison(
        runs=tuple(zip(labels, counts, num_failed, strict=True)),
        settings=tuple(
            (key, tuple(listing(list(each[label]), limit=8) or _ABSENT for label in labels))
            for key, each in values.items()
        ),
        rows=tuple(rows),
        measures=tuple(dict.fromkeys(name for row in rows for name in row.deviations)),
    )


def _values(labels: Sequence[str], cells: Iterable[StoredCell]) -> dict[str, dict[str, list[str]]]:
    """Return setting -> run -> its values in words, for settings that differ between the runs."""
    by_setting: dict[str, dict[str, list[str]]] = {}
    for cell in cells:
        for key, value in flatten(cell.settings):
            in_run = by_setting.setdefault(key, {label: [] for label in labels})[cell.run]
            text = value_text(value)
            if text not in in_run:
                in_run.append(text)
    return {
        key: each
        for key, each in by_setting.items()
        if len({frozenset(v) for v in each.values()}) > 1
    }


def _row(
    what: str,
    label: str,
    own: Sequence[StoredCell],
    alone: bool,
    summaries: Mapping[str, CellSummary],
    readings: Sequence[Reading],
) -> SideBySide:
    own_summaries = [summaries[cell.cell] for cell in own]
    together = [(s.network, s.succeeded) for s in own_summaries if s.succeeded]
    numbers = tuple(cell.number for cell in own)
    judged = [row for row in readings if set(row.maker.numbers) <= set(numbers)]
    return SideBySide(
        what=what,
        run=label,
        numbers=numbers,
        alone=alone,
        converged=over_networks((s.network, s.reached) for s in own_summaries),
        success=over_networks(together) if together else None,
        loss=median([s.loss for s in own_summaries]),
        agreement=mean([s.agreement for s in own_summaries]),
        deviations={
            measure: tuple(mean([getattr(d, field) for d in each]) for field in _LEVELS)
            for measure, each in grouped(
                (d.measure, d) for s in own_summaries for d in s.deviations
            ).items()
        },
        above_length=tuple(
            row.above_length.difference for row in judged if row.above_length is not None
        ),
        recognition=tuple(row.result.recognition for row in judged if row.result is not None),
    )
