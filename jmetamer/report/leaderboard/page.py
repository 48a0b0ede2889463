"""The leaderboard as one self-contained HTML page, made from its JSON document alone."""

from collections.abc import Sequence
from typing import Any

from jmetamer.report.environment import page_environment
from jmetamer.report.leaderboard.columns import COLUMNS, DETAILS, Column, Numbers
from jmetamer.report.wording import plural


def render(content: Numbers) -> str:
    """Return the page of a leaderboard.

    Example:
      >>> page = render({"schema_version": 1, "level": 0.95, "runs": [], "boards": []})
      >>> "No finished cell" in page
      True
    """
    environment = page_environment("jmetamer.report.leaderboard", "jmetamer.report")
    boards = content["boards"]
    return environment.get_template("leaderboard.html.j2").render(
        runs=[_run_text(run) for run in content["runs"]],
        unreadable=[item for run in content["runs"] for item in run["unreadable"].items()],
        columns=COLUMNS,
        details=DETAILS,
        legend=(*COLUMNS, *DETAILS[2:]),  # both begin with model and layer
        boards=[_board(number, board) for number, board in enumerate(boards, start=1)],
    )


def _run_text(run: Numbers) -> str:
    failed = f", {plural(run['failures'], 'failure')}" if run["failures"] else ""
    left = f", {run['unfinished']:,} unfinished" if run["unfinished"] else ""
    return f"{run['name']} ({plural(run['cells'], 'cell')}{failed}{left})"


def _board(number: int, board: Numbers) -> dict[str, Any]:
    """Return a board with its table, and the footnotes that its places refer to."""
    reasons: dict[str, int] = {}
    lines, details = (_lines(board["rows"], columns, reasons) for columns in (COLUMNS, DETAILS))
    return {
        "anchor": f"board-{number}",
        "dataset": board["dataset"],
        "recipe": board["recipe"],
        "notes": board["notes"],
        "lines": lines,
        "details": details,
        "reasons": [(place, reason) for reason, place in reasons.items()],
        "left_out": [
            (f"{row['model']}, {row['layer']}", note)
            for row in board["rows"]
            for note in row["notes"]
        ],
    }


def _lines(
    rows: Sequence[Numbers], columns: Sequence[Column], reasons: dict[str, int]
) -> list[dict[str, Any]]:
    """Return rows with what stands in their columns but the first; new reasons are numbered."""
    lines = []
    for row in rows:
        places = []
        for column in columns[1:]:
            shown = column.shown(row)
            note = reasons.setdefault(shown.reason, len(reasons) + 1) if shown.reason else 0
            places.append({**shown._asdict(), "note": note})
        lines.append({"row": row, "places": places})
    return lines
