"""The leaderboard as one self-contained HTML page, made from its JSON document alone."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jmetamer.report import wording
from jmetamer.report.prose import page_environment
from jmetamer.results import SAME_LENGTH
from jmetamer.results.setting_tree import setting

Numbers = Mapping[str, Any]
Form = Callable[..., str]  # writes a number with so many decimals at least


def _one(value: float, least: int = 0) -> str:
    return wording.fixed(value, max(1, least))


def _two(value: float, least: int = 0) -> str:
    return wording.fixed(value, max(2, least))


def _three(value: float, least: int = 0) -> str:
    """Write a share so that neither 1 nor 0 is written of what is not."""
    gap = min(abs(value), abs(1 - value))
    tells = math.ceil(-math.log10(2 * gap)) if 1e-7 < gap < 5e-4 else 3
    return wording.fixed(value, max(least, tells))


class Column(NamedTuple):
    """One column of every board; `place.html.j2` says what stands there, `columns.html.j2` why.

    Attributes:
      key: by which the templates tell it.
      title: head.
      field: of the row, where it is an estimate that stands there.
      form: writes its numbers.
    """

    key: str
    title: str
    field: str = ""
    form: Form = wording.percent


COLUMNS = (
    Column("model", "Model"),
    Column("layer", "Layer"),
    Column("seeds", "Seeds"),
    Column("success", "Success"),
    Column("r_less_same_length", "R − same length", form=_two),
    Column("r_less_null_space", "R − null space", form=_two),
    Column("r", "R", "recognition", _two),
    Column("i_seed", "I seed", "seed_gap", _two),
    Column("i_arch", "I arch", "architecture_gap", _two),
    Column("rank", "Rank", "rank", _one),
    Column("nu", "ν", "nu", _three),
    Column("1_less_rank_p", "1 − rank/p", "nu_random", _three),
    Column("harmful", "Harmful"),
    Column("test_accuracy", "Test accuracy", "test_accuracy"),
    Column("time_per_metamer", "Time per metamer"),
    Column("total_time", "Total time"),
)

DETAILS = (
    *COLUMNS[:2],
    Column("r_of_same_length", "R of same length", form=_two),
    Column("success_corrected", "Success, corrected"),
    Column("mean_success_of_seeds", "Mean success of seeds", "success_by_seed"),
    Column("accuracy_of_judges", "Accuracy of judges", "accuracy"),
    Column("on_the_reference", "On the reference"),
    Column("agreement_of_judges", "Agreement of judges", "agreement"),
    Column("harmful_nodes", "Harmful nodes"),
    Column("repaired", "Repaired"),
    Column("still_wrong", "Still wrong"),
    Column("kept_right", "Kept right"),
    Column("harmful_of_controls", "Harmful of controls"),
    Column("judges", "Judges"),
)


def render(content: Numbers) -> str:
    """Return the page of a leaderboard.

    Example:
      >>> page = render({"schema_version": 1, "level": 0.95, "runs": [], "boards": []})
      >>> "No finished cell" in page
      True
    """
    environment = page_environment("jmetamer.report.leaderboard", "jmetamer.report")
    environment.filters.update(
        limited=_limited, points=_points, fixed=wording.fixed, setting=setting
    )
    return environment.get_template("leaderboard.html.j2").render(
        runs=content["runs"],
        boards=content["boards"],
        columns=COLUMNS,
        details=DETAILS,
        same_length=SAME_LENGTH,
    )


def _limited(given: Numbers, form: Form) -> list[str]:
    """Write an estimate, and its limits or why it has none, with decimals that tell them apart."""
    low, high, count = given["low"], given["high"], given.get("num_seeds")
    digits = wording.decimals(low, high)
    text = [form(given["value"], digits)]
    if low is not None:
        return [*text, f"{form(low, digits)} to {form(high, digits)}"]
    return [*text, "one seed" if count == 1 else f"all {count} equal"] if count else text


def _points(less: Numbers) -> str:
    """Write a difference of shares in percentage points, with its interval where there is one."""
    if less["value"] is None:
        return "unknown"
    text, *limits = _limited(less, lambda value, least: _one(100 * value, least - 2))
    return f"{text} ({limits[0]})" if limits else text
