"""The figures of one cell with their titles, captions and descriptions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from jmetamer.report.cells import distinguishing, setting
from jmetamer.report.deviation_summary import what_chance_is
from jmetamer.report.edge_examples import MAX_NODES, EdgeExample, choose_edge_examples
from jmetamer.report.examples import Examples, choose_examples, informative_columns
from jmetamer.report.figures import deviations, edges, examples, layers, losses, spectra, style
from jmetamer.report.geometry_pictures import geometry_pictures
from jmetamer.report.layer_summary import matched_layers
from jmetamer.report.picture import Picture, drawn, with_sources
from jmetamer.report.share import Share
from jmetamer.report.summary import CellSummary
from jmetamer.report.wording import listing, number, percent, plural
from jmetamer.results.statuses import without_unchanged


def cell_pictures(
    prefix: str,
    summary: CellSummary,
    settings: Mapping[str, Any],
    data: xr.Dataset,
    reference: Any,
    metamers: Any,
) -> list[Picture]:
    """Draw everything that one cell holds; what it does not hold is left out.

    Args:
      prefix: unique within the page.
      summary: numbers of the cell, for the descriptions.
      settings: resolved settings of the cell.
      data: variables of the cell.
      reference: the stored reference.
      metamers: the stored graphs, lazily.

    Returns:
      The pictures in reading order.
    """
    targets = _target_nodes(settings)
    with style.styled():
        found = [
            _loss_picture(prefix, summary, data),
            *_beside_the_reference(prefix, summary, data, reference, metamers, targets),
            _spectrum_picture(prefix, data),
            _rank_picture(prefix, summary, data),
            *geometry_pictures(prefix, data),
            _deviation_picture(prefix, summary, without_unchanged(data)),
            _layer_picture(prefix, summary, without_unchanged(data)),
        ]
    named = [with_sources(picture, summary.sources) for picture in found]
    return [picture for picture in named if picture is not None]


def overview_picture(cells: list[CellSummary]) -> Picture | None:
    """Draw the share of every cell that succeeds, for runs of 2 to 40 cells.

    Runs of older versions do not hold it in any cell: of them the converged share is drawn.
    """
    from jmetamer.report.figures.overview import cell_shares

    known = any(cell.succeeded is not None for cell in cells)
    nothing = Share(0, 0)
    shares = [(cell.succeeded or nothing) if known else cell.reached for cell in cells]
    what = "fulfill every criterion" if known else "reached the tolerance"
    titles = distinguishing([cell.name.title for cell in cells])
    titles = [title.replace("layer ", "") for title in titles]
    with style.styled():
        figure = cell_shares(
            [f"{i}. {_shortened(title)}" for i, title in enumerate(titles, start=1)],
            [one.share for one in shares],
            [one.interval for one in shares],
            what,
        )
        alt = f"Share of metamers per cell that {what}, with its interval. " + "; ".join(
            f"{cell.name.title}: {percent(one.share)}"
            for cell, one in zip(cells[:12], shares, strict=False)
        )
        picture = drawn(
            "all", "Success of every cell" if known else "Converged share of every cell", figure,
            alt,
            f"Dot: share of metamers that {what}. Line: 95% Wilson interval over "
            "the metamers of the cell, which are of one network. The cells are numbered as in the "
            "table.",
            wide=True,
        )  # fmt: skip
    return with_sources(picture, *(cell.sources for cell in cells))


def _shortened(title: str, limit: int = 46) -> str:
    """Leave out the middle of a long title, as its ends tell more."""
    end = limit // 3
    return title if len(title) <= limit else f"{title[: limit - 1 - end]}…{title[-end:]}"


def _loss_picture(prefix: str, summary: CellSummary, data: xr.Dataset) -> Picture | None:
    if summary.edges is not None and summary.edges.by_swaps:
        return None
    figure = losses.loss_curves(data, summary.tolerance)
    alt = (
        f"Loss against optimization step for {plural(summary.count, 'metamer')} on a log axis; "
        f"{summary.converged} reached the tolerance {number(summary.tolerance)}."
    )
    return drawn(
        prefix, "Loss during the optimization", figure, alt,
        "Loss: squared distance between the activations of metamer and reference at the target "
        "nodes, divided by the squared size of the reference's there. A metamer that has stopped "
        "keeps its last loss in the median and the band.",
    )  # fmt: skip


def _beside_the_reference(
    prefix: str,
    summary: CellSummary,
    data: xr.Dataset,
    reference: Any,
    metamers: Any,
    targets: list[int],
) -> list[Picture | None]:
    """Show features and edges of metamers, each where it varies."""
    found: list[Picture | None] = []
    if summary.edges is None or not summary.edges.features_stay:
        shown = choose_examples(data, reference, metamers, targets)
        found.append(None if shown is None else _example_picture(prefix, shown, reference))
    if summary.edges is not None and not summary.edges.none_exists:
        examples_of_edges = choose_edge_examples(data, reference, metamers, targets)
        weights = summary.edges.are_weights
        found.append(_edge_picture(prefix, examples_of_edges, len(metamers), weights))
    return found


def _edge_picture(
    prefix: str, shown: list[EdgeExample], num_stored: int, are_weights: bool
) -> Picture | None:
    told = "; ".join(
        f"{one.name} removes {one.num_removed:,} of them and adds {one.num_added:,}"
        for one in shown
    )
    part = ""
    if shown and shown[0].center is not None:
        part = (
            f" The graph is too large to be shown whole: up to {MAX_NODES} nodes within two hops "
            "of the target node that the most changed edges meet (heaviest circle; other target "
            "nodes have a lighter one)."
        )
    elif shown and shown[0].targets.any() and not shown[0].targets.all():
        part = " Nodes with a heavy circle are the target nodes, whose activations must match."
    looks = "Thin lines are in both graphs; dashed lines are removed, heavy lines added."
    if are_weights:
        looks = "Every line is as wide as the weight of its edge; dashed: removed, blue: added."
    return drawn(
        prefix, "Edges beside those of the reference", edges.edge_drawings(shown),
        f"Edges of the reference on the left and of metamers on the right: {told}.",
        f"{_which(num_stored, len(shown))}; nodes "
        f"lie at the same places on both sides. {looks} Self loops and directions are not drawn."
        f"{part}",
        wide=True,
    )  # fmt: skip


def _which(num_stored: int, num_shown: int) -> str:
    """Say which of the stored metamers are shown."""
    if num_stored == 1:
        return "The one stored metamer"
    return f"Of {plural(num_stored, 'stored metamer')} the {num_shown} with the lowest loss"


def _example_picture(prefix: str, shown: Examples, reference: Any) -> Picture | None:
    which = (
        f"{_which(shown.num_stored, len(shown.names) - 1)}; the same nodes in the same order and "
        "one color scale everywhere."
    )
    names = listing([f"node {node}" for node in shown.nodes], limit=10)
    if shown.shape is not None:
        alt = f"Features of {names} as pictures: the reference above, metamers below."
        figure = examples.picture_grid(shown)
        return drawn(prefix, "Reference against metamers", figure, alt, which, wide=True)
    binary = reference.attrs.get("feature_kind") in ("binary", "one_hot")
    columns, sentence = informative_columns(shown.rows, binary)
    left = len(columns) if len(columns) == shown.rows.shape[-1] else len(columns) // 2
    figure = examples.feature_maps(shown, columns, left)
    alt = f"Features of {names} as heat maps, the reference above, metamers below. {sentence}"
    return drawn(
        prefix, "Reference against metamers", figure, alt, f"{which} {sentence}", wide=True
    )


def _spectrum_picture(prefix: str, data: xr.Dataset) -> Picture | None:
    return drawn(
        prefix, "Spectrum of the Jacobian", spectra.singular_values(data),
        "Singular values of the Jacobian per node on a log axis, before and after the "
        "activation, with the rank cutoff.",
        "How strongly a node's representation answers to a change of the input, direction by "
        "direction; one line for each node whose spectrum was taken, up to "
        f"{spectra.MAX_SPECTRA}. Directions below the dashed cutoff (median over nodes) count as "
        "invisible. Exact zeros have no place on a log axis.",
    )  # fmt: skip


def _rank_picture(prefix: str, summary: CellSummary, data: xr.Dataset) -> Picture | None:
    ranks = summary.ranks
    if ranks is None:
        return None
    below = (
        "Below: change of the sum of log singular values (natural logarithm) through the "
        "activation; × where the rank changes, so that volumes cannot be compared."
        if ranks.num_compared
        else "The activation changes the rank of every node here, so volumes cannot be compared."
    )
    told = f"median {number(ranks.before)} before and {number(ranks.after)} after the activation"
    if np.isnan(ranks.before):
        below = "No activation follows this layer, so there is only one rank (after)."
        told = f"median {number(ranks.after)}"
    return drawn(
        prefix, "Rank and volume", spectra.ranks(data),
        f"Rank of the Jacobian per node: {told}, ceiling {number(ranks.ceiling)}.",
        "The ceiling is the smaller of a node's numbers of inputs (median "
        f"{number(ranks.num_inputs)}) and outputs; inputs minus rank is the first-order dimension "
        "of the metamer set. Thin lines: "
        f"interval of an uncertain rank. {below}",
    )  # fmt: skip


def _deviation_picture(prefix: str, summary: CellSummary, data: xr.Dataset) -> Picture | None:
    told = "; ".join(
        f"{d.measure} median {number(d.median)}, start {number(d.start)}, chance {number(d.chance)}"
        for d in summary.deviations
    )
    starts = (
        "Triangle and thin bar: the starts of the searches, median and middle half; a metamer is "
        "to be compared with where its own search began. "
    ) * any(d.paired for d in summary.deviations)
    return drawn(
        prefix, "Deviations from the reference", deviations.deviation_strips(data),
        f"Deviation of the metamers from the reference, one strip per measure: {told}.",
        f"The reference itself lies at 0. Diamond: chance, {what_chance_is(summary.deviations)}. "
        f"{starts}Every strip has its own scale.",
    )  # fmt: skip


def _layer_picture(prefix: str, summary: CellSummary, data: xr.Dataset) -> Picture | None:
    matched = matched_layers(summary.name.layer, data)
    return drawn(
        prefix, "Layer-by-layer match",
        layers.layer_match(data, matched, summary.tolerance),
        f"Squared relative difference at every layer; {summary.name.layer} was matched.",
        "The same relative squared difference, at the target nodes of every layer; black bars "
        "are medians. Orange: the layer that was optimized. Where it matches exactly at all "
        "nodes, and edges stay, later layers match too; earlier ones may differ.",
    )  # fmt: skip


def _target_nodes(settings: Mapping[str, Any]) -> list[int]:
    return [int(node) for node in setting(settings, "metamers.nodes") or ()]
