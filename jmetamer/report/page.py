"""`write_report`: one self-contained HTML page from the store of a run."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from jmetamer._base.errors import StoreError
from jmetamer.report import wording
from jmetamer.report.cells import CellName, flatten, is_in_title, name_cells
from jmetamer.report.sentences import cell_sentences, run_sentences
from jmetamer.report.summary import (
    CellSummary,
    status_totals,
    summarize,
)

MAX_CELLS_DRAWN = 48
NUM_CELLS_OPEN = 4
_ABOUT = ("jmetamer", "git_revision", "jax", "device", "backend", "matmul_precision", "dtype")


@dataclasses.dataclass(frozen=True)
class CellSection:
    """What the page says about one cell.

    Attributes:
      anchor: identifier within the page.
      size: size of the reference in words, empty where it was not read.
      summary: numbers of the cell.
      sentences: the numbers in words.
      pictures: figures; empty where nothing was drawn.
      notes: why a figure is missing.
      command: shell command that makes this cell again.
      settings, provenance: JSON text.
    """

    anchor: str
    size: str
    summary: CellSummary
    sentences: list[str]
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


def write_report(run: Any, path: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of a run: one HTML file that loads nothing from elsewhere.

    Everything comes from the store, so the page can be made again at any time and on a machine
    without an accelerator. Figures are drawn for the first 48 cells, so that the page stays
    readable; tables and sentences cover all cells.

    Args:
      run: an opened run, or the path of a run folder.
      path: file to write; by default `report.html` in the run folder.

    Returns:
      Path of the file.

    Raises:
      StoreError: if the run cannot be read or the file cannot be written.
    """
    if isinstance(run, str | os.PathLike):
        from jmetamer.results import open_run

        run = open_run(run)
    target = Path(path) if path is not None else Path(run.folder) / "report.html"
    text = render(run)
    try:
        _replace(target, text)
    except OSError as error:
        raise StoreError(
            f"cannot write the report to `path` {str(target)!r} ({error}); give a file in a folder "
            "that exists, is writable and has space left. The run itself is untouched."
        ) from error
    return target


def render(run: Any) -> str:
    """Return the page as text."""
    settings = {cell: run.settings(cell) for cell in run.cells}
    names = name_cells(settings)
    sections = [
        _section(run, number, names[cell], settings[cell])
        for number, cell in enumerate(settings, start=1)
    ]
    failures = [_failure(cell, entry) for cell, entry in run.failures.items()]
    summaries = [section.summary for section in sections]
    sizes = {section.summary.name.dataset: section.size for section in sections if section.size}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jmetamer.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number,
        percent=wording.percent,
        duration=wording.duration,
        plural=wording.plural,
    )
    provenances = [run.provenance(cell) for cell in list(settings)[:1]]
    return environment.get_template("report.html.j2").render(
        title=_title(summaries),
        folder=Path(run.folder).name,
        about=_about(provenances[0] if provenances else {}),
        sentences=run_sentences(summaries, len(failures), sizes),
        overview=_overview(summaries),
        sections=sections,
        remedies=status_totals(summaries),
        columns=_extra_columns(names),
        num_open=NUM_CELLS_OPEN,
        num_drawn=MAX_CELLS_DRAWN,
        failures=failures,
    )


def _section(run: Any, index: int, name: CellName, settings: Mapping[str, Any]) -> CellSection:
    data = run.dataset(name.cell)
    provenance = run.provenance(name.cell)
    summary = summarize(name, settings, data, run.status_counts(name.cell))
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
        pictures=pictures,
        notes=_notes(index, summary, {picture.title for picture in pictures}),
        command=str(provenance.get("command", "")),
        settings=_json(settings),
        provenance=_json(provenance),
    )


def _notes(index: int, summary: CellSummary, drawn: set[str]) -> list[str]:
    if index > MAX_CELLS_DRAWN:
        return [
            f"Figures are drawn for the first {MAX_CELLS_DRAWN} cells only; the numbers above and "
            "the stored arrays are complete."
        ]
    missing = {
        "Loss during the optimization": "No loss curve: no finite loss was recorded.",
        "Reference against metamers": "No examples: no metamers of this cell were stored.",
        "Spectrum of the Jacobian": "No spectrum: this cell was run without geometry, or every "
        "singular value is zero.",
        "Deviations from the reference": "No deviations: no finite deviation was recorded.",
        "Layer-by-layer match": "No layer-by-layer match: no positive finite match was recorded.",
    }
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


def _overview(summaries: list[CellSummary]) -> Any:
    if len(summaries) < 2:
        return None
    from jmetamer.report.pictures import overview_picture

    return overview_picture(summaries)


def _failure(cell: str, entry: Mapping[str, Any]) -> Failure:
    traceback = str(entry.get("traceback") or "")
    lines = traceback.strip().splitlines()
    settings = entry.get("settings") or {}
    return Failure(
        cell=cell,
        title=name_cells({cell: settings})[cell].title or cell,
        error=lines[-1] if lines else "no traceback was recorded",
        traceback=traceback,
    )


def _title(summaries: list[CellSummary]) -> str:
    datasets = list(dict.fromkeys(s.name.dataset for s in summaries if s.name.dataset))
    return f"Metamers of {wording.listing(datasets)}" if datasets else "Metamers"


def _about(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The short facts of provenance, for the line under the title; the rest is folded below."""
    flat = ((key.rsplit(".", 1)[-1], value) for key, value in flatten(provenance))
    return [
        (key.replace("_", " "), str(value))
        for key, value in flat
        if key in _ABOUT and isinstance(value, str | int | float) and str(value)
    ]


def _extra_columns(names: Mapping[str, CellName]) -> list[str]:
    """Settings that differ between cells and that no fixed column of the table shows."""
    keys = dict.fromkeys(key for name in names.values() for key in name.differences)
    shown = ("count", "tolerance")
    return [k for k in keys if not is_in_title(k) and k.rsplit(".", 1)[-1] not in shown]


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)


def _replace(target: Path, text: str) -> None:
    """Write beside the target and rename, so that a reader never sees half a page."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".report-", suffix=".html")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
