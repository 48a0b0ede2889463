"""`PageFigure`: a figure as its own file declares it, and what figures may read."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import xarray as xr
from matplotlib.figure import Figure

from jmetamer.report.effects_summary import EffectStudy
from jmetamer.report.prose import paragraphs, said
from jmetamer.report.summary import CellSummary
from jmetamer.results import Reference
from jmetamer.results.criteria import without_unchanged
from jmetamer.results.setting_tree import Settings, setting

if TYPE_CHECKING:
    import jraph

View = TypeVar("View")


@dataclasses.dataclass(frozen=True, eq=False)
class CellView:
    """One finished cell: its numbers, settings, variables, reference and stored metamers."""

    summary: CellSummary
    settings: Settings
    data: xr.Dataset
    reference: Reference
    metamers: Sequence["jraph.GraphsTuple"]

    @property
    def stored_names(self) -> tuple[frozenset[str], ...]:
        """Names of what the store holds."""
        return (self.summary.sources,)

    @property
    def others(self) -> xr.Dataset:
        """Variables without the metamers that are the reference itself."""
        return without_unchanged(self.data)

    @property
    def targets(self) -> list[int]:
        """Nodes whose activations must match; empty for all."""
        return [int(node) for node in setting(self.settings, "metamers.nodes") or ()]

    @property
    def all_unchanged(self) -> bool:
        """Whether no metamer is another graph than the reference."""
        return bool(self.summary.count) and self.summary.unchanged == self.summary.count


@dataclasses.dataclass(frozen=True, eq=False)
class RunView:
    """All finished cells of the page."""

    cells: Sequence[CellSummary]

    @property
    def stored_names(self) -> tuple[frozenset[str], ...]:
        """Names of what the store holds of each cell."""
        return tuple(cell.sources for cell in self.cells)


@dataclasses.dataclass(frozen=True, eq=False)
class GridView:
    """Effects of the factors of one grid, and names of what the store holds of its cells."""

    study: EffectStudy
    stored_names: tuple[frozenset[str], ...]


class Drawing(NamedTuple):
    """What was drawn.

    Attributes:
      figure: the drawing; None where there is nothing to draw.
      alt: what it shows, for those who do not see it.
      caption: how to read it, with units and formulas in words.
    """

    figure: Figure | None
    alt: str
    caption: str


def described(figure: Figure | None, macro: str, *values: Any) -> Drawing:
    """Return a drawing with the words that `figure_words.j2` has for it."""
    return Drawing(figure, *paragraphs("figure_words", macro, *values))


def why_missing(macro: str) -> Callable[[CellView], str]:
    """Return what says why there is no figure, a macro of `figure_words.j2`."""
    return functools.partial(said, "figure_words", macro)


@dataclasses.dataclass(frozen=True, eq=False)
class PageFigure(Generic[View]):
    """A figure of the page.

    Attributes:
      stands: where: `CellView` at every cell, `RunView` below the table of all cells, `GridView`
        at every grid of factors; what is drawn is read from this.
      title: a few words.
      reads: names in the store of what is drawn, where they are there.
      draw: what it reads -> the drawing; None or a drawing without figure where there is none.
      missing: what it reads -> why there is no figure; empty where there need be none.
      wide: whether it spans the page and scrolls on a narrow screen.
    """

    stands: type[View]
    title: str
    reads: tuple[str, ...]
    draw: Callable[[View], Drawing | None]
    missing: Callable[[View], str] = lambda view: ""
    wide: bool = False
