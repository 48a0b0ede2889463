"""How far the metamers lie from their reference, against their own starts and chance."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jmetamer.report.distance_summary import what_chance_is
from jmetamer.report.figures import style
from jmetamer.report.figures.page_figure import (
    CellView,
    Drawing,
    PageFigure,
    described,
    why_missing,
)
from jmetamer.report.figures.style import jitter, thinned
from jmetamer.report.reading import table

_MAX_MEASURES = 16


def deviation_strips(data: xr.Dataset) -> Figure | None:
    """Draw one strip per measure: a metamer a dot, starts a triangle, chance a diamond.

    Bars are the middle half of metamers and of starts. Measures have scales of their own, so each
    strip has its own axis; 0, the reference itself, is on all of them.

    Args:
      data: variables of the cell; needs `deviation` with the coordinate `measure`.

    Returns:
      The figure, or None where no finite deviation was recorded.
    """
    if "deviation" not in data:
        return None
    names = map(str, data["measure"].values.tolist())
    columns = table(data, "deviation", "measure", "metamer")
    chance = np.full(len(columns), np.nan)
    if "deviation_chance" in data:
        chance = data["deviation_chance"].values
    starts = np.full(columns.shape, np.nan)
    if "deviation_start" in data:
        starts = table(data, "deviation_start", "measure", "metamer")
    every = zip(names, columns, starts, map(float, chance), strict=True)
    rows = [row for row in every if np.isfinite(row[1]).any()][:_MAX_MEASURES]
    if not rows:
        return None
    left = style.label_width([name for name, *_ in rows])
    figure = style.blank(max(style.WIDTH, 4 + left), 0.9 + 0.72 * len(rows), left=left, hspace=0.75)
    panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for axes, (name, numbers, of_start, level) in zip(panels, rows, strict=True):
        _strip(axes, name, numbers, of_start, level)
    panels[-1].set_xlabel("deviation from the reference (0 = the reference itself)")
    style.legend_below(figure)
    return figure


def _strip(axes: Axes, name: str, numbers: np.ndarray, starts: np.ndarray, level: float) -> None:
    points = thinned(numbers)
    axes.plot(
        points, jitter(points.size, 0.34), color=style.BLUE, label="one metamer",
        marker="o", ms=3.2, mew=0, ls="none", alpha=0.45,
    )  # fmt: skip
    low, median, high = np.quantile(numbers[np.isfinite(numbers)], [0.25, 0.5, 0.75])
    axes.plot(
        [low, high], [0, 0], color=style.INK, lw=3, solid_capstyle="butt", label="middle half"
    )
    axes.plot([median], [0], marker="|", ms=13, mew=2, color=style.INK)
    start, end = min(float(points.min()), 0.0), max(float(points.max()), 0.0)
    finite_starts = starts[np.isfinite(starts)]
    if finite_starts.size:
        low, middle, high = np.quantile(finite_starts, [0.25, 0.5, 0.75])
        axes.plot([low, high], [-0.48, -0.48], color=style.GREEN, lw=2, solid_capstyle="butt")
        label = "starts of the searches"
        axes.plot([middle], [-0.48], label=label, marker="^", ms=6, color=style.GREEN, ls="none")
        start, end = min(start, low), max(end, high)
    if np.isfinite(level):
        axes.axvline(level, color=style.ORANGE, lw=1.2, ls="--")
        axes.plot(
            [level], [0], marker="D", ms=6, color=style.ORANGE, ls="none", label="chance level"
        )
        start, end = min(start, level), max(end, level)
    space = 0.06 * (end - start)  # a signed deviation lies on both sides
    axes.set_xlim(start - space * (start < 0), end + space if end > start else 1.0)
    axes.set_ylim(-0.6, 0.6)
    axes.set_yticks([0], [name])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(False, axis="y")


def _draw(view: CellView) -> Drawing:
    chance_is = what_chance_is(view.summary.deviations)
    return described(deviation_strips(view.others), "deviations", view, chance_is)


FIGURE = PageFigure(
    CellView,
    "Deviations from the reference",
    ("measure", "deviation", "deviation_start", "deviation_chance"),
    _draw,
    why_missing("no_deviations"),
)
