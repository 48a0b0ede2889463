"""The headline numbers of one cell, for tables."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from jmetamer.results.absence import planted_text
from jmetamer.results.criteria import TOGETHER, most_missed, without_unchanged
from jmetamer.results.setting_tree import Settings, setting
from jmetamer.results.statistics import wilson_interval


def summary_row(
    cell: str,
    settings: Settings,
    scalars: Mapping[str, object],
    status_counts: Mapping[str, int],
    data: xr.Dataset,
) -> dict[str, Any]:
    """Reduce a cell to one flat row.

    Args:
      scalars: named numbers and texts; `test_accuracy` is read.
      data: variables of the cell; only the small ones are read.

    Returns:
      `cell`, `dataset`, `layer`, `count`; `success` (share of metamers that fulfill all criteria)
      with `success_count`, `success_low` and `success_high` (Wilson 95% interval over these
      metamers, which are of one network), `planted` (where none does, what the search may have
      missed, in words; empty where unknown), `missed` (the criterion missed most often; empty where
      none is), `missed_count` and `change` (keys to change); `status_counts`, `converged` (share)
      with `converged_low` and `converged_high`, `loss_median` (hardened), `test_accuracy`,
      `class_agreement` and its chance level, `deviations`, `deviations_start` and
      `deviations_chance` (measure -> mean; like loss and agreement without UNCHANGED metamers),
      `rank`, `rank_pre`, `rank_ceiling`, `dimension`, `num_inputs`, `node_dimension`,
      `node_num_inputs` (by a node's own features) and `blind_fraction` (medians over targets).
      `unverified` says why nothing vouches for the numbers; it is empty where they are verified.
      NaN stands for what the cell does not hold.

    Example:
      >>> data = xr.Dataset({"success": ("metamer", [True, True, False, False])})
      >>> row = summary_row("c", {}, {}, {"CONVERGED": 3, "STALLED": 1}, data)
      >>> row["count"], row["success_count"], row["success"], row["converged"]
      (4, 2, 0.5, 0.75)
    """
    others = without_unchanged(data)
    return {
        "cell": cell,
        "dataset": setting(settings, "dataset") or "",
        "layer": setting(settings, "metamers.layer") or "",
        **_success(settings, scalars, status_counts, data),
        "loss_median": _reduced(np.median, others, "loss_hardened"),
        "test_accuracy": scalars.get("test_accuracy", np.nan),
        "class_agreement": _reduced(np.mean, others, "class_agreement"),
        "class_agreement_chance": scalars.get("class_agreement_chance", np.nan),
        "deviations": _by_measure(others, "deviation"),
        "deviations_start": _by_measure(others, "deviation_start"),
        "deviations_chance": _by_measure(data, "deviation_chance"),
        "unverified": scalars.get("unverified", ""),
        "rank": _reduced(np.median, data, "rank_post"),
        "rank_pre": _reduced(np.median, data, "rank_pre"),
        "rank_ceiling": _ceiling(data),
        "blind_fraction": _reduced(np.median, _matched(data), "map_nu"),
        "node_dimension": _reduced(np.median, data, "node_dimension"),
        "node_num_inputs": _reduced(np.median, data, "node_num_inputs"),
        "dimension": _reduced(np.median, data, "dimension_post"),
        "num_inputs": _reduced(np.median, data, "num_inputs"),
    }


def _success(
    settings: Settings,
    scalars: Mapping[str, object],
    status_counts: Mapping[str, int],
    data: xr.Dataset,
) -> dict[str, object]:
    """Return how many metamers succeed and converge, and what most of the others miss."""
    count, converged = sum(status_counts.values()), status_counts.get("CONVERGED", 0)
    low, high = wilson_interval(converged, count)
    succeeded, limits = np.nan, (np.nan, np.nan)
    if TOGETHER.variable in data:
        succeeded = int(np.sum(data[TOGETHER.variable].values))
        limits = wilson_interval(int(succeeded), count)
    missed = most_missed(data.assign_attrs(scalars), status_counts, settings)
    return {
        "count": count,
        "success": succeeded / count if count else np.nan,
        "success_count": succeeded,
        "success_low": limits[0],
        "success_high": limits[1],
        "planted": planted_text(succeeded, scalars),
        "missed": missed.names if missed else "",
        "missed_count": missed.lacking if missed else 0,
        "change": missed.change if missed else "",
        "status_counts": dict(status_counts),
        "converged": converged / count if count else np.nan,
        "converged_low": low,
        "converged_high": high,
    }


def _ceiling(data: xr.Dataset) -> float:
    """Return the smaller of outputs and inputs, median over targets."""
    if "num_inputs" not in data or "num_outputs" not in data:
        return np.nan
    return float(np.median(np.minimum(data["num_inputs"].values, data["num_outputs"].values)))


def _matched(data: xr.Dataset) -> xr.Dataset:
    """Return the variables with the maps of the matched layer, after its activation."""
    return data.isel(map_layer=-1) if "map_layer" in data.dims else data


def _reduced(reduction: Callable[[np.ndarray], float], data: xr.Dataset, name: str) -> float:
    if name not in data:
        return np.nan
    numbers = np.asarray(data[name].values, np.float64)
    numbers = numbers[~np.isnan(numbers)]
    return float(reduction(numbers)) if numbers.size else np.nan


def _by_measure(data: xr.Dataset, name: str) -> dict[str, float]:
    if name not in data or "measure" not in data.coords:
        return {}
    measures = enumerate(map(str, data["measure"].values))
    return {one: _reduced(np.mean, data.isel(measure=place), name) for place, one in measures}
