"""The arrays of a local geometry, with labelled axes."""

import numpy as np

from jmetamer.geometry import Spectrum
from jmetamer.geometry.channel import channel_information, effective_dimension
from jmetamer.geometry.of_problem.ledger import LayerLedger
from jmetamer.geometry.of_problem.local_geometry import LocalGeometry
from jmetamer.geometry.of_problem.survey import CORRELATED, GeometrySurvey, LayerGeometry, MapSurvey
from jmetamer.geometry.tolerance import TOLERANCES
from jmetamer.results import Variable

_D_EPS = "num_inputs - #{i: sigma_i |x| / |h| > tolerance}"
_CHANGE = "of the log-volume since the step before; where the rank falls, no change of volume"
_UNITS = "NaN for log-volumes of nodes with different ranks, which have different units"
_OF_A_LAYER = {
    "rank": ("rank", "singular values above the cutoff"),
    "rank_low": ("rank_low", "least rank that the spectrum allows"),
    "rank_high": ("rank_high", "largest rank that the spectrum allows"),
    "rank_certified": ("certified", "whether the spectrum leaves no doubt about the rank"),
    "rank_cutoff": ("cutoff", "value above which a singular value counts"),
    "log_volume": ("log_volume", "sum of log singular values up to the rank, nats"),
    "dimension": ("dimension", "layer_num_inputs - rank, of the metamer set to first order"),
    "layer_num_inputs": ("num_inputs", "columns of the Jacobian"),
    "layer_num_outputs": ("num_outputs", "rows of the Jacobian"),
}
_MAPS = {
    "rank": "rank of the Jacobian by the features of the ball",
    "dimension": "of the metamer set to first order, inputs in the ball less the rank",
    "nu": "blind fraction 1 - |P x|^2 / |x|^2 of the features in the ball",
    "nu_centered": "blind fraction of the features less the mean of each",
    "log_volume": "sum of log singular values up to the rank, nats",
    "certified": "whether the spectrum leaves no doubt about the rank",
}


def survey_variables(survey: GeometrySurvey) -> dict[str, Variable]:
    """Return everything of a cell's local geometry with labelled axes.

    Args:
      survey: from `survey`.
    """
    variables = geometry_variables(survey.local)
    variables |= layer_variables(survey.layers, survey.channel)
    if survey.own is not None:
        variables |= _own_variables(survey.own)
    if survey.channel is not None:
        variables |= _matched_channel(survey.local, *survey.channel)
    if survey.maps is not None:
        variables |= map_variables(survey.maps)
    if survey.ledger is not None:
        variables |= ledger_variables(survey.ledger)
    return variables


def geometry_variables(geometry: LocalGeometry) -> dict[str, Variable]:
    """Return spectra, ranks and volumes of the matched layer with one entry a target node.

    Args:
      geometry: from `local_geometry`.
    """
    target = ("target",)
    variables = {"geometry_node": Variable(target, geometry.nodes)}
    for where, spectrum in (("pre", geometry.before), ("post", geometry.after)):
        if spectrum is not None:
            variables |= _spectrum_variables(where, spectrum)
    variables["num_inputs"] = Variable(target, geometry.after.num_inputs)
    variables["num_outputs"] = Variable(target, geometry.after.num_outputs)
    if geometry.change is not None:
        meaning = {"meaning": "log-volume after minus before the nonlinearity, nats"}
        variables["volume_change"] = Variable(target, geometry.change.delta, meaning)
        variables["rank_loss"] = Variable(target, geometry.change.rank_loss)
        variables["num_active"] = Variable(target, geometry.change.num_active)
    return variables


def _own_variables(own: LocalGeometry) -> dict[str, Variable]:
    """Return rank and dimension by the features of each target node alone."""
    after, meaning = own.after, {"meaning": "by the features of the target node alone"}
    fields = {
        "node_rank": after.rank,
        "node_rank_low": after.rank_low,
        "node_rank_high": after.rank_high,
        "node_num_inputs": after.num_inputs,
        "node_dimension": after.dimension,
    }
    return {name: Variable(("target",), values, meaning) for name, values in fields.items()}


def _matched_channel(
    local: LocalGeometry, input_std: float, noise_std: float
) -> dict[str, Variable]:
    """Return the channel information of the matched layer before and after its activation."""
    scales = {"input_std": input_std, "noise_std": noise_std}
    return {
        f"channel_information_{where}": Variable(
            ("target",),
            channel_information(spectrum.singular_values, **scales),
            {**scales, "units": "nats"},
        )
        for where, spectrum in (("pre", local.before), ("post", local.after))
        if spectrum is not None
    }


def _spectrum_variables(where: str, spectrum: Spectrum) -> dict[str, Variable]:
    values = Variable(("target", "singular"), spectrum.singular_values)
    return {f"singular_values_{where}": values} | {
        f"{name}_{where}": Variable(("target",), getattr(spectrum, field))
        for name, (field, _) in _OF_A_LAYER.items()
        if not name.startswith("layer_")
    }


def layer_variables(
    geometry: LayerGeometry, channel: tuple[float, float] | None = None
) -> dict[str, Variable]:
    """Return spectra and ranks of every layer, target x geometry_layer.

    Args:
      geometry: from `layer_geometry`.
      channel: standard deviations of input and noise, for information and effective dimension.
    """
    axes = ("target", "geometry_layer")
    values = [spectrum.singular_values for spectrum in geometry.spectra]
    width = max(rows.shape[1] for rows in values)
    table = np.full((len(geometry.nodes), len(values), width), np.nan)
    for place, rows in enumerate(values):
        table[:, place, : rows.shape[1]] = rows
    meaning = "output per input; NaN after the last value of a layer"
    variables = {
        "geometry_layer": Variable(
            axes[1:], np.array(geometry.layers), {"meaning": ".pre: before the nonlinearity"}
        ),
        "singular_values": Variable((*axes, "singular_index"), table, {"meaning": meaning}),
    }
    for name, (field, text) in _OF_A_LAYER.items():
        stacked = np.stack([getattr(spectrum, field) for spectrum in geometry.spectra], axis=1)
        variables[name] = Variable(axes, stacked, {"meaning": text})
    variables["rank_ceiling"] = Variable(
        axes, geometry.ceiling, {"meaning": "largest rank that the structure allows"}
    )
    variables |= _tolerance_axis(geometry.tolerances)
    variables["tolerance_dimension"] = Variable(
        (*axes, "relative_tolerance"), geometry.tolerance_dimension, {"formula": _D_EPS}
    )
    if channel is not None:
        variables |= _channel_variables(axes, table, *channel)
    return variables


def map_variables(maps: MapSurvey) -> dict[str, Variable]:
    """Return the maps over all nodes, their correlations and their means over classes.

    Args:
      maps: the maps of a survey.
    """
    axes = ("map_layer", "node")
    variables = {
        f"map_{name}": Variable(
            axes, np.stack([side[name] for side in maps.values]), {"meaning": text}
        )
        for name, text in _MAPS.items()
    }
    variables["map_layer"] = Variable(axes[:1], np.array(maps.layers))
    variables["map_ball_size"] = Variable(
        axes[1:], maps.ball_size, {"meaning": "number of nodes that the layer can see"}
    )
    variables["map_degree"] = Variable(axes[1:], maps.degree, {"meaning": "number of neighbors"})
    if maps.homophily is not None:
        meaning = {"meaning": "share of neighbors of the same class; NaN without neighbors"}
        variables["map_homophily"] = Variable(axes[1:], maps.homophily, meaning)
        variables |= _correlation_variables(maps)
    return variables


def ledger_variables(ledger: LayerLedger) -> dict[str, Variable]:
    """Return what each step of a network hides, ledger_target x ledger_step.

    The steps: the first weights, the first propagation, the first activation, then each further
    linear map and activation. Activations are also an axis of their own, for ranks and volumes.

    Args:
      ledger: from `rank_ledger_of`.
    """
    target, step = "ledger_target", "ledger_step"
    ranks, volumes, steps = ledger.ranks, ledger.volumes, _ledger_steps(ledger)
    points = []
    for k, (layer, sigma) in enumerate(zip(ledger.layers, ledger.nonlinearities, strict=True)):
        linear = f"{layer}.pre" if sigma else layer
        points.append((linear, 2 * k, volumes.linear[k], ranks.linear[k]))
        if sigma is not None:
            points.append((layer, 2 * k + 1, volumes.activation[k], ranks.activation[k]))
    names, places, changes, losses = zip(*points, strict=True)
    spectra = [ledger.spectra[place] for place in places]
    hidden, along = np.stack([rows for _, rows in steps], axis=1), (target, "ledger_layer")
    meaning = {"meaning": "dimensions that a step hides; their sum is ledger_dimension"}
    nodes = np.array([-1], np.int32) if ledger.nodes is None else ledger.nodes
    return {
        "ledger_node": Variable((target,), nodes, {"meaning": "-1: all nodes as one target"}),
        "ledger_step": Variable((step,), np.array([name for name, _ in steps])),
        "ledger_layer": Variable(("ledger_layer",), np.array(names)),
        "ledger_hidden": Variable((target, step), hidden, meaning),
        "ledger_num_inputs": Variable((target,), ledger.spectra[0].num_inputs),
        "ledger_dimension": Variable((target,), ranks.dimension),
        "ledger_dimension_low": Variable((target,), ranks.dimension_low),
        "ledger_dimension_high": Variable((target,), ranks.dimension_high),
        "ledger_rank": Variable(along, np.stack([s.rank for s in spectra], axis=1)),
        "ledger_certified": Variable(along, np.stack([s.certified for s in spectra], axis=1)),
        "ledger_ceiling": Variable(along, ledger.ceiling[list(places)].T),
        **_tolerance_axis(TOLERANCES),
        "ledger_tolerance_dimension": Variable(
            (*along, "relative_tolerance"),
            ledger.tolerance_dimension[list(places)].swapaxes(0, 1),
            {"formula": _D_EPS},
        ),
        "ledger_log_volume": Variable(
            along, np.stack([s.log_volume for s in spectra], axis=1), {"units": "nats"}
        ),
        "ledger_volume_change": Variable(
            along, np.stack(changes, axis=1), {"units": "nats", "meaning": _CHANGE}
        ),
        "ledger_rank_loss": Variable(along, np.stack(losses, axis=1)),
    }


def _ledger_steps(ledger: LayerLedger) -> list[tuple[str, np.ndarray]]:
    """Return the steps of a network in order, and how many dimensions each hides, [target]."""
    ranks, first = ledger.ranks, ledger.layers[0]
    steps = [(f"{first} weights", ledger.entry.entry), (f"{first} propagation", ledger.entry[1])]
    for k, (layer, sigma) in enumerate(zip(ledger.layers, ledger.nonlinearities, strict=True)):
        steps += [(f"{layer} linear map", ranks.linear[k])] if k else []
        steps += [(f"{layer} activation", ranks.activation[k])] if sigma is not None else []
    return steps


def _tolerance_axis(tolerances: tuple[float, ...]) -> dict[str, Variable]:
    return {"relative_tolerance": Variable(("relative_tolerance",), np.array(tolerances))}


def _channel_variables(
    axes: tuple[str, ...], values: np.ndarray, input_std: float, noise_std: float
) -> dict[str, Variable]:
    scales = {"input_std": input_std, "noise_std": noise_std}
    return {
        "channel_information": Variable(
            axes,
            channel_information(values, **scales),
            {**scales, "units": "nats", "formula": "1/2 sum log(1 + (tau sigma / s)^2)"},
        ),
        "channel_dimension": Variable(
            axes,
            effective_dimension(values, **scales),
            {**scales, "formula": "sum sigma^2 / (sigma^2 + (s / tau)^2)"},
        ),
    }


def _correlation_variables(maps: MapSurvey) -> dict[str, Variable]:
    """Return rank correlations with degree and homophily, and means over classes."""
    defined = [one for side in maps.correlations for one in side.values() if one is not None]
    classes, counts = defined[0].classes, defined[0].class_count
    shape = len(maps.layers), len(CORRELATED)
    limits = np.full((3, *shape, 2), np.nan)
    mean, error = (np.full((*shape, len(classes)), np.nan) for _ in range(2))
    for place, side in enumerate(maps.correlations):
        for row, name in enumerate(CORRELATED):
            one = side[name]
            if one is not None:
                limits[:, place, row, 0] = one.degree[:3]
                limits[:, place, row, 1] = one.homophily[:3]
                mean[place, row], error[place, row] = one.class_mean, one.class_error
    axes = ("map_layer", "map_name")
    names = ("map_correlation", "map_correlation_low", "map_correlation_high")
    smooth = "by random maps that are as smooth on the graph"
    meaning = {"meaning": f"Spearman's, with 95% limits {smooth}; {_UNITS}", "intervals": smooth}
    by_class = (*axes, "map_class")
    return {
        "map_name": Variable(("map_name",), np.array(CORRELATED)),
        "map_statistic": Variable(("map_statistic",), np.array(["degree", "homophily"])),
        "map_class": Variable(("map_class",), classes),
        "map_class_count": Variable(("map_class",), counts),
        "map_class_mean": Variable(by_class, mean, {"meaning": _UNITS}),
        "map_class_error": Variable(
            by_class, error, {"meaning": f"standard error of the mean {smooth}"}
        ),
    } | {
        name: Variable((*axes, "map_statistic"), table, meaning)
        for name, table in zip(names, limits, strict=True)
    }
