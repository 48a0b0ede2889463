"""Boards of rows that may be compared, as a JSON document (layout: `schema.json`) and on disk."""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jmetamer._base.arguments import checked
from jmetamer._base.errors import StoreError
from jmetamer._base.paths import user_path, write_text
from jmetamer.report.cells import canonical
from jmetamer.report.harm_summary import LESS, METAMERS, OUTCOMES, HarmSummary
from jmetamer.report.leaderboard.estimate import Estimate, estimated
from jmetamer.report.leaderboard.recipe import (
    by_panel,
    dataset_of,
    recipe_of,
    recipe_text,
    row_settings,
    tell_apart,
)
from jmetamer.report.leaderboard.row import Row, identity_row, make_row
from jmetamer.report.reading import grouped
from jmetamer.report.stored_cell import StoredCell, read_cells
from jmetamer.results import Run, SeedSummary, open_run
from jmetamer.results.setting_tree import Settings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
SCHEMA_VERSION = 4


@checked
@dataclasses.dataclass(frozen=True)
class Board:
    """All models whose metamers were made of one reference by one recipe.

    Attributes:
      dataset: name in words.
      recipe: how the metamers are made, in words.
      dataset_settings, recipe_settings: what all rows share; those of the recipe are dotted.
      rows: by layer, those that are read best above equally long random changes first, then those
        of which this is not known by R, then the identity.
      notes: what a reader should know.
    """

    dataset: str
    recipe: str
    dataset_settings: Settings
    recipe_settings: Settings
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


@checked
def make_boards(cells: Iterable[StoredCell]) -> list[Board]:
    """Sort cells into boards and rows.

    Rows of different references or recipes never meet on one board. Metamers that several cells
    hold, as cells of two runs or with other measures, count once. Cells whose judges of one name
    are built or trained in different ways are rows apart.

    Args:
      cells: of one or several runs, in any order.

    Returns:
      One board for each pair of reference and recipe, in order of appearance.
    """
    groups = grouped((canonical([dataset_of(cell), recipe_of(cell)]), cell) for cell in cells)
    boards = [_board(group) for group in groups.values()]
    datasets = tell_apart(
        [board.dataset for board in boards],
        [{k: v for k, v in b.dataset_settings.items() if k != "reference"} for b in boards],
    )
    datasets = tell_apart(datasets, [{"graph": _short(board)} for board in boards])
    recipes = [board.recipe for board in boards]
    pairs = [f"{dataset}\n{recipe}" for dataset, recipe in zip(datasets, recipes, strict=True)]
    labels = tell_apart(pairs, [board.recipe_settings for board in boards])
    return [
        dataclasses.replace(board, dataset=dataset, recipe=text.split("\n", 1)[1])
        for board, dataset, text in zip(boards, datasets, labels, strict=True)
    ]


def _board(cells: Sequence[StoredCell]) -> Board:
    groups = grouped((canonical(row_settings(cell)), cell) for cell in cells)
    rows = [make_row(part) for group in groups.values() for part in by_panel(group)]
    kinds = [f"{row.model}|{row.control}|{row.layer}" for row in rows]
    labels = tell_apart(kinds, [row.settings for row in rows])
    panels = [row.recognized.panel for row in rows]
    labels = tell_apart(labels, [panel.label_settings if panel else {} for panel in panels])
    named = [
        dataclasses.replace(row, model=row.model + label.removeprefix(kind))
        for row, kind, label in zip(rows, kinds, labels, strict=True)
    ]
    layers = list(dict.fromkeys(row.layer for row in named))
    named.sort(key=lambda row: (layers.index(row.layer), *_headline(row)))
    return Board(
        dataset=str(dataset_of(cells[0])["name"]),
        recipe=recipe_text(recipe_of(cells[0])),
        dataset_settings=dataset_of(cells[0]),
        recipe_settings=recipe_of(cells[0]),
        rows=(*named, identity_row(cells)),
        notes=_notes(named),
    )


def _headline(row: Row) -> tuple[float, ...]:
    """Return what a row is sorted by, smallest first; unknown numbers are last."""
    numbers = row.recognized.above_length.value, row.recognized.recognition.value
    return tuple(float("inf") if value is None else -value for value in numbers)


def _short(board: Board) -> str:
    return str(board.dataset_settings["reference"])[:8]


def _notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Say what makes rows of this board hard to compare."""
    panels = [row.recognized.panel for row in rows]
    judged = [panel for panel in panels if panel is not None]
    if all(panel.equals(judged[0]) for panel in judged):
        return ()
    return (
        "Not all rows have the same judges: they are others, or of another width, depth or "
        "training. R of two rows is comparable only where they are the same.",
    )


@checked
def document(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the leaderboard of some runs, JSON-able; `schema.json` describes it.

    Args:
      runs: opened runs; a cell that several hold counts once.

    Raises:
      StoreError: a cell cannot be read.
    """
    sorted_cells = [run.readable() for run in runs]
    cells = [
        cell
        for run, (readable, _) in zip(runs, sorted_cells, strict=True)
        for cell in read_cells(run, readable=readable)
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "level": 0.95,
        "runs": [
            {
                "name": run.folder.resolve().name,
                "cells": len(run.cells),
                "failures": len(run.failures),
                "unfinished": len(run.unfinished),
                "unreadable": unreadable,
            }
            for run, (_, unreadable) in zip(runs, sorted_cells, strict=True)
        ],
        "boards": [_board_fields(board) for board in make_boards(cells)],
    }


@checked
def write_leaderboard(
    folders: Sequence[str | os.PathLike[str]],
    page: str | os.PathLike[str],
    data: str | os.PathLike[str],
) -> tuple[Path, Path]:
    """Read run folders and write their leaderboard, as a page and as JSON.

    Args:
      folders: run folders.
      page: HTML file to write; it loads nothing from elsewhere.
      data: JSON file to write.

    Returns:
      Paths of both.

    Raises:
      StoreError: a folder is no run, or a file cannot be written.
    """
    from jmetamer.report.leaderboard.page import render

    content = document([open_run(folder) for folder in folders])
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    return _write(page, render(content)), _write(data, text)


def _board_fields(board: Board) -> dict[str, Any]:
    fields = _fields(board)
    rows = fields.pop("rows")
    return _plain(fields) | {"rows": [_row(row) for row in rows]}


def _row(row: Row) -> dict[str, Any]:
    """Return a row with what `SuccessRates` and `Recognized` hold beside the rest."""
    flat = _fields(row)
    success, recognized = _fields(flat.pop("rates")), _fields(flat.pop("recognized"))
    panel = recognized.pop("panel")
    parts = {
        "success": success["success"],
        "success_by_seed": success["by_seed"],
        "success_corrected": success["corrected"],
        "success_corrected_by_seed": success["corrected_by_seed"],
        **{key: value for key, value in recognized.items() if key != "notes"},
        "judges": panel.names if panel else (),
        "judge_settings": panel.settings if panel else {},
    }
    cells = [{"run": run, "cell": cell} for run, cell in flat.pop("cells")]
    return _plain({**flat, **parts, "harm": harm_numbers(row.harm), "cells": cells})


def harm_numbers(harm: HarmSummary) -> dict[str, object]:
    """Return the entries of a row's `harm`; estimates without a value say why."""
    lines = {line.name: line for line in harm.lines}
    metamers = lines.pop(METAMERS, None)
    shares = {
        name: estimated(metamers.shares[name], "") if metamers else Estimate(reason=harm.reason)
        for name in (*OUTCOMES, "unseen")
    }
    return {
        **shares,
        "counts": metamers.counts if metamers else {},
        "controls": {name: _both(line.shares) for name, line in lines.items()},
        "less": {name: _both(line.less) for name, line in lines.items()},
        "no_start": harm.no_start,
    }


def _both(of: Mapping[str, SeedSummary]) -> dict[str, Estimate]:
    return {name: estimated(of[name], "no target node is known") for name in LESS}


def _fields(of: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a dataclass by name, as they are."""
    return {field.name: getattr(of, field.name) for field in dataclasses.fields(of)}


def _plain(value: object) -> Any:
    """Return dataclasses as mappings and tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _write(path: str | os.PathLike[str], text: str) -> Path:
    target = user_path(path)
    try:
        write_text(target, text)
    except OSError as error:
        raise StoreError(
            f"cannot write `{target}` ({error}); give a file in a folder that exists, is writable "
            "and has space left"
        ) from error
    return target
