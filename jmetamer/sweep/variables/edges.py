"""The arrays of metamers whose edges vary: flips, weights, and how their edges came about."""

from typing import Any

import numpy as np

from jmetamer.evaluation.edge_columns import DETAIL
from jmetamer.measures import edge_set
from jmetamer.measures.structure import edge_jaccard_chance
from jmetamer.metamers import Problem
from jmetamer.results import Variable
from jmetamer.sweep.block import Block

_L_ACT = "|h' - h|^2 / |h|^2"
_PAIR = "of an undirected pair the smaller node"
_DETAILS: dict[str, dict[str, Any]] = {
    "loss_relaxed": {"meaning": f"{_L_ACT} of the best weights between 0 and 1"},
    "loss_rounded": {"meaning": f"{_L_ACT} of the best rounding, before single pairs are flipped"},
    "loss_flipped": {"meaning": f"{_L_ACT} after the flips; features that vary go on from there"},
    "rounding": {
        "meaning": "which rounding was best",
        "table": {"0": "threshold 1/2", "1": "largest weights", "2": "random draw, as all above"},
    },
    "num_flips": {"meaning": "single pairs flipped after rounding"},
    "num_changed": {"meaning": "pairs by which the edges differ from those of the start"},
    "num_moves": {"meaning": "moves that a search over hard edges made"},
    "num_proposed": {"meaning": "color-preserving swaps that were tried"},
    "num_available": {"meaning": "graphs one color-preserving swap away; 0: there is no metamer"},
}


def edge_variables(block: Block, problem: Problem) -> tuple[dict[str, Variable], dict[str, float]]:
    """Return what is stored of the edges of all metamers, and scalars; nothing where they stay.

    Flips are one row an edge that only the reference or only the metamer has, of the stored
    metamers in their order: `flip_seed_id` says whose.

    Args:
      block: arrays of all metamers.
      problem: what was matched.
    """
    details = [name.removeprefix(DETAIL) for name in block if name.startswith(DETAIL)]
    variables = {
        name: Variable(("metamer",), block[f"{DETAIL}{name}"], _DETAILS.get(name, {}))
        for name in details
    }
    kind = problem.edge_kind
    if kind == "edge_weights":
        return variables | _weight_variables(block, problem), {}
    if kind is None:
        return variables, {}
    chance = edge_jaccard_chance(edge_set(problem.graph))
    return variables | _flip_variables(block, problem), {"edge_jaccard_chance": chance}


def _flip_variables(block: Block, problem: Problem) -> dict[str, Variable]:
    metamer, flip = ("metamer",), ("flip",)
    directed = {"directed": problem.directed}
    jaccard = "1 - #(E and E') / #(E or E'), E the edges of the reference without self loops"
    return {
        "edge_jaccard": Variable(metamer, block["edge_jaccard"], {"formula": jaccard}),
        "edges_added": Variable(
            metamer, block["edges_added"], {"meaning": "edges that only the metamer has"}
        ),
        "edges_removed": Variable(
            metamer, block["edges_removed"], {"meaning": "edges that only the reference has"}
        ),
        "flip_seed_id": Variable(
            flip, block["flip_seed_id"], {"meaning": "whose; in the order of stored_seed_id"}
        ),
        "flip_sender": Variable(flip, block["flip_sender"], {"meaning": _PAIR} | directed),
        "flip_receiver": Variable(flip, block["flip_receiver"]),
        "flip_added": Variable(
            flip, block["flip_added"], {"meaning": "false: an edge of the reference is gone"}
        ),
    }


def _weight_variables(block: Block, problem: Problem) -> dict[str, Variable]:
    listed = problem.listed
    both = {"meaning": "edges of the reference as it stores them, then the candidates"}
    return {
        "edge_weight": Variable(("stored", "edge"), block["edge_weight"]),
        "edge_sender": Variable(("edge",), np.asarray(listed.senders, np.int32), both),
        "edge_receiver": Variable(("edge",), np.asarray(listed.receivers, np.int32)),
    }
