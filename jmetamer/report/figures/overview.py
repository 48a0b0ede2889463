"""All cells of a run in one picture: the share that succeeds, with its interval."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jmetamer.report.cells import distinguishing
from jmetamer.report.figures.page_figure import Drawing, PageFigure, RunView, described
from jmetamer.report.figures.style import BLUE, WIDTH, blank, label_width
from jmetamer.report.share import Share

_MAX_CELLS = 40


def cell_shares(
    labels: Sequence[str],
    shares: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    what: str,
) -> Figure | None:
    """Draw a share of each cell's metamers with its interval, best cells at the top.

    Args:
      shares: in [0, 1]; NaN where a cell holds no metamers.

    Returns:
      The figure, or None for fewer than 2 or more than 40 cells, which a table shows better.
    """
    if not 2 <= len(labels) <= _MAX_CELLS:
        return None
    left = label_width(list(labels))
    figure = blank(WIDTH + left, 0.65 + 0.28 * len(labels), left=left, bottom=0.5)
    axes = figure.add_subplot()
    order = sorted(range(len(labels)), key=lambda i: (np.nan_to_num(shares[i], nan=-1), -i))
    for row, i in enumerate(order):
        low, high = intervals[i]
        axes.hlines(row, 100 * low, 100 * high, color=BLUE, lw=2)
        axes.plot([100 * shares[i]], [row], marker="o", ms=6, color=BLUE)
    axes.set_yticks(range(len(order)), [labels[i] for i in order])
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_xlim(-2, 102)
    axes.set_xlabel(f"metamers that {what} (%), 95% interval over metamers")
    return figure


def _draw(view: RunView, shares: Sequence[Share], what: str) -> Drawing:
    titles = distinguishing([cell.name.title for cell in view.cells])
    titles = [title.replace("layer ", "") for title in titles]
    labels = [f"{i}. {_shortened(title)}" for i, title in enumerate(titles, start=1)]
    figure = cell_shares(
        labels, [one.share for one in shares], [one.interval for one in shares], what
    )
    return described(figure, "cells", view, shares, what)


def _success(view: RunView) -> Drawing | None:
    shares = [cell.succeeded or Share(0, 0) for cell in view.cells]
    has_success = any(cell.succeeded is not None for cell in view.cells)
    return _draw(view, shares, "fulfill every criterion") if has_success else None


def _converged(view: RunView) -> Drawing | None:
    """Draw which reached the tolerance, of runs that hold no success in any cell."""
    if any(cell.succeeded is not None for cell in view.cells):
        return None
    return _draw(view, [cell.reached for cell in view.cells], "reached the tolerance")


def _shortened(title: str, limit: int = 46) -> str:
    """Leave out the middle of a long title, as its ends tell more."""
    end = limit // 3
    return title if len(title) <= limit else f"{title[: limit - 1 - end]}…{title[-end:]}"


SUCCESS = PageFigure(RunView, "Success of every cell", ("success",), _success, wide=True)
CONVERGED = PageFigure(
    RunView, "Converged share of every cell", ("status_counts",), _converged, wide=True
)
