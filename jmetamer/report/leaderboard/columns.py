"""The columns of a board: what stands in each of them."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jmetamer.report.wording import decimals, duration, fixed, listing, percent, plural
from jmetamer.results import SAME_LENGTH
from jmetamer.results.setting_tree import setting

Numbers = Mapping[str, Any]
Write = Callable[[float, int], str]  # a number with so many decimals at least


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
      key: by which `columns.html.j2` tells its meaning.
      title: head.
      shown: row of the document -> what stands there.
    """

    key: str
    title: str
    shown: Callable[[Numbers], Shown]


def _number(estimate: Numbers, write: Write, *more: str) -> Shown:
    """Show an estimate with its interval."""
    if estimate["value"] is None:
        return Shown("n/a", reason=estimate["reason"])
    text, *below = _limited(estimate, write)
    return Shown(text, (*below, *more), estimate["value"])


def _limited(given: Numbers, write: Write) -> list[str]:
    """Write an estimate, and its limits or why it has none, with decimals that tell them apart."""
    low, high, count = given["low"], given["high"], given.get("num_seeds")
    digits = decimals(low, high)
    text = [write(given["value"], digits)]
    if low is not None:
        return [*text, f"{write(low, digits)} to {write(high, digits)}"]
    return [*text, "one seed" if count == 1 else f"all {count} equal"] if count else text


def _two(value: float, least: int = 0) -> str:
    return fixed(value, max(2, least))


def _three(value: float, least: int = 0) -> str:
    """Write a share so that neither 1 nor 0 is written of what is not."""
    gap = min(abs(value), abs(1 - value))
    return fixed(value, max(least, math.ceil(-math.log10(2 * gap)) if 1e-7 < gap < 5e-4 else 3))


def _recognition(row: Numbers) -> Shown:
    if row["lowest"] is None:
        return _number(row["recognition"], _two)
    return _number(row["recognition"], _two, f"({_two(row['lowest'])} to {_two(row['highest'])})")


def _difference(paired: Numbers) -> Shown:
    """Show a paired difference with its interval, and of how many pairs it is."""
    if paired["value"] is None:
        return Shown("n/a", reason=paired["reason"])
    seeds, architectures = paired["num_seeds"], paired["num_architectures"]
    text, *limits = _limited({**paired, "num_seeds": 0}, _two)
    several = min(seeds, architectures) > 1
    below = limits[0] if limits else f"{'all equal: ' if several else ''}no interval"
    sizes = f"{seeds} × {architectures}, {plural(paired['num_pairs'], 'pair')}"
    return Shown(text, (below, sizes), paired["value"])


def _random_change(row: Numbers) -> Shown:
    """Show R of graphs as far away as the metamers, but in no particular direction."""
    for name in SAME_LENGTH:
        if name in row["controls"]:
            return _number(row["controls"][name], _two)
    reason = row["recognition"]["reason"] or row["success"]["reason"]
    return Shown("n/a", reason=reason or "this control is not stored")


def _harmful(row: Numbers) -> Shown:
    """Show the harmful share beside repairs, and less that of controls."""
    harm = row["harm"]
    if harm["harmful"]["value"] is None:
        return _number(harm["harmful"], percent)
    more = [f"unseen {percent(harm['unseen']['value'])}"]
    for name, less in harm["less"].items():
        control = "start" if name == "start" else "random change"
        more.append(f"less {control}: {_points(less['unseen'])}")
    more.append(f"repaired {percent(harm['repaired']['value'])}")
    return _number(harm["harmful"], percent, *more)


def _points(less: Numbers) -> str:
    """Write a difference of shares in percentage points, with its interval where there is one."""
    if less["value"] is None:
        return "unknown"
    text, *limits = _limited(less, lambda value, least: fixed(100 * value, max(1, least - 2)))
    return f"{text} ({limits[0]})" if limits else text


def _harmful_controls(row: Numbers) -> Shown:
    """Show the harmful share of each control, and why there is no start."""
    harm = row["harm"]
    if not harm["controls"]:
        return _number(harm["harmful"], percent)
    lines = []
    for name, one in harm["controls"].items():
        harmful, unseen = (percent(one[field]["value"]) for field in ("harmful", "unseen"))
        less = _points(harm["less"][name]["harmful"])
        lines += [f"{name} {harmful}", f"unseen {unseen}", f"metamers less this: {less}"]
    if harm["no_start"]:
        lines.append(f"no start: {harm['no_start']}")
    first = next(iter(harm["controls"].values()))
    return Shown(lines[0], tuple(lines[1:]), first["harmful"]["value"])


def _outcome(field: str, name: str) -> Callable[[Numbers], Shown]:
    """Show the share of one outcome, and the nodes behind it."""

    def shown(row: Numbers) -> Shown:
        counts = row["harm"]["counts"]
        more = (f"{counts[name]:,} of {sum(counts.values()):,}",) if counts else ()
        return _number(row["harm"][field], percent, *more)

    return shown


def _rank(row: Numbers) -> Shown:
    """Show the rank with its ceiling and its interval."""
    ceiling = row["num_units"]["value"]
    more = () if ceiling is None else (f"of {fixed(ceiling, 0)} units",)
    shown = _number(row["rank"], lambda rank, least: fixed(rank, max(1, least)))
    return shown if shown.reason else shown._replace(below=(*more, *shown.below))


def _random_direction(row: Numbers) -> Shown:
    """Show 1 - rank / p and, below, rank / p."""
    ratio = row["rank_ratio"]["value"]
    more = () if ratio is None else (f"rank/p {_three(ratio)}",)
    return _number(row["nu_random"], _three, *more)


def _rate(rate: Numbers) -> Shown:
    """Show a rate with its counts and its interval, and what that is over."""
    if rate["value"] is None:
        return Shown("n/a", reason=rate["reason"])
    counted = f"{rate['count']:,} of {rate['total']:,}"
    over = plural(rate["num_networks"], "seed")
    if rate["num_networks"] < 2:
        over = "metamers of one seed"
    limits = f"{percent(rate['low'])} to {percent(rate['high'])}"
    lines = (counted, limits, f"over {over}", *filter(None, [rate["planted"]]))
    return Shown(percent(rate["value"]), lines, rate["value"])


def _on_reference(row: Numbers) -> Shown:
    """Show what is the same for all seeds of the maker, and so without an interval."""
    return _number({**row["reference_accuracy"], "low": None, "num_seeds": 0}, percent)


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


def _judges(row: Numbers) -> Shown:
    """Show the judges of a row, with what their settings share."""
    if not row["judges"]:
        return Shown("–")
    seeds: dict[str, list[str]] = {}
    for name in row["judges"]:
        architecture, seed = name.rsplit("/", 1)
        seeds.setdefault(architecture, []).append(seed)
    same = len({tuple(of) for of in seeds.values()}) == 1
    names, below = listing(row["judges"], 12), ""
    if same:
        names, below = listing(list(seeds)), f"seeds {listing(next(iter(seeds.values())))}"
    stored = [settings for settings in row["judge_settings"].values() if settings]
    shared = []
    for key in ("model.hidden", "model.layers", "training.epochs"):
        values = {setting(settings, key) for settings in stored}
        shared += [f"{key.partition('.')[2]} {value}" for value in values if len(values) == 1]
    return Shown(names, (below, ", ".join(shared)))


COLUMNS = (
    Column("model", "Model", lambda row: Shown(row["model"], (), row["model"])),
    Column("layer", "Layer", lambda row: Shown(row["layer"], (), row["layer"])),
    Column("seeds", "Seeds", _seeds),
    Column("success", "Success", lambda row: _rate(row["success"])),
    Column("r_less_same_length", "R − same length", lambda row: _difference(row["above_length"])),
    Column("r_less_null_space", "R − null space", lambda row: _difference(row["above_null_space"])),
    Column("r", "R", _recognition),
    Column("i_seed", "I seed", lambda row: _number(row["seed_gap"], _two)),
    Column("i_arch", "I arch", lambda row: _number(row["architecture_gap"], _two)),
    Column("rank", "Rank", _rank),
    Column("nu", "ν", lambda row: _number(row["nu"], _three)),
    Column("1_less_rank_p", "1 − rank/p", _random_direction),
    Column("harmful", "Harmful", _harmful),
    Column("test_accuracy", "Test accuracy", lambda row: _number(row["test_accuracy"], percent)),
    Column("time_per_metamer", "Time per metamer", _seconds_each),
    Column("total_time", "Total time", _seconds),
)

DETAILS = (
    *COLUMNS[:2],
    Column("r_of_same_length", "R of same length", _random_change),
    Column("success_corrected", "Success, corrected", lambda row: _rate(row["success_corrected"])),
    Column(
        "mean_success_of_seeds",
        "Mean success of seeds",
        lambda row: _number(row["success_by_seed"], percent),
    ),
    Column(
        "accuracy_of_judges", "Accuracy of judges", lambda row: _number(row["accuracy"], percent)
    ),
    Column("on_the_reference", "On the reference", _on_reference),
    Column(
        "agreement_of_judges", "Agreement of judges", lambda row: _number(row["agreement"], percent)
    ),
    Column("harmful_nodes", "Harmful nodes", _outcome("harmful", "harmful")),
    Column("repaired", "Repaired", _outcome("repaired", "repaired")),
    Column("still_wrong", "Still wrong", _outcome("still_wrong", "still wrong")),
    Column("kept_right", "Kept right", _outcome("kept_right", "kept right")),
    Column("harmful_of_controls", "Harmful of controls", _harmful_controls),
    Column("judges", "Judges", _judges),
)
