"""What a run and a cell found, in plain words made from the numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jmetamer.report.cells import distinguishing, is_in_title
from jmetamer.report.deviation_summary import Deviation, what_chance_is
from jmetamer.report.diversity_summary import diversity_sentence
from jmetamer.report.edge_summary import edge_sentences
from jmetamer.report.geometry_sentences import (
    dimension_sentence,
    ledger_sentence,
    map_sentence,
    rank_sentence,
)
from jmetamer.report.harm_sentences import harm_sentence
from jmetamer.report.share import over_networks
from jmetamer.report.success_sentences import (
    null_sentence,
    success_sentence,
    transfer_sentence,
    undecided_sentence,
)
from jmetamer.report.success_summary import SuccessSummary
from jmetamer.report.summary import CellSummary
from jmetamer.report.transfer_summary import Reading
from jmetamer.report.wording import listing, number, percent, plural, span


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
      cells: finished cells.
      num_failed: number of cells that ended with an error or cannot be read.
      sizes: dataset -> its size in words.
      rows: how other networks read the metamers.
      num_unfinished: number of cells that were asked for and have not ended.

    Returns:
      Sentences, each complete by itself.
    """
    failed = (
        f"{plural(num_failed, 'cell')} failed or cannot be read; why is listed under Failures."
        if num_failed
        else ""
    )
    asked = len(cells) + num_failed + num_unfinished
    left = f"{num_unfinished:,} of {plural(asked, 'cell')} are not finished." * (num_unfinished > 0)
    if not cells:
        return [text for text in ("No cell of this run has finished yet.", left, failed) if text]
    sentences = [
        _question(cells, sizes or {}),
        left,
        _success(cells),
        _answer(cells),
        *_of_each_run(cells),
        _distance(cells),
        _recognition(cells),
        transfer_sentence(rows),
        failed,
    ]
    return [text for text in sentences if text]


def cell_sentences(cell: CellSummary) -> list[str]:
    """Say in plain words what one cell found; every number comes from `cell`."""
    sentences = _criteria(cell.success) if cell.success is not None else []
    loss = (
        f"The median loss of the stored graphs is {number(cell.loss)} "
        f"(tolerance {number(cell.tolerance)})."
    )
    sentences.append(" ".join([_reached(cell), *[loss] * (cell.unchanged < max(cell.count, 1))]))
    if cell.edges is not None and cell.edges.none_exists:
        sentences = [f"No metamer: {plural(cell.count, 'seed')} gave the reference itself."]
        if cell.succeeded is not None and cell.succeeded.planted:
            sentences.append(f"{cell.succeeded.planted}.")
    if cell.repulsion:
        sentences.append(
            f"The metamers were searched for together and pushed each other apart (weight "
            f"{number(cell.repulsion)}): they are no independent sample, as intervals take them to "
            "be, and how far they are from each other says nothing of chance."
        )
    if cell.num_loose:
        sentences.append(
            f"Careful: {plural(cell.num_loose, 'metamer')} marked as converged "
            f"{'has' if cell.num_loose == 1 else 'have'} a loss above the tolerance when it is "
            "recomputed from the stored graph."
        )
    if cell.edges is not None:
        sentences += edge_sentences(cell.edges)
    sentences += [diversity_sentence(one) for one in cell.diversity]
    if distance := _deviation_sentence(cell):
        sentences.append(distance)
    if not np.isnan(cell.agreement):
        chance = _chance(percent(cell.agreement_chance), cell.agreement_chance)
        sentences.append(
            f"The network gives {percent(cell.agreement)} of the target nodes the class it gave "
            f"them in the reference, on average over metamers{chance}."
        )
    if cell.ranks is not None:
        sentences.append(rank_sentence(cell.ranks))
    if cell.maps is not None:
        sentences.append(map_sentence(cell.maps))
    if cell.ranks is not None:
        sentences.append(dimension_sentence(cell.ranks))
    if cell.ledger is not None:
        sentences.append(ledger_sentence(cell.ledger))
    if cell.edges is not None and cell.edges.features_stay and cell.ranks is not None:
        sentences.append(
            "Ranks and dimensions are those of changes of the features at the reference; in the "
            "metamers of this cell the features stay, and edges change."
        )
    return sentences


def _reached(cell: CellSummary) -> str:
    if not cell.count:
        return "The cell holds no metamers."
    return (
        f"{cell.converged:,} of {plural(cell.count, 'metamer')} reached the tolerance "
        f"({cell.reached.words}).{_unchanged(cell.unchanged)}"
    )


def _unchanged(count: int) -> str:
    """Say how many are no other graph, so that they count neither here nor in medians."""
    if not count:
        return ""
    verb = "is" if count == 1 else "are"
    return (
        f" {count:,} {verb} the reference itself or the reference renamed (UNCHANGED): none of "
        "these counts as reaching the tolerance, and medians leave them out."
    )


def _criteria(success: SuccessSummary) -> list[str]:
    harm = harm_sentence(success.harm) if success.harm.lines else ""
    null = "" if success.null is None else null_sentence(success.null)
    change = "" if success.missed is None else f"What to change: {success.missed.change}."
    undecided = undecided_sentence(success)
    texts = (success_sentence([success]), change, undecided, null, harm)
    return [text for text in texts if text]


def _question(cells: Sequence[CellSummary], sizes: Mapping[str, str]) -> str:
    datasets = [
        f"{name} ({sizes[name]})" if name in sizes else name
        for name in _unique(cell.name.dataset for cell in cells if cell.name.dataset)
    ]
    models = _unique(
        _maker(cell)
        + ("" if np.isnan(cell.test_accuracy) else f" (test accuracy {_accuracy(cells, cell)})")
        for cell in cells
        if cell.name.model
    )
    layers = _unique(cell.name.layer for cell in cells if cell.name.layer)
    subject = f"the networks {listing(models)}" if len(models) > 1 else (
        f"the network {models[0]}" if models else "the network"
    )  # fmt: skip
    where = f", at {' or '.join(layers)}," if 0 < len(layers) <= 4 else ""
    targets = sorted({cell.targets for cell in cells if cell.targets})
    nodes = f", at {plural(targets[0], 'target node')}" if len(targets) == 1 else ""
    if len(targets) > 1:
        nodes = f", at {targets[0]:,} to {targets[-1]:,} target nodes"
    return (
        f"Which other inputs drive {subject}{where} to the same activations as "
        f"{listing(datasets) or 'the reference graph'}{nodes}? "
        f"{plural(len(cells), 'cell')} asked this; an input that answers it is "
        "called a metamer of the reference."
    )


def _maker(cell: CellSummary) -> str:
    """Name the network of a cell, with all that tells it from others but its seed."""
    own = cell.name.differences.items()
    told = [(k, v) for k, v in own if k != "training.seed" and not is_in_title(k)]
    more = [f"{k.split('.', 1)[1]} {v}" for k, v in told if k.startswith(("model.", "training."))]
    return ", ".join([cell.name.model, *more])


def _accuracy(cells: Sequence[CellSummary], cell: CellSummary) -> str:
    own = [c for c in cells if _maker(c) == _maker(cell) and not np.isnan(c.test_accuracy)]
    text = span([c.test_accuracy for c in own], percent)
    networks = plural(len({c.network for c in own}), "network")
    return f"{text} of {networks}" if " to " in text else text


def _answer(cells: Sequence[CellSummary]) -> str:
    if len(cells) == 1:
        return _reached(cells[0])
    every = over_networks((cell.network, cell.reached) for cell in cells)
    if not every.total:
        return "The cells hold no metamers."
    text = (
        f"{every.count:,} of {plural(every.total, 'metamer')} reached the tolerance of their cell "
        f"({every.words})."
    )
    unchanged = _unchanged(sum(cell.unchanged for cell in cells))
    return f"{text}{_range(cells, [cell.share for cell in cells])}{unchanged}"


def _success(cells: Sequence[CellSummary]) -> str:
    """Say how many metamers succeed, and in which cells the largest and smallest share does."""
    known = [(cell, cell.succeeded.share) for cell in cells if cell.succeeded is not None]
    text = success_sentence([cell.success for cell in cells if cell.success is not None])
    if not known or not text:
        return "Which metamers fulfill the criteria of success is not stored."
    return f"{text}{_range(*map(list, zip(*known, strict=True)))}"


def _range(cells: Sequence[CellSummary], shares: Sequence[float]) -> str:
    """Say from where to where shares run; nothing where they are all alike."""
    titles = distinguishing([cell.name.title for cell in cells])
    pairs = [pair for pair in zip(shares, titles, strict=True) if not np.isnan(pair[0])]
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


def _of_each_run(cells: Sequence[CellSummary]) -> list[str]:
    """Say of each of several runs how many metamers it made."""
    runs = _unique(cell.name.run for cell in cells)
    if len(runs) < 2:
        return []
    told = []
    for run in runs:
        own = [cell for cell in cells if cell.name.run == run]
        known = [cell.succeeded for cell in own if cell.succeeded is not None]
        verb = "succeed" if known else "reached the tolerance (success is not stored)"
        count = sum(one.count for one in known) if known else sum(c.converged for c in own)
        total = sum(one.total for one in known) if known else sum(c.count for c in own)
        share = f" ({percent(count / total)})" if total else ""
        told.append(f"{run}: {count:,} of {total:,} {verb} in {plural(len(own), 'cell')}{share}")
    return [f"By run: {'; '.join(told)}."]


def _distance(cells: Sequence[CellSummary]) -> str:
    parts = []
    for measure in _unique(d.measure for cell in cells for d in cell.deviations):
        found = [d for cell in cells for d in cell.deviations if d.measure == measure]
        medians = [d.median for d in found if not np.isnan(d.median)]
        if medians:
            parts.append(f"{measure} {span(medians)}{_references(found)}")
    if not parts:
        return ""
    return (
        "Median deviation from the reference, which itself is at 0: "
        f"{listing(parts, limit=8)}. Chance is "
        f"{what_chance_is([d for cell in cells for d in cell.deviations])}."
    )


def _references(found: Sequence[Deviation]) -> str:
    """Write what a deviation is to be compared with: the search's own start, and chance."""
    words = [
        f"{name} {span(known)}"
        for name, field in (
            ("start of the search", "start"),
            ("metamer less its own start", "less_start"),
            ("chance", "chance"),
        )
        if (known := [one for d in found if not np.isnan(one := getattr(d, field))])
    ]
    return f" ({', '.join(words)})" if words else ""


def _deviation_sentence(cell: CellSummary) -> str:
    """Say where the metamers lie between the reference, their start and chance."""
    known = [d for d in cell.deviations if not np.isnan(d.median)]
    parts = [
        f"{d.measure} {number(d.median)}{_references([d])}"
        + (f", {_beside_starts(d)}" if d.paired else "")
        for d in known
    ]
    if not parts:
        return ""
    none = _unique(d.no_start for d in known if d.no_start)
    why = f" There is no start to compare with: {listing(none)}." if none else ""
    return f"Median deviation from the reference (0): {'; '.join(parts)}.{why}"


def _beside_starts(one: Deviation) -> str:
    """Say how many metamers are nearer to the reference than their start, and how many as near."""
    if one.equal == one.paired:
        return f"as its start in all {one.paired:,}"
    equal = f" (as near in {one.equal:,})" if one.equal else ""
    return f"nearer than its start in {one.nearer:,} of {one.paired:,}{equal}"


def _recognition(cells: Sequence[CellSummary]) -> str:
    found = [cell for cell in cells if not np.isnan(cell.agreement)]
    if not found:
        return ""
    chances = [c.agreement_chance for c in found if not np.isnan(c.agreement_chance)]
    return (
        f"The network keeps the class of {span([c.agreement for c in found], percent)} of the "
        f"target nodes, on average over the metamers of a cell"
        f"{_chance(span(chances, percent), *chances)}."
    )


def _chance(text: str, *chances: float) -> str:
    known = bool(chances) and not np.isnan(chances).any()
    return f" (chance level {text})" if known else ""


def _unique(items: Any) -> list[str]:
    return list(dict.fromkeys(items))
