"""Tiny run folders with made-up numbers, written by the real store."""

import copy
import json

import numpy as np
import pytest

from jmetamer.report.stored_cell import read_cells
from jmetamer.results import Record, RunStore, Variable, hash_settings, make_reference, open_run

SETTINGS = {
    "dataset": {"karate": {"seed": 0}},
    "model": {"gcn": {"hidden": 8, "layers": 2, "activation": "relu"}},
    "training": {"epochs": 50, "seed": 0, "perturbation": None, "shuffle_labels": False},
    "metamers": {
        "vary": {
            "continuous_features": {"domain": {"free": {}}, "initialization": {"global": {}}}
        },
        "layer": "conv1", "nodes": None, "method": {"optimize": {"steps": 100}},
        "tolerance": 1e-4, "count": 2, "seed": 0,
    },
    "success": {
        "worst_node": 0.01, "agreement": 1.0, "distance": 0.1, "null_test": {"alpha": 0.05},
    },
    "recognition": {"hidden": 8, "epochs": None},
    "geometry": {"nodes": 8},
    "measures": ["features/cosine"],
}  # fmt: skip


def settings_of(changes):
    """SETTINGS with dotted keys changed; the names of objects are left out."""
    settings = copy.deepcopy(SETTINGS)
    for key, value in changes.items():
        *path, last = key.split(".")
        place = settings
        for name in path:
            place = place[name]
            if len(place) == 1 and isinstance(inner := next(iter(place.values())), dict):
                place = inner  # the fields of an object
        place[last] = value
    return settings


def judge_text(architecture, changes):
    """Settings of a judge as a cell stores them: those of SETTINGS but for `changes`."""
    settings = settings_of(changes)
    settings["model"] = {architecture: settings["model"]["gcn"]}
    return json.dumps({key: settings[key] for key in ("model", "training")})


def readings_of(kappa, judges, accuracy, agreement, reference):
    """Variables of what judges read; `judges` are changes of their settings, None if not stored."""
    names = list(kappa)
    pairs = [name.split("/") for name in names]
    found = {
        "judge": Variable(("judge",), np.array(names)),
        "judge_architecture": Variable(("judge",), np.array([one for one, _ in pairs])),
        "judge_seed": Variable(("judge",), np.array([int(seed) for _, seed in pairs])),
    }
    if judges is not None:
        texts = np.array([judge_text(one, judges) for one, _ in pairs])
        found["judge_settings"] = Variable(("judge",), texts)
    tables = {"kappa": kappa, "accuracy": accuracy, "agreement": agreement}
    for what, table in tables.items():
        if table is not None:
            values = np.array([table[name] for name in names], float).T
            found[f"recognition_{what}"] = Variable(("metamer", "judge"), values)
    if reference is not None:
        values = np.array([reference[name] for name in names], float)
        found["judge_reference_accuracy"] = Variable(("judge",), values)
    return found


def harm_of(metamers, **controls):
    """Variables of outcomes, [metamer][node], of metamers and of their controls."""
    beside = np.array([*controls.values()], np.int8).swapaxes(0, 1)
    axes = ("metamer", "harm_control", "harm_node")
    # The network keeps its class at every other node.
    same = np.arange(np.shape(metamers)[-1]) % 2 == 0
    return {
        "harm_same_class": Variable(axes[::2], np.broadcast_to(same, np.shape(metamers))),
        "control_harm_same_class": Variable(axes, np.broadcast_to(same, beside.shape)),
        "harm_outcome": Variable(("metamer", "harm_node"), np.array(metamers, np.int8)),
        "harm_control": Variable(("harm_control",), np.array([*controls]), {"no_start": ""}),
        "control_harm_outcome": Variable(axes, beside),
    }


def variables_of(success, controls, harmful, maps, p_values):
    """Variables of a cell; what is None is not stored."""
    found = {}
    if success is not None:
        found["success"] = Variable(("metamer",), np.array(success, bool))
    if p_values is not None:
        found["null_p_value"] = Variable(("metamer",), np.array(p_values, float))
    if controls is not None:
        found["control"] = Variable(("control",), np.array(list(controls)))
        table = np.array([list(one.values()) for one in controls.values()], float)
        found["control_kappa"] = Variable(("control", "sample", "judge"), table.swapaxes(1, 2))
    if harmful is not None:
        found |= harm_of(**harmful)
    if maps is not None:
        found["map_layer"] = Variable(("map_layer",), np.array(["conv1.pre", "conv1"]))
        for name, values in maps.items():
            rows = np.stack([np.full(len(values), 0.5), np.array(values, float)])
            found[f"map_{name}"] = Variable(("map_layer", "node"), rows)
    return found


def make_cell(
    success=(True, True), kappa=None, controls=None, harmful=None, maps=None, scalars=None,
    judges=(), accuracy=None, agreement=None, reference_accuracy=None, p_values=None,
    device="1 x made-up (cpu)", graph=1.0, **changes,
):  # fmt: skip
    """A record and its reference graph; `changes` are dotted settings, with __ for the dots."""
    settings = settings_of({key.replace("__", "."): value for key, value in changes.items()})
    reference = make_reference([[graph], [2.0]], [0, 1], [1, 0], [1, 1], [0, 1], {"name": "tiny"})
    variables = variables_of(success, controls, harmful, maps, p_values)
    if kappa is not None:
        given = None if judges is None else dict(judges)
        variables |= readings_of(kappa, given, accuracy, agreement, reference_accuracy)
    table = next(iter(kappa.values())) if kappa else ()
    count = len(success) if success is not None else max(len(table), 2)
    record = Record(
        settings=settings,
        settings_hash=hash_settings(settings),
        variables=variables,
        scalars=scalars or {},
        status_counts={"CONVERGED": count},
        provenance={"device": device},
        reference=reference.digest,
    )
    return record, reference


@pytest.fixture(scope="session")
def cell():
    """The builder of cells."""
    return make_cell


@pytest.fixture
def write_run(tmp_path):
    """Write cells into a run folder and return its path."""

    def write(*cells, name="run"):
        store = RunStore(tmp_path / name)
        store.register([f"c{i}" for i in range(len(cells))])
        for i, (record, reference) in enumerate(cells):
            store.write_reference(reference)
            store.write(f"c{i}", record)
        return store.folder

    return write


@pytest.fixture
def read_back(write_run):
    """Write cells and read them as a board does."""

    def read(*cells, name="run"):
        return read_cells(open_run(write_run(*cells, name=name)))

    return read


@pytest.fixture(scope="session")
def two_seeds():
    """Two models of one kind whose numbers are worked out by hand in `test_row.py`."""
    judges = ("gcn/1000", "gat/1000", "gat/1001", "gin/1000")
    first = dict(zip(judges, [(0.9, 0.9), (0.6, 0.8), (0.4, 0.6), (0.2, 0.4)], strict=True))
    second = dict(zip(judges, [(0.8, -1), (0.9, -1), (0.7, -1), (0.5, -1)], strict=True))
    nodes = {"nu": [0.8, 0.9, np.nan, 0.7], "nu_centered": [0.5] * 4}
    return (
        make_cell(
            kappa=first,
            controls={
                "displacement": dict.fromkeys(judges, (0.1, 0.3)),
                "null_space": dict.fromkeys(judges, (0.4, 0.4)),
            },
            # Codes: 0 kept right, 1 harmful, 2 repaired, 3 still wrong, -1 unknown.
            harmful={
                "metamers": [[1, 0, 2, 3], [1, 1, 2, -1]],
                "displacement": [[0, 0, 2, 2], [1, 0, 3, 0]],
                "start": [[1, 1, 3, 3], [1, 1, 3, 3]],
            },
            maps=nodes | {"rank": [1, 2, 1, 0], "dimension": [3, 2, 3, 0]},
            scalars={"test_accuracy": 0.8, "seconds_metamers": 6.0, "seconds": 10.0},
        ),
        make_cell(
            success=(True, False),
            kappa=second,
            controls={
                "displacement": dict.fromkeys(judges, (0.3, 0.5)),
                "null_space": dict.fromkeys(judges, (np.nan, np.nan)),
            },
            harmful={
                "metamers": [[0, 0, 2, 2], [1, 1, 1, 1]],  # the second does not succeed
                "displacement": [[0, 1, 2, 3], [0, 0, 0, 0]],
                "start": [[0, 0, 0, 3], [0, 0, 0, 0]],
            },
            maps=nodes | {"rank": [2, 2, 2, 2], "dimension": [2, 2, 2, 2]},
            scalars={"test_accuracy": 0.9, "seconds_metamers": 3.0, "seconds": 5.0},
            training__seed=1,
        ),
    )
