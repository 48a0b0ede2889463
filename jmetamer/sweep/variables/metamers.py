"""The arrays of all metamers of a cell, with labelled axes."""

import collections
from typing import Any

import numpy as np

from jmetamer.measures import Measure, agreement_chance
from jmetamer.metamers import Problem, Status
from jmetamer.metamers.problem import reference_activations, select
from jmetamer.results import Variable
from jmetamer.sweep.block import Block
from jmetamer.sweep.variables.diversity import diversity_variables
from jmetamer.sweep.variables.edges import edge_variables

_L_ACT = "|h' - h|^2 / |h|^2"
_NODE_ERROR = "|h'_v - h_v| / max(|h_v|, median_u |h_u|) of a target node v at a matched layer"
_COLUMNS = {
    "seed_id": "number of the metamer within the run",
    "steps_used": "optimizer steps",
    "loss_initial": f"{_L_ACT} of the start",
    "loss_final": f"{_L_ACT} that the loop saw at its best iterate",
    "loss_hardened": f"{_L_ACT} recomputed from the stored graph, highest precision",
    "penalty": "penalty at the best iterate",
}


def metamer_variables(
    block: Block,
    problem: Problem,
    measures: tuple[Measure, ...],
    chance: np.ndarray,
    tolerance: float,
    no_start: str = "",
) -> tuple[dict[str, Variable], dict[str, int], dict[str, Any]]:
    """Return the variables of all metamers, the number of each status, and scalars.

    Args:
      block: arrays of all metamers.
      problem: what was matched.
      measures: deviations that were taken.
      chance: [measure] what an unrelated graph would give.
      tolerance: largest L_act that counts as matched.
      no_start: why the search had no random start; empty where it had one.
    """
    variables = _outcome_variables(block, problem)
    variables["class_agreement"] = Variable(("metamer",), block["agreement"])
    variables["trace_step"] = Variable(("trace",), block["trace_step"])
    variables["loss_trace"] = Variable(("metamer", "trace"), block["loss_trace"])
    variables["layer"] = Variable(("layer",), np.array(problem.trained.model.layer_names))
    variables["layer_match"] = Variable(
        ("metamer", "layer"), block["layer_match"], {"meaning": f"{_L_ACT} at every layer"}
    )
    variables |= _deviation_variables(block, measures, chance, no_start)
    variables["stored_seed_id"] = Variable(("stored",), block["stored_seed_id"])
    if problem.features is not None:
        binary = problem.features.kind == "binary"
        packed = {"packed_bits": int(problem.graph.nodes.shape[1])} if binary else {}
        axis = "packed_feature" if binary else "feature"
        variables["features"] = Variable(("stored", "node", axis), block["features"], packed)
    of_edges, scalars = edge_variables(block, problem)
    spread, numbers = diversity_variables(block, problem, tolerance)
    names_of = {int(status): status.name for status in Status}
    counts = collections.Counter(names_of[int(code)] for code in block["status"])
    scalars["class_agreement_chance"] = _agreement_chance(problem)
    return variables | of_edges | spread, dict(counts), scalars | numbers


def _outcome_variables(block: Block, problem: Problem) -> dict[str, Variable]:
    """Return how each search ended: losses, status, errors of nodes, whether only names changed."""
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
    variables["worst_node_error"] = Variable(
        metamer, block["worst_node"], {"meaning": f"largest {_NODE_ERROR}"}
    )
    meaning = {"meaning": f"{_NODE_ERROR}, not exceeded at `share` of the target nodes"}
    variables["node_error"] = Variable(
        metamer, block["node_error"], {**meaning, "share": problem.judged_share}
    )
    variables["renamed"] = Variable(
        metamer,
        block["renamed"],
        {
            "meaning": "the graph is the reference itself, or the reference with its nodes renamed",
            "table": {"0": "no", "1": "yes", "2": "undecided"},
        },
    )
    return variables


def _deviation_variables(
    block: Block, measures: tuple[Measure, ...], chance: np.ndarray, no_start: str
) -> dict[str, Variable]:
    """Return deviations from the reference: of metamers, an unrelated graph and the starts."""
    ranges = {m.name: [m.low, m.high if np.isfinite(m.high) else None] for m in measures}
    start = block.get("deviation_start", np.full_like(block["deviation"], np.nan))
    meaning = {"meaning": "of the start of the metamer's own search", "reason": no_start}
    return {
        "measure": Variable(("measure",), np.array([m.name for m in measures])),
        "deviation": Variable(("metamer", "measure"), block["deviation"], {"ranges": ranges}),
        "deviation_chance": Variable(("measure",), chance),
        "deviation_start": Variable(("metamer", "measure"), start, meaning),
    }


def _agreement_chance(problem: Problem) -> float:
    arrays = problem.arrays
    activations = reference_activations(problem.matching.model, arrays.params, arrays.graph)
    classes = np.asarray(select(activations["logits"], arrays.nodes).argmax(-1))
    return float(agreement_chance(classes, classes))
