"""Singular values of the Jacobian at the target nodes of one cell."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jmetamer.report.figures.page_figure import (
    CellView,
    Drawing,
    PageFigure,
    described,
    why_missing,
)
from jmetamer.report.figures.style import BLUE, ORANGE, WIDTH, blank, legend_below, log_axis
from jmetamer.report.reading import values
from jmetamer.report.wording import number

_MAX_SPECTRA = 8
SIDES = (("pre", "before the activation", BLUE, "o"), ("post", "after it", ORANGE, "s"))


def singular_values(data: xr.Dataset) -> Figure | None:
    """Draw the Jacobian's singular values of each target node before and after the activation.

    The cutoff is drawn where it matters, and only named in the legend where it lies far below
    every singular value.

    Args:
      data: variables of the cell; needs `singular_values_pre` or `singular_values_post`.

    Returns:
      The figure, or None where there is no positive singular value.
    """
    sides = [side for side in SIDES if _positive(data, side[0]).size]
    if not sides:
        return None
    figure = blank(WIDTH, 3.3, bottom=1.0)
    axes = figure.add_subplot()
    lows, highs, cutoffs = [], [], []
    for where, when, color, _ in sides:
        label = when if len(sides) > 1 else "of one node"
        positive = _positive(data, where)
        _lines(axes, data, where, label, color)
        cutoff = _cutoff(data, where)
        visible = positive[positive >= cutoff] if (positive >= cutoff).any() else positive
        low, note = float(visible.min()), f"cutoff {when if len(sides) > 1 else ''}".strip()
        if cutoff > 0:
            low = cutoff / 30 if low < 1e3 * cutoff or (positive < cutoff).any() else low
            cutoffs.append((cutoff, color, note))
        lows.append(low)
        highs.append(float(positive.max()))
    for cutoff, color, note in cutoffs:
        note += "" if cutoff >= min(lows) else f" ({number(cutoff, 1)}, below)"
        axes.axhline(cutoff, color=color, ls="--", lw=1, label=note)
    log_axis(axes, min(lows), max(highs))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("index of the singular value")
    axes.set_ylabel("singular value")
    legend_below(figure, 2)
    return figure


def _lines(axes: Axes, data: xr.Dataset, where: str, label: str, color: str) -> None:
    spectra = np.asarray(data[f"singular_values_{where}"].transpose("target", "singular").values)
    for row, spectrum in enumerate(spectra[:_MAX_SPECTRA]):
        # Exact zeros and padding have no place on a log axis.
        shown = spectrum[np.isfinite(spectrum) & (spectrum > 0)]
        # What the activation leaves as it was lies exactly below: the first line is the thicker.
        lw, ms, alpha = (2.6, 5.0, 0.4) if where == "pre" else (0.9, 2.6, 1.0)
        index = np.arange(1, shown.size + 1)
        axes.plot(
            index, shown, color=color, lw=lw, alpha=alpha, label=None if row else label,
            marker="o" if spectrum.size <= 40 else None, ms=ms, mew=0,
        )  # fmt: skip


def _positive(data: xr.Dataset, where: str) -> np.ndarray:
    numbers = values(data, f"singular_values_{where}")
    return numbers[np.isfinite(numbers) & (numbers > 0)]


def _cutoff(data: xr.Dataset, where: str) -> float:
    cutoffs = values(data, f"rank_cutoff_{where}")
    cutoffs = cutoffs[np.isfinite(cutoffs) & (cutoffs > 0)]
    return float(np.median(cutoffs)) if cutoffs.size else 0.0


def _draw(view: CellView) -> Drawing:
    return described(singular_values(view.data), "spectra", _MAX_SPECTRA)


FIGURE = PageFigure(
    CellView,
    "Spectrum of the Jacobian",
    ("singular_values_pre", "rank_cutoff_pre", "singular_values_post", "rank_cutoff_post"),
    _draw,
    why_missing("no_spectra"),
)
