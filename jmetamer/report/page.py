"""`write_report`: one self-contained HTML page from the store of a run, or of several."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import StoreError
from jmetamer._base.paths import user_path, write_text
from jmetamer.report import transfer_summary, wording
from jmetamer.report.cells import CellName, distinguishing, is_in_title, name_cells
from jmetamer.report.comparison import compare_runs
from jmetamer.report.distance_summary import what_chance_is
from jmetamer.report.effects_summary import MAX_OPEN, study_sections, summarize_effects
from jmetamer.report.harm_summary import NO_CLASSES, OUTCOMES
from jmetamer.report.judge_table import MEASURES
from jmetamer.report.maker_tests import MIN_PAIRS, compare_makers
from jmetamer.report.makers import makers
from jmetamer.report.prose import page_environment
from jmetamer.report.sentences import cell_sentences, run_sentences
from jmetamer.report.sources import only_stored
from jmetamer.report.stored_cell import JoinedRuns, StoredCell, opened
from jmetamer.report.success_sentences import too_few_pairs
from jmetamer.report.success_summary import explain_criteria
from jmetamer.report.summary import CellSummary, shortfalls, status_totals, summarize
from jmetamer.report.wording import CONTROLS
from jmetamer.results import SAME_LENGTH, Run
from jmetamer.results.setting_tree import flatten, setting

if TYPE_CHECKING:
    from jmetamer.report.pictures import Picture

MAX_CELLS_DRAWN = 48
NUM_CELLS_OPEN = 4
NUM_CELLS_LISTED = 24  # the rest of the cells is folded as a whole, and so are all commands
_ABOUT = ("jmetamer", "git_revision", "jax", "device", "backend", "matmul_precision", "dtype")


@dataclasses.dataclass(frozen=True)
class CellSection:
    """What the page says about one cell.

    Attributes:
      anchor: identifier within the page.
      summary: numbers of the cell.
      sentences: the numbers in words.
      pictures: figures; empty where nothing was drawn.
      unverified: why nothing vouches for its numbers; empty where they are verified.
      notes: why a figure is missing.
      command: shell command that makes this cell again.
      settings, provenance: JSON text.
    """

    anchor: str
    summary: CellSummary
    sentences: list[str]
    pictures: "tuple[Picture, ...]"
    unverified: str
    notes: tuple[str, ...]
    command: str
    settings: str
    provenance: str


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
        unverified=str(data.attrs.get("unverified", "")),
        notes=missing,
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


def _json(value: object) -> str:
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)


@checked
def write_report(run: object, path: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of a run: one HTML file that loads nothing from elsewhere.

    Everything comes from the store, so the page can be made again at any time and on a machine
    without an accelerator. Figures are drawn for the first 48 cells, so that the page stays
    readable; tables and sentences cover all cells. Several runs are compared on one page.

    Args:
      run: an opened run, the path of a run folder, or a list of these.
      path: file to write; by default `report.html` in the run folder, and for several runs
        `comparison.html` beside the folder of the first.

    Returns:
      Path of the file.

    Raises:
      StoreError: if a run cannot be read or the file cannot be written.
    """
    runs = [opened(one) for one in (run if isinstance(run, list | tuple) else [run])]
    target = user_path(path) if path is not None else _usual_target(runs)
    text = render(runs)
    try:
        write_text(target, text)
    except OSError as error:
        raise StoreError(
            f"cannot write the report to `path` {str(target)!r} ({error}); give a file in a folder "
            "that exists, is writable and has space left. The run itself is untouched."
        ) from error
    return target


def render(runs: Sequence[Run]) -> str:
    """Return the page as text.

    Args:
      runs: opened runs, at least one.
    """
    run = JoinedRuns(runs)
    cells = run.cells
    names = name_cells({c.cell: c.settings for c in cells}, {c.cell: c.run for c in cells})
    sections = [cell_section(one, names[one.cell]) for one in cells]
    summaries = [one.summary for one in sections]
    by_cell = {one.name.cell: one for one in summaries}
    by_maker = makers(cells)
    rows = transfer_summary.readings(by_maker)
    effects = summarize_effects(cells, run.failed_settings)
    several, template = len(runs) > 1, _environment().get_template("report.html.j2")
    return template.render(
        title=_title(summaries),
        folders=run.labels,
        about=_about(cells[0].stored("provenance") if cells else {}),
        sentences=run_sentences(
            summaries,
            len(run.failures),
            reference_sizes(cells),
            rows,
            num_unfinished=run.num_unfinished,
        ),
        overview=_overview(summaries),
        sections=sections,
        known=[one.sources for one in summaries],
        effects=effects,
        effect_sections=study_sections(effects, {k: one.sources for k, one in by_cell.items()}),
        makers=by_maker,
        show_harm=any(maker.harm.reason != NO_CLASSES for maker in by_maker),
        comparison=compare_runs(run.labels, run.num_failed, cells, by_cell, rows)
        if several
        else None,
        columns=_extra_columns(names),
        failures=run.failures,
        names_failed={
            cell: name_cells({cell: entry["settings"]})[cell].title or cell
            for cell, entry in run.failures.items()
        },
        **_success(sections),
        **_transfer(rows),
    )


def _success(sections: Sequence[CellSection]) -> dict[str, object]:
    """Return what the page shows of the criteria of success and of searches that miss."""
    summaries = [one.summary for one in sections]
    return {
        "checked": [one for one in sections if one.summary.success is not None],
        "short_titles": _short_titles(summaries),
        "all_criteria": explain_criteria([one.success for one in summaries]),
        "too_few_pairs": _too_few_pairs(summaries),
        "remedies": status_totals(summaries),
        "shortfalls": shortfalls(summaries),
    }


def _transfer(rows: Sequence[transfer_summary.Reading]) -> dict[str, object]:
    """Return what the page shows of how other networks read the metamers."""
    notes = transfer_summary.own_judges_note(rows), *transfer_summary.row_notes(rows)
    return {
        "rows": rows,
        "judges": transfer_summary.judge_architectures(rows),
        "row_notes": list(filter(None, notes)),
        "judge_accuracy": transfer_summary.mean_accuracies(rows),
        "tests": compare_makers(rows),
    }


def _short_titles(summaries: Sequence[CellSummary]) -> dict[str, str]:
    """Return cell -> the part of its title that not all cells share."""
    titles = distinguishing([one.name.title for one in summaries]) if summaries else []
    return {one.name.cell: title for one, title in zip(summaries, titles, strict=True)}


def _too_few_pairs(summaries: Sequence[CellSummary]) -> list[str]:
    """Return why no corrected test can be passed, once for all cells of which it holds."""
    nulls = [one.success.null for one in summaries if one.success is not None]
    texts = dict.fromkeys(too_few_pairs(null) for null in nulls if null is not None)
    return [text for text in texts if text]


def _usual_target(runs: Sequence[Run]) -> Path:
    folder = Path(runs[0].folder)
    return folder / "report.html" if len(runs) == 1 else folder.parent / "comparison.html"


def _environment() -> jinja2.Environment:
    environment = page_environment("jmetamer.report")
    environment.filters.update(what_chance_is=what_chance_is, shade=shade)
    environment.globals.update(
        only_stored=only_stored, nan=float("nan"), inf=float("inf"), max_open=MAX_OPEN,
        harm_outcomes=OUTCOMES, read_beside=MEASURES, min_pairs=MIN_PAIRS,
        num_open=NUM_CELLS_OPEN, num_listed=NUM_CELLS_LISTED, num_drawn=MAX_CELLS_DRAWN,
        length_control=CONTROLS[SAME_LENGTH[0]],
    )  # fmt: skip
    return environment


def shade(kappa: float) -> int:
    """Return which of the 11 shades of the page shows a kappa; negative ones as 0.

    Example:
      >>> shade(-0.2), shade(0.57), shade(1.0)
      (0, 6, 10)
    """
    return 0 if np.isnan(kappa) else round(10 * min(max(kappa, 0.0), 1.0))


def _overview(summaries: list[CellSummary]) -> "tuple[Picture, ...]":
    if len(summaries) < 2:
        return ()
    from jmetamer.report.figures.page_figure import RunView
    from jmetamer.report.pictures import draw_all

    return draw_all("all", RunView(summaries))[0]


def _title(summaries: list[CellSummary]) -> str:
    datasets = list(dict.fromkeys(s.name.dataset for s in summaries if s.name.dataset))
    return f"Metamers of {wording.listing(datasets)}" if datasets else "Metamers"


def _about(provenance: Mapping[str, object]) -> list[tuple[str, str]]:
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
