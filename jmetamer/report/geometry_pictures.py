"""The figures of spectra at all layers, dimensions, maps and ledgers, with their captions."""

import xarray as xr

from jmetamer.report.figures import dimensions, layer_spectra, ledger, maps
from jmetamer.report.geometry_sentences import ledger_sentence, map_sentence
from jmetamer.report.geometry_summary import kind_of_intervals, summarize_ledger, summarize_maps
from jmetamer.report.picture import Picture, drawn
from jmetamer.report.wording import listing, number, plural


def geometry_pictures(prefix: str, data: xr.Dataset) -> list[Picture | None]:
    """Draw spectra of all layers, dimensions, maps and ledgers; None where the cell has none.

    Args:
      prefix: unique within the page.
      data: variables of the cell.
    """
    return [
        _spectra_picture(prefix, data),
        _dimension_picture(prefix, data),
        _map_picture(prefix, data),
        _ledger_picture(prefix, data),
    ]


def _spectra_picture(prefix: str, data: xr.Dataset) -> Picture | None:
    figure = layer_spectra.layer_spectra(data)
    if figure is None:
        return None
    names = [str(name) for name in data["geometry_layer"].values.tolist()]
    layers = list(dict.fromkeys(name.removesuffix(".pre") for name in names))
    more = len(layers) - layer_spectra.MAX_PANELS
    rest = f" {plural(more, 'deeper layer')} not drawn." if more > 0 else ""
    return drawn(
        prefix, "Spectra before and after each activation", figure,
        f"Singular values of the Jacobian on a log axis, a panel each for {listing(layers)}.",
        f"Median (line) and range (band) over the {plural(data.sizes['target'], 'node')} whose "
        "spectra were taken, each "
        "layer by the features it can see. A value below the cutoff counts as 0 in the median; "
        f"where that is 0, the line ends.{rest}",
        wide=True,
    )  # fmt: skip


def _dimension_picture(prefix: str, data: xr.Dataset) -> Picture | None:
    figure = dimensions.seen_directions(data)
    if figure is None:
        return None
    names = [str(name) for name in data["geometry_layer"].values.tolist()]
    medians = [data[name].median("target").values for name in ("rank", "rank_ceiling")]
    told = [
        f"{name} {number(float(rank))} of at most {number(float(most))}"
        for name, rank, most in zip(names, *medians, strict=True)
    ]
    return drawn(
        prefix, "Rank against its structural bound", figure,
        f"Input directions seen by each layer: {listing(told, limit=12)}.",
        "To first order, the dimension of the metamer set is the number of inputs minus the "
        "directions seen. "
        "Marks and bars: medians over the nodes whose spectra were taken; thin lines: the range of "
        "ranks. Bound: the most that the structure allows at a node (widths, active units, "
        "neighbors). Above a tolerance: directions that move the representation by more than this "
        "share of its size when the input moves by its own length.",
    )  # fmt: skip


def _map_picture(prefix: str, data: xr.Dataset) -> Picture | None:
    summary = summarize_maps(data)
    if summary is None:
        return None
    left_out = "" if maps.comparable(data, "log_volume") else (
        " Log-volumes are not drawn where nodes have different ranks: they have different units."
    )  # fmt: skip
    return drawn(
        prefix, "Maps over all nodes", maps.map_panels(data), map_sentence(summary),
        "Left and middle: nodes in groups of about equal size; mark and line: median and quartiles "
        "of a group; ρ: Spearman's correlation over all nodes. Right: mean over the nodes of each "
        "class and 2 standard errors to each side, "
        f"{kind_of_intervals(data)}.{left_out}",
        wide=True,
    )  # fmt: skip


def _ledger_picture(prefix: str, data: xr.Dataset) -> Picture | None:
    summary = summarize_ledger(data)
    if summary is None:
        return None
    return drawn(
        prefix, "Ledger of dimension and volume", ledger.ledger_steps(data),
        ledger_sentence(summary),
        "Above: input directions of which a trace is left after each step, at every node that the "
        "target depends on; what is missing at the end is the dimension of the metamer set to "
        "first order. Below: "
        "sum of log singular values of the same Jacobians; an open circle marks a step in which "
        "the rank fell, so that the difference is no change of volume.",
    )  # fmt: skip
