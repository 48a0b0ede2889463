"""The campaign of `experiments/reliability` in small; its page has the counts of the whole."""

import importlib
import pathlib
import random
import sys

import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.errors import JmetamerError, StoreError
from jmetamer.models.storage import load_model, save_model
from jmetamer.results import PartialCell

FOLDER = pathlib.Path(__file__).parents[2] / "experiments" / "reliability"


@pytest.fixture
def script(monkeypatch):
    """Return a function that imports a script of the campaign as the others do."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if FOLDER in pathlib.Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
            del sys.modules[name]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    data, settings = jm.load_dataset("karate"), jm.TrainSettings(epochs=0)
    trained = jm.train(jm.GCN(hidden=4), data, settings=settings)
    return save_model(trained, tmp_path_factory.mktemp("models") / "network")


def test_a_damaged_network_is_refused_before_a_library_reads_it(network, script, capfd):
    corruptions, chance = script("corruptions"), random.Random(0)
    files = [path for path in sorted(network.rglob("*")) if path.is_file()]
    whole = [np.asarray(leaf) for leaf in load_model(network).params["params"]["conv1"].values()]
    assert len(files) > 8
    for path in files:
        for _ in range(3):
            with corruptions.damaged(path, files, chance), pytest.raises(StoreError):
                load_model(network)
    again = [np.asarray(leaf) for leaf in load_model(network).params["params"]["conv1"].values()]
    assert all(one.tobytes() == other.tobytes() for one, other in zip(whole, again, strict=True))
    assert "Traceback" not in capfd.readouterr().err


def test_a_network_is_kept_in_a_folder_whose_name_is_no_utf8(network, tmp_path, capfd):
    import os

    folder = tmp_path / os.fsdecode(b"\xff\xfe")
    trained = load_model(network)
    assert load_model(save_model(trained, folder)).model == trained.model
    assert "Traceback" not in capfd.readouterr().err


def test_a_damaged_partial_block_is_made_again_and_never_read(tmp_path, script):
    corruptions, chance = script("corruptions"), random.Random(0)
    shelf = PartialCell(tmp_path, "cell")
    block = {"loss": np.arange(64, dtype=np.float32), "content": np.array("abc")}
    shelf.save("seeds-0-63", block)
    (path,) = shelf.folder.iterdir()
    missing = 0
    for _ in range(100):
        with corruptions.damaged(path, [path], chance) as how:
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = shelf.load("seeds-0-63")
            if found is not None:  # bytes that no array is made of, as of a date
                assert found["loss"].tobytes() == block["loss"].tobytes(), how
            missing += found is None
    assert missing > 50
    assert shelf.load("seeds-0-63")["loss"].tobytes() == block["loss"].tobytes()


@pytest.mark.parametrize("kind", ["yaml", "npz", "pickle", "ogb", "run folder"])
def test_what_nobody_wrote_is_read_rightly_or_refused(tmp_path, script, kind):
    counts, wrong = script("fuzz").fuzz(kind, 40, tmp_path)
    assert wrong == []
    assert counts["refused"] > 5


def test_a_reader_that_fails_otherwise_is_seen(script):
    def careless(drawn):
        raise KeyError(drawn)

    came, text = script("fuzz").attempt(careless, "x")
    assert came == "wrong"
    assert "KeyError" in text

    def refused(drawn):
        raise JmetamerError(drawn)

    assert script("fuzz").attempt(refused, "x") == ("refused", "")


def test_bad_lanes_change_no_bit_of_good_ones(script):
    lanes = script("lanes")
    searches = dict(lanes.searches(12, quick=True))
    assert len(searches) == 5
    assert set(searches.values()) == {""}


def test_a_kill_in_a_countdown_of_calls_is_where_it_says(script, monkeypatch):
    kills, killed = script("kills"), []
    monkeypatch.setattr(kills.os, "kill", lambda process, signal: killed.append(signal))
    profile = kills._countdown(kills.Kill("x:y", 1, 3, 9))
    for _ in range(4):
        assert killed == []
        profile(None, "call", None)
    assert killed == [9]


def test_a_store_that_differs_in_one_byte_is_seen(script, tmp_path):
    kills = script("kills")
    for folder in ("a", "b"):
        (tmp_path / folder / "cells").mkdir(parents=True)
        (tmp_path / folder / "cells/chunk").write_bytes(folder.encode())
    one, other = kills.stored(tmp_path / "a"), kills.stored(tmp_path / "b")
    assert "cells/chunk" in kills.difference(one, other)
    assert kills.difference(one, one) == ""
    assert kills.lasting({"seconds_x": 1, "a": {"command": 2, "b": 3}}) == {"a": {"b": 3}}
