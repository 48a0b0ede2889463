"""What the page says about one cell, or about one that failed."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from jmetamer.report import wording
from jmetamer.report.cells import CellName, name_cells, setting
from jmetamer.report.sentences import cell_sentences
from jmetamer.report.sources import OF_A_CELL, OF_DIVERSITY, OF_NO_DIVERSITY
from jmetamer.report.success_summary import Correction
from jmetamer.report.summary import CellSummary, summarize

MAX_CELLS_DRAWN = 48


@dataclasses.dataclass(frozen=True)
class CellSection:
    """What the page says about one cell.

    Attributes:
      anchor: identifier within the page.
      size: size of the reference in words, empty where it was not read.
      summary: numbers of the cell.
      sentences: the numbers in words.
      sources: names in the store of what the words are made from.
      pictures: figures; empty where nothing was drawn.
      notes: why a figure is missing.
      command: shell command that makes this cell again.
      settings, provenance: JSON text.
    """

    anchor: str
    size: str
    summary: CellSummary
    sentences: list[str]
    sources: tuple[str, ...]
    pictures: list[Any]
    notes: list[str]
    command: str
    settings: str
    provenance: str


@dataclasses.dataclass(frozen=True)
class Failure:
    """A cell that ended with an error.

    Attributes:
      cell: identifier of the cell.
      title: what the cell is called, or its identifier.
      error: last line of the traceback.
      traceback: all of it.
    """

    cell: str
    title: str
    error: str
    traceback: str


def cell_section(
    run: Any,
    index: int,
    name: CellName,
    settings: Mapping[str, Any],
    data: Any,
    correction: Correction,
) -> CellSection:
    """Put together what the page says about a finished cell.

    Args:
      run: where provenance, reference and metamers are read.
      index: place on the page, from 1.
      name: what the cell is called.
      settings: resolved settings.
      data: variables.
      correction: of the null test over the cells of the run.
    """
    provenance = run.provenance(name.cell)
    summary = summarize(name, settings, data, run.status_counts(name.cell), correction)
    pictures, size = [], ""
    if index <= MAX_CELLS_DRAWN:
        from jmetamer.report.pictures import cell_pictures

        reference = run.reference_data(name.cell)
        # A cell that keeps no metamers has no features to open.
        metamers = run.metamers(name.cell) if data.sizes.get("stored", 0) else ()
        pictures = cell_pictures(f"c{index}", summary, settings, data, reference, metamers)
        size = (
            f"{wording.plural(len(reference.nodes), 'node')}, "
            f"{wording.plural(reference.nodes.shape[1], 'feature')} each"
        )
    return CellSection(
        anchor=f"cell-{index}",
        size=size,
        summary=summary,
        sentences=cell_sentences(summary),
        sources=(*OF_A_CELL, *(OF_DIVERSITY if summary.diversity else OF_NO_DIVERSITY)),
        pictures=pictures,
        notes=[
            *([data.attrs["unverified"]] if "unverified" in data.attrs else []),
            *([] if summary.diversity or not summary.count else [summary.no_diversity]),
            *_notes(index, summary, {picture.title for picture in pictures}, settings),
        ],
        command=str(provenance.get("command", "")),
        settings=_json(settings),
        provenance=_json(provenance),
    )


def failure_section(cell: str, entry: Mapping[str, Any]) -> Failure:
    """Return what the page says about a cell that failed.

    Args:
      cell: identifier of the cell.
      entry: its settings and traceback.
    """
    traceback = str(entry.get("traceback") or "")
    lines = traceback.strip().splitlines()
    settings = entry.get("settings") or {}
    return Failure(
        cell=cell,
        title=name_cells({cell: settings})[cell].title or cell,
        error=lines[-1] if lines else "no traceback was recorded",
        traceback=traceback,
    )


def _notes(
    index: int, summary: CellSummary, drawn: set[str], settings: Mapping[str, Any]
) -> list[str]:
    if index > MAX_CELLS_DRAWN:
        return [
            f"Figures are drawn for the first {MAX_CELLS_DRAWN} cells only; the numbers above and "
            "the stored arrays are complete."
        ]
    missing = {
        "Loss during the optimization": "No loss curve: no finite loss was recorded.",
        "Reference against metamers": "No examples: no metamers of this cell were stored.",
        "Spectrum of the Jacobian": "No spectrum: "
        + (
            "`geometry.enabled` is false in this cell."
            if setting(settings, "geometry.enabled") is False
            else "this cell holds no singular value above zero."
        ),
        "Deviations from the reference": "No deviations: no finite deviation was recorded.",
        "Layer-by-layer match": "No picture of the match layer by layer: every match is 0 or "
        "undefined, and neither has a place on its log axis.",
    }
    if summary.count and summary.unchanged == summary.count:
        same = "every graph is the reference itself, or the reference renamed"
        missing["Deviations from the reference"] = f"No deviations: {same}."
        missing["Layer-by-layer match"] = f"No match layer by layer: {same}."
    if summary.edges is not None:
        missing["Edges beside those of the reference"] = (
            "No drawing of edges: no metamers of this cell were stored."
        )
        if summary.edges.none_exists:
            missing["Edges beside those of the reference"] = (
                "No drawing of edges: every graph is the reference itself."
            )
        if summary.edges.features_stay:
            del missing["Reference against metamers"]
        if summary.edges.by_swaps:
            missing["Loss during the optimization"] = (
                "No loss curve: swaps are made at random and never look at the loss."
            )
    notes = [text for title, text in missing.items() if title not in drawn]
    if any(status.name == "ZERO_TARGET" for status in summary.statuses):
        notes.insert(
            0,
            "The target activation is all zero, so the relative loss is undefined for this cell.",
        )
    return notes


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)
