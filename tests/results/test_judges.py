"""Whether judges are the maker with another seed: told by stored settings alone."""

import json

import numpy as np
import pytest
import xarray as xr

from jmetamer.results import (
    StoredJudge,
    settings_unlike_own_judges,
    stored_judges,
    unlike_own_judges,
)

MODEL = {"hidden": 64, "activation": "relu", "residual": False, "heads": 8}
TRAINING = {"epochs": 200, "patience": None, "perturbation": None, "learning_rate": 0.01}


def judge(architecture="gat", seed=1000, **changes):
    settings = {
        "model": {architecture: {key: changes.get(key, value) for key, value in MODEL.items()}},
        "training": {key: changes.get(key, value) for key, value in TRAINING.items()},
    }
    return StoredJudge(architecture, seed, json.dumps(settings))


def maker(seed=0, **changes):
    return {
        "model": {"gat": MODEL | changes.pop("model", {})},
        "training": TRAINING | {"seed": seed, **changes},
    }


def test_the_same_but_for_the_seed_is_alike():
    assert unlike_own_judges(maker(), [judge(), judge(seed=1001)]) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activation": "elu"}, "activation elu, not relu"),
        ({"residual": True}, "residual yes, not no"),
        ({"heads": 1}, "heads 1, not 8"),
        ({"epochs": 0}, "epochs 0, not 200"),
        ({"patience": 100}, "patience 100, not none"),
        ({"learning_rate": 0.02}, "learning rate 0.02, not 0.01"),
        ({"hidden": 8, "epochs": 9}, "hidden 8, not 64; epochs 9, not 200"),
    ],
)
def test_any_setting_of_model_or_training_is_named(changes, words):
    reason = unlike_own_judges(maker(), [judge(), judge(seed=1001, **changes)])
    assert reason.endswith(f"differ from the model in more than the seed: {words}")


def test_judges_that_do_not_matter_are_passed_over():
    others = [judge("gcn", hidden=8), judge(seed=3, hidden=8), StoredJudge("gin", 1000, "")]
    assert unlike_own_judges(maker(seed=3), [judge(), *others]) == ""
    assert unlike_own_judges(maker(seed=3), others) == ""
    assert "hidden 8, not 64" in unlike_own_judges(maker(seed=4), [judge(), *others])


def test_what_one_side_does_not_have_does_not_apply():
    # Settings that a record of an older version does not name, or that belong to an object of one
    # side alone, as the size of a perturbation.
    one = maker(dropout=0.5, perturbation={"random": {"size": 0.1}})
    assert unlike_own_judges(one, [judge()]).endswith(": perturbation none, not random")
    assert unlike_own_judges({"model": {"gat": {}}}, [judge()]) == ""


def test_settings_of_the_former_form_are_read_as_objects():
    former = {"model": {"hidden": 8, "activation": None}, "training": {"patience": "never"}}
    names, seeds = ("judge", np.array(["gat"])), ("judge", np.array([1000]))
    data = xr.Dataset({"judge_architecture": names, "judge_seed": seeds})
    data["judge_settings"] = ("judge", np.array([json.dumps(former)]))
    (one,) = stored_judges(data)
    assert json.loads(one.settings) == {
        "model": {"gat": {"hidden": 8}}, "training": {"patience": None}
    }  # fmt: skip
    assert unlike_own_judges(maker(), [one]).endswith(": hidden 8, not 64")


def test_the_settings_that_differ_are_named_once_each():
    given = maker(model={"activation": "elu"}, patience=3)
    assert settings_unlike_own_judges(given, [judge(), judge()]) == ("activation", "patience")
    assert settings_unlike_own_judges(maker(), [judge()]) == ()
    unknown = settings_unlike_own_judges(maker(), [StoredJudge("gat", 1001, "")])
    assert unknown == ("settings that are not stored",)


def test_a_record_that_does_not_hold_their_settings_cannot_tell():
    assert "is not stored" in unlike_own_judges(maker(), [judge(), StoredJudge("gat", 1001, "")])


def test_judges_are_read_in_the_order_of_their_axis():
    names, seeds = np.array(["gin", "gat"]), np.array([4, 5])
    data = xr.Dataset({"judge_architecture": ("judge", names), "judge_seed": ("judge", seeds)})
    assert stored_judges(data) == (("gin", 4, ""), ("gat", 5, ""))
    data["judge_settings"] = ("judge", np.array(["{}", "[]"]))
    assert stored_judges(data) == (("gin", 4, "{}"), ("gat", 5, "[]"))
    assert stored_judges(xr.Dataset()) == ()
