"""How well the metamers match the reference at every layer of the network."""

from collections.abc import Collection

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jmetamer.report.distance_summary import matched_layers
from jmetamer.report.figures.page_figure import (
    CellView,
    Drawing,
    PageFigure,
    described,
    why_missing,
)
from jmetamer.report.figures.style import (
    BLUE,
    INK,
    ORANGE,
    WIDTH,
    blank,
    jitter,
    legend_below,
    log_axis,
    thinned,
)
from jmetamer.report.reading import table


def layer_match(data: xr.Dataset, matched: Collection[str], tolerance: float) -> Figure | None:
    """Draw the loss at every named layer, input side left, one dot per metamer.

    Args:
      data: variables of the cell; needs `layer_match` with the coordinate `layer`.
      matched: names of the layers that were optimized.
      tolerance: loss at which a metamer counts; NaN draws no line.

    Returns:
      The figure, or None where no positive finite match was recorded.
    """
    if "layer_match" not in data:
        return None
    names = [str(name) for name in data["layer"].values.tolist()]
    numbers = table(data, "layer_match", "metamer", "layer")
    positive = numbers[np.isfinite(numbers) & (numbers > 0)]
    if not positive.size:
        return None
    # An exact match has no place on a log axis; it is drawn at the floor.
    floor = float(positive.min())
    long = max(map(len, names)) > 10 or len(names) > 5
    figure = blank(max(WIDTH, 0.5 * len(names) + 1.2), 3.7 if long else 3.1,
                   bottom=1.45 if long else 0.8)  # fmt: skip
    axes = figure.add_subplot()
    for column, name in enumerate(names):
        points = thinned(np.maximum(numbers[:, column], floor))
        if not points.size:
            continue
        _strip(axes, column, points, name in matched)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(
        range(len(names)),
        names,
        rotation=35 if long else 0,
        ha="right" if long else "center",
        rotation_mode="anchor" if long else "default",
    )
    axes.grid(False, axis="x")
    low, high = float(positive.min()), float(positive.max())
    if np.isfinite(tolerance) and tolerance > 0:
        axes.axhline(tolerance, color=ORANGE, ls="--", lw=1.2, label="tolerance")
        low, high = min(low, tolerance), max(high, tolerance)
    log_axis(axes, low, high)
    axes.set_ylabel("squared relative difference")
    axes.set_xlabel("layer, from the input to the output")
    legend_below(figure)
    return figure


def _strip(axes: Axes, column: int, points: np.ndarray, is_matched: bool) -> None:
    """Draw the dots of one layer with their median."""
    color, label = (ORANGE, "matched layer") if is_matched else (BLUE, "other layer")
    axes.plot(
        column + jitter(points.size, 0.24), points, color=color, label=label,
        marker="o", ms=3.2, mew=0, ls="none", alpha=0.4,
    )  # fmt: skip
    middle = float(np.median(points))
    axes.plot([column - 0.32, column + 0.32], [middle] * 2, color=INK, lw=2, label="median")


def _draw(view: CellView) -> Drawing:
    matched = matched_layers(view.summary.name.layer, view.others)
    return described(layer_match(view.others, matched, view.summary.tolerance), "layers", view)


FIGURE = PageFigure(
    CellView,
    "Layer-by-layer match",
    ("layer", "layer_match", "settings.metamers.layer", "settings.metamers.tolerance"),
    _draw,
    why_missing("no_layers"),
)
