"""`Row`: one kind of model at one layer, over its training seeds."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jmetamer.report.cells import Control, control_of
from jmetamer.report.harm_summary import HarmSummary, summarize_harm
from jmetamer.report.leaderboard.estimate import (
    NO_SUCCESS,
    Estimate,
    Rate,
    SuccessRates,
    over_seeds,
    success_rates,
)
from jmetamer.report.leaderboard.recipe import each_once, node_means, row_settings
from jmetamer.report.leaderboard.recognized import Recognized, recognized, unrecognized
from jmetamer.report.reading import finite, grouped, mean
from jmetamer.report.stored_cell import StoredCell
from jmetamer.results.setting_tree import Settings, setting

_NO_MAPS = "no maps over nodes are stored (setting `geometry.maps`)"


@dataclasses.dataclass(frozen=True)
class Cost:
    """What the metamers cost.

    Attributes:
      seconds_per_metamer: wall time of making metamers for each one that succeeded; None where it
        is not known.
      seconds: wall time of all cells of the row; None likewise.
      devices: what computed them.
      reason: why `seconds_per_metamer` is not known.
    """

    seconds_per_metamer: float | None
    seconds: float | None
    devices: tuple[str, ...]
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a board.

    Attributes:
      model: name in words.
      control: what kind of control the row is, or None.
      layer: matched layer.
      settings: dotted settings of model, training and search; empty for the identity.
      seeds: training seeds of the models that made the metamers.
      rates: share of metamers that succeeded.
      recognized: R and its parts.
      map_layer: layer of which the next six are.
      rank: of the layer's Jacobian, mean over nodes.
      num_units: its ceiling, the layer's activations at one node.
      nu: blind fraction of the features, mean over nodes.
      nu_centered: the same of the features less the mean of each.
      nu_random: 1 - rank / inputs, the blind fraction of a random direction.
      rank_ratio: rank / inputs, mean over nodes.
      harm: where the models are right on metamers that succeeded, and on their controls.
      test_accuracy: of the models.
      cost: wall time.
      cells: (run, cell) of each cell.
      notes: what a reader should know.
    """

    model: str
    control: Control | None
    layer: str
    settings: Settings
    seeds: tuple[int, ...]
    rates: SuccessRates
    recognized: Recognized
    map_layer: str
    rank: Estimate
    num_units: Estimate
    nu: Estimate
    nu_centered: Estimate
    nu_random: Estimate
    rank_ratio: Estimate
    harm: HarmSummary
    test_accuracy: Estimate
    cost: Cost
    cells: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def make_row(cells: Sequence[StoredCell]) -> Row:
    """Put the cells of one kind of model together.

    Args:
      cells: at least one; equal but for the training seed, the metamers' seed and number, and what
        was measured. Metamers that several hold count once.
    """
    cells, twice = each_once(cells)
    first, reading, rates = cells[0], recognized(cells), success_rates(cells)
    means = [node_means(cell) for cell in cells]
    maps = {name: _by_seed(cells, [one[name] for one in means]) for name in means[0]}
    unverified = dict.fromkeys(
        str(cell.data.attrs["unverified"]) for cell in cells if "unverified" in cell.data.attrs
    )
    most = np.nanmax([*maps["num_units"], np.inf if np.isnan(maps["num_units"]).all() else 0])
    return Row(
        model=" ".join(
            str(setting(first.settings, key) or "") for key in ("model", "model.activation")
        ).strip(),
        control=control_of(first.settings),
        layer=str(setting(first.settings, "metamers.layer") or ""),
        settings=row_settings(first),
        seeds=tuple(sorted({cell.seed for cell in cells})),
        rates=rates,
        recognized=reading,
        map_layer=str(first.data["map_layer"].values[-1]) if "map_layer" in first.data else "",
        rank=over_seeds(maps["rank"], _NO_MAPS, bounds=(0, most)),
        num_units=over_seeds(maps["num_units"], "no spectra are stored", bounds=(0, np.inf)),
        nu=over_seeds(maps["nu"], _NO_MAPS),
        nu_centered=over_seeds(maps["nu_centered"], _NO_MAPS),
        nu_random=over_seeds([1 - ratio for ratio in maps["rank_ratio"]], _NO_MAPS),
        rank_ratio=over_seeds(maps["rank_ratio"], _NO_MAPS),
        harm=summarize_harm([*grouped((cell.seed, cell.harm) for cell in cells).values()]),
        test_accuracy=over_seeds(
            _by_seed(cells, [cell.scalar("test_accuracy") for cell in cells]), "not stored"
        ),
        cost=_cost(cells),
        cells=tuple((cell.run, cell.cell) for cell in cells),
        notes=(*twice, *unverified, *rates.notes, *reading.notes),
    )


def identity_row(cells: Sequence[StoredCell]) -> Row:
    """Return the row of the reference itself, the metamer that changes nothing.

    Its R is 1 by definition; where cells stored kappa of judges that read the reference again, it
    is their mean, which is below 1 for judges that know one class only (their kappa is 0).
    """
    stored = [cell.controls("kappa") for cell in cells if cell.judges]
    read = [held["identity"].ravel() for held in stored if "identity" in held]
    kappas = finite(np.concatenate([np.zeros(0), *read]))
    shared = float(np.mean(kappas)) if kappas.size else 1.0
    reason = "the reference is no metamer of itself"
    nothing = Estimate(reason=reason)
    blind = Estimate(value=0.0)
    return Row(
        model="the reference itself",
        control="identity",
        layer="any",
        settings={},
        seeds=(),
        rates=SuccessRates(Rate(reason=reason), nothing, Rate(reason=reason), nothing, ()),
        recognized=dataclasses.replace(unrecognized(reason), recognition=Estimate(value=shared)),
        map_layer="",
        rank=nothing,
        num_units=nothing,
        nu=blind,
        nu_centered=blind,
        nu_random=nothing,
        rank_ratio=nothing,
        harm=HarmSummary((), 0, 0, 0, "", reason),
        test_accuracy=nothing,
        cost=Cost(None, None, (), reason),
        cells=(),
        notes=("R is the mean kappa that is stored",)
        if kappas.size
        else ("R and ν by definition",),
    )


def _by_seed(cells: Sequence[StoredCell], values: Sequence[float]) -> list[float]:
    """Return the mean of each seed's cells; NaN where none has a value."""
    groups = grouped(zip((cell.seed for cell in cells), values, strict=True))
    return [mean(group) for group in groups.values()]


def _cost(cells: Sequence[StoredCell]) -> Cost:
    named = [str(cell.stored("provenance").get("device", "")) for cell in cells]
    devices = tuple(dict.fromkeys(filter(None, named)))
    total = sum(cell.scalar("seconds") for cell in cells)
    making = sum(cell.scalar("seconds_metamers") for cell in cells)
    verified = sum(int(cell.success.sum()) for cell in cells if cell.success is not None)
    seconds = total if np.isfinite(total) else None
    if any(cell.success is None for cell in cells):
        return Cost(None, seconds, devices, NO_SUCCESS)
    if not np.isfinite(making):
        return Cost(None, seconds, devices, "the seconds are not stored")
    if verified == 0:
        return Cost(None, seconds, devices, "no metamer succeeded")
    return Cost(making / verified, seconds, devices)
