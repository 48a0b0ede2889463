"""One figure of the report with its title, caption and description."""

import dataclasses

from markupsafe import Markup
from matplotlib.figure import Figure

from jmetamer.report.figures import markup
from jmetamer.report.sources import FIGURES, those_known


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
    wide: bool = False
    sources: tuple[str, ...] = ()


def drawn(
    prefix: str, title: str, figure: Figure | None, alt: str, caption: str, wide: bool = False
) -> Picture | None:
    """Return a figure with its words, or None where there is no figure.

    Args:
      prefix: unique within the page.
      title: a few words; the first is unique among the figures of a cell.
      figure: what was drawn.
      alt: what it shows, for those who do not see it.
      caption: how to read it.
      wide: whether it spans the page.
    """
    if figure is None:
        return None
    slug = f"{prefix}-{title.split()[0].lower()}"
    svg = markup.svg_markup(figure, alt, slug)
    return Picture(title, Markup(svg), caption, wide)


def with_sources(picture: Picture | None, *known: frozenset[str]) -> Picture | None:
    """Return the figure with the names of what it draws, as the store holds them.

    Args:
      picture: one of those in `FIGURES`, or None.
      known: names that each of the drawn cells holds.
    """
    if picture is None:
        return None
    return dataclasses.replace(picture, sources=those_known(FIGURES[picture.title], *known))
