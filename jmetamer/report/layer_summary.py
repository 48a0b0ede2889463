"""How well the metamers of a cell match at every layer."""

import dataclasses

import xarray as xr

from jmetamer.report.reading import quantiles, table


@dataclasses.dataclass(frozen=True)
class LayerMatch:
    """The relative squared difference of metamers and reference at one layer.

    Attributes:
      layer: its name.
      matched: whether the metamers were searched for by this layer.
      median, low, high: median, 10th and 90th percentile over metamers; NaN where undefined.
    """

    layer: str
    matched: bool
    median: float
    low: float
    high: float


def matched_layers(named: str, data: xr.Dataset) -> set[str]:
    """Return the layers that had to match.

    Args:
      named: the setting `metamers.layer`: a layer, several joined by "+", or "all".
    """
    layers = {name.strip() for name in named.split("+")}
    if layers == {"all"} and "layer" in data.coords:
        return {str(name) for name in data["layer"].values.tolist()}
    return layers


def summarize_layers(named: str, data: xr.Dataset) -> tuple[LayerMatch, ...]:
    """Return the match at every layer in the order of the network, empty where it is not stored.

    Args:
      named: as for `matched_layers`.
    """
    if "layer_match" not in data or "layer" not in data.variables:
        return ()
    columns, matched = table(data, "layer_match", "layer", "metamer"), matched_layers(named, data)
    rows = []
    for name, numbers in zip(map(str, data["layer"].values.tolist()), columns, strict=True):
        low, middle, high = quantiles(numbers, 0.1, 0.5, 0.9)
        rows.append(LayerMatch(name, name in matched, middle, low, high))
    return tuple(rows)
