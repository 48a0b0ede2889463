"""The arrays of success and recognition, with labelled axes."""

import json
from typing import Any

import numpy as np

from jmetamer.config.families import place_of
from jmetamer.evaluation.control_graphs import CONTROLS
from jmetamer.evaluation.examination import Examination
from jmetamer.measures import HARM_OUTCOMES, NullTest, Success
from jmetamer.models import Network, TrainedModel, TrainSettings
from jmetamer.models.architectures import architecture_name
from jmetamer.results import Variable
from jmetamer.sweep.block import Block

_BITS = {
    "matches": "e_act, the root of L_act, is within the tolerance",
    "matches_everywhere": "enough target nodes are, each within the tolerance of a node",
    "beats_null": "p-value of the null-distribution test, uncorrected, at most alpha",
    "same_classes": "enough target nodes keep their predicted class",
    "distinct": "far enough from the reference, and decided not to be it with nodes renamed",
    "success": "all of the criteria that were tested and apply",
}
_READINGS = {
    "accuracy": "share of nodes read as their label",
    "agreement": "share of nodes read as on the reference",
    "chance": "agreement that the class frequencies alone would give",
    "kappa": "(agreement - chance) / (1 - chance)",
    "undefined": "chance is 1, kappa set to 0",
}


_Stored = tuple[dict[str, Variable], dict[str, Any]]  # variables and scalars, by name


def success_variables(block: Block, bits: Success, null: NullTest | None) -> _Stored:
    """Return the criteria of success, and the null-distribution test where it was made.

    Args:
      block: arrays of all metamers.
      bits: what each of them fulfills.
      null: its test.
    """
    metamer = ("metamer",)
    variables = {
        "success" if name == "success" else f"success_{name}": Variable(
            metamer, getattr(bits, name), {"meaning": text}
        )
        for name, text in _BITS.items()
        if getattr(bits, name) is not None
    }
    for name in ("feature_distance", "weight_distance"):
        if name in block:
            variables[name] = Variable(metamer, block[name])
    if null is None:
        return variables, {}
    variables["statistic"] = Variable(("statistic",), np.array(null.names))
    variables["match_statistic"] = Variable(
        ("metamer", "statistic"),
        null.values,
        {"meaning": "of all target activations together", "convention": "power"},
    )
    variables["null_max"] = Variable(
        ("statistic",), null.null_max, {"meaning": "best of the null; NaN where it is not used"}
    )
    variables["null_p_value"] = Variable(
        metamer,
        null.p_value,
        {
            "formula": "largest of (1 + #{null >= value}) / (1 + `null_pairs`)",
            "meaning": "NaN where `null_not_applicable` says why no match could beat the null",
        },
    )
    scalars = {"null_pairs": null.num_pairs, "null_others": null.num_others}
    return variables, scalars | {"null_not_applicable": null.not_applicable}


def harm_variables(block: Block, examination: Examination) -> dict[str, Variable]:
    """Return where the network is right, node by node; nothing where nobody knows what is.

    Args:
      block: arrays of all metamers.
      examination: made them.
    """
    harm = examination.harm
    if harm is None:
        return {}
    coded = {
        "meaning": "right is the most probable class given the other nodes' labels, of that graph",
        "table": {str(code): name for code, name in HARM_OUTCOMES.items()},
    }
    kept = {"meaning": "the network gives the node the class that it gave it on the reference"}
    return {
        "harm_node": Variable(("harm_node",), harm.nodes),
        "harm_control": Variable(
            ("harm_control",),
            np.array(harm.controls),
            {
                "meanings": {name: CONTROLS[name] for name in harm.controls},
                "no_start": harm.no_start,
            },
        ),
        **{
            f"{of}harm_{name}": Variable(axes, block[f"{of}harm_{name}"], attrs)
            for of, axes in (
                ("", ("metamer", "harm_node")),
                ("control_", ("metamer", "harm_control", "harm_node")),
            )
            for name, attrs in (("outcome", coded), ("same_class", kept))
        },
    }


def recognition_variables(block: Block, examination: Examination) -> _Stored:
    """Return how judges read metamers and controls.

    Args:
      block: arrays of all metamers.
      examination: who read them.
    """
    panel = examination.panel
    assert panel is not None
    judge, each = ("judge",), ("metamer", "judge")
    reference = examination.readings([examination.read])
    variables = {
        "judge": Variable(judge, np.array(panel.names)),
        "judge_architecture": Variable(
            judge, np.array([architecture_name(one.model) for one in panel.judges])
        ),
        "judge_seed": Variable(judge, np.array([one.seed for one in panel.judges], np.int64)),
        "judge_settings": Variable(
            judge,
            np.array([_settings_of(one) for one in panel.judges]),
            {"meaning": "JSON: how it is built and trained, named as in a cell's settings"},
        ),
        "judge_test_accuracy": Variable(
            judge, np.array([one.scores["test"] for one in panel.judges])
        ),
        "judge_reference_accuracy": Variable(judge, reference["accuracy"][0, 1:]),
    }
    for name, text in _READINGS.items():
        values = block[f"reading_{name}"]
        variables[f"recognition_{name}"] = Variable(each, values[:, 1:], {"meaning": text})
    for name in ("accuracy", "kappa"):
        variables[f"own_{name}"] = Variable(("metamer",), block[f"reading_{name}"][:, 0])
    variables["own_undefined"] = Variable(
        ("metamer",), block["reading_undefined"][:, 0], {"meaning": _READINGS["undefined"]}
    )
    scalars = {"num_nodes_read": int(examination.labels.size)}
    return variables | _control_variables(block, examination), scalars


def _settings_of(judge: TrainedModel) -> str:
    """Return how a judge is built and trained as JSON, in the words of a cell's settings."""
    model, training = place_of(Network), place_of(TrainSettings)
    settings = {"model": model.plain(judge.model), "training": training.plain(judge.settings)}
    return json.dumps(settings, sort_keys=True)


def _control_variables(block: Block, examination: Examination) -> dict[str, Variable]:
    if examination.controls is None:
        return {}
    axes = ("control", "sample")
    names = examination.controls.names
    variables = {
        "control": Variable(
            ("control",), np.array(names), {"meanings": {name: CONTROLS[name] for name in names}}
        ),
        "control_seed_id": Variable(("sample",), block["control_seed_id"]),
        "control_loss": Variable(
            axes, block["control_loss"].T, {"meaning": "L_act of the matched layers together"}
        ),
    }
    for name, text in _READINGS.items():
        if name == "undefined":
            continue
        values = np.swapaxes(block[f"control_{name}"], 0, 1)
        variables[f"control_{name}"] = Variable(
            (*axes, "judge"), values[..., 1:], {"meaning": text}
        )
    own = np.swapaxes(block["control_kappa"], 0, 1)[..., 0]
    return variables | {"control_own_kappa": Variable(axes, own)}
