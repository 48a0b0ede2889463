"""Ranks and log-volumes of the Jacobian at the target nodes of one cell."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jmetamer.report.figures.page_figure import CellView, Drawing, PageFigure, described
from jmetamer.report.figures.spectra import SIDES
from jmetamer.report.figures.style import INK, WIDTH, blank, legend_below
from jmetamer.report.reading import values

_MAX_TARGETS = 40


def ranks(data: xr.Dataset) -> Figure | None:
    """Draw rank against its ceiling and the log-volume change, per target node.

    Args:
      data: variables of the cell; needs the ranks, `num_inputs` and `num_outputs`.

    Returns:
      The figure, without its lower panel where no node keeps its rank, or None where the geometry
      was not computed.
    """
    needed = ("rank_post", "num_inputs", "num_outputs")
    if any(name not in data or not data[name].size for name in needed):
        return None
    nodes = values(data, "geometry_node")
    count = min(data["rank_post"].size, _MAX_TARGETS)
    change = values(data, "volume_change")[:count]
    both = bool(np.isfinite(change).any())
    figure = blank(WIDTH, 4.0 if both else 3.3, bottom=0.95)
    panels = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1]) if both else (
        figure.subplots(1, 1, squeeze=False)[0]
    )  # fmt: skip
    top, last = panels[0], panels[-1]
    ceiling = np.minimum(values(data, "num_inputs"), values(data, "num_outputs"))[:count]
    for position, level in enumerate(ceiling):
        label = None if position else "ceiling"
        top.plot([position - 0.38, position + 0.38], [level] * 2, color=INK, lw=1.6, label=label)
    for shift, side in zip((-0.14, 0.14), SIDES, strict=True):
        if f"rank_{side[0]}" in data:
            _rank_dots(top, data, count, shift, *side)
    top.set_ylabel("rank")
    top.set_ylim(0, max(ceiling.max() * 1.08, 1))
    top.yaxis.set_major_locator(MaxNLocator(integer=True))
    if both:
        _volume_dots(last, change)
    last.set_xlim(-0.6, count - 0.4)
    labels = [f"{int(node)}" for node in nodes[:count]] or [str(i) for i in range(count)]
    last.set_xticks(range(count), labels, rotation=90 if count > 10 else 0)
    last.set_xlabel("node")
    legend_below(figure, 3)
    return figure


def _rank_dots(
    axes: Axes, data: xr.Dataset, count: int, shift: float, where: str, label: str, color: str,
    marker: str,
) -> None:  # fmt: skip
    rank = values(data, f"rank_{where}")[:count]
    position = np.arange(count) + shift
    low, high = (values(data, f"rank_{end}_{where}")[:count] for end in ("low", "high"))
    if low.size == rank.size == high.size:
        axes.vlines(position, np.minimum(low, rank), np.maximum(high, rank), color=color, lw=1.2)
    label = f"rank {label}" if "rank_pre" in data else "rank"
    axes.plot(position, rank, marker=marker, ms=5, ls="none", color=color, label=label)


def _volume_dots(axes: Axes, change: np.ndarray) -> None:
    axes.axhline(0, color=INK, lw=0.7)
    axes.plot(np.arange(len(change)), change, marker="o", ms=4, ls="none", color=INK)
    for position in np.flatnonzero(~np.isfinite(change)):
        axes.annotate("×", (position, 0.5), xycoords=("data", "axes fraction"), ha="center")
    axes.set_ylabel("log-volume\nchange (nats)")


def _draw(view: CellView) -> Drawing | None:
    summary = view.summary.ranks
    if summary is None:
        return None
    return described(ranks(view.data), "ranks", summary)


FIGURE = PageFigure(
    CellView,
    "Rank and volume",
    (
        "geometry_node", "num_inputs", "num_outputs", "rank_pre", "rank_low_pre", "rank_high_pre",
        "rank_post", "rank_low_post", "rank_high_post", "volume_change",
    ),
    _draw,
)  # fmt: skip
