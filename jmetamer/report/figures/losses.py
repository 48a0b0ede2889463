"""Loss curves of one cell."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jmetamer.report.figures.page_figure import (
    CellView,
    Drawing,
    PageFigure,
    described,
    why_missing,
)
from jmetamer.report.figures.style import BLUE, INK, ORANGE, blank, legend_below, log_axis

_NUM_INDIVIDUAL = 6
_MAX_POINTS = 240


def loss_curves(data: xr.Dataset, tolerance: float) -> Figure | None:
    """Draw median, 10-90% band and some seeds of the loss against the step.

    A metamer that has stopped keeps its last loss, so that the band counts the same metamers at
    every step.

    Args:
      data: variables of the cell; needs `trace_step` and `loss_trace`.
      tolerance: loss at which a metamer counts; NaN draws no line.

    Returns:
      The figure, or None where no finite loss was recorded.
    """
    if "loss_trace" not in data or "trace_step" not in data:
        return None
    steps = np.asarray(data["trace_step"].values)
    trace = np.asarray(data["loss_trace"].transpose("metamer", "trace").values, float)
    keep = np.isfinite(trace).any(axis=1)
    drawn = np.isfinite(trace).any(axis=0)
    if not keep.any():
        return None
    last = int(np.flatnonzero(drawn)[-1]) + 1
    chosen = np.unique(np.linspace(0, last - 1, min(last, _MAX_POINTS)).round().astype(int))
    steps, own = steps[chosen], trace[keep][:, chosen]
    held = _hold_last(trace[keep])[:, chosen]
    if not (held > 0).any():
        return None
    held = np.maximum(held, held[held > 0].min())
    figure = blank(height=3.1)
    axes = figure.add_subplot()
    low, median, high = np.quantile(held, [0.1, 0.5, 0.9], axis=0)
    if len(held) > 1:
        axes.fill_between(
            steps, low, high, color=BLUE, alpha=0.22, lw=0, label="10–90% of metamers"
        )
        picks = np.unique(np.linspace(0, len(own) - 1, _NUM_INDIVIDUAL).round().astype(int))
        low, high = np.minimum(low, held[picks].min()), np.maximum(high, held[picks].max())
        for row, pick in enumerate(picks):
            label = "single metamers" if row == 0 else None
            axes.plot(steps, own[pick], color=INK, lw=0.5, alpha=0.55, label=label)
    axes.plot(steps, median, color=BLUE, lw=2, label="median" if len(held) > 1 else "the metamer")
    if np.isfinite(tolerance) and tolerance > 0:
        axes.axhline(tolerance, color=ORANGE, ls="--", label="tolerance")
        low, high = np.minimum(low, tolerance), np.maximum(high, tolerance)
    log_axis(axes, float(low.min()), float(high.max()))
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("optimization step")
    axes.set_ylabel("loss (squared relative difference)")
    legend_below(figure)
    return figure


def _hold_last(trace: np.ndarray) -> np.ndarray:
    """Replace what follows the last finite loss of each row by that loss."""
    last = [row[np.isfinite(row)][-1] for row in trace]
    return np.where(np.isfinite(trace), trace, np.asarray(last)[:, None])


def _draw(view: CellView) -> Drawing | None:
    summary = view.summary
    if summary.edges is not None and summary.edges.by_swaps:
        return None
    return described(loss_curves(view.data, summary.tolerance), "losses", summary)


FIGURE = PageFigure(
    CellView,
    "Loss during the optimization",
    ("trace_step", "loss_trace", "settings.metamers.tolerance"),
    _draw,
    why_missing("no_losses"),
)
