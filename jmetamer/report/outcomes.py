"""What one cell says in single numbers, and those of the cells of a grid side by side."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from jmetamer.measures.harm import harm_of
from jmetamer.report.factor_grids import Grid, Place
from jmetamer.report.makers import SEEDS
from jmetamer.report.prose import said
from jmetamer.report.reading import converged, mean, median, scalar, values
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.wording import CONTROLS
from jmetamer.results import NULL_SPACE, SAME_LENGTH, paired_controls
from jmetamer.results.criteria import is_unchanged
from jmetamer.results.factorial import Rows
from jmetamer.results.setting_tree import Settings, flatten, setting

ACCURACY, RANK, LOG_VOLUME = "test accuracy", "rank", "log-volume"
_BLIND, _INFORMATION = "blind fraction", "channel information"
_HARMFUL, _KAPPA = "harmful", "judges' kappa"
_LESS_START = "deviation less the start's"
# Outcome -> why a run may hold none of it.
WHY_ABSENT = {
    RANK: "no geometry of the matched layer",
    _BLIND: "no maps: `geometry: {maps: true}`",
    _INFORMATION: "no `geometry.channel`",
    LOG_VOLUME: "no geometry of the matched layer",
    "class agreement": "not stored",
    _HARMFUL: "not stored; it takes the most probable classes of a block model",
    _KAPPA: "no judges: `recognition: {judges: all}`",
    "deviation": "no measures",
    _LESS_START: "the start's deviation is not stored, as in runs of former versions",
}
# Where these differ, volumes have other units, or nodes are not the same.
_UNITS = ("dataset", "metamers.layer", "metamers.vary", "geometry.inputs")
_VOLUME = ("geometry_node", "rank_post", "num_inputs", "log_volume_post")


def cell_outcomes(
    settings: Settings, data: xr.Dataset, makers: Collection[str] = ()
) -> dict[str, float]:
    """Return name -> number for what a cell holds, NaN where a number is not defined.

    Class agreement, deviations and kappa are means over the metamers that match and are another
    graph than the reference, since others are none. Not over those that succeed: success asks for
    agreement and distance, which are outcomes here. Harm is of those that succeed, as on every
    page.

    Args:
      makers: architectures that make metamers in the grid; judges of these and of the cell's own
        are left out, so that all cells are read by the same networks.

    Returns:
      "share that succeed", or "share that match" where the store knows no success; "test
      accuracy"; "rank", the median over the nodes whose spectra were taken, after the activation;
      "blind fraction", the mean over all nodes, and "channel information" (nats), over those of the
      spectra; "class agreement"; "harmful", the share of nodes, and the same less its controls;
      "judges' kappa", and the same less the controls of one metamer each; "deviation M" for each
      measure M, and the same less the start's.
    """
    makers = {*makers, setting(settings, "model")}
    return {name: float(value) for name, value, _ in _outcomes(settings, data, makers)}


def outcome_widths(settings: Settings, data: xr.Dataset) -> dict[str, float]:
    """Return name -> largest possible value less the smallest; infinite where there is no limit."""
    return {name: width for name, _, width in _outcomes(settings, data, ())}


_Numbers = Iterator[tuple[str, float, float]]  # name, value, width of its range


def _outcomes(settings: Settings, data: xr.Dataset, makers: Collection[str]) -> _Numbers:
    matches = converged(data)
    if "success_matches" in data:
        matches = values(data, "success_matches").astype(bool)
    matches = matches & ~is_unchanged(data)
    succeeds = values(data, "success").astype(bool) if "success" in data else matches
    if "success" in data:
        yield "share that succeed", mean(succeeds), 1.0
    else:
        yield "share that match", mean(matches), 1.0
    yield ACCURACY, scalar(data, "test_accuracy", "accuracy_test"), 1.0
    yield from _geometry(str(setting(settings, "metamers.layer")), data)
    if "class_agreement" in data:
        yield "class agreement", mean(values(data, "class_agreement")[matches]), 1.0
    yield from _harm(data, succeeds)
    yield from _recognition(data, matches, makers, setting(settings, "training.seed"))
    yield from _deviations(data, matches)


def _geometry(layer: str, data: xr.Dataset) -> _Numbers:
    if "rank_post" in data:
        limits = [values(data, name) for name in ("num_inputs", "num_outputs") if name in data]
        width = min((float(np.max(one, initial=0)) for one in limits), default=np.inf)
        yield RANK, median(values(data, "rank_post")), width
    if data.sizes.get("map_layer", 0) and "map_nu" in data:
        yield _BLIND, mean(data["map_nu"].isel(map_layer=-1).values), 1.0
    if "channel_information_post" in data:
        yield _INFORMATION, mean(values(data, "channel_information_post")), np.inf
    elif "channel_information" in data and layer in data["geometry_layer"].values:
        yield _INFORMATION, mean(data["channel_information"].sel(geometry_layer=layer)), np.inf


def _harm(data: xr.Dataset, succeeds: np.ndarray) -> _Numbers:
    if "harm_outcome" not in data:
        return
    codes = data["harm_outcome"].transpose("metamer", ...).values[succeeds]
    own = harm_of(codes, np.zeros(codes.shape, bool)).harmful
    yield _HARMFUL, mean(own), 1.0
    if "control_harm_outcome" not in data:
        return
    controls = data["control_harm_outcome"].transpose("harm_control", "metamer", ...)
    for name, rows in zip(data["harm_control"].values.tolist(), controls.values, strict=True):
        beside = harm_of(rows[succeeds], np.zeros(codes.shape, bool)).harmful
        yield f"{_HARMFUL} less {CONTROLS.get(name, name)}", mean(own - beside), 2.0


def _recognition(
    data: xr.Dataset, matches: np.ndarray, makers: Collection[str], own: object
) -> _Numbers:
    if "recognition_kappa" not in data:
        return
    names, seeds = values(data, "judge_architecture").tolist(), values(data, "judge_seed")
    strangers = [
        column
        for column, name in enumerate(names)
        if name not in makers and (not seeds.size or seeds[column] != own)
    ]
    kappa = data["recognition_kappa"].transpose("metamer", "judge").values[:, strangers]
    yield _KAPPA, mean(kappa[matches]), 2.0  # from -1 to 1
    if "control_seed_id" in data:
        for control, beside in paired_controls(data).items():
            if control in (*SAME_LENGTH, NULL_SPACE):
                differences = (kappa - beside[:, strangers])[matches]
                yield f"{_KAPPA} less {CONTROLS[control]}", mean(differences), 4.0


def _deviations(data: xr.Dataset, matches: np.ndarray) -> _Numbers:
    if "deviation" not in data:
        return
    ranges, names = data["deviation"].attrs.get("ranges", {}), data["measure"].values.tolist()
    for column, measure in enumerate(names):
        low, high = ranges.get(measure, (None, None))
        width = np.inf if low is None or high is None else high - low
        own, *start = (
            data[name].transpose("metamer", "measure").values[matches, column]
            for name in ("deviation", "deviation_start")
            if name in data
        )
        yield f"deviation {measure}", mean(own), width
        if start:
            yield f"deviation {measure} less the start's", mean(own - start[0]), 2 * width


class GridRows(NamedTuple):
    """The numbers of a grid.

    Attributes:
      rows: one mapping for each place: levels, training seed and outcomes.
      without: outcome -> why it cannot be compared.
      note: on what an outcome was compared; empty where on all.
    """

    rows: Rows
    without: dict[str, str]
    note: str


def grid_rows(grid: Grid) -> GridRows:
    """Return the numbers of each place of a grid.

    Args:
      grid: from `factor_grids`; cells that differ in another seed alone are averaged.
    """
    rows = []
    volumes, reason, note = _log_volumes(grid)
    for (levels, seed), cells in grid.cells.items():
        each = [cell_outcomes(one.settings, one.data, grid.architectures) for one in cells]
        row = dict(zip(grid.pairs, levels, strict=True)) | {"seed": seed}
        for name in dict.fromkeys(name for outcomes in each for name in outcomes):
            row[name] = mean([one.get(name, np.nan) for one in each])
            if name == RANK and volumes:
                row[LOG_VOLUME] = volumes.get((levels, seed), np.nan)
        rows.append(row)
    return GridRows(rows, {LOG_VOLUME: reason} if reason else {}, note)


def grid_widths(grid: Grid) -> dict[str, float]:
    """Return outcome -> largest possible difference between two cells of a grid."""
    widths: dict[str, float] = {}
    for cells in grid.cells.values():
        for one in cells:
            for name, width in outcome_widths(one.settings, one.data).items():
                widths[name] = max(width, widths.get(name, 0.0))
    return widths


def _log_volumes(grid: Grid) -> tuple[dict[Place, float], str, str]:
    """Return place -> mean log-volume over the nodes that have one rank in all cells of a seed.

    Log-volumes of different ranks have different units, so that their difference says nothing.
    Then why there is none, and at how many nodes it is.
    """
    cells = [one for own in grid.cells.values() for one in own]
    if not all(name in one.data for one in cells for name in _VOLUME):
        return {}, "", ""
    keys = [key for factor in grid.factors for key in (factor.key, *factor.along)]
    changed = [key for key in keys if key.startswith(_UNITS)]
    if changed:
        return {}, f"its units are not the same at every level of `{changed[0]}`", ""
    groups = [(group, _equal_ranks(group)) for group in _same_seeds(grid)]
    by_place: dict[Place, list[float]] = {}
    for group, nodes in groups:
        for place, one in group.items():
            table = _by_node(one.data)
            by_place.setdefault(place, []).append(mean([table[node][-1] for node in nodes]))
    volumes = {place: mean(own) for place, own in by_place.items()}
    if len({seed for (_, seed), volume in volumes.items() if np.isfinite(volume)}) < 2:
        rest = "and log-volumes of different ranks have different units"
        return {}, f"fewer than two seeds have a node of one rank in all cells, {rest}", ""
    equal = sum(len(nodes) for _, nodes in groups)
    every = sum(next(iter(group.values())).data["geometry_node"].size for group, _ in groups)
    note = said("effects_sentences", "at_one_rank", equal, every)
    return volumes, "", note


def _same_seeds(grid: Grid) -> list[dict[Place, StoredCell]]:
    """Return the cells of all seeds that choose random numbers, by place; whole crossings alone."""
    groups: dict[tuple[object, ...], dict[Place, StoredCell]] = {}
    for place, cells in grid.cells.items():
        for one in cells:
            flat = dict(flatten(one.settings))
            groups.setdefault(tuple(flat.get(key) for key in SEEDS), {})[place] = one
    size = len(grid.cells) // max(len(grid.seeds), 1)
    return [group for group in groups.values() if len(group) == size]


def _equal_ranks(cells: Mapping[Place, StoredCell]) -> list[int]:
    """Return the nodes with one rank, one number of inputs and a finite volume in all cells."""
    tables = [_by_node(one.data) for one in cells.values()]
    return [
        node
        for node in set.intersection(*map(set, tables))
        if len({table[node][:2] for table in tables}) == 1
        and np.isfinite([table[node][-1] for table in tables]).all()
    ]


def _by_node(data: xr.Dataset) -> dict[int, tuple[Any, ...]]:
    """Return node -> its rank, number of inputs and log-volume."""
    nodes, *columns = (values(data, name).tolist() for name in _VOLUME)
    return dict(zip(nodes, zip(*columns, strict=True), strict=True))
