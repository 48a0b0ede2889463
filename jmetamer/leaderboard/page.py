"""The leaderboard as one self-contained HTML page, made from its JSON document alone."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jmetamer.report.environment import page_environment
from jmetamer.report.wording import coded, duration, listing, percent, plural

Numbers = Mapping[str, Any]


class Shown(NamedTuple):
    """What stands in one place of the table.

    Attributes:
      text: the number, or a word.
      below: smaller lines under it.
      sort: what the column is sorted by; None is last. Text sorts as text.
      reason: why there is no number; becomes a footnote.
    """

    text: str
    below: tuple[str, ...] = ()
    sort: float | str | None = None
    reason: str = ""


class Column(NamedTuple):
    """One column of every board.

    Attributes:
      title: head.
      meaning: for the legend.
      shown: row of the document -> what stands there.
    """

    title: str
    meaning: str
    shown: Callable[[Numbers], Shown]


def render(found: Mapping[str, Any]) -> str:
    """Return the page of a leaderboard.

    Args:
      found: from `document`.

    Example:
      >>> page = render({"schema_version": 1, "level": 0.95, "runs": [], "boards": []})
      >>> "No finished cell" in page
      True
    """
    environment = page_environment("jmetamer.leaderboard", "jmetamer.report")
    environment.filters["coded"] = coded
    boards = found["boards"]
    return environment.get_template("leaderboard.html.j2").render(
        runs=[_run_text(run) for run in found["runs"]],
        columns=COLUMNS,
        boards=[_board(number, board) for number, board in enumerate(boards, start=1)],
    )


def _run_text(run: Numbers) -> str:
    failed = f", {plural(run['failures'], 'failure')}" if run["failures"] else ""
    return f"{run['name']} ({plural(run['cells'], 'cell')}{failed})"


def _board(number: int, board: Numbers) -> dict[str, Any]:
    """Return a board with its table, and the footnotes that its places refer to."""
    reasons: dict[str, int] = {}
    lines = []
    for row in board["rows"]:
        places = []
        for column in COLUMNS[1:]:
            shown = column.shown(row)
            note = reasons.setdefault(shown.reason, len(reasons) + 1) if shown.reason else 0
            places.append({**shown._asdict(), "note": note})
        lines.append({"row": row, "places": places})
    return {
        "anchor": f"board-{number}",
        "dataset": board["dataset"],
        "recipe": board["recipe"],
        "notes": board["notes"],
        "lines": lines,
        "reasons": [(place, reason) for reason, place in reasons.items()],
        "left_out": [
            (f"{row['model']}, {row['layer']}", note)
            for row in board["rows"]
            for note in row["notes"]
        ],
    }


def _fixed(value: float, digits: int) -> str:
    """Write a number with a true minus sign and without a negative zero."""
    return f"{value:.{digits}f}".replace("-" + f"{0:.{digits}f}", f"{0:.{digits}f}").replace(
        "-", "\N{MINUS SIGN}"
    )


def _number(given: Numbers, write: Callable[[float], str], *more: str) -> Shown:
    """Show an estimate with its interval."""
    if given["value"] is None:
        return Shown("n/a", reason=given["reason"])
    below: tuple[str, ...] = ()
    if given["low"] is not None:
        below = (f"{write(given['low'])} to {write(given['high'])}",)
    elif given.get("num_seeds") == 1:
        below = ("one seed",)
    return Shown(write(given["value"]), (*below, *more), given["value"])


def _two(value: float) -> str:
    return _fixed(value, 2)


def _three(value: float) -> str:
    return _fixed(value, 3)


def _recognition(row: Numbers) -> Shown:
    if row["lowest"] is None:
        return _number(row["recognition"], _two)
    return _number(row["recognition"], _two, f"({_two(row['lowest'])} to {_two(row['highest'])})")


def _random_change(row: Numbers) -> Shown:
    """Show R of graphs as far away as the metamers, but in no particular direction."""
    for name in ("displacement", "flips"):
        if name in row["controls"]:
            return _number(row["controls"][name], _two)
    reason = row["recognition"]["reason"] or row["success"]["reason"]
    return Shown("n/a", reason=reason or "this control is not stored")


def _random_direction(row: Numbers) -> Shown:
    """Show 1 - rank / p and, below, rank / p."""
    ratio = row["rank_ratio"]["value"]
    more = () if ratio is None else (f"rank/p {_three(ratio)}",)
    return _number(row["nu_random"], _three, *more)


def _success(row: Numbers) -> Shown:
    shown = _number(row["success"], percent)
    if row["success"]["count"] is None:
        return shown
    counted = f"{row['success']['count']:,} of {row['success']['total']:,}"
    return shown._replace(below=(*shown.below, counted))


def _seeds(row: Numbers) -> Shown:
    count = len(row["seeds"])
    return Shown(str(count) if count else "–", (), count or None)


def _seconds_each(row: Numbers) -> Shown:
    cost = row["cost"]
    if cost["seconds_per_metamer"] is None:
        return Shown("n/a", reason=cost["reason"])
    return Shown(duration(cost["seconds_per_metamer"]), (), cost["seconds_per_metamer"])


def _seconds(row: Numbers) -> Shown:
    cost = row["cost"]
    if cost["seconds"] is None:
        return Shown("n/a", reason=cost["reason"] or "the seconds are not stored")
    return Shown(duration(cost["seconds"]), (listing(cost["devices"]),), cost["seconds"])


COLUMNS = (
    Column(
        "Model",
        "Architecture and activation, and what else tells rows apart. Controls are marked: "
        "untrained networks, networks trained on shuffled labels or with random perturbations, "
        "and the reference itself, which all models read as before.",
        lambda row: Shown(row["model"], (), row["model"]),
    ),
    Column(
        "Layer",
        "At this layer the metamers have the activations of the reference.",
        lambda row: Shown(row["layer"], (), row["layer"]),
    ),
    Column("Seeds", "Training seeds of the models that made the metamers.", _seeds),
    Column(
        "Success",
        "Share of metamers that fulfill every criterion of the recipe, with its 95% Wilson "
        "interval over metamers. Only these count in R, I and harmful.",
        _success,
    ),
    Column(
        "R",
        "Shared recognition: how models of other architectures, each of the same weight, read the "
        "metamers. It is the mean of Cohen's kappa between their reading of the metamer and of "
        "the reference: 1 as before, 0 as by chance. Below it the 95% t-interval over seeds of "
        "the maker and, in brackets, the range of R with one judge architecture left out.",
        _recognition,
    ),
    Column(
        "I seed",
        "1 − kappa of judges of the same architecture trained from other seeds: what is lost by "
        "changing nothing but the seed.",
        lambda row: _number(row["seed_gap"], _two),
    ),
    Column(
        "I arch",
        "Kappa of judges of the same architecture − R: what is lost by changing the architecture.",
        lambda row: _number(row["architecture_gap"], _two),
    ),
    Column(
        "R of random change",
        "R of graphs that are as far from the reference as the metamers, but in random directions.",
        _random_change,
    ),
    Column(
        "ν",
        "Blind fraction: share of the features' squared length that the layer does not see to "
        "first order, mean over nodes. No metamer, no judge.",
        lambda row: _number(row["nu"], _three),
    ),
    Column(
        "1 − rank/p",
        "The blind fraction of a random direction, mean over nodes: compare ν with it. Below it "
        "rank/p: rank of the layer's Jacobian by the number p of inputs in a node's sight.",
        _random_direction,
    ),
    Column(
        "Harmful",
        "Share of target nodes whose most probable (Bayes) class changed while the model's stayed. "
        "Known where the graph comes from a generating model.",
        lambda row: _number(row["harmful"], percent),
    ),
    Column(
        "Test accuracy",
        "Of the models, mean over seeds.",
        lambda row: _number(row["test_accuracy"], percent),
    ),
    Column(
        "Time per metamer",
        "Wall time of making metamers for each one that succeeded.",
        _seconds_each,
    ),
    Column("Total time", "Wall time of all cells of the row, and on what.", _seconds),
)
