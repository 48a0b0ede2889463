"""The headline numbers of one cell, for tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from jmetamer.results.statistics import wilson_interval


def summary_row(
    cell: str,
    settings: Mapping[str, Any],
    scalars: Mapping[str, Any],
    status_counts: Mapping[str, int],
    data: xr.Dataset,
) -> dict[str, Any]:
    """Reduce a cell to one flat row.

    Args:
      cell: identifier of the cell.
      settings: resolved settings.
      scalars: named numbers and texts; `test_accuracy` is read.
      status_counts: status name -> number of metamers.
      data: variables of the cell; only the small ones are read.

    Returns:
      `cell`, `dataset`, `layer`, `count`, `status_counts`, `converged` (share) with
      `converged_low` and `converged_high` (Wilson 95% interval), `loss_median` (hardened),
      `test_accuracy`, `class_agreement` and its chance level, `deviations` and
      `deviations_chance` (measure -> mean), `rank`, `rank_pre`, `dimension` and `num_inputs`
      (medians over targets). NaN stands for what the cell does not hold.

    Example:
      >>> row = summary_row("c", {}, {}, {"CONVERGED": 3, "STALLED": 1}, xr.Dataset())
      >>> row["count"], row["converged"], round(row["converged_low"], 2)
      (4, 0.75, 0.3)
    """
    count = sum(status_counts.values())
    converged = status_counts.get("CONVERGED", 0)
    low, high = wilson_interval(converged, count)
    return {
        "cell": cell,
        "dataset": settings.get("dataset", {}).get("name", ""),
        "layer": settings.get("metamers", {}).get("layer", ""),
        "count": count,
        "status_counts": dict(status_counts),
        "converged": converged / count if count else np.nan,
        "converged_low": low,
        "converged_high": high,
        "loss_median": _reduced(np.median, data, "loss_hardened"),
        "test_accuracy": scalars.get("test_accuracy", np.nan),
        "class_agreement": _reduced(np.mean, data, "class_agreement"),
        "class_agreement_chance": scalars.get("class_agreement_chance", np.nan),
        "deviations": _by_measure(data, "deviation"),
        "deviations_chance": _by_measure(data, "deviation_chance"),
        "rank": _reduced(np.median, data, "rank_post"),
        "rank_pre": _reduced(np.median, data, "rank_pre"),
        "dimension": _reduced(np.median, data, "dimension_post"),
        "num_inputs": _reduced(np.median, data, "num_inputs"),
    }


def _reduced(reduction: Any, data: xr.Dataset, name: str) -> float:
    if name not in data:
        return np.nan
    known = np.asarray(data[name].values, np.float64)
    known = known[~np.isnan(known)]
    return float(reduction(known)) if known.size else np.nan


def _by_measure(data: xr.Dataset, name: str) -> dict[str, float]:
    if name not in data or "measure" not in data.coords:
        return {}
    names = [str(measure) for measure in data["measure"].values]
    columns = {measure: data[name].isel(measure=i) for i, measure in enumerate(names)}
    return {
        measure: _reduced(np.mean, column.to_dataset(name="x"), "x")
        for measure, column in columns.items()
    }
