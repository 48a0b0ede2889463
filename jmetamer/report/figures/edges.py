"""The reference and a metamer side by side, with the edges that only one of them has."""

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jmetamer.report.edge_examples import EdgeExample
from jmetamer.report.figures.style import BLUE, INK, ORANGE, RULE, blank
from jmetamer.report.wording import plural

_WIDTH, _PANEL = 9.6, 4.3  # inches of the figure, and of the height of a panel
# Told apart by dashes and width as well as by color.
_KEPT: dict[str, Any] = {"lw": 0.9, "color": INK, "alpha": 0.4}
_REMOVED: dict[str, Any] = {"lw": 1.5, "color": ORANGE, "ls": (0, (3.0, 1.6))}
_ADDED: dict[str, Any] = {"lw": 2.4, "color": BLUE}
_LEAST_WIDTH = 0.15  # of a weighted edge, relative to the largest
_SEED = 0  # of the layout


def edge_drawings(examples: Sequence[EdgeExample]) -> Figure | None:
    """Draw one row a metamer: the reference on the left, the metamer on the right.

    Nodes lie where the edges of the reference put them, the same in both panels. A weighted edge is
    as wide as its weight, relative to the largest.

    Args:
      examples: what to draw.

    Returns:
      The figure, or None where there is nothing to draw.
    """
    if not examples:
        return None
    rows = len(examples)
    figure = blank(
        _WIDTH, 0.5 + rows * (_PANEL + 0.3), left=0.1, right=0.1, top=0.3, bottom=0.4,
        hspace=0.3 / _PANEL,
    )  # fmt: skip
    panels = figure.subplots(rows, 2, squeeze=False, gridspec_kw={"wspace": 0.03})
    for (left, right), example in zip(panels, examples, strict=True):
        places = positions(example)
        where = "" if example.center is None else f" around node {example.center}"
        left.set_title(f"reference{where}: {plural(example.num_removed, 'edge')} removed")
        right.set_title(f"{example.name}{where}: {plural(example.num_added, 'edge')} added")
        lines, unit = places[example.pairs], _largest(example)
        for axes, weight, changed, look in (
            (left, example.reference / unit, example.removed, _REMOVED),
            (right, example.metamer / unit, example.added, _ADDED),
        ):
            _draw_edges(axes, lines, np.where(changed, 0, weight), _KEPT)
            _draw_edges(axes, lines, np.where(changed, weight, 0), look)
        for axes in (left, right):
            _draw_nodes(axes, example, places)
            axes.set_axis_off()
            axes.margins(0.06)
    figure.legend(
        handles=[
            Line2D([], [], label="in both", **_KEPT),
            Line2D([], [], label="removed: only in the reference", **_REMOVED),
            Line2D([], [], label="added: only in the metamer", **_ADDED),
        ],
        loc="lower center", ncols=3, handlelength=2.8,
    )  # fmt: skip
    return figure


def positions(example: EdgeExample) -> np.ndarray:
    """Return where the nodes are drawn, [k, 2], by the springs of the reference's edges.

    Args:
      example: its nodes and pairs; an added edge pulls a little, so that nodes without an edge of
        the reference do not fly away.
    """
    graph = nx.Graph()
    graph.add_nodes_from(range(len(example.nodes)))
    for (one, other), present in zip(example.pairs.tolist(), example.reference != 0, strict=True):
        graph.add_edge(one, other, weight=1.0 if present else 0.05)
    found = nx.spring_layout(graph, seed=_SEED, iterations=200)
    return np.array([found[node] for node in range(len(example.nodes))]).reshape(-1, 2)


def _largest(example: EdgeExample) -> float:
    return float(max(example.reference.max(initial=0), example.metamer.max(initial=0))) or 1.0


def _draw_edges(axes: Axes, lines: np.ndarray, weight: np.ndarray, look: dict[str, Any]) -> None:
    """Draw the lines [p, 2, 2] of positive weight [p], relative to the largest weight."""
    shown = weight > 0
    if shown.any():
        widths = look["lw"] * np.maximum(weight[shown], _LEAST_WIDTH)
        axes.add_collection(LineCollection(list(lines[shown]), **look | {"lw": widths}))


def _draw_nodes(axes: Axes, example: EdgeExample, places: np.ndarray) -> None:
    some = example.targets.any() and not example.targets.all()
    heavy = np.where(example.targets & some, 1.8, 0.5)
    if example.center is not None:
        heavy[np.searchsorted(example.nodes, example.center)] = 2.6
    x, y = places.T
    widths = heavy.tolist()
    axes.scatter(x, y, s=95, facecolors=RULE, edgecolors=INK, linewidths=widths, zorder=3)
    for node, (x, y) in zip(example.nodes.tolist(), places, strict=True):
        axes.text(x, y, str(node), ha="center", va="center", fontsize=5.5, zorder=4)
