"""What the page says about one cell, or about one that failed."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import xarray as xr

from jmetamer.report import wording
from jmetamer.report.cells import CellName, name_cells
from jmetamer.report.sentences import cell_sentences
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.summary import CellSummary, summarize
from jmetamer.results.setting_tree import setting
from jmetamer.results.store import StoredFailure

if TYPE_CHECKING:
    from jmetamer.report.pictures import Picture

MAX_CELLS_DRAWN = 48


@dataclasses.dataclass(frozen=True)
class CellSection:
    """What the page says about one cell.

    Attributes:
      anchor: identifier within the page.
      summary: numbers of the cell.
      sentences: the numbers in words.
      pictures: figures; empty where nothing was drawn.
      notes: why a figure is missing.
      command: shell command that makes this cell again.
      settings, provenance: JSON text.
    """

    anchor: str
    summary: CellSummary
    sentences: list[str]
    pictures: "tuple[Picture, ...]"
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


def cell_section(cell: StoredCell, name: CellName) -> CellSection:
    """Put together what the page says about a finished cell, which is called so."""
    index, data, settings = cell.number, cell.data, cell.settings
    provenance = cell.stored("provenance")
    summary = summarize(name, settings, data, cell.counts, cell.correction)
    pictures: tuple[Picture, ...] = ()
    missing: tuple[str, ...] = ()
    if index <= MAX_CELLS_DRAWN:
        from jmetamer.report.figures.page_figure import CellView
        from jmetamer.report.pictures import draw_all

        reference = cell.stored("reference_data")
        # A cell that keeps no metamers has no features to open.
        metamers = cell.stored("metamers") if data.sizes.get("stored", 0) else ()
        view = CellView(summary, settings, data, reference, metamers)
        pictures, missing = draw_all(f"c{index}", view)
    return CellSection(
        anchor=f"cell-{index}",
        summary=summary,
        sentences=cell_sentences(summary),
        pictures=pictures,
        notes=list(_notes(index, summary, data, missing)),
        command=str(provenance.get("command", "")),
        settings=_json(settings),
        provenance=_json(provenance),
    )


def reference_sizes(cells: Sequence[StoredCell]) -> dict[str, str]:
    """Return dataset -> size of its reference in words, from the first cell of each."""
    firsts = {str(setting(one.settings, "dataset")): one for one in reversed(cells)}
    shapes = {name: one.stored("reference_data").nodes.shape for name, one in firsts.items()}
    return {
        name: f"{wording.plural(nodes, 'node')}, {wording.plural(features, 'feature')} each"
        for name, (nodes, features) in shapes.items()
    }


def failure_section(cell: str, entry: StoredFailure) -> Failure:
    """Return what the page says about a cell that failed."""
    traceback = entry["traceback"]
    lines = traceback.strip().splitlines()
    return Failure(
        cell=cell,
        title=name_cells({cell: entry["settings"]})[cell].title or cell,
        error=lines[-1] if lines else "no traceback was recorded",
        traceback=traceback,
    )


def _notes(
    index: int, summary: CellSummary, data: xr.Dataset, missing: Sequence[str]
) -> Iterator[str]:
    """Yield what a reader should know of a cell: of its numbers, then why figures are missing."""
    if "unverified" in data.attrs:
        yield data.attrs["unverified"]
    if summary.count and not summary.diversity:
        yield summary.no_diversity
    if index > MAX_CELLS_DRAWN:
        yield (
            f"Figures are drawn for the first {MAX_CELLS_DRAWN} cells only; the numbers above and "
            "the stored arrays are complete."
        )
    elif any(status.name == "ZERO_TARGET" for status in summary.statuses):
        yield "The target activation is all zero, so the relative loss is undefined for this cell."
    yield from missing


def _json(value: object) -> str:
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)
