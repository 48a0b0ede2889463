"""Stored models: equal after a round trip, refused when damaged, reused when nothing changed."""

import dataclasses
import json
import pathlib
import shutil
import threading

import jax
import numpy as np
import pytest

from jmetamer._base.errors import StoreError, StoreWarning
from jmetamer.models import GCN, MODELS, TrainSettings, load_model, save_model, storage, train
from jmetamer.results.manifest import MANIFEST, write_manifest
from jmetamer.results.verification import read_network

SETTINGS = TrainSettings(epochs=0)


def assert_same(one, two):
    jax.tree.map(np.testing.assert_array_equal, one.params, two.params)
    assert one.model == two.model
    assert (one.seed, one.settings, one.dataset, one.dataset_digest) == (
        two.seed, two.settings, two.dataset, two.dataset_digest,
    )  # fmt: skip
    np.testing.assert_equal(dict(one.scores), dict(two.scores))


@pytest.mark.parametrize("name", MODELS)
def test_round_trip_is_exact(name, two_blocks, tmp_path):
    model = MODELS[name](hidden=8, normalization="batch", residual=True)
    trained = train(model, two_blocks, seed=4, settings=SETTINGS)
    found = load_model(save_model(trained, tmp_path / "deep" / "model"))
    assert_same(trained, found)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(found.params))


def test_every_flipped_byte_that_matters_is_noticed(two_blocks, tmp_path):
    trained = train(GCN(hidden=8), two_blocks, settings=SETTINGS)
    folder = save_model(trained, tmp_path / "model")
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    noticed, messages = [], []
    for path in files:
        content = path.read_bytes()
        for place in {len(content) // 2, len(content) - 1}:
            flipped = bytearray(content)
            flipped[place] ^= 1
            path.write_bytes(flipped)
            try:
                # Files that carry no parameter may change; the parameters may not.
                assert_same(load_model(folder), trained)
            except StoreError as error:
                noticed.append(path)
                messages.append(str(error))
            path.write_bytes(content)
    assert all(str(folder) in message for message in messages)
    assert all("again from where it is whole" in message for message in messages)
    assert folder / "model.json" in noticed
    assert any("params" in path.parts for path in noticed)
    assert_same(load_model(folder), trained)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.json", r"is a folder and no model that `save_model` wrote"),
        ("params", r"params.* is damaged: No such file.*Copy .* again from where it is whole"),
    ],
)
def test_missing_part_is_named_with_the_remedy(name, message, two_blocks, tmp_path):
    folder = save_model(train(GCN(hidden=8), two_blocks, settings=SETTINGS), tmp_path / "model")
    (folder / name).rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=message):
        load_model(folder)


def sealed(folder):
    """Write sums that fit to what is in a folder now."""
    (folder / MANIFEST).unlink()
    write_manifest(folder)


@pytest.mark.parametrize("manifest", [True, False])
def test_changed_score_is_noticed(manifest, two_blocks, tmp_path):
    folder = save_model(train(GCN(hidden=8), two_blocks, settings=SETTINGS), tmp_path / "model")
    record = json.loads((folder / "model.json").read_text())
    record["scores"]["test"] = "1.0"
    (folder / "model.json").write_text(json.dumps(record))
    if not manifest:
        sealed(folder)
    with pytest.raises(StoreError, match=r"model.json. is damaged"):
        load_model(folder)


def test_parameters_of_another_network_are_refused_by_either_reader(two_blocks, tmp_path):
    own, other = (
        save_model(train(GCN(hidden=8), two_blocks, seed, SETTINGS), tmp_path / str(seed))
        for seed in (0, 1)
    )
    digest = json.loads((own / "model.json").read_text())["params_sha256"]
    read_network(own, digest)
    for name, read in (
        ("params", load_model),
        ("weights.npz", lambda at: read_network(at, digest)),
    ):
        (own / name).rename(tmp_path / "kept")
        (other / name).rename(own / name)
        sealed(own)
        with pytest.raises(StoreError, match=rf"{name}. is damaged: .*params_sha256"):
            read(own)
        (own / name).rename(other / name)
        (tmp_path / "kept").rename(own / name)
    sealed(own)
    load_model(own)


def test_unwritable_folder_is_one_clear_line(two_blocks, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    trained = train(GCN(hidden=8), two_blocks, settings=SETTINGS)
    with pytest.raises(StoreError, match=r"cannot write the model to .* Choose a writable folder"):
        save_model(trained, tmp_path / "file" / "model")


def count_fits(monkeypatch):
    from jmetamer.models import training

    fits, fit = [], training._fit
    monkeypatch.setattr(training, "_fit", lambda *a: fits.append(a) or fit(*a))
    return fits


def test_cache_serves_equal_requests_and_no_others(two_blocks, tmp_path, monkeypatch):
    fits = count_fits(monkeypatch)
    first = train(GCN(hidden=8), two_blocks, 0, SETTINGS, cache=tmp_path)
    again = train(GCN(hidden=8), two_blocks, 0, SETTINGS, cache=str(tmp_path))
    assert_same(first, again)
    assert len(fits) == 1
    moved = two_blocks.graph._replace(nodes=two_blocks.graph.nodes + 1)
    for model, data, seed, settings in [
        (GCN(hidden=16), two_blocks, 0, SETTINGS),
        (GCN(hidden=8), dataclasses.replace(two_blocks, graph=moved), 0, SETTINGS),
        (GCN(hidden=8), two_blocks, 1, SETTINGS),
        (GCN(hidden=8), two_blocks, 0, dataclasses.replace(SETTINGS, learning_rate=0.5)),
    ]:
        before = len(fits)
        train(model, data, seed, settings, cache=tmp_path)
        assert len(fits) == before + 1


def test_damaged_cache_entry_is_trained_again_with_a_warning(two_blocks, tmp_path, monkeypatch):
    fits = count_fits(monkeypatch)
    first = train(GCN(hidden=8), two_blocks, 0, SETTINGS, cache=tmp_path)
    (entry,) = pathlib.Path(tmp_path).iterdir()
    (entry / "model.json").write_text("{")
    with pytest.warns(UserWarning, match=r"training again.*model\.json"):
        assert_same(train(GCN(hidden=8), two_blocks, 0, SETTINGS, cache=tmp_path), first)
    assert len(fits) == 2
    assert_same(load_model(entry), first)


@pytest.mark.parametrize("other", ["seed", "settings", "data"])
def test_another_network_in_the_folder_of_the_cache_is_not_taken(two_blocks, tmp_path, other):
    kinds = {
        "seed": (two_blocks, 1, SETTINGS),
        "settings": (two_blocks, 0, dataclasses.replace(SETTINGS, learning_rate=0.5)),
        "data": (dataclasses.replace(two_blocks, labels=two_blocks.labels[::-1]), 0, SETTINGS),
    }
    first = train(GCN(hidden=8), two_blocks, 0, SETTINGS, cache=tmp_path)
    (entry,) = tmp_path.iterdir()
    shutil.rmtree(entry)
    train(GCN(hidden=8), *kinds[other], cache=tmp_path)
    (moved,) = tmp_path.iterdir()
    moved.rename(entry)
    with pytest.warns(StoreWarning, match=f"training again.*{moved.name}"):
        assert_same(train(GCN(hidden=8), two_blocks, 0, SETTINGS, cache=tmp_path), first)
    assert_same(load_model(entry), first)


def test_writers_at_once_leave_one_whole_model_and_no_drafts(two_blocks, tmp_path):
    trained = train(GCN(hidden=8), two_blocks, settings=SETTINGS)
    errors = []

    def write():
        try:
            save_model(trained, tmp_path / "model")
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not errors
    assert_same(load_model(tmp_path / "model"), trained)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("early", [True, False])
def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(
    two_blocks, tmp_path, monkeypatch, capfd, early
):
    trained = train(GCN(hidden=4), two_blocks, settings=SETTINGS)
    if early:
        monkeypatch.setattr(
            storage.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0)
        )
    else:  # as tensorstore says it

        def full(*_):
            raise ValueError("RESOURCE_EXHAUSTED: [os_error_code='28'] [x='1']")

        monkeypatch.setattr(storage.ocp.Checkpointer, "save", full)
    with pytest.raises(StoreError, match="No space left on device"):
        save_model(trained, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in capfd.readouterr().err
