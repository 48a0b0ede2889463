"""Singular values before and after each activation of a network, over its target nodes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jmetamer.report.figures.page_figure import CellView, Drawing, PageFigure, described
from jmetamer.report.figures.style import BLUE, ORANGE, blank, legend_below, log_axis

_MAX_PANELS = 6
_PANEL = 3.1  # inches


class Side(NamedTuple):
    """Spectra of one activation.

    Attributes:
      name: as stored, "conv1.pre" or "conv1".
      label, color: how it is drawn.
      median, low, high: [k] over target nodes, NaN where no value lies above the cutoff.
    """

    name: str
    label: str
    color: str
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray


def layer_spectra(data: xr.Dataset) -> Figure | None:
    """Draw a panel a layer: median and range over target nodes before and after its activation.

    A value below the rank's cutoff counts as 0 in the median; where that is 0, the line ends.

    Args:
      data: variables of the cell; needs `singular_values` over `geometry_layer`.

    Returns:
      The figure, or None where fewer than two layers have a positive singular value.
    """
    panels = {name: sides for name, sides in _panels(data) if sides}
    if len(panels) < 2:
        return None
    shown = list(panels.items())[:_MAX_PANELS]
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    figure = blank(_PANEL * columns, 2.3 * rows + 0.75, bottom=0.85, top=0.3, hspace=0.45)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).reshape(-1)
    every = [side for _, sides in shown for side in sides]
    low = min(float(np.nanmin(side.low)) for side in every)
    high = max(float(np.nanmax(side.high)) for side in every)
    for axes, (name, sides) in zip(grid, shown, strict=False):
        axes.set_title(name)
        for side in sides:
            _band(axes, side)
        log_axis(axes, low, high)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for axes in grid[len(shown) :]:
        axes.remove()
    grid[0].set_ylabel("singular value")
    figure.supxlabel("index of the singular value", fontsize=9.0, y=0.36 / figure.get_figheight())
    legend_below(figure, 3)
    return figure


def _layers(data: xr.Dataset) -> list[str]:
    names = map(str, data["geometry_layer"].values.tolist())
    return list(dict.fromkeys(name.removesuffix(".pre") for name in names))


def _panels(data: xr.Dataset) -> Iterator[tuple[str, list[Side]]]:
    if "singular_values" not in data or "geometry_layer" not in data.coords:
        return
    names = [str(name) for name in data["geometry_layer"].values.tolist()]
    for layer in _layers(data):
        both = f"{layer}.pre" in names
        stored = [name for name in (f"{layer}.pre", layer) if name in names]
        sides = [_side(data, name, both) for name in stored]
        yield layer, [side for side in sides if np.isfinite(side.median).any()]


def _side(data: xr.Dataset, name: str, both: bool) -> Side:
    one = data.sel(geometry_layer=name)
    values = np.asarray(one["singular_values"].transpose("target", "singular_index").values, float)
    cutoff = np.asarray(one["rank_cutoff"].values, float)[:, None]
    visible = np.where(np.nan_to_num(values) > cutoff, values, 0.0)
    middle = np.median(visible, axis=0)
    least = np.where(visible > 0, visible, np.inf).min(axis=0)
    before = name.endswith(".pre")
    color = BLUE if before or not both else ORANGE
    label = "before the activation" if before else "after it" if both else "no activation follows"
    any_visible = (visible > 0).any(axis=0)
    median = np.where(middle > 0, middle, np.nan)
    low, high = (np.where(any_visible, end, np.nan) for end in (least, visible.max(axis=0)))
    return Side(name, label, color, median, low, high)


def _band(axes: Axes, side: Side) -> None:
    index = np.arange(1, side.median.size + 1)
    kept = np.isfinite(side.high)
    axes.fill_between(
        index[kept], side.low[kept], side.high[kept], color=side.color, alpha=0.18, lw=0
    )
    marker = "o" if index.size <= 40 else None
    axes.plot(
        index, side.median, color=side.color, label=side.label, marker=marker, ms=2.6, mew=0.0
    )


def _draw(view: CellView) -> Drawing | None:
    figure = layer_spectra(view.data)
    if figure is None:
        return None
    return described(figure, "layer_spectra", view, _layers(view.data), _MAX_PANELS)


FIGURE = PageFigure(
    CellView,
    "Spectra before and after each activation",
    ("geometry_layer", "singular_values", "rank_cutoff"),
    _draw,
    wide=True,
)
