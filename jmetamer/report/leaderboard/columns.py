"""The columns of a board: what stands in each of them, and what it means."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jmetamer.report.wording import duration, fixed, listing, percent, plural
from jmetamer.results import SAME_LENGTH

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


def _number(given: Numbers, write: Callable[[float], str], *more: str) -> Shown:
    """Show an estimate with its interval."""
    if given["value"] is None:
        return Shown("n/a", reason=given["reason"])
    below: tuple[str, ...] = ()
    if given["low"] is not None:
        below = (f"{write(given['low'])} to {write(given['high'])}",)
    elif given.get("num_seeds"):
        below = ("one seed" if given["num_seeds"] == 1 else f"all {given['num_seeds']} equal",)
    return Shown(write(given["value"]), (*below, *more), given["value"])


def _two(value: float) -> str:
    return fixed(value, 2)


def _three(value: float) -> str:
    """Write a share so that neither 1 nor 0 is written of what is not."""
    gap = min(abs(value), abs(1 - value))
    return fixed(value, math.ceil(-math.log10(2 * gap)) if 1e-7 < gap < 5e-4 else 3)


def _recognition(row: Numbers) -> Shown:
    if row["lowest"] is None:
        return _number(row["recognition"], _two)
    return _number(row["recognition"], _two, f"({_two(row['lowest'])} to {_two(row['highest'])})")


def _difference(given: Numbers) -> Shown:
    """Show a paired difference with its interval, and of how many pairs it is."""
    if given["value"] is None:
        return Shown("n/a", reason=given["reason"])
    several = min(given["num_seeds"], given["num_architectures"]) > 1
    below = "all equal: no interval" if several else "no interval"
    if given["low"] is not None:
        below = f"{_two(given['low'])} to {_two(given['high'])}"
    sizes = (
        f"{given['num_seeds']} × {given['num_architectures']}, {plural(given['num_pairs'], 'pair')}"
    )
    return Shown(_two(given["value"]), (below, sizes), given["value"])


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
        words = "start" if name == "start" else "random change"
        more.append(f"less {words}: {_points(less['unseen'])}")
    more.append(f"repaired {percent(harm['repaired']['value'])}")
    return _number(harm["harmful"], percent, *more)


def _points(given: Numbers) -> str:
    """Write a difference of shares in percentage points, with its interval where there is one."""
    if given["value"] is None:
        return "unknown"
    parts = [
        fixed(100 * given[name], 1) for name in ("value", "low", "high") if given[name] is not None
    ]
    return parts[0] if len(parts) == 1 else f"{parts[0]} ({parts[1]} to {parts[2]})"


def _harmful_controls(row: Numbers) -> Shown:
    """Show the harmful share of each control, and why there is no start."""
    harm = row["harm"]
    if not harm["controls"]:
        return _number(harm["harmful"], percent)
    found = []
    for name, one in harm["controls"].items():
        harmful, unseen = (percent(one[field]["value"]) for field in ("harmful", "unseen"))
        less = _points(harm["less"][name]["harmful"])
        found += [f"{name} {harmful}", f"unseen {unseen}", f"metamers less this: {less}"]
    if harm["no_start"]:
        found.append(f"no start: {harm['no_start']}")
    first = next(iter(harm["controls"].values()))
    return Shown(found[0], tuple(found[1:]), first["harmful"]["value"])


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
    shown = _number(row["rank"], lambda rank: fixed(rank, 1))
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
    words = []
    for section, key in (("model", "hidden"), ("model", "layers"), ("training", "epochs")):
        values = {(settings.get(section) or {}).get(key) for settings in stored}
        words += [f"{key} {value}" for value in values if len(values) == 1]
    return Shown(names, (below, ", ".join(words)))


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
        "Share of metamers that fulfill every criterion of the recipe. Below it their number, the "
        "95% interval over training seeds: the seed is the unit, as metamers of one trained model "
        "are not independent draws of models (where all seeds have the same share, each counts as "
        "one trial). Of a single seed it is over its metamers, and says nothing about other seeds. "
        "The p-value of the null-distribution "
        "test is not corrected for the number of cells; for that see the further numbers. Only "
        "metamers that succeed here count in R, I and harmful. Planted problems: graphs in which a "
        "metamer is known by proof, searched as the row's own were.",
        lambda row: _rate(row["success"]),
    ),
    Column(
        "R − same length",
        "R of metamers less R of graphs that are as far from the reference in random directions "
        "(0/1 features and edges: with as many random flips): each metamer that succeeded with its "
        "own control, of those for which controls were made. R alone is no evidence, since judges "
        "read many graphs so. 0: to be a metamer changes nothing for the judges. Below it the 95% "
        "interval that takes makers and judges as samples (two seeds and two architectures at "
        "least), then seeds × judge architectures, and the number of pairs.",
        lambda row: _difference(row["above_length"]),
    ),
    Column(
        "R − null space",
        "The same with graphs whose features are noise where the model's first matrix cannot see "
        "it, and the reference's elsewhere.",
        lambda row: _difference(row["above_null_space"]),
    ),
    Column(
        "R",
        "Shared recognition: how models of other architectures, each of the same weight, read the "
        "metamers, at target nodes outside the training set. It is the mean of Cohen's kappa "
        "between their reading of the metamer and of the reference: 1 where they read it as they "
        "read the reference, 0 as by chance. Below it "
        "the 95% interval over seeds of the maker alone, so for these judges and no others, and, "
        "in brackets, the range of R with one judge architecture left out.",
        _recognition,
    ),
    Column(
        "I seed",
        "1 − kappa of judges of the same architecture trained from other seeds: what is lost by "
        "changing nothing but the seed. Known only where these judges have the model's settings, "
        "of the network as of its training.",
        lambda row: _number(row["seed_gap"], _two),
    ),
    Column(
        "I arch",
        "Kappa of judges of the same architecture − R: what is lost by changing the architecture. "
        "Known only where these judges have the model's settings but for the seed.",
        lambda row: _number(row["architecture_gap"], _two),
    ),
    Column(
        "Rank",
        "Rank of the layer's Jacobian by the features in a node's sight, mean over nodes: so many "
        "directions of the input the layer sees to first order. Below it the ceiling, the layer's "
        "units at a node, and the interval over seeds.",
        _rank,
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
        "Share of target nodes at which the model was right on the reference and is wrong on the "
        "metamer. Right is the most probable class of that graph given the other nodes' labels, "
        "known where a block model made the graph. Below it the part of it at which the model kept "
        "its class (unseen); this less the same of controls, metamer by metamer, in percentage "
        "points: of the reference moved as far as the metamer at random, and of the start of its "
        "search; and the share that was wrong and is right (repaired).",
        _harmful,
    ),
    Column(
        "Test accuracy",
        "Of the models, mean over seeds.",
        lambda row: _number(row["test_accuracy"], percent),
    ),
    Column(
        "Time per metamer",
        "Wall time of making metamers for each one that succeeded; the first cell of its shape in "
        "a run compiles for all.",
        _seconds_each,
    ),
    Column(
        "Total time",
        "Wall time of all cells of the row, and on what. What several share, as judges, counts "
        "where it was needed first.",
        _seconds,
    ),
)

DETAILS = (
    *COLUMNS[:2],
    Column(
        "R of same length",
        "R of all those graphs that are as far from the reference as a metamer, in random "
        "directions.",
        _random_change,
    ),
    Column(
        "Success, corrected",
        "The share of metamers that succeed if p-values are corrected by Holm's method for the "
        "number of cells of their run, the i-th metamers of all cells being one family. Below it "
        "the same lines as below success.",
        lambda row: _rate(row["success_corrected"]),
    ),
    Column(
        "Mean success of seeds",
        "Mean over training seeds of each seed's share of metamers that succeed, uncorrected.",
        lambda row: _number(row["success_by_seed"], percent),
    ),
    Column(
        "Accuracy of judges",
        "Share of nodes that judges of other architectures read as their label in metamers that "
        "succeeded; judges, architectures and seeds are averaged as in R.",
        lambda row: _number(row["accuracy"], percent),
    ),
    Column(
        "On the reference",
        "The same judges' accuracy on the reference.",
        _on_reference,
    ),
    Column(
        "Agreement of judges",
        "Share of nodes that these judges read as on the reference. Of this agreement a and that "
        "of chance c, R is the mean of (a − c) / (1 − c).",
        lambda row: _number(row["agreement"], percent),
    ),
    Column(
        "Harmful nodes",
        "Right on the reference and wrong on the metamer, over the target nodes of metamers that "
        "succeeded; below it their number, of all of them.",
        _outcome("harmful", "harmful"),
    ),
    Column(
        "Repaired",
        "Wrong on the reference and right on the metamer.",
        _outcome("repaired", "repaired"),
    ),
    Column("Still wrong", "Wrong on both.", _outcome("still_wrong", "still wrong")),
    Column("Kept right", "Right on both.", _outcome("kept_right", "kept right")),
    Column(
        "Harmful of controls",
        "The harmful share of the reference moved as far as each metamer at random, and of the "
        "start of its search; the part of it at which the model kept its class (unseen); and the "
        "harmful share of the metamers less it, in percentage points.",
        _harmful_controls,
    ),
    Column(
        "Judges",
        "Architecture and training seed of the judges, and their width and epochs where stored.",
        _judges,
    ),
)
