"""Exported metamers: what others read is what the store holds, and PyTorch Geometric agrees."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.errors import StoreError
from jmetamer.models import load_model
from jmetamer.sweep import command as sweep

SCRIPT = Path(__file__).parents[1] / "experiments" / "recheck" / "recheck.py"
CONFIG = """
name: tiny
dataset: karate
training: {epochs: 5}
metamers: {count: 3}
geometry: null
report: false
store: {metamers: 2}
runs:
  - model: [{gcn: {hidden: 8}}, {gin: {hidden: 8}}]
    metamers: {layer: [conv1, all], method: {optimize: {steps: 15}}}
  - model: [{gat: {hidden: 8}}, {graphsage: {hidden: 8}}]
    metamers: {layer: all, method: {optimize: {steps: 15}}}
  - model: {gcn: {hidden: 8, activation: elu}}
    metamers:
      layer: logits
      nodes: [0, 5, 33]
      vary: binary_edges
      method: {relax_edges: {steps: 15, draws: 1, flips: 1, kicks: 0}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    (folder / "tiny.yaml").write_text(CONFIG)
    assert sweep.main([str(folder / "tiny.yaml"), "--out", str(folder / "run")]) == 0
    return jm.open_run(folder / "run")


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The path of each cell's file."""
    folder = tmp_path_factory.mktemp("files")
    return {cell: run.export(cell, folder / "new" / f"{cell}.npz") for cell in run.cells}


def test_arrays_are_those_of_the_store(run, exported):
    for cell, path in exported.items():
        results, metamers, reference = run.dataset(cell), run.metamers(cell), run.reference(cell)
        with np.load(path) as file:
            assert file["seed_id"].tolist() == [0, 1]
            np.testing.assert_array_equal(file["loss_hardened"], results["loss_hardened"][:2])
            np.testing.assert_array_equal(file["activation"], results["stored_activation"])
            assert set(file["status"]) <= {status.name for status in jm.Status}
            np.testing.assert_array_equal(file["reference_nodes"], reference.nodes)
            np.testing.assert_array_equal(file["reference_senders"], reference.senders)
            about = json.loads(str(file["about"]))
            assert about["settings"] == run.settings(cell)
            varies_edges = "binary_edges" in about["settings"]["metamers"]["vary"]
            assert ("nodes" in file) != varies_edges
            assert ("edge_start" in file) == varies_edges
            for number, graph in enumerate(metamers):
                if varies_edges:
                    part = slice(*file["edge_start"][number : number + 2])
                    np.testing.assert_array_equal(file["senders"][part], graph.senders)
                    np.testing.assert_array_equal(file["receivers"][part], graph.receivers)
                    np.testing.assert_array_equal(file["weight"][part], graph.edges.weight)
                else:
                    np.testing.assert_array_equal(file["nodes"][number], graph.nodes)


def test_weights_are_those_of_the_network(run, exported):
    for cell, path in exported.items():
        trained = load_model(run.folder / "models" / run.provenance(cell)["model_folder"])
        leaves, _ = jax.tree_util.tree_flatten_with_path(trained.params)
        with np.load(path) as file:
            names = {name for name in file.files if name.startswith("weights/")}
            assert len(names) == len(leaves)
            for place, leaf in leaves:
                name = "weights/" + "/".join(key.key for key in place)
                np.testing.assert_array_equal(file[name], leaf)


def test_activations_and_classes_are_those_of_the_network(run, exported):
    for cell, path in exported.items():
        trained = load_model(run.folder / "models" / run.provenance(cell)["model_folder"])
        nodes = run.settings(cell)["metamers"]["nodes"]
        chosen = slice(None) if nodes is None else np.array(nodes)
        with np.load(path) as file:
            matched = json.loads(str(file["about"]))["matched"]
            rows = [file["reference_activation"], *file["activation"]]
            classes = [file["reference_predicted_class"], *file["predicted_class"]]
        graphs = [run.reference(cell), *run.metamers(cell)]
        for graph, row, read in zip(graphs, rows, classes, strict=True):
            found = trained.activations(graph)
            known = [np.asarray(found[name])[chosen] for name, *_ in matched]
            assert [list(one.shape) for one in known] == [shape for _, *shape in matched]
            np.testing.assert_allclose(
                row, np.concatenate([one.ravel() for one in known]), rtol=1e-5, atol=1e-6
            )
            np.testing.assert_array_equal(read, np.asarray(found["logits"]).argmax(-1))


def test_another_ending_is_refused(run, tmp_path):
    with pytest.raises(jm.InputError, match=r"allowed endings are \.npz and \.pt"):
        run.export(run.cells[0], tmp_path / "metamers.csv")


def test_an_unknown_cell_is_refused_and_leaves_nothing(run, tmp_path):
    with pytest.raises(jm.InputError, match="no-such"):
        run.export("no-such", tmp_path / "metamers.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_its_networks_says_so(run, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(run.folder, copied, ignore=shutil.ignore_patterns("models"))
    with pytest.raises(StoreError, match=r"model.json` is damaged: No such file"):
        jm.open_run(copied).export(run.cells[0], tmp_path / "metamers.npz")


def test_networks_in_the_folders_of_each_other_are_refused(run, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(run.folder, copied)
    made = {cell: run.provenance(cell)["model_folder"] for cell in run.cells}
    one, other = (copied / "models" / name for name in list(dict.fromkeys(made.values()))[:2])
    for old, new in ((one, copied / "x"), (other, one), (copied / "x", other)):
        old.rename(new)
    swapped = [cell for cell, name in made.items() if name in (one.name, other.name)]
    assert len(swapped) == 4
    for cell in swapped:
        with pytest.raises(StoreError, match="it is not the network that made the cell"):
            jm.open_run(copied).export(cell, tmp_path / "metamers.npz")


def test_a_cell_that_names_no_network_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setattr(jm.Run, "provenance", lambda *_: {})
    with pytest.raises(StoreError, match="does not name its network"):
        run.export(run.cells[0], tmp_path / "metamers.npz")


@pytest.mark.parity
class TestPyTorchGeometric:
    @pytest.fixture(autouse=True)
    def needed(self):
        pytest.importorskip("torch_geometric")

    def test_graphs_are_its_own(self, run, tmp_path):
        torch = pytest.importorskip("torch")
        for cell in run.cells:
            found = torch.load(run.export(cell, tmp_path / f"{cell}.pt"), weights_only=False)
            graphs = [run.reference(cell), *run.metamers(cell)]
            assert len(found) == len(graphs)
            for data, graph in zip(found, graphs, strict=True):
                data.validate()
                np.testing.assert_array_equal(data.x, graph.nodes)
                np.testing.assert_array_equal(data.edge_index[0], graph.senders)
                np.testing.assert_array_equal(data.edge_weight, graph.edges.weight)
            assert [data.seed_id for data in found[1:]] == [0, 1]

    def test_its_layers_give_the_same_activations_and_classes(self, run, exported, monkeypatch):
        spec = importlib.util.spec_from_file_location("recheck", SCRIPT)
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        for cell, path in exported.items():
            with np.load(path) as stored:
                file = {name: stored[name] for name in stored.files}
            network = script.Network(json.loads(str(file["about"]))["model"], file)
            trained = load_model(run.folder / "models" / run.provenance(cell)["model_folder"])
            graphs = script.metamer_graphs(file)
            for theirs, ours in zip(graphs, run.metamers(cell), strict=True):
                found, known = network(*theirs), trained.activations(ours)
                assert set(network.names) == set(trained.model.layer_names)
                for name in network.names:
                    known_here = np.asarray(known[name])
                    difference = np.linalg.norm(np.asarray(found[name]) - known_here)
                    assert difference <= 1e-4 * np.linalg.norm(known_here), (cell, name)
                classes = [np.asarray(each["logits"]).argmax(axis=-1) for each in (found, known)]
                assert np.mean(classes[0] == classes[1]) >= 0.999
            monkeypatch.setattr(sys, "argv", ["recheck.py", str(path)])
            assert script.main() == 0

    def test_a_changed_metamer_is_found_out(self, exported, tmp_path, monkeypatch, capsys):
        spec = importlib.util.spec_from_file_location("recheck", SCRIPT)
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        path = next(iter(exported.values()))
        with np.load(path) as stored:
            file = {name: stored[name] for name in stored.files}
        file["nodes"][1, 0] += 1
        np.savez(tmp_path / "changed.npz", **file)
        monkeypatch.setattr(sys, "argv", ["recheck.py", str(tmp_path / "changed.npz")])
        assert script.main() == 1
        assert "2 of 3 graphs agree" in capsys.readouterr().out
