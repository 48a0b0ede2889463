"""Outcomes of the places of a grid, and what can be compared node by node alone."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from jmetamer.report.factor_grids import Grid, Place
from jmetamer.report.makers import SEEDS
from jmetamer.report.outcomes import LOG_VOLUME, RANK, cell_outcomes, outcome_widths
from jmetamer.report.prose import said
from jmetamer.report.reading import mean, values
from jmetamer.report.stored_cell import StoredCell
from jmetamer.results.factorial import Rows
from jmetamer.results.setting_tree import flatten

# Where these differ, volumes have other units, or nodes are not the same.
_UNITS = ("dataset", "metamers.layer", "metamers.vary", "geometry.inputs")
_VOLUME = ("geometry_node", "rank_post", "num_inputs", "log_volume_post")


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
