"""What a run and a cell found, in plain words made from the numbers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jmetamer.report.cells import distinguishing, is_in_title
from jmetamer.report.distance_summary import what_chance_is
from jmetamer.report.prose import paragraphs
from jmetamer.report.reading import grouped
from jmetamer.report.share import Share, over_networks
from jmetamer.report.success_sentences import success_sentence, transfer_sentence
from jmetamer.report.success_summary import SuccessSummary
from jmetamer.report.summary import CellSummary
from jmetamer.report.transfer_summary import Reading
from jmetamer.report.wording import CONTROLS_SAID, listing, percent, plural, span

_MAX_LAYERS = 4  # named in the question


def run_sentences(
    cells: Sequence[CellSummary],
    num_failed: int,
    sizes: Mapping[str, str] | None = None,
    rows: Sequence[Reading] = (),
    *,
    num_unfinished: int = 0,
) -> list[str]:
    """Say in plain words what a run asked and found.

    Args:
      num_failed: number of cells that ended with an error or cannot be read.
      sizes: dataset -> its size in words.
      num_unfinished: number of cells that were asked for and have not ended.

    Returns:
      Sentences, each complete by itself.
    """
    controls = grouped((cell.control, cell) for cell in cells)
    own = controls.pop("", None) or cells
    of = " of trained networks" if controls and own is not cells else ""
    shares = [(cell, cell.succeeded.share) for cell in own if cell.succeeded is not None]
    share = success_sentence(_successes(own), of, controls=_succeeded(controls) if of else {})
    return paragraphs(
        "cell_sentences",
        "run",
        cells,
        _question(cells, sizes or {}),
        own,
        of,
        share and share + _range(shares),
        over_networks((cell.network, cell.reached) for cell in own),
        _range([(cell, cell.share) for cell in own]),
        {
            name: over_networks((cell.network, cell.reached) for cell in some)
            for name, some in controls.items()
            if of
        },
        transfer_sentence(rows),
        what_chance_is([d for cell in own for d in cell.deviations]),
        num_failed,
        num_unfinished,
    )


def cell_sentences(cell: CellSummary) -> list[str]:
    """Say in plain words what one cell found; every number comes from `cell`."""
    together = "" if cell.success is None else success_sentence([cell.success])
    return paragraphs("cell_sentences", "cell", cell, together, CONTROLS_SAID)


def _successes(cells: Sequence[CellSummary]) -> list[SuccessSummary]:
    return [cell.success for cell in cells if cell.success is not None]


def _succeeded(controls: Mapping[str, Sequence[CellSummary]]) -> dict[str, Share]:
    """Return control -> how many succeed, of those of which the store says it."""
    return {
        name: over_networks((s.network, s.together) for s in _successes(cells) if s.together)
        for name, cells in controls.items()
    }


class _Question(NamedTuple):
    """What a run asked: of which networks, at which layers, on which datasets in words."""

    models: list[str]
    layers: str
    datasets: list[str]


def _question(cells: Sequence[CellSummary], sizes: Mapping[str, str]) -> _Question:
    names = dict.fromkeys(cell.name.dataset for cell in cells if cell.name.dataset)
    datasets = [f"{name} ({sizes[name]})" if name in sizes else name for name in names]
    pairs = [(_maker(cell), cell.name.layer) for cell in cells if cell.name.layer]
    layers = {maker: tuple(dict.fromkeys(own)) for maker, own in grouped(pairs).items()}
    by_layers = grouped((own, maker) for maker, own in layers.items())
    first, *others = sorted(by_layers, key=lambda own: -len(by_layers[own])) or [()]
    more = [f"{listing(by_layers[own])} at {' or '.join(own)}" for own in others]
    few = len({layer for _, layer in pairs}) <= _MAX_LAYERS
    text = " or ".join(first) + (f" ({'; '.join(more)})" if more else "")
    return _Question(_models(cells), text if few else "", datasets)


def _models(cells: Sequence[CellSummary]) -> list[str]:
    """Name every network once, with its test accuracy where that is known."""
    texts = dict.fromkeys(
        _maker(cell) + _accuracy(cells, cell) for cell in cells if cell.name.model
    )
    return list(texts)


def _maker(cell: CellSummary) -> str:
    """Name the network of a cell, with all that tells it from others but its seed."""
    own = cell.name.differences.items()
    differences = [(k, v) for k, v in own if k != "training.seed" and not is_in_title(k)]
    more = [
        f"{k.split('.', 1)[1]} {v}" for k, v in differences if k.startswith(("model.", "training."))
    ]
    return ", ".join([cell.name.model, *more])


def _accuracy(cells: Sequence[CellSummary], cell: CellSummary) -> str:
    """Write the test accuracy of its networks in brackets; nothing where it is not known."""
    if np.isnan(cell.test_accuracy):
        return ""
    own = [c for c in cells if _maker(c) == _maker(cell) and not np.isnan(c.test_accuracy)]
    text = span([c.test_accuracy for c in own], percent)
    several = f" of {plural(len({c.network for c in own}), 'network')}" if " to " in text else ""
    return f" (test accuracy {text}{several})"


def _range(shares: Sequence[tuple[CellSummary, float]]) -> str:
    """Say from where to where shares run; nothing where they are all alike."""
    titles = distinguishing([cell.name.title for cell, _ in shares]) if shares else []
    pairs = [(x, title) for (_, x), title in zip(shares, titles, strict=True) if not np.isnan(x)]
    if not pairs:
        return ""
    (worst, where_worst), (best, where_best) = min(pairs), max(pairs)
    if percent(worst) == percent(best):
        return ""
    lowest, highest = (
        f"{percent(end)} ({where}{_others(pairs, end)})"
        for end, where in ((worst, where_worst), (best, where_best))
    )
    return f" The share runs from {lowest} to {highest}."


def _others(pairs: Sequence[tuple[float, str]], end: float) -> str:
    """Say how many other cells have the same share."""
    more = sum(percent(share) == percent(end) for share, _ in pairs) - 1
    return f"; also {plural(more, 'other cell')}" if more else ""
