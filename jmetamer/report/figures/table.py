"""The table of figures, in reading order: one line here puts a figure on the page."""

from typing import Any

from jmetamer.report.figures import (
    deviations,
    dimensions,
    edges,
    effects,
    examples,
    layer_spectra,
    layers,
    ledger,
    losses,
    maps,
    overview,
    ranks,
    spectra,
)
from jmetamer.report.figures.page_figure import PageFigure

FIGURES: dict[str, PageFigure[Any]] = {
    "success": overview.SUCCESS,
    "converged": overview.CONVERGED,
    "effects": effects.FIGURE,
    "loss": losses.FIGURE,
    "examples": examples.FIGURE,
    "edges": edges.FIGURE,
    "spectrum": spectra.FIGURE,
    "ranks": ranks.FIGURE,
    "layer_spectra": layer_spectra.FIGURE,
    "dimensions": dimensions.FIGURE,
    "maps": maps.FIGURE,
    "ledger": ledger.FIGURE,
    "deviations": deviations.FIGURE,
    "layers": layers.FIGURE,
}
