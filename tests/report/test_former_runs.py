"""Records of the former, flat form of settings: read as the objects that they name."""

import copy
import json
import re
from pathlib import Path

import pytest

from jmetamer._base.errors import StoreError
from jmetamer.config import CellSettings, cells, find_config, packaged_configs, read_config
from jmetamer.config.places import Section
from jmetamer.report import write_report
from jmetamer.report.cells import name_cells
from jmetamer.results import RunStore, hash_settings, open_run
from jmetamer.results.former_settings import as_objects
from jmetamer.results.setting_tree import setting

# Cell -> settings, as `quickstart --smoke` and `structure --smoke` stored them.
FORMER = json.loads((Path(__file__).parents[1] / "results/former_settings.json").read_text())
DIGITS = next(name for name in FORMER if name.startswith("digits"))


def quickstart():
    (first, *_) = cells(read_config(find_config("quickstart", packaged_configs()), smoke=True))
    return first.settings


def test_what_is_stored_has_its_hash_and_is_left_as_it_is():
    for cell, settings in FORMER.items():
        before = copy.deepcopy(settings)
        nested = as_objects(settings)
        assert hash_settings(settings)[:8] == cell[-8:]
        assert settings == before
        assert as_objects(nested) is nested


@pytest.mark.parametrize("cell", FORMER)
def test_a_configuration_accepts_the_objects(cell):
    Section(CellSettings).check(as_objects(FORMER[cell]), "")


def test_every_number_of_a_cell_stands_where_the_new_one_has_it():
    former, new = as_objects(FORMER[DIGITS]), quickstart()
    assert former["training"] == new["training"]
    assert former["model"] == new["model"]
    assert former["dataset"] == new["dataset"]
    assert former["success"] == new["success"]
    assert (former["geometry"], former["recognition"]) == (new["geometry"], None)
    for key in ("vary", "vary.domain", "vary.initialization", "method", "loss", "tolerance"):
        assert setting(former, f"metamers.{key}") == setting(new, f"metamers.{key}")


def test_what_varies_together_and_its_method_are_objects():
    (together,) = (one for name, one in FORMER.items() if "features_and_edges" in name)
    (given,) = (one for name, one in FORMER.items() if "features_given_edges" in name)
    repelled = copy.deepcopy(FORMER[DIGITS])
    repelled["metamers"] |= {"repulsion": 0.5, "optimizer": "adam", "learning_rate": 0.1}
    repelled["training"] |= {"perturbation": "random", "perturbation_size": 0.2}
    nested = as_objects(repelled)
    parts = as_objects(together)["metamers"]["vary"]["together"]
    assert [next(iter(part)) for part in parts] == ["continuous_features", "binary_edges"]
    assert setting(as_objects(together), "metamers.vary.start") == "rewired"
    assert setting(as_objects(together), "metamers.method") == "relax_edges"
    assert setting(as_objects(given), "metamers.vary") == "continuous_features+random_edges"
    assert setting(as_objects(given), "metamers.method") == "relax_edges"
    assert setting(nested, "metamers.method.weight") == 0.5
    assert setting(nested, "metamers.method.method.optimizer.learning_rate") == 0.1
    assert nested["training"]["perturbation"] == {"random": {"size": 0.2}}
    assert as_objects(together)["geometry"] is None


def test_names_of_former_cells_are_those_of_what_they_did():
    names = name_cells({cell: as_objects(settings) for cell, settings in FORMER.items()}).values()
    assert [name.vary for name in names] == [
        "continuous features, box",
        "edge weights, non negative",
        *(one.vary for one in list(names)[2:4]),
        "continuous features and binary edges, free, from rewired edges",
        "continuous features and random edges, free, from random edges",
    ]
    assert {one.vary for one in list(names)[2:4]} == {
        "binary edges", "binary edges, from the reference"
    }  # fmt: skip


def sentences(folder):
    """All that the page says, but for the settings and their paths themselves."""
    text = write_report(folder).read_text()
    text = re.sub(r"<(pre|style|script)\b.*?</\1>|from: .*?</p>", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "\n", text)).split(". ")


def test_the_report_says_the_same_sentences(tmp_path, write_stored, cell, words):
    pages = []
    for place, settings in (("former", FORMER[DIGITS]), ("new", quickstart())):
        made = cell(words) | {"settings": settings}
        pages.append(sentences(write_stored(tmp_path / place / "run", made, words)))
        run = open_run(tmp_path / place / "run")
        assert run.verify("good")
        assert setting(run.settings("good"), "model") == "gcn"
        assert setting(run.failures["bad"]["settings"], "dataset") == "digits"
    assert len(pages[0]) > 50
    assert pages[0] == pages[1]


def test_a_sweep_lets_former_cells_be(tmp_path, write_stored, cell, words):
    made = cell(words) | {"settings": FORMER[DIGITS]}
    folder = write_stored(tmp_path / "run", made, words)
    (new, *_) = cells(read_config(find_config("quickstart", packaged_configs()), smoke=True))
    assert new.id != DIGITS
    before = {one: one.read_bytes() for one in (folder / "cells/good").rglob("*") if one.is_file()}
    store = RunStore(folder)
    store.register([new.id])
    assert not store.is_finished(new.id)
    assert {one: one.read_bytes() for one in before} == before
    assert "good" in open_run(folder).cells


@pytest.mark.parametrize(
    ("section", "value"), [("dataset", {"name": "x", "options": [1]}), ("training", 3)]
)
def test_a_damaged_former_record_is_told(tmp_path, write_stored, cell, words, section, value):
    made = cell(words) | {"settings": FORMER[DIGITS] | {section: value}}
    folder = write_stored(tmp_path / "run", made, words)
    with pytest.raises(StoreError, match=r"record.json` is damaged: its settings"):
        open_run(folder).settings("good")
