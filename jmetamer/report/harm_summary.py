"""Harm of the metamers that succeed, beside that of their controls, over trained networks."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from jmetamer.measures.harm import HARM_OUTCOMES, Harm, harm_of
from jmetamer.report.reading import mean
from jmetamer.report.wording import CONTROLS
from jmetamer.results.seed_interval import SeedSummary, seed_summary

METAMERS = "metamers"
# Field of `Harm` -> its column.
OUTCOMES = {"harmful": "harmful", "repaired": "repaired", "still_wrong": "still wrong",
            "kept_right": "kept right"}  # fmt: skip
LESS = ("harmful", "unseen")
_STORED = ("harm_outcome", "harm_same_class", "harm_control", "control_harm_outcome",
           "control_harm_same_class")  # fmt: skip
_CODES = {name: code for code, name in HARM_OUTCOMES.items()}
NO_CLASSES = (
    "the most probable class of a node is known only where a block model (sbm, csbm, dcsbm) made "
    "the graph and edges stay undirected and without weights"
)
_NONE = "no metamer succeeded"
_OLD = "stored before harm was told from repairs; run the cell again"


class StoredHarm(NamedTuple):
    """What became of the target nodes in the metamers of a cell that succeed.

    Attributes:
      harm: "metamers" and name of each control -> `Harm` of s graphs.
      total: metamers of the cell.
      no_start: why there is no start; empty where there is one.
      reason: why nothing is known; empty where something is.
    """

    harm: Mapping[str, Harm]
    total: int
    no_start: str
    reason: str


def read_harm(data: xr.Dataset) -> StoredHarm:
    """Return what is stored of harm, of the metamers that succeed.

    Example:
      >>> print(read_harm(xr.Dataset()).reason.split(" where")[0])
      the most probable class of a node is known only
    """
    total = data.sizes.get("metamer", 0)
    if not {*_STORED} <= {*data.variables}:
        return StoredHarm({}, total, "", _OLD if "harmful_fraction" in data else NO_CLASSES)
    if "success" not in data:
        return StoredHarm({}, total, "", "which metamers succeeded is not stored")
    chosen = data[[*_STORED]].isel(metamer=np.flatnonzero(data["success"].values))
    if not chosen.sizes["metamer"]:
        return StoredHarm({}, total, "", _NONE)
    own, beside = ("metamer", "harm_node"), ("harm_control", "metamer", "harm_node")
    names = [METAMERS, *map(str, chosen["harm_control"].values.tolist())]
    columns = [
        [
            chosen[f"harm_{part}"].transpose(*own).values,
            *chosen[f"control_harm_{part}"].transpose(*beside).values,
        ]
        for part in ("outcome", "same_class")
    ]
    harm = dict(zip(names, map(harm_of, *columns), strict=True))
    any_class = np.isfinite(harm[METAMERS].harmful).any()
    reason = "" if any_class else "no target node has a most probable class"
    no_start = str(data["harm_control"].attrs.get("no_start", ""))
    return StoredHarm(harm, total, no_start, reason)


@dataclasses.dataclass(frozen=True)
class HarmLine:
    """What became of the target nodes in one kind of graph.

    Attributes:
      name: "metamers" or the control.
      label: what it is.
      counts: outcome -> nodes of all graphs together, "unknown" among them.
      shares: field of `Harm` -> mean over networks of the mean over their graphs.
      less: "harmful" and "unseen" -> share of the metamers less that of these graphs, paired by
        metamer, over networks; empty of the metamers themselves.
    """

    name: str
    label: str
    counts: Mapping[str, int]
    shares: Mapping[str, SeedSummary]
    less: Mapping[str, SeedSummary]


@dataclasses.dataclass(frozen=True)
class HarmSummary:
    """Harm of the metamers of one network or several, and of their controls.

    Attributes:
      lines: metamers first; empty where nothing is known.
      count, total: metamers that succeed, and all.
      num_networks: trained networks with a metamer that succeeds.
      no_start: why there is no start among the controls; empty where there is one.
      reason: why there are no lines.
    """

    lines: tuple[HarmLine, ...]
    count: int
    total: int
    num_networks: int
    no_start: str
    reason: str


def summarize_harm(networks: Sequence[Sequence[StoredHarm]]) -> HarmSummary:
    """Average over the metamers of each network, then over networks, which an interval is of."""
    cells = [cell for group in networks for cell in group]
    groups = [[cell.harm for cell in group if not cell.reason] for group in networks]
    groups = [group for group in groups if group]
    first = next((one for one in cells if not one.reason), None)
    total = sum(cell.total for cell in cells)
    if first is None:
        reasons = [cell.reason for cell in cells]
        reason = _NONE if _NONE in reasons else next(iter(reasons), NO_CLASSES)
        return HarmSummary((), 0, total, 0, "", reason)
    shared = [name for name in first.harm if all(name in harm for g in groups for harm in g)]
    count = sum(len(harm[METAMERS].outcome) for group in groups for harm in group)
    lines = tuple(_line(name, groups) for name in shared)
    return HarmSummary(lines, count, total, len(groups), first.no_start, "")


def _line(name: str, networks: Sequence[Sequence[Mapping[str, Harm]]]) -> HarmLine:
    codes = [harm[name].outcome for group in networks for harm in group]

    def over_networks(field: str, *, less: bool = False) -> SeedSummary:
        """Summarize a share, or the metamers' less it."""

        def one(harm: Mapping[str, Harm]) -> np.ndarray:
            share = getattr(harm[name], field)
            return getattr(harm[METAMERS], field) - share if less else share

        means = [mean(np.concatenate([one(harm) for harm in group])) for group in networks]
        return seed_summary(means, bounds=(-1, 1) if less else (0, 1))

    return HarmLine(
        name=name,
        label="metamers that succeed" if name == METAMERS else CONTROLS.get(name, name),
        counts={
            outcome: sum(int((one == code).sum()) for one in codes)
            for outcome, code in _CODES.items()
        },
        shares={field: over_networks(field) for field in (*OUTCOMES, "unseen")},
        less={} if name == METAMERS else {field: over_networks(field, less=True) for field in LESS},
    )
