"""Colors, type, sizes and strips of points that all figures share."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jmetamer.report.wording import power_of_ten

# Okabe and Ito's palette, told apart by people with any common color vision.
BLUE = "#0072b2"
ORANGE = "#d55e00"
GREEN = "#009e73"
PURPLE = "#b5579b"
INK = "#20242b"
RULE = "#d5d9e0"

WIDTH = 5.0  # inches; text keeps its size on half a page and on a phone

_INKED = ("axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "text.color", "xtick.color",
          "ytick.color")  # fmt: skip
_RC: Any = {
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 9.0),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 8.0),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("legend.frameon", "axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(_INKED, INK),
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "text.parse_math": False,  # names may contain dollar signs
    "svg.fonttype": "none",
    "svg.hashsalt": "jmetamer",
}
_MAX_POINTS = 100


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw and write inside the shared style, and leave the caller's settings alone.

    Example:
      >>> with styled():
      ...     print(matplotlib.rcParams["svg.fonttype"])
      none
    """
    with matplotlib.rc_context(_RC):
        yield


def blank(
    width: float = WIDTH,
    height: float = 3.0,
    left: float = 0.72,
    right: float = 0.12,
    top: float = 0.1,
    bottom: float = 0.8,
    hspace: float = 0.2,
) -> Figure:
    """Return an empty figure that no window system knows of.

    Margins are fixed rather than measured, because measuring draws every figure twice.

    Args:
      width, height: size in inches.
      left, right, top, bottom: margins in inches.
      hspace: gap between panels above each other, in panel heights.

    Returns:
      The figure, without axes.
    """
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(
        left / width, bottom / height, 1 - right / width, 1 - top / height, hspace=hspace
    )
    return figure


def label_width(names: list[str], size: float = 8.0) -> float:
    """Return the inches that the longest of these labels needs, with a little air.

    Example:
      >>> round(label_width(["features/cosine"]), 2)
      1.13
    """
    return 0.13 + 0.6 * size / 72 * max(map(len, names), default=0)


def log_axis(axes: Axes, low: float, high: float) -> None:
    """Make the vertical axis logarithmic from `low` to `high`, at least two decades labelled.

    Args:
      low, high: smallest and largest positive number to be seen.
    """
    first, last = math.log10(low), math.log10(high)
    pad = 0.05 + 0.05 * (last - first)
    first, last = first - pad, last + pad
    if math.floor(last) - math.ceil(first) < 1:
        first, last = math.floor(first), math.ceil(last)
    decades = range(math.ceil(first), math.floor(last) + 1)
    shown = decades[:: math.ceil(len(decades) / 7)]
    axes.set_yscale("log")
    axes.set_ylim(10.0**first, 10.0**last)
    plain = all(-2 <= d <= 2 for d in shown)
    labels = [f"{10.0**d:g}" if plain else power_of_ten(d) for d in shown]
    axes.set_yticks([10.0**d for d in shown], labels)
    axes.minorticks_off()


def legend_below(figure: Figure, num_columns: int = 4) -> None:
    """Put the legend of all panels into the bottom margin, each entry once."""
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        list(entries.values()), list(entries), loc="lower center", ncols=num_columns,
        handlelength=1.4, handletextpad=0.5, columnspacing=1.2, borderaxespad=0.1,
    )  # fmt: skip


def thinned(numbers: np.ndarray) -> np.ndarray:
    """Return at most 100 of the finite numbers, evenly over their ranks, extremes included.

    Example:
      >>> thinned(np.arange(10_000.0))[[0, -1]].tolist(), len(thinned(np.arange(10_000.0)))
      ([0.0, 9999.0], 100)
    """
    finite = np.sort(np.asarray(numbers, float)[np.isfinite(numbers)])
    if finite.size <= _MAX_POINTS:
        return finite
    return finite[np.linspace(0, finite.size - 1, _MAX_POINTS).round().astype(int)]


def jitter(count: int, width: float) -> np.ndarray:
    """Return `count` offsets in [-width, width] that look random and are the same every time.

    Example:
      >>> offsets = jitter(100, 0.2)
      >>> bool(abs(offsets).max() <= 0.2), len(set(offsets))
      (True, 100)
    """
    golden = (np.sqrt(5.0) - 1) / 2
    return width * (2 * ((np.arange(count) * golden) % 1.0) - 1)
