"""Effects of factors with their intervals, a panel for each outcome."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jmetamer.report.figures.page_figure import Drawing, GridView, PageFigure, described
from jmetamer.report.figures.style import BLUE, GREEN, INK, ORANGE, blank, label_width, legend_below
from jmetamer.report.sources import OF_EFFECTS
from jmetamer.results.factorial import Effect

_COLORS = (BLUE, ORANGE, GREEN)
_KINDS = ("factor by itself", "two together", "three together")
_NUM_COLUMNS = 3
_TITLE = 32  # characters of a panel's title that fit on a line
# Inches.
_PANEL_WIDTH, _PANEL_MARGIN, _ROW_HEIGHT, _TALL_ROW = 2.3, 0.75, 0.2, 0.26
MAX_ROWS = 15


def effect_panels(
    effects: Mapping[str, Sequence[Effect]],
    label: Callable[[Effect], str] = lambda effect: " × ".join(effect.factors),
) -> Figure | None:
    """Draw every effect as a dot with its interval, three panels beside each other.

    Outcomes have units of their own, so each panel has its own axis around 0, no effect. Of more
    than 15 effects on an outcome the first 15 are drawn: main ones, then interactions of two.

    Args:
      effects: outcome -> effects, the same factors in the same order for each, of two seeds or
        more.
      label: what an effect is of, factors joined by " × ".

    Returns:
      The figure, or None without effects.
    """
    if not effects:
        return None
    first = list(next(iter(effects.values())))[:MAX_ROWS]
    names = [_folded(label(one)) for one in first]
    columns = min(_NUM_COLUMNS, len(effects))
    rows = -(-len(effects) // columns)
    lines = [line for name in names for line in name.split("\n")]
    row = _ROW_HEIGHT if len(lines) == len(names) else _TALL_ROW
    left, height = label_width(lines, size=7.0), row * len(names)
    panel = height + _PANEL_MARGIN
    figure = blank(
        left + columns * _PANEL_WIDTH, rows * panel + 0.3, left=left, top=0.3, bottom=0.6,
        hspace=_PANEL_MARGIN / height,
    )  # fmt: skip
    figure.subplots_adjust(wspace=0.12)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, (outcome, of_outcome) in zip(panels, effects.items(), strict=False):
        _panel(axes, outcome, of_outcome[: len(names)])
    for axes in panels[len(effects) :]:
        axes.set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    legend_below(figure)
    return figure


def _folded(label: str) -> str:
    """Put a third factor, and a level beside its name, on lines of their own, for a phone."""
    first, *rest = label.replace(" instead of ", "\ninstead of ").split(" × ")
    lines = [first]
    for place, name in enumerate(rest):
        short = place == 0 and "\n" not in first + name
        lines.append(f" × {name}" if short else f"\n× {name}")
    return "".join(lines)


def _panel(axes: Axes, outcome: str, effects: Sequence[Effect]) -> None:
    axes.axvline(0, color=INK, lw=0.7)
    ends = [0.0]
    for row, one in enumerate(effects):
        kind = min(len(one.factors), len(_KINDS)) - 1
        color = _COLORS[kind]
        if math.isfinite(one.low):
            axes.hlines(row, one.low, one.high, color=color, lw=2)
        axes.plot([one.mean], [row], marker="o", ms=5, color=color, label=_KINDS[kind])
        ends += [end for end in (one.low, one.mean, one.high) if math.isfinite(end)]
    low, high = min(ends), max(ends)
    pad = 0.06 * (high - low) or 1.0
    axes.set_xlim(low - pad, high + pad)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_title(textwrap.fill(outcome, _TITLE))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _draw(view: GridView) -> Drawing:
    study = view.study
    more = max(map(len, study.effects.values())) - MAX_ROWS
    return described(effect_panels(study.effects, study.label), "effects", study, more)


FIGURE = PageFigure(GridView, "Effects of the factors", OF_EFFECTS, _draw, wide=True)
