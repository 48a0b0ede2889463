import subprocess
import sys
import warnings

import numpy as np
import pytest

from jmetamer._base.errors import InputError, StoreError
from jmetamer.results import RunStore, open_run


@pytest.fixture
def written(tmp_path, make_record, reference):
    store = RunStore(tmp_path)
    store.register(["plain", "bits"])
    store.write_reference(reference)
    record, features = make_record()
    store.write("plain", record)
    packed, bits = make_record(packed=True)
    store.write("bits", packed)
    return tmp_path, record, features, bits


def test_a_dataset_holds_variables_coordinates_and_scalars_of_the_record(written):
    folder, record, features, _ = written
    run = open_run(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = run.dataset("plain")
    np.testing.assert_array_equal(data["features"].values, features)
    assert data["features"].dims == ("stored", "node", "feature")
    assert data["layer_match"].sel(layer="logits").shape == (3,)
    assert float(data["deviation_chance"].sel(measure="features/cosine")) == 0.25
    assert data["status"].attrs["codes"] == {"1": "CONVERGED"}
    assert data.attrs["test_accuracy"] == 0.75
    assert np.isnan(data.attrs["gap"])
    assert run.settings("plain") == record.settings
    assert run.provenance("plain") == record.provenance
    assert run.status_counts("plain") == {"CONVERGED": 3}


def test_a_dataset_is_lazy(written):
    folder, *_ = written
    data = open_run(folder).dataset("plain")
    for chunk in folder.glob("cells/plain/arrays.zarr/features/c/**/*"):
        if chunk.is_file():
            chunk.unlink()
    assert data["loss_hardened"].shape == (3,)
    with pytest.raises(StoreError, match=r"features/c/0/0/0` is damaged"):
        _ = data["features"].values  # read only now, when it was gone


def test_metamers_come_back_as_graphs_with_the_edges_of_the_reference(written, reference):
    folder, _, features, bits = written
    run = open_run(folder)
    plain, unpacked = run.metamers("plain"), run.metamers("bits")
    assert len(plain) == len(unpacked) == 3
    np.testing.assert_array_equal(np.stack([graph.nodes for graph in plain]), features)
    np.testing.assert_array_equal(np.stack([graph.nodes for graph in unpacked]), bits)
    assert unpacked[-1].nodes.dtype == np.float32
    np.testing.assert_array_equal(plain[0].edges.weight, reference.weight)
    np.testing.assert_array_equal(plain[0].senders, reference.senders)
    assert plain[0].n_node.tolist() == [5]
    assert plain[0].n_edge.tolist() == [2]
    assert len(plain[1:]) == 2
    with pytest.raises(IndexError, match=r"metamer 3 was asked for, 3 are stored"):
        plain[3]


def test_the_reference_comes_back_whole(written, reference):
    run = open_run(written[0])
    found = run.reference_data("plain")
    np.testing.assert_array_equal(found.nodes, reference.nodes)
    np.testing.assert_array_equal(found.labels, reference.labels)
    assert found.digest == reference.digest
    assert found.attrs == {"name": "tiny", "feature_range": [0, 1]}
    np.testing.assert_array_equal(run.reference("plain").nodes, reference.nodes)


def test_verify_sees_one_flipped_byte_in_any_file_of_numbers(written):
    folder, *_ = written
    run = open_run(folder)
    assert run.verify("plain")
    chunks = [path for path in folder.glob("cells/plain/arrays.zarr/*/c/**/*") if path.is_file()]
    assert len(chunks) >= 5
    for path in chunks:
        sound = path.read_bytes()
        damaged = bytearray(sound)
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
        assert not run.verify("plain"), path
        path.unlink()  # a missing chunk reads as zeros
        assert not run.verify("plain"), path
        path.write_bytes(sound)
    assert run.verify("plain")


def test_verify_sees_a_changed_name_of_a_layer(written):
    folder, *_ = written
    path = folder / "cells/plain/arrays.zarr/zarr.json"
    path.write_text(path.read_text().replace('"logits"', '"logitz"'))
    assert not open_run(folder).verify("plain")


def test_the_summary_has_a_row_per_cell_with_intervals_and_chance(written):
    rows = open_run(written[0]).summary()
    assert [row["cell"] for row in rows] == ["plain", "bits"]
    row = rows[0]
    assert row["converged"] == 1.0
    assert 0.4 < row["converged_low"] < 0.45  # 3 of 3
    assert row["loss_median"] == pytest.approx(1.5e-5)
    assert row["deviations"] == {"features/cosine": 0.5}
    assert row["deviations_start"] == {"features/cosine": 0.75}
    assert row["deviations_chance"] == {"features/cosine": 0.25}
    assert row["test_accuracy"] == 0.75
    assert np.isnan(row["rank"])


def test_a_folder_that_is_no_run_is_refused_with_what_was_looked_for(tmp_path):
    with pytest.raises(
        StoreError, match=r"is not a run folder: there is no cells/ and no cells.json"
    ):
        open_run(tmp_path)
    with pytest.raises(StoreError, match=r"is not a run folder: it does not exist"):
        open_run(tmp_path / "missing")


def test_an_unknown_cell_is_refused_with_the_list(written):
    with pytest.raises(InputError, match=r"unknown cell .*'plian'; did you mean 'plain'.*'bits'"):
        open_run(written[0]).dataset("plian")


def test_damaged_records_and_lost_references_are_named(written):
    folder, *_ = written
    (folder / "cells/plain/record.json").write_text("{")
    with pytest.raises(StoreError, match=r"record.json` is damaged"):
        open_run(folder).settings("plain")
    next((folder / "references").glob("*/reference.json")).unlink()
    with pytest.raises(StoreError, match=r"reference.json` is damaged: No such file"):
        open_run(folder).metamers("bits")


def test_reading_a_run_starts_no_accelerator(written):
    script = """
import sys
from jmetamer.results import open_run
run = open_run(sys.argv[1])
run.summary(), run.verify("plain"), run.dataset("bits")["features"].values
assert "jax" not in sys.modules
print(run.metamers("bits")[0].nodes.shape, run.reference("plain").nodes.shape)
from jax._src import xla_bridge
print(dict(xla_bridge._backends))
"""
    command = [sys.executable, "-c", script, str(written[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(5, 11) (5, 11)", "{}"]
