"""All cells of a run in one picture: the share that succeeds, with its interval."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jmetamer.report.figures.style import BLUE, WIDTH, blank, label_width

_MAX_CELLS = 40


def cell_shares(
    labels: Sequence[str],
    shares: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    what: str,
) -> Figure | None:
    """Draw a share of each cell's metamers with its interval, best cells at the top.

    Args:
      labels: what each cell is called.
      shares: in [0, 1]; NaN where a cell holds no metamers.
      intervals: limits of the shares.
      what: which metamers, in words.

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
