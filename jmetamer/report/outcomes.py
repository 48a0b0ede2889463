"""What one cell says in single numbers, so that cells of a grid can be compared."""

from collections.abc import Collection, Iterator

import numpy as np
import xarray as xr

from jmetamer.measures.harm import harm_of
from jmetamer.report.reading import converged, mean, median, scalar, values
from jmetamer.report.wording import CONTROLS
from jmetamer.results import NULL_SPACE, SAME_LENGTH, paired_controls
from jmetamer.results.criteria import is_unchanged
from jmetamer.results.setting_tree import Settings, setting

ACCURACY, RANK, LOG_VOLUME = "test accuracy", "rank", "log-volume"
_BLIND, _INFORMATION = "blind fraction", "channel information"
_HARMFUL, _KAPPA = "harmful", "judges' kappa"
_LESS_START = "deviation less the start's"
# Outcome -> why a run may hold none of it.
WHY_ABSENT = {
    RANK: "no geometry of the matched layer",
    _BLIND: "no maps: `geometry: {maps: true}`",
    _INFORMATION: "no `geometry.channel`",
    LOG_VOLUME: "no geometry of the matched layer",
    "class agreement": "not stored",
    _HARMFUL: "not stored; it takes the most probable classes of a block model",
    _KAPPA: "no judges: `recognition: {judges: all}`",
    "deviation": "no measures",
    _LESS_START: "the start's deviation is not stored, as in runs of former versions",
}


def cell_outcomes(
    settings: Settings, data: xr.Dataset, makers: Collection[str] = ()
) -> dict[str, float]:
    """Return name -> number for what a cell holds, NaN where a number is not defined.

    Class agreement, deviations and kappa are means over the metamers that match and are another
    graph than the reference, since others are none. Not over those that succeed: success asks for
    agreement and distance, which are outcomes here. Harm is of those that succeed, as on every
    page.

    Args:
      makers: architectures that make metamers in the grid; judges of these and of the cell's own
        are left out, so that all cells are read by the same networks.

    Returns:
      "share that succeed", or "share that match" where the store knows no success; "test
      accuracy"; "rank", the median over the nodes whose spectra were taken, after the activation;
      "blind fraction", the mean over all nodes, and "channel information" (nats), over those of the
      spectra; "class agreement"; "harmful", the share of nodes, and the same less its controls;
      "judges' kappa", and the same less the controls of one metamer each; "deviation M" for each
      measure M, and the same less the start's.
    """
    makers = {*makers, setting(settings, "model")}
    return {name: float(value) for name, value, _ in _outcomes(settings, data, makers)}


def outcome_widths(settings: Settings, data: xr.Dataset) -> dict[str, float]:
    """Return name -> largest possible value less the smallest; infinite where there is no limit."""
    return {name: width for name, _, width in _outcomes(settings, data, ())}


_Numbers = Iterator[tuple[str, float, float]]  # name, value, width of its range


def _outcomes(settings: Settings, data: xr.Dataset, makers: Collection[str]) -> _Numbers:
    matches = converged(data)
    if "success_matches" in data:
        matches = values(data, "success_matches").astype(bool)
    matches = matches & ~is_unchanged(data)
    succeeds = values(data, "success").astype(bool) if "success" in data else matches
    if "success" in data:
        yield "share that succeed", mean(succeeds), 1.0
    else:
        yield "share that match", mean(matches), 1.0
    yield ACCURACY, scalar(data, "test_accuracy", "accuracy_test"), 1.0
    yield from _geometry(str(setting(settings, "metamers.layer")), data)
    if "class_agreement" in data:
        yield "class agreement", mean(values(data, "class_agreement")[matches]), 1.0
    yield from _harm(data, succeeds)
    yield from _recognition(data, matches, makers, setting(settings, "training.seed"))
    yield from _deviations(data, matches)


def _geometry(layer: str, data: xr.Dataset) -> _Numbers:
    if "rank_post" in data:
        limits = [values(data, name) for name in ("num_inputs", "num_outputs") if name in data]
        width = min((float(np.max(one, initial=0)) for one in limits), default=np.inf)
        yield RANK, median(values(data, "rank_post")), width
    if data.sizes.get("map_layer", 0) and "map_nu" in data:
        yield _BLIND, mean(data["map_nu"].isel(map_layer=-1).values), 1.0
    if "channel_information_post" in data:
        yield _INFORMATION, mean(values(data, "channel_information_post")), np.inf
    elif "channel_information" in data and layer in data["geometry_layer"].values:
        yield _INFORMATION, mean(data["channel_information"].sel(geometry_layer=layer)), np.inf


def _harm(data: xr.Dataset, succeeds: np.ndarray) -> _Numbers:
    if "harm_outcome" not in data:
        return
    codes = data["harm_outcome"].transpose("metamer", ...).values[succeeds]
    own = harm_of(codes, np.zeros(codes.shape, bool)).harmful
    yield _HARMFUL, mean(own), 1.0
    if "control_harm_outcome" not in data:
        return
    controls = data["control_harm_outcome"].transpose("harm_control", "metamer", ...)
    for name, rows in zip(data["harm_control"].values.tolist(), controls.values, strict=True):
        beside = harm_of(rows[succeeds], np.zeros(codes.shape, bool)).harmful
        yield f"{_HARMFUL} less {CONTROLS.get(name, name)}", mean(own - beside), 2.0


def _recognition(
    data: xr.Dataset, matches: np.ndarray, makers: Collection[str], own: object
) -> _Numbers:
    if "recognition_kappa" not in data:
        return
    names, seeds = values(data, "judge_architecture").tolist(), values(data, "judge_seed")
    strangers = [
        column
        for column, name in enumerate(names)
        if name not in makers and (not seeds.size or seeds[column] != own)
    ]
    kappa = data["recognition_kappa"].transpose("metamer", "judge").values[:, strangers]
    yield _KAPPA, mean(kappa[matches]), 2.0  # from -1 to 1
    if "control_seed_id" in data:
        for control, beside in paired_controls(data).items():
            if control in (*SAME_LENGTH, NULL_SPACE):
                differences = (kappa - beside[:, strangers])[matches]
                yield f"{_KAPPA} less {CONTROLS[control]}", mean(differences), 4.0


def _deviations(data: xr.Dataset, matches: np.ndarray) -> _Numbers:
    if "deviation" not in data:
        return
    ranges, names = data["deviation"].attrs.get("ranges", {}), data["measure"].values.tolist()
    for column, measure in enumerate(names):
        low, high = ranges.get(measure, (None, None))
        width = np.inf if low is None or high is None else high - low
        own, *start = (
            data[name].transpose("metamer", "measure").values[matches, column]
            for name in ("deviation", "deviation_start")
            if name in data
        )
        yield f"deviation {measure}", mean(own), width
        if start:
            yield f"deviation {measure} less the start's", mean(own - start[0]), 2 * width
