"""The ledger of a network: which step hides how many dimensions, and what the volume does."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jmetamer.report.figures import style
from jmetamer.report.figures.page_figure import CellView, Drawing, PageFigure, described

_COLORS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE)
_MAX_STEPS = 24


def ledger_steps(data: xr.Dataset) -> Figure | None:
    """Draw the directions that are left after each step, and the log-volume, node by node.

    Args:
      data: variables of the cell; needs `ledger_hidden` and `ledger_log_volume`.

    Returns:
      The figure, or None where no ledger was stored.
    """
    if "ledger_hidden" not in data or not data["ledger_hidden"].size:
        return None
    long = data["ledger_hidden"].sizes["ledger_step"] > 5
    margin = 1.3 if long else 0.75
    figure = style.blank(
        style.WIDTH, 4.0 + margin, bottom=margin, left=0.8, hspace=0.9 if long else 0.4
    )
    top, bottom = figure.subplots(2, 1)
    left = remaining(data)[: len(_COLORS), : _MAX_STEPS + 1]
    steps = ["inputs", *_texts(data, "ledger_step")][: left.shape[1]]
    for row, (line, node) in enumerate(zip(left, data["ledger_node"].values, strict=False)):
        label = "all nodes" if node < 0 else f"node {int(node)}"
        _stairs(top, np.where(line > 0, line, np.nan), _COLORS[row], label)
    positive = left[left > 0]
    style.log_axis(top, float(positive.min(initial=1e9)), float(positive.max(initial=1.0)))
    top.set_ylabel("input directions left")
    _ticks(top, steps)
    points = ["inputs", *_texts(data, "ledger_layer")][: _MAX_STEPS + 1]
    volumes = np.asarray(
        data["ledger_log_volume"].transpose("ledger_target", "ledger_layer").values
    )
    losses = np.asarray(data["ledger_rank_loss"].transpose("ledger_target", "ledger_layer").values)
    for row, (line, loss) in enumerate(zip(volumes[: len(_COLORS)], losses, strict=False)):
        line = np.concatenate([[0.0], line])[: len(points)]
        _stairs(bottom, line, _COLORS[row], None, 0.7)
        kept = np.concatenate([[True], loss == 0])[: len(points)]
        places = np.arange(len(points))
        for mask, face, label in ((kept, _COLORS[row], ""), (~kept, "none", "rank fell here")):
            bottom.plot(
                places[mask], line[mask], marker="o", ms=5, ls="none", color=_COLORS[row],
                mfc=face, label=label if label and row == 0 else None,
            )  # fmt: skip
    bottom.axhline(0, color=style.INK, lw=0.7)
    bottom.set_ylabel("log-volume (nats)")
    bottom.yaxis.set_major_locator(MaxNLocator(5))
    _ticks(bottom, points)
    style.legend_below(figure, 3)
    return figure


def remaining(data: xr.Dataset) -> np.ndarray:
    """Return the input directions that are seen still after each step, all of them at first.

    Args:
      data: variables of the cell, with `ledger_hidden` and `ledger_num_inputs`.

    Returns:
      [target, 1 + step] integers; the last is the rank of the layer.

    Example:
      >>> hidden = (("ledger_target", "ledger_step"), [[5, 2]])
      >>> ledger = {"ledger_hidden": hidden, "ledger_num_inputs": ("ledger_target", [10])}
      >>> remaining(xr.Dataset(ledger)).tolist()
      [[10, 5, 3]]
    """
    hidden = np.asarray(data["ledger_hidden"].transpose("ledger_target", "ledger_step").values)
    total = np.asarray(data["ledger_num_inputs"].values)[:, None]
    return np.concatenate([total, total - np.cumsum(hidden, axis=1)], axis=1)


def _texts(data: xr.Dataset, name: str) -> list[str]:
    return [str(text) for text in data[name].values.tolist()]


def _stairs(axes: Axes, line: np.ndarray, color: str, label: str | None, lw: float = 1.4) -> None:
    places = np.arange(len(line))
    axes.plot(places, line, color=color, lw=lw, drawstyle="steps-mid", label=label)
    if label is not None:
        axes.plot(places, line, color=color, marker="o", ms=4, ls="none")


def _ticks(axes: Axes, names: list[str]) -> None:
    turned = len(names) > 6
    texts = names if turned else [name.replace(" ", "\n", 1) for name in names]
    axes.set_xticks(range(len(names)), texts, rotation=90 if turned else 0)
    axes.set_xlim(-0.5, len(names) - 0.5)


def _draw(view: CellView) -> Drawing | None:
    if view.summary.ledger is None:
        return None
    return described(ledger_steps(view.data), "ledger", view.summary.ledger)


FIGURE = PageFigure(
    CellView,
    "Ledger of dimension and volume",
    (
        "ledger_node", "ledger_step", "ledger_layer", "ledger_num_inputs", "ledger_hidden",
        "ledger_dimension", "ledger_certified", "ledger_log_volume", "ledger_rank_loss",
    ),
    _draw,
)  # fmt: skip
