"""The local geometry of one cell: singular values, ranks and log-volumes of its target nodes."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jmetamer.report.figures.style import BLUE, INK, ORANGE, WIDTH, blank, legend_below, log_axis
from jmetamer.report.wording import number

MAX_SPECTRA = 8
_MAX_TARGETS = 40
_SIDES = (("pre", "before the activation", BLUE, "o"), ("post", "after it", ORANGE, "s"))


def singular_values(data: xr.Dataset) -> Figure | None:
    """Draw the Jacobian's singular values of each target node before and after the activation.

    The cutoff is drawn where it matters, and only named in the legend where it lies far below
    every singular value.

    Args:
      data: variables of the cell; needs `singular_values_pre` or `singular_values_post`.

    Returns:
      The figure, or None where there is no positive singular value.
    """
    sides = [side for side in _SIDES if _positive(data, side[0]).size]
    if not sides:
        return None
    figure = blank(WIDTH, 3.3, bottom=1.0)
    axes = figure.add_subplot()
    lows, highs, cutoffs = [], [], []
    for where, when, color, _ in sides:
        label = when if len(sides) > 1 else "of one node"
        found = _positive(data, where)
        _lines(axes, data, where, label, color)
        cutoff = _cutoff(data, where)
        visible = found[found >= cutoff] if (found >= cutoff).any() else found
        low, note = float(visible.min()), f"cutoff {when if len(sides) > 1 else ''}".strip()
        if cutoff > 0:
            low = cutoff / 30 if low < 1e3 * cutoff or (found < cutoff).any() else low
            cutoffs.append((cutoff, color, note))
        lows.append(low)
        highs.append(float(found.max()))
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
    for row, spectrum in enumerate(spectra[:MAX_SPECTRA]):
        # Exact zeros and padding have no place on a log axis.
        shown = spectrum[np.isfinite(spectrum) & (spectrum > 0)]
        # What the activation leaves as it was lies exactly below: the first line is the thicker.
        lw, ms, alpha = (2.6, 5.0, 0.4) if where == "pre" else (0.9, 2.6, 1.0)
        dots: dict[str, Any] = {"marker": "o", "ms": ms, "mew": 0} if spectrum.size <= 40 else {}
        index = np.arange(1, shown.size + 1)
        axes.plot(
            index, shown, color=color, lw=lw, alpha=alpha, label=None if row else label, **dots
        )


def _positive(data: xr.Dataset, where: str) -> np.ndarray:
    found = _of(data, f"singular_values_{where}")
    return found[np.isfinite(found) & (found > 0)]


def _cutoff(data: xr.Dataset, where: str) -> float:
    cutoffs = _of(data, f"rank_cutoff_{where}")
    cutoffs = cutoffs[np.isfinite(cutoffs) & (cutoffs > 0)]
    return float(np.median(cutoffs)) if cutoffs.size else 0.0


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
    nodes = _of(data, "geometry_node")
    count = min(data["rank_post"].size, _MAX_TARGETS)
    change = _of(data, "volume_change")[:count]
    both = bool(np.isfinite(change).any())
    figure = blank(WIDTH, 4.0 if both else 3.3, bottom=0.95)
    panels = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1]) if both else (
        figure.subplots(1, 1, squeeze=False)[0]
    )  # fmt: skip
    top, last = panels[0], panels[-1]
    ceiling = np.minimum(_of(data, "num_inputs"), _of(data, "num_outputs"))[:count]
    for position, level in enumerate(ceiling):
        label = None if position else "ceiling"
        top.plot([position - 0.38, position + 0.38], [level] * 2, color=INK, lw=1.6, label=label)
    for shift, side in zip((-0.14, 0.14), _SIDES, strict=True):
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
    rank = _of(data, f"rank_{where}")[:count]
    position = np.arange(count) + shift
    low, high = _of(data, f"rank_low_{where}")[:count], _of(data, f"rank_high_{where}")[:count]
    if low.size == rank.size == high.size:
        axes.vlines(position, np.minimum(low, rank), np.maximum(high, rank), color=color, lw=1.2)
    axes.plot(
        position,
        rank,
        marker=marker,
        ms=5,
        ls="none",
        color=color,
        label=f"rank {label}" if "rank_pre" in data else "rank",
    )


def _volume_dots(axes: Axes, change: np.ndarray) -> None:
    axes.axhline(0, color=INK, lw=0.7)
    axes.plot(np.arange(len(change)), change, marker="o", ms=4, ls="none", color=INK)
    for position in np.flatnonzero(~np.isfinite(change)):
        axes.annotate("×", (position, 0.5), xycoords=("data", "axes fraction"), ha="center")
    axes.set_ylabel("log-volume\nchange (nats)")


def _of(data: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(data[name].values, float) if name in data else np.zeros(0)
