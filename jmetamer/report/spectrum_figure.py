"""`spectrum_figure`: from a finished run to a figure that can be saved, in one call."""

from typing import TYPE_CHECKING

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.report.stored_cell import opened

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checked
def spectrum_figure(run: object, cell: str | None = None) -> "Figure":
    """Return the spectra of a cell's Jacobians before and after each activation as a figure.

    What is drawn is what the store holds; nothing is computed again. Cells that hold spectra of
    the matched layer alone show that layer, a line for each target node.

    Args:
      run: an opened run, or the path of a run folder.
      cell: one of `run.cells`; the first by default.

    Returns:
      A matplotlib figure; `savefig` writes it.

    Raises:
      InputError: no such cell, or one without spectra.
      StoreError: the run cannot be read.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.report import spectrum_figure
      >>> figure = spectrum_figure(jm.open_run("runs/quickstart"))  # doctest: +SKIP
      >>> figure.savefig("spectrum.png")  # doctest: +SKIP
    """
    from jmetamer.report.figures import layer_spectra, spectra, style

    stored = opened(run)
    if cell is None and not stored.cells:
        raise InputError(
            f"the run in `{stored.folder}` has no finished cell, so there is no spectrum"
        )
    chosen = stored.cells[0] if cell is None else cell
    data = stored.dataset(chosen)
    with style.styled():
        figure = layer_spectra.layer_spectra(data) or spectra.singular_values(data)
    if figure is None:
        raise InputError(
            f"cell `{chosen}` holds no spectra: it was run with `geometry: null`, or "
            "every singular value is zero; run it with a section `geometry`"
        )
    # Pages have a background of their own; a file needs one.
    figure.set_facecolor("white")
    figure.set_dpi(200)
    return figure
