"""The reference beside its metamers: pictures where a feature row is one, else heat maps."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from jmetamer.report.examples import Examples, choose_examples, informative_columns, which_metamers
from jmetamer.report.figures.page_figure import (
    CellView,
    Drawing,
    PageFigure,
    described,
    why_missing,
)
from jmetamer.report.figures.style import blank, label_width

_SIDE = 0.8  # inches of a picture with its gap
ENLARGED = 5  # pixels of one number, in both directions
_GAP = 1  # empty pixels between neighboring pictures, columns between the two halves


def picture_grid(examples: Examples) -> Figure:
    """Draw every feature row as a picture: one column a node, one line a graph.

    Args:
      examples: rows with a picture shape.

    Returns:
      The figure; all pictures share one color scale.
    """
    assert examples.shape is not None
    height, width = examples.shape
    blocks, count = examples.rows.shape[:2]
    left = label_width(list(examples.names))
    figure = blank(
        left + 1.0 + _SIDE * count * width / max(height, width),
        0.65 + _SIDE * blocks * height / max(height, width),
        left=left, right=1.0, top=0.6, bottom=0.05,
    )  # fmt: skip
    axes = figure.add_subplot()
    canvas = np.full((blocks * (height + _GAP) - _GAP, count * (width + _GAP) - _GAP), np.nan)
    for line in range(blocks):
        for column in range(count):
            top, left = line * (height + _GAP), column * (width + _GAP)
            picture = examples.rows[line, column].reshape(height, width)
            canvas[top : top + height, left : left + width] = picture
    low, high = examples.limits
    axes.imshow(
        _enlarged(canvas), cmap="gray", vmin=low, vmax=high, interpolation="none", aspect="equal",
        extent=_extent(canvas),
    )  # fmt: skip
    centers = np.arange(count) * (width + _GAP) + (width - 1) / 2
    axes.set_xticks(centers, _node_labels(examples))
    axes.set_yticks(np.arange(blocks) * (height + _GAP) + (height - 1) / 2, examples.names)
    axes.xaxis.tick_top()
    axes.set_xlabel("node and its class" if examples.classes else "node")
    axes.xaxis.set_label_position("top")
    _bare(axes)
    _color_bar(figure, axes, examples.limits, "gray")
    return figure


def feature_maps(examples: Examples, columns: np.ndarray, num_left: int) -> Figure:
    """Draw feature rows as heat maps, one panel a graph, all with the same columns.

    Args:
      examples: rows of the chosen nodes.
      columns: [c] feature columns in the order to draw.
      num_left: columns left of the gap; as many as there are columns draws no gap.

    Returns:
      The figure; all panels share one color scale.
    """
    blocks, count = examples.rows.shape[:2]
    panel = 0.17 * count
    figure = blank(
        9.6, 0.95 + blocks * (panel + 0.3),
        left=0.3 + label_width(_node_labels(examples, " · class "), 7), right=1.0, top=0.3,
        bottom=0.65, hspace=0.3 / panel,
    )  # fmt: skip
    panels = figure.subplots(blocks, 1, sharex=True, squeeze=False)[:, 0]
    low, high = examples.limits
    for axes, name, rows in zip(panels, examples.names, examples.rows, strict=True):
        shown = rows[:, columns]
        if num_left < len(columns):
            shown = np.insert(shown, num_left, np.nan, axis=1)
        axes.imshow(
            _enlarged(shown), cmap="cividis", vmin=low, vmax=high, interpolation="none",
            aspect="auto", extent=_extent(shown),
        )  # fmt: skip
        axes.set_title(name)
        axes.set_yticks(range(count), _node_labels(examples, " · class "), fontsize=7)
        _bare(axes)
    positions = np.arange(len(columns)) + (np.arange(len(columns)) >= num_left)
    step = max(1, len(columns) // 24)
    panels[-1].set_xticks(
        positions[::step], [str(c) for c in columns[::step]], rotation=90, fontsize=7
    )
    panels[-1].set_xlabel("feature column")
    figure.supylabel("node", fontsize=9, x=0.01)
    bar = _color_bar(figure, panels[0], examples.limits, "cividis")
    if np.isin(examples.rows, examples.limits).all():
        bar.set_ticks(examples.limits)
    return figure


def _enlarged(cells: np.ndarray) -> np.ndarray:
    """Each number several pixels wide, so that viewers that smooth pictures leave its color."""
    return np.repeat(np.repeat(cells, ENLARGED, axis=0), ENLARGED, axis=1)


def _extent(cells: np.ndarray) -> tuple[float, float, float, float]:
    """Limits that put number (i, j) at height i and breadth j, whatever the enlargement."""
    return -0.5, cells.shape[1] - 0.5, cells.shape[0] - 0.5, -0.5


def _node_labels(examples: Examples, between: str = "\nclass ") -> list[str]:
    if not examples.classes:
        return [str(node) for node in examples.nodes]
    pairs = zip(examples.nodes, examples.classes, strict=True)
    return [f"{node}{between}{label}" for node, label in pairs]


def _bare(axes: Axes) -> None:
    axes.grid(False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _color_bar(figure: Figure, axes: Axes, limits: tuple[float, float], cmap: str) -> Colorbar:
    mappable = ScalarMappable(Normalize(*limits), cmap=cmap)
    box, width = axes.get_position(), figure.get_figwidth()
    height = max(box.height, 0.8 / figure.get_figheight())
    place = figure.add_axes((box.x1 + 0.12 / width, box.y1 - height, 0.12 / width, height))
    bar = figure.colorbar(mappable, cax=place)
    bar.set_label("feature value")
    bar.outline.set_visible(False)
    bar.ax.grid(False)
    return bar


def _draw(view: CellView) -> Drawing | None:
    edges = view.summary.edges
    if edges is not None and edges.features_stay:
        return None
    shown = choose_examples(view.data, view.reference, view.metamers, view.targets)
    if shown is None:
        return None
    which = which_metamers(shown.num_stored, len(shown.names) - 1)
    if shown.shape is not None:
        return described(picture_grid(shown), "examples", shown, which, "")
    binary = view.reference.attrs.get("feature_kind") in ("binary", "one_hot")
    columns, sentence = informative_columns(shown.rows, binary)
    left = len(columns) if len(columns) == shown.rows.shape[-1] else len(columns) // 2
    return described(feature_maps(shown, columns, left), "examples", shown, which, sentence)


FIGURE = PageFigure(
    CellView,
    "Reference against metamers",
    (
        "reference.nodes", "reference.labels", "features", "stored_seed_id", "seed_id",
        "loss_hardened",
    ),
    _draw,
    why_missing("no_examples"),
    wide=True,
)  # fmt: skip
