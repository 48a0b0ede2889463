"""Maps over all nodes of a graph against degree, homophily and class."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jmetamer.report.figures.page_figure import CellView, Drawing, PageFigure, described
from jmetamer.report.figures.style import BLUE, ORANGE, blank, legend_below
from jmetamer.report.geometry_summary import kind_of_intervals
from jmetamer.report.wording import number

MAX_BINS = 8
_ROWS = (("nu", "blind fraction"), ("log_volume", "log-volume (nats)"))


class Bins(NamedTuple):
    """A map over groups of nodes: [k] median of what groups them, and quartiles of the map."""

    places: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray


def map_panels(data: xr.Dataset) -> Figure | None:
    """Draw blind fraction and log-volume of all nodes by degree, homophily and class.

    Args:
      data: variables of the cell; needs `map_nu` and `map_degree`; `map_homophily` and
        `map_class_mean` where nodes have classes.

    Returns:
      The figure, or None where no maps were stored. Log-volumes are left out where nodes have
      different ranks.
    """
    if "map_nu" not in data or "map_degree" not in data:
        return None
    rows = [row for row in _ROWS if _sides(data, row[0])]
    statistics = [name for name in ("degree", "homophily") if f"map_{name}" in data]
    columns = len(statistics) + ("map_class_mean" in data)
    figure = blank(3.2 * columns, 2.1 * len(rows) + 0.95, bottom=1.0, top=0.25, hspace=0.32)
    figure.subplots_adjust(wspace=0.28)
    grid = figure.subplots(len(rows), columns, squeeze=False, sharey="row", sharex="col")
    for line, (field, label) in zip(grid, rows, strict=True):
        for axes, statistic in zip(line, statistics, strict=False):
            _against(axes, data, field, statistic)
        if columns > len(statistics):
            _by_class(line[-1], data, field)
        line[0].set_ylabel(label)
    for axes, name in zip(grid[-1], [*statistics, "class"], strict=False):
        axes.set_xlabel({"degree": "neighbors", "homophily": "same-class share"}.get(name, name))
    legend_below(figure, 2)
    return figure


def binned(values: np.ndarray, statistic: np.ndarray) -> Bins:
    """Return quartiles of values in at most 8 groups of nodes of about equal size.

    Nodes with the same statistic stay together; nodes where it is NaN are left out.

    Args:
      values: [n] of the map.
      statistic: [n] what groups the nodes.

    Example:
      >>> binned(np.array([1.0, 3.0, 5.0]), np.array([2.0, 2.0, 7.0])).median.tolist()
      [2.0, 5.0]
    """
    valid = np.isfinite(statistic) & np.isfinite(values)
    values, statistic = values[valid], statistic[valid]
    levels = np.unique(statistic)
    if levels.size > MAX_BINS:
        levels = np.unique(np.quantile(statistic, np.linspace(0, 1, MAX_BINS + 1)[:-1]))
    group = np.searchsorted(levels, statistic, side="right") - 1
    members = [group == k for k in range(levels.size)]
    members = [inside for inside in members if inside.any()]
    quartiles = np.array([np.quantile(values[i], [0.25, 0.5, 0.75]) for i in members])
    places = np.array([np.median(statistic[inside]) for inside in members])
    return Bins(places, *quartiles.reshape(-1, 3).T)


def comparable(data: xr.Dataset, field: str) -> bool:
    """Return whether every stored side of a map has one unit, so that nodes may be compared."""
    return len(_sides(data, field)) == data.sizes["map_layer"]


def _sides(data: xr.Dataset, field: str) -> list[tuple[str, str, str]]:
    """Return (name, label, color) of the layers whose nodes may be compared."""
    names = [str(name) for name in data["map_layer"].values.tolist()]
    sides = []
    for name in names:
        label = "before the activation" if name.endswith(".pre") else "after it"
        color = BLUE if name.endswith(".pre") or len(names) == 1 else ORANGE
        same_unit = field != "log_volume" or len(np.unique(_rank(data, name))) == 1
        if same_unit:
            sides.append((name, label if len(names) > 1 else "no activation follows", color))
    return sides


def _rank(data: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(data["map_rank"].sel(map_layer=name).values)


def _against(axes: Axes, data: xr.Dataset, field: str, statistic: str) -> None:
    correlations = []
    for name, label, color in _sides(data, field):
        values = np.asarray(data[f"map_{field}"].sel(map_layer=name).values, float)
        bins = binned(values, np.asarray(data[f"map_{statistic}"].values, float))
        _bars(axes, bins.places, bins.low, bins.high, color)
        axes.plot(bins.places, bins.median, color=color, marker="o", ms=3.5, label=label)
        if "map_correlation" in data:
            rho = data["map_correlation"].sel(map_layer=name, map_name=field)
            when = f" {label.split()[0]}" if data.sizes["map_layer"] > 1 else ""
            correlations.append(f"{number(float(rho.sel(map_statistic=statistic)), 2)}{when}")
    axes.set_title(f"ρ = {', '.join(correlations)}" if correlations else "")
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _by_class(axes: Axes, data: xr.Dataset, field: str) -> None:
    classes = [str(label) for label in data["map_class"].values.tolist()]
    for shift, (name, label, color) in zip((-0.12, 0.12), _sides(data, field), strict=False):
        one = {"map_layer": name, "map_name": field}
        mean = np.asarray(data["map_class_mean"].sel(one).values, float)
        error = np.asarray(data["map_class_error"].sel(one).values, float)
        places = np.arange(len(classes)) + shift
        bounds = 0.0, 1.0 if field.startswith("nu") else np.inf
        if field == "log_volume":
            bounds = -np.inf, np.inf
        low, high = (np.clip(mean + side * error, *bounds) for side in (-2, 2))
        _bars(axes, places, low, high, color)
        axes.plot(places, mean, color=color, marker="o", ms=3.5, ls="none", label=label)
    axes.set_title("mean ± 2 standard errors")
    axes.grid(visible=False, axis="x")
    turned = max(map(len, classes)) > 2 or len(classes) > 16
    axes.set_xticks(range(len(classes)), classes, rotation=90 if turned else 0)


def _bars(axes: Axes, places: np.ndarray, low: np.ndarray, high: np.ndarray, color: str) -> None:
    """Draw vertical bars as one line with gaps, which takes a tenth of the space on the page."""
    gaps = np.full_like(low, np.nan)
    axes.plot(
        np.repeat(places, 3), np.stack([low, high, gaps], axis=1).ravel(), color=color, lw=1.2
    )


def _draw(view: CellView) -> Drawing | None:
    summary = view.summary.maps
    if summary is None:
        return None
    intervals, has_volumes = kind_of_intervals(view.data), comparable(view.data, "log_volume")
    return described(map_panels(view.data), "maps", summary, intervals, has_volumes)


FIGURE = PageFigure(
    CellView,
    "Maps over all nodes",
    (
        "map_layer", "map_nu", "map_log_volume", "map_rank", "map_degree", "map_homophily",
        "map_name", "map_statistic", "map_correlation", "map_correlation_low",
        "map_correlation_high", "map_class", "map_class_mean", "map_class_error",
    ),
    _draw,
    wide=True,
)  # fmt: skip
