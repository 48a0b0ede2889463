"""The figures of the table as a page shows them."""

import dataclasses

from markupsafe import Markup

from jmetamer.report.figures import style
from jmetamer.report.figures.markup import svg_markup
from jmetamer.report.figures.page_figure import CellView, GridView, RunView
from jmetamer.report.figures.table import FIGURES
from jmetamer.report.sources import only_stored


@dataclasses.dataclass(frozen=True)
class Picture:
    """One figure as the page shows it.

    Attributes:
      title: a few words.
      svg: inline markup.
      caption: how to read it, with units and formulas in words.
      wide: whether it spans the page and scrolls on a narrow screen.
      sources: names in the store of what is drawn.
    """

    title: str
    svg: Markup
    caption: str
    wide: bool
    sources: tuple[str, ...]


def draw_all(
    prefix: str, view: CellView | RunView | GridView
) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """Draw every figure that stands in one place, and say why others are missing there.

    Args:
      prefix: unique within the page.

    Returns:
      Pictures in the order of the table, and notes.
    """
    pictures, notes = [], []
    for name, figure in FIGURES.items():
        if figure.stands is not type(view):
            continue
        with style.styled():
            drawing = figure.draw(view)
            if drawing is None or drawing.figure is None:
                notes.append(figure.missing(view))
                continue
            svg = Markup(svg_markup(drawing.figure, drawing.alt, f"{prefix}-{name}"))
        sources = only_stored(figure.reads, *view.stored_names)
        pictures.append(Picture(figure.title, svg, drawing.caption, figure.wide, sources))
    return tuple(pictures), tuple(filter(None, notes))
