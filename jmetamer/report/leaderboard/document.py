"""The leaderboard as a JSON document (layout: `schema.json`), and the files on disk."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jmetamer._base.arguments import checked
from jmetamer._base.errors import StoreError
from jmetamer._base.paths import user_path, write_text
from jmetamer.report.harm_summary import LESS, METAMERS, OUTCOMES, HarmSummary
from jmetamer.report.leaderboard.boards import Board, make_boards
from jmetamer.report.leaderboard.estimate import Estimate, estimated
from jmetamer.report.leaderboard.row import Row
from jmetamer.report.stored_cell import read_cells
from jmetamer.results import Run, SeedSummary, open_run

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA_VERSION = 4


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
        "boards": [_board(board) for board in make_boards(cells)],
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


def _board(board: Board) -> dict[str, Any]:
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
