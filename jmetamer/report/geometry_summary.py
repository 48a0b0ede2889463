"""Maps and ledgers of a cell in a few numbers."""

import dataclasses

import numpy as np
import xarray as xr

_INDEPENDENT = "that take nodes as independent, which neighbors are not"  # in older runs


@dataclasses.dataclass(frozen=True)
class MapSummary:
    """The matched layer over all nodes.

    Attributes:
      num_nodes: number of nodes.
      before, after: median blind fraction before and after the activation; `before` is NaN at a
        layer without one.
      degree, homophily: Spearman's correlation of the blind fraction (after) with them, and its
        95% limits; NaN where unknown.
      interval: what the limits are.
      num_uncertain: nodes at which the spectrum leaves a doubt about a rank.
    """

    num_nodes: int
    before: float
    after: float
    degree: tuple[float, float, float]
    homophily: tuple[float, float, float]
    interval: str = f"95% intervals {_INDEPENDENT}"
    num_uncertain: int = 0


@dataclasses.dataclass(frozen=True)
class LedgerSummary:
    """Where the dimension of the metamer set comes from, at the first node of the ledger.

    Attributes:
      node: the node, or -1 for all nodes together.
      num_inputs: number of inputs.
      dimension: of the metamer set, the sum of `hidden`.
      hidden: step -> dimensions that it hides, in order.
      certified: whether every rank is certain.
    """

    node: int
    num_inputs: int
    dimension: int
    hidden: dict[str, int]
    certified: bool


def summarize_maps(data: xr.Dataset) -> MapSummary | None:
    """Return the numbers of the maps, or None where the cell holds none."""
    if "map_nu" not in data or not data["map_nu"].size:
        return None
    nu = np.asarray(data["map_nu"].transpose("map_layer", "node").values, float)
    medians = np.median(nu, axis=1).tolist()
    return MapSummary(
        num_nodes=nu.shape[1],
        before=medians[0] if len(medians) > 1 else float("nan"),
        after=medians[-1],
        degree=_correlation(data, "degree"),
        homophily=_correlation(data, "homophily"),
        interval=f"95% intervals {kind_of_intervals(data)}",
        num_uncertain=num_uncertain(data, "map_certified"),
    )


def num_uncertain(data: xr.Dataset, *names: str) -> int:
    """Return at how many nodes, the last axis, any of these says that a rank is not certain."""
    held = [np.atleast_2d(data[name].values) for name in names if name in data]
    return int((~np.concatenate(held).astype(bool)).any(axis=0).sum()) if held else 0


def kind_of_intervals(data: xr.Dataset) -> str:
    """Say how the limits of map correlations and the errors of class means were taken."""
    attributes = data["map_correlation_low"].attrs if "map_correlation_low" in data else {}
    return str(attributes.get("intervals", _INDEPENDENT))


def summarize_ledger(data: xr.Dataset) -> LedgerSummary | None:
    """Return the numbers of the first ledger, or None where the cell holds none."""
    if "ledger_hidden" not in data or not data["ledger_hidden"].size:
        return None
    first = data.isel(ledger_target=0)
    steps = [str(step) for step in first["ledger_step"].values.tolist()]
    return LedgerSummary(
        node=int(first["ledger_node"]),
        num_inputs=int(first["ledger_num_inputs"]),
        dimension=int(first["ledger_dimension"]),
        hidden=dict(zip(steps, first["ledger_hidden"].values.tolist(), strict=True)),
        certified=bool(first["ledger_certified"].values.all()),
    )


def _correlation(data: xr.Dataset, statistic: str) -> tuple[float, float, float]:
    names = ("map_correlation", "map_correlation_low", "map_correlation_high")
    if any(name not in data for name in names):
        return (float("nan"),) * 3
    place = {"map_name": "nu", "map_statistic": statistic}
    rho, low, high = (float(data[name].sel(place).isel(map_layer=-1)) for name in names)
    return rho, low, high
