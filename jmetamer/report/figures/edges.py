"""The reference and a metamer side by side, with the edges that only one of them has."""

from collections.abc import Sequence
from typing import TypedDict

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jmetamer.report.examples import MAX_NODES, EdgeExample, choose_edge_examples, which_metamers
from jmetamer.report.figures.page_figure import (
    CellView,
    Drawing,
    PageFigure,
    described,
    why_missing,
)
from jmetamer.report.figures.style import BLUE, INK, ORANGE, RULE, blank
from jmetamer.report.wording import plural

_WIDTH, _PANEL = 9.6, 4.3  # inches of the figure, and of the height of a panel


class Look(TypedDict, total=False):
    """How lines are drawn, as matplotlib names it."""

    lw: float
    color: str
    alpha: float
    ls: tuple[int, tuple[float, float]]


# Told apart by dashes and width as well as by color.
_KEPT: Look = {"lw": 0.9, "color": INK, "alpha": 0.4}
_REMOVED: Look = {"lw": 1.5, "color": ORANGE, "ls": (0, (3.0, 1.6))}
_ADDED: Look = {"lw": 2.4, "color": BLUE}
_LEAST_WIDTH = 0.15  # of a weighted edge, relative to the largest
_WEIGHTED = 3.0  # times the width of an edge of weight 1: thin lines all look the same
_MANY = 30  # changed edges of a drawing from which on lines get thinner, so as not to cover all
_SEED = 0  # of the layout


def edge_drawings(examples: Sequence[EdgeExample]) -> Figure | None:
    """Draw one row a metamer: the reference on the left, the metamer on the right.

    Nodes lie where the edges of the reference put them, the same in both panels and in all drawings
    of a whole graph. A weighted edge is as wide as its weight, relative to the largest. Lines are
    the thinner, the more of them changed.

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
        left.set_title(_title("reference", "removed", example, example.removed))
        right.set_title(_title(example.name, "added", example, example.added))
        lines, unit = places[example.pairs], _largest(example)
        kept = _KEPT.copy()
        kept["lw"] *= 1 if _all_equal(example) else _WEIGHTED
        thin = _thinness(example)
        for axes, weight, changed, look in (
            (left, example.reference / unit, example.removed, _REMOVED),
            (right, example.metamer / unit, example.added, _ADDED),
        ):
            _draw_edges(axes, lines, np.where(changed, 0, weight), kept, max(thin, 0.7))
            _draw_edges(axes, lines, np.where(changed, weight, 0), look, thin)
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
      example: its nodes and pairs. Where the reference falls into parts, added edges pull a little,
        so that the parts do not fly apart. Of a part of a graph all edges count alike, since most
        of its nodes may be there by an added edge alone.
    """
    ours = example.pairs[example.reference != 0].tolist()
    graph = nx.Graph()
    graph.add_nodes_from(range(len(example.nodes)))
    if example.center is not None:
        graph.add_edges_from(example.pairs.tolist())
        layout = nx.kamada_kawai_layout(graph)
        return np.array([layout[node] for node in range(len(example.nodes))]).reshape(-1, 2)
    graph.add_edges_from(ours, weight=1.0)
    if len(example.nodes) and not nx.is_connected(graph):
        graph.add_edges_from(example.pairs[example.reference == 0].tolist(), weight=0.05)
    layout = nx.spring_layout(graph, seed=_SEED, iterations=200)
    return np.array([layout[node] for node in range(len(example.nodes))]).reshape(-1, 2)


def _title(name: str, change: str, example: EdgeExample, shown: np.ndarray) -> str:
    """Say how many edges changed; of a part of a graph, also how many of them are drawn."""
    total = example.num_removed if change == "removed" else example.num_added
    if example.center is None:
        return f"{name}: {plural(total, 'edge')} {change}"
    return f"{name} around node {example.center}: {np.sum(shown):,} of {total:,} edges {change}"


def _largest(example: EdgeExample) -> float:
    return float(max(example.reference.max(initial=0), example.metamer.max(initial=0))) or 1.0


def _all_equal(example: EdgeExample) -> bool:
    weights = np.concatenate([example.reference, example.metamer])
    return np.unique(weights[weights != 0]).size < 2


def _thinness(example: EdgeExample) -> float:
    """Return the factor of all widths of a row, 1 where few edges changed."""
    most = max(np.sum(example.added), np.sum(example.removed), 1)
    return float(np.clip(np.sqrt(_MANY / most), 0.3, 1))


def _draw_edges(axes: Axes, lines: np.ndarray, weight: np.ndarray, look: Look, thin: float) -> None:
    """Draw the lines [p, 2, 2] of positive weight [p], relative to the largest weight."""
    shown = weight > 0
    if shown.any():
        widths = thin * look["lw"] * np.maximum(weight[shown], _LEAST_WIDTH)
        drawn = LineCollection(list(lines[shown]), **look)
        drawn.set_linewidth(widths)
        axes.add_collection(drawn)


def _draw_nodes(axes: Axes, example: EdgeExample, places: np.ndarray) -> None:
    some = example.targets.any() and not example.targets.all()
    heavy = np.where(example.targets & some, 1.8, 0.5)
    if example.center is not None:
        heavy[np.searchsorted(example.nodes, example.center)] = 2.6
    x, y = places.T
    widths = heavy.tolist()
    size = 95 if example.nodes.max(initial=0) < 1000 else 150  # room for four digits
    axes.scatter(x, y, s=size, facecolors=RULE, edgecolors=INK, linewidths=widths, zorder=3)
    for node, (x, y) in zip(example.nodes.tolist(), places, strict=True):
        axes.text(x, y, str(node), ha="center", va="center", fontsize=5.5, zorder=4)


def _draw(view: CellView) -> Drawing | None:
    summary = view.summary.edges
    if summary is None or summary.none_exists:
        return None
    shown = choose_edge_examples(view.data, view.reference, view.metamers, view.targets)
    which = which_metamers(len(view.metamers), len(shown))
    return described(edge_drawings(shown), "edges", view, shown, which, MAX_NODES)


FIGURE = PageFigure(
    CellView,
    "Edges beside those of the reference",
    (
        "reference.senders", "reference.receivers", "reference.weight", "flip_seed_id",
        "flip_sender", "flip_receiver", "flip_added", "edge_sender", "edge_receiver",
        "edge_weight", "stored_seed_id", "seed_id", "loss_hardened", "settings.metamers.nodes",
    ),
    _draw,
    why_missing("no_edges"),
    wide=True,
)  # fmt: skip
