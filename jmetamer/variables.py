"""Arrays of a cell with names and labelled axes, as the store keeps them."""

import collections
from typing import Any

import numpy as np

from jmetamer.geometry import Spectrum
from jmetamer.measures import Measure, agreement_chance
from jmetamer.metamers import Problem, Status
from jmetamer.metamers.block import Block
from jmetamer.metamers.local_geometry import LocalGeometry
from jmetamer.metamers.parameterizations import BinaryFeatures
from jmetamer.metamers.problem import reference_activations, select
from jmetamer.results import Variable

_L_ACT = "|h' - h|^2 / |h|^2"
_COLUMNS = {
    "seed_id": "number of the metamer within the run",
    "steps_used": "optimizer steps",
    "loss_initial": f"{_L_ACT} of the start",
    "loss_final": f"{_L_ACT} that the loop saw at its best iterate",
    "loss_hardened": f"{_L_ACT} recomputed from the stored graph, highest precision",
    "penalty": "penalty at the best iterate",
}


def metamer_variables(
    block: Block, problem: Problem, measures: tuple[Measure, ...], chance: np.ndarray
) -> tuple[dict[str, Variable], dict[str, int], dict[str, Any]]:
    """Return the variables of all metamers, the number of each status, and scalars.

    Args:
      block: arrays of all metamers.
      problem: what was matched.
      measures: deviations that were taken.
      chance: [measure] what an unrelated graph would give.
    """
    metamer = ("metamer",)
    variables = {
        name: Variable(metamer, block[name], {"meaning": text}) for name, text in _COLUMNS.items()
    }
    table = {str(int(status)): status.name for status in Status}
    remedies = {status.name: status.remedy for status in Status}
    messages = {status.name: status.message for status in Status}
    variables["status"] = Variable(
        metamer, block["status"], {"table": table, "remedies": remedies, "messages": messages}
    )
    variables["worst_node_error"] = Variable(metamer, block["worst_node"])
    variables["class_agreement"] = Variable(metamer, block["agreement"])
    variables["trace_step"] = Variable(("trace",), block["trace_step"])
    variables["loss_trace"] = Variable(("metamer", "trace"), block["loss_trace"])
    names = np.array(problem.trained.model.layer_names)
    variables["layer"] = Variable(("layer",), names)
    variables["layer_match"] = Variable(
        ("metamer", "layer"), block["layer_match"], {"meaning": f"{_L_ACT} at every layer"}
    )
    variables["measure"] = Variable(("measure",), np.array([m.name for m in measures]))
    ranges = {m.name: [m.low, m.high if np.isfinite(m.high) else None] for m in measures}
    variables["deviation"] = Variable(
        ("metamer", "measure"), block["deviation"], {"ranges": ranges}
    )
    variables["deviation_chance"] = Variable(("measure",), chance)
    variables["stored_seed_id"] = Variable(("stored",), block["stored_seed_id"])
    binary = isinstance(problem.vary, BinaryFeatures)
    packed = {"packed_bits": int(problem.graph.nodes.shape[1])} if binary else {}
    axis = "packed_feature" if binary else "feature"
    variables["features"] = Variable(("stored", "node", axis), block["features"], packed)
    names_of = {int(status): status.name for status in Status}
    counts = collections.Counter(names_of[int(code)] for code in block["status"])
    return variables, dict(counts), {"class_agreement_chance": _agreement_chance(problem)}


def _agreement_chance(problem: Problem) -> float:
    arrays = problem.arrays
    found = reference_activations(problem.matching.model, arrays.params, arrays.graph)
    classes = np.asarray(select(found["logits"], arrays.nodes).argmax(-1))
    return float(agreement_chance(classes, classes))


def geometry_variables(geometry: LocalGeometry) -> dict[str, Variable]:
    """Return spectra, ranks and volumes with one entry a target node.

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


def _spectrum_variables(where: str, spectrum: Spectrum) -> dict[str, Variable]:
    target = ("target",)
    return {
        f"singular_values_{where}": Variable(("target", "singular"), spectrum.singular_values),
        f"rank_{where}": Variable(target, spectrum.rank),
        f"rank_low_{where}": Variable(target, spectrum.rank_low),
        f"rank_high_{where}": Variable(target, spectrum.rank_high),
        f"rank_certified_{where}": Variable(target, spectrum.certified),
        f"rank_cutoff_{where}": Variable(target, spectrum.cutoff),
        f"log_volume_{where}": Variable(target, spectrum.log_volume),
        f"dimension_{where}": Variable(target, spectrum.dimension),
    }
