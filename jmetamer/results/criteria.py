"""How searches ended; the criteria of success, which a cell misses most, and what to change."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import xarray as xr

from jmetamer.results.setting_tree import Settings, setting

UNCHANGED = "UNCHANGED"  # the reference itself, or with its nodes renamed


def status_names(attrs: Mapping[str, object]) -> dict[int, str]:
    """Return code -> name from the attributes of the variable `status`."""
    nested = attrs.get("table")
    pairs = nested.items() if isinstance(nested, Mapping) else ()
    return {int(code): str(name) for code, name in pairs if str(code).lstrip("-").isdigit()}


def with_status(data: xr.Dataset, status: str) -> np.ndarray:
    """Return which searches ended with a status, [metamer] bool."""
    names = status_names(data["status"].attrs)
    codes = [code for code, name in names.items() if name == status]
    return np.isin(data["status"].values, codes)


def is_unchanged(data: xr.Dataset) -> np.ndarray:
    """Return [metamer] whether each is the reference itself, or the reference renamed."""
    if "status" not in data or data["status"].dims != ("metamer",):
        return np.zeros(data.sizes.get("metamer", 0), bool)
    return with_status(data, UNCHANGED)


def without_unchanged(data: xr.Dataset) -> xr.Dataset:
    """Leave out metamers that are the reference itself, or the reference renamed."""
    same = is_unchanged(data)
    return data.isel(metamer=~same) if same.any() else data


class Criterion(NamedTuple):
    """One criterion of success.

    Attributes:
      variable: name in the store.
      name: one or two words.
      question: what it asks.
      change: keys to change where it is missed, with keys between backticks.
    """

    variable: str
    name: str
    question: str
    change: str


SAME_CLASSES = "success_same_classes"
ANOTHER_GRAPH, DISTINCT = "another graph", "distinct"
_MATCH_BETTER = "a smaller `metamers.tolerance`"
CRITERIA = (
    Criterion(
        "success_matches",
        "matches",
        "Are the activations of the matched layer the reference's?",
        "more steps in `metamers.method`, another method, or `metamers.layer`",
    ),
    Criterion(
        "success_matches_everywhere",
        "node by node",
        "Are they so at the target nodes one by one, at as many of them as are asked for?",
        f"{_MATCH_BETTER}, or `success.share` and `success.worst_node`",
    ),
    Criterion(
        "success_beats_null",
        "better than chance",
        "Is the match better than that of two other references, with other nodes in the targets' "
        "places (null test, uncorrected p)?",
        f"{_MATCH_BETTER}, or another `metamers.layer`",
    ),
    Criterion(
        SAME_CLASSES,
        "same classes",
        "Does the network give enough target nodes the classes that it gave them before?",
        f"{_MATCH_BETTER}, or `success.agreement`",
    ),
    Criterion(
        "success_distinct",
        DISTINCT,
        "Is it as far from the reference as is asked for, and no copy with its nodes renamed?",
        "another start (`initialization` or `start` in `metamers.vary`), or `success.distance`",
    ),
)
TOGETHER = Criterion(
    "success", "all together", "Does it fulfill all of these, with uncorrected p?", ""
)


# Where no swap is available, neither seeds nor starts help.
BEYOND_SWAPS = "`metamers.method: relax_edges`, which searches beyond swaps that keep colors"


class Missed(NamedTuple):
    """What most metamers of a cell that do not succeed lack.

    Attributes:
      name: of the criterion, or of the end of a search that made no other graph.
      lacking, total: metamers that lack it, of how many.
      change: what to change, with keys between backticks.
      tied: other criteria that as many lack.
    """

    name: str
    lacking: int
    total: int
    change: str
    tied: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        """All that so many lack, with commas."""
        return ", ".join((self.name, *self.tied))


def most_missed(
    data: xr.Dataset,
    status_counts: Mapping[str, int],
    settings: Settings = MappingProxyType({}),
) -> Missed | None:
    """Return what is missed most often: the first criterion of equals, and which are tied with it.

    The change is that of the first, which mends others that follow from it; of criteria tied with
    another than the match all changes are told. Where that is the match, the record says what
    helps: an exact method that applies, an inner layer; else the remedy of the most frequent
    status does.

    Args:
      data: variables of a cell; scalars in its attributes.
      status_counts: status name -> number of metamers.
      settings: of the cell; some keys can apply only where these say so.

    Returns:
      None where all metamers succeed, or the store does not say.

    Example:
      >>> bits = {"success": [True, False], "success_matches": [True, False]}
      >>> data = xr.Dataset({name: ("metamer", bit) for name, bit in bits.items()})
      >>> most_missed(data, {"CONVERGED": 1, "STALLED": 1})[:3]
      ('matches', 1, 2)
    """
    if TOGETHER.variable not in data:
        return None
    succeed = np.asarray(data[TOGETHER.variable].values, bool)
    ends = {name: count for name, count in status_counts.items() if name != "CONVERGED"}
    frequent = max(ends, key=lambda name: ends[name], default="")
    remedies: Mapping[str, str] = (
        data["status"].attrs.get("remedies", {}) if "status" in data else {}
    )
    lacks = [Missed(ANOTHER_GRAPH, ends.get("UNCHANGED", 0), succeed.size, frequent)]
    lacks += [
        Missed(one.name, int(np.sum(~_bits(data, one))), succeed.size, _change(one, data, settings))
        for one in CRITERIA
        if one.variable in data
    ]
    worst = max(lacks, key=lambda one: one.lacking)
    if succeed.all() or not worst.lacking:
        return None
    follows = DISTINCT if worst.name == ANOTHER_GRAPH else worst.name
    tied = [one for one in lacks if one.lacking == worst.lacking]
    tied = [one for one in tied if one.name not in (worst.name, follows)]
    worst = worst._replace(tied=tuple(one.name for one in tied))
    if worst.name == ANOTHER_GRAPH and no_swap(data):
        return worst._replace(change=BEYOND_SWAPS)
    if worst.name in (ANOTHER_GRAPH, CRITERIA[0].name):
        remedy = data.attrs.get("remedy") if worst.name == CRITERIA[0].name else ""
        return worst._replace(change=str(remedy or remedies.get(frequent, worst.change)))
    more = [f"for “{one.name}” {one.change}" for one in tied]
    return worst._replace(change="; ".join([worst.change, *more]))


def no_swap(data: xr.Dataset) -> bool:
    """Return whether edges were to be swapped and no swap was available in any seed."""
    return "num_available" in data and not np.any(data["num_available"].values)


def _change(criterion: Criterion, data: xr.Dataset, settings: Settings) -> str:
    """Return the keys to change, of classes with those that can apply to the cell alone."""
    more = []
    if criterion.variable == SAME_CLASSES:
        layers = data["layer"].values.tolist() if "layer" in data else [""]
        matched = str(setting(settings, "metamers.layer") or layers[-1])
        more += ["a later `metamers.layer`"] if layers[-1] not in (*matched.split("+"), "") else []
        more += ["more `metamers.nodes`"] if setting(settings, "metamers.nodes") else []
    return ", ".join([*more, criterion.change])


def _bits(data: xr.Dataset, criterion: Criterion) -> np.ndarray:
    return np.asarray(data[criterion.variable].values, bool)
