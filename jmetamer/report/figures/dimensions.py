"""How many input directions each layer sees, against the most that its structure allows."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jmetamer.report.figures import style
from jmetamer.report.figures.page_figure import CellView, Drawing, PageFigure, described
from jmetamer.report.wording import number

_MAX_LAYERS = 24
_TOLERANCE_COLORS = (style.ORANGE, style.GREEN, style.PURPLE)


def directions_by_layer(data: xr.Dataset) -> Figure | None:
    """Draw per layer the rank, its bound, and the directions above each relative tolerance.

    Dimension of the metamer set and directions seen add up to the number of inputs.

    Args:
      data: variables of the cell; needs `rank`, `rank_ceiling`, `layer_num_inputs` and
        `tolerance_dimension` over `geometry_layer`.

    Returns:
      The figure, or None where they are missing.
    """
    needed = ("rank", "rank_ceiling", "layer_num_inputs", "tolerance_dimension")
    if any(name not in data for name in needed) or not data["rank"].size:
        return None
    names = [str(name) for name in data["geometry_layer"].values.tolist()][:_MAX_LAYERS]
    flat = {name: data[name].transpose("target", "geometry_layer").values for name in needed[:3]}
    inputs, ceiling = flat["layer_num_inputs"], flat["rank_ceiling"]
    dimension = data["tolerance_dimension"].transpose(
        "relative_tolerance", "target", "geometry_layer"
    )
    series = [("rank", style.BLUE, "o", flat["rank"])]
    for level, color, table in zip(
        dimension["relative_tolerance"].values.tolist(),
        _TOLERANCE_COLORS,
        dimension.values,
        strict=False,
    ):
        series.append((f"above {number(level)}", color, "s", inputs - table))
    turned = len(names) > 5
    figure = style.blank(
        max(style.WIDTH, 0.5 * len(names) + 0.9),
        3.7 if turned else 3.3,
        bottom=1.25 if turned else 0.85,
    )
    axes = figure.add_subplot()
    for place, level in enumerate(np.median(ceiling, axis=0)[: len(names)]):
        axes.plot(
            [place - 0.42, place + 0.42], [level] * 2, color=style.INK, lw=1.6,
            label=None if place else "bound",
        )  # fmt: skip
    shifts = np.linspace(-0.27, 0.27, len(series))
    for shift, (label, color, marker, table) in zip(shifts, series, strict=True):
        _dots(axes, np.arange(len(names)) + shift, table[:, : len(names)], label, color, marker)
    axes.set_xticks(range(len(names)), names, rotation=90 if turned else 0)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(0, max(float(ceiling.max()) * 1.08, 1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("input directions seen")
    style.legend_below(figure, 5)
    return figure


def _dots(
    axes: Axes, places: np.ndarray, table: np.ndarray, label: str, color: str, marker: str
) -> None:
    axes.vlines(places, table.min(axis=0), table.max(axis=0), color=color, lw=1.2)
    axes.plot(
        places, np.median(table, axis=0), marker=marker, ms=4.5, ls="none", color=color, label=label
    )


def _draw(view: CellView) -> Drawing | None:
    figure = directions_by_layer(view.data)
    if figure is None:
        return None
    names = [str(name) for name in view.data["geometry_layer"].values.tolist()]
    medians = [view.data[name].median("target").values for name in ("rank", "rank_ceiling")]
    return described(figure, "dimensions", list(zip(names, *medians, strict=True)))


FIGURE = PageFigure(
    CellView,
    "Rank against its structural bound",
    (
        "geometry_layer", "rank", "rank_ceiling", "layer_num_inputs", "tolerance_dimension",
        "relative_tolerance",
    ),
    _draw,
)  # fmt: skip
