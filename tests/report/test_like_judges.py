"""Makers that differ from the judges of their architecture, against the judges that are built."""

import dataclasses

import pytest

from jmetamer.config.building import build_judges, build_model, build_train_settings
from jmetamer.config.resolving import resolve
from jmetamer.config.settings import (
    ModelSettings,
    RecognitionSettings,
    Settings,
    TrainingSettings,
)
from jmetamer.models import MODELS
from jmetamer.report.like_judges import made_like_judges

MODEL = {"hidden": 32, "layers": 3, "activation": "elu", "residual": True, "normalization": "layer",
         "dropout": 0.1}  # fmt: skip
OWN = {"gat": {"heads": 4, "output_heads": 2}, "graphsage": {"aggregator": "max"}}
TRAINING = {"epochs": 7, "learning_rate": 0.1, "weight_decay": 0.0, "decayed": "all",
            "patience": "never", "optimizer": "sgd", "perturbation": "random",
            "shuffle_labels": True, "seed": 4}  # fmt: skip


def differing(cell):
    """What the judge that is built has otherwise, by its own settings."""
    (judge,) = build_judges(cell)
    model, training = build_model(cell), build_train_settings(cell)
    pairs = [("model", model, judge.model), ("training", training, judge.settings)]
    return {
        f"{section}.{field.name}"
        for section, one, other in pairs
        for field in dataclasses.fields(one)
        if field.name not in ("parent", "name", "perturbation_size", "perturbation_steps")
        and getattr(one, field.name) != getattr(other, field.name)
    }


def resolved(architecture, model=None, training=None, **recognition):
    asked = RecognitionSettings(judges=(architecture,), seeds=1, **recognition)
    return resolve(
        Settings(
            model=ModelSettings(architecture=architecture, **(model or {})),
            training=TrainingSettings(**(training or {})),
            recognition=asked,
        )
    )


CHANGES = [(name, "model", {key: value}) for name in MODELS
           for key, value in (MODEL | OWN.get(name, {})).items()]  # fmt: skip
CHANGES += [("gcn", "training", {key: value}) for key, value in TRAINING.items()]


@pytest.mark.parametrize(("architecture", "section", "change"), CHANGES)
def test_every_setting_is_found_in_which_the_judge_is_another(architecture, section, change):
    cell = resolved(architecture, **{section: change})
    found = made_like_judges(dataclasses.asdict(cell))
    assert set(found) == differing(cell)
    ((key, _),) = change.items()
    expected = [] if key in ("layers", "seed") else [f"{section}.{key}"]
    assert found == expected


@pytest.mark.parametrize("architecture", MODELS)
def test_a_maker_with_default_settings_is_like_its_judges(architecture):
    cell = resolved(architecture)
    assert made_like_judges(dataclasses.asdict(cell)) == []
    assert differing(cell) == set()


def test_width_and_epochs_of_the_judges_may_be_set():
    cell = resolved("gcn", {"hidden": 32}, {"epochs": 7}, hidden=32, epochs=7)
    assert made_like_judges(dataclasses.asdict(cell)) == []
    cell = resolved("gcn", hidden=32, epochs=7)
    assert made_like_judges(dataclasses.asdict(cell)) == ["model.hidden", "training.epochs"]
    assert differing(cell) == {"model.hidden", "training.epochs"}
