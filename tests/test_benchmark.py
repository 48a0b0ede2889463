"""The benchmark ends with a table and a JSON file, and its baselines compute the same network."""

import dataclasses
import importlib
import importlib.util
import json
import math
import pathlib
import sys

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods import Task

FOLDER = pathlib.Path(__file__).parents[1] / "experiments" / "benchmark"
QUICK = [
    "--dataset", "karate", "--models", "gcn", "--seeds", "2", "--budget", "600",
    "--bandwidth-entries", "100000",
]  # fmt: skip
BASELINES = ("plain", "batched", "strongest")


@pytest.fixture
def script(monkeypatch):
    """Return a function that imports a file of the benchmark as its scripts do."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        path = getattr(sys.modules[name], "__file__", None)
        if path and FOLDER in pathlib.Path(path).parents:
            del sys.modules[name]


@pytest.fixture
def run(script, monkeypatch, tmp_path, capsys):
    """Return a function that runs the benchmark and gives its report and what it printed.

    The network is an untrained one: what is tested is the benchmark.
    """

    def call(*arguments):
        out = tmp_path / "report.json"
        monkeypatch.setattr(
            sys, "argv", ["benchmark.py", *QUICK, *map(str, arguments), "--out", str(out)]
        )
        monkeypatch.setattr(script("machine"), "trained_model", lambda *_: karate())
        script("benchmark").main()
        return json.loads(out.read_text(), parse_constant=pytest.fail), capsys.readouterr().out

    return call


def karate(model=None):
    """Return an untrained network whose biases are not zero, and its data."""
    data = jm.load_dataset("karate")
    trained = jm.train(model or jm.GCN(hidden=8), data, settings=jm.TrainSettings(epochs=0))
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: np.asarray(leaf + rng.normal(scale=0.2, size=leaf.shape), np.float32),
        trained.params,
    )
    return dataclasses.replace(trained, params=params), data


def numbers(value):
    """Return all numbers of nested dictionaries and lists."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [number for part in inner for number in numbers(part)]
    return [value] if isinstance(value, int | float) else []


def test_every_number_of_an_entry_is_finite_or_has_its_reason(run):
    report, printed = run("--layers", "conv1", "--vary", "continuous")
    (entry,) = report["entries"]
    assert all(math.isfinite(number) for number in numbers(report))
    expected = {
        "compile_seconds", "steps_per_second", "metamers_per_second", "useful_step_share",
        "bytes_per_step", "bandwidth_share", "peak_rss_bytes", "peak_device_bytes",
    }  # fmt: skip
    assert expected <= entry.keys()
    assert {name for name in expected if entry[name] is None} <= entry["reasons"].keys()
    assert 0 < entry["useful_step_share"] <= 1
    assert list(entry["tolerances"]) == ["0.01", "0.0001", "1e-06"]
    assert entry["tolerances"]["0.0001"]["verified"] == 2
    assert entry["tolerances"]["0.0001"]["seconds"] > 0
    assert report["provenance"]["git_revision"]
    assert report["command"].startswith("python benchmark.py")
    assert report["bandwidth"]["best"] > 0
    assert "s to 1e-4" in printed
    assert "continuous" in printed


def test_what_does_not_fit_the_budget_is_skipped_with_the_reason(run):
    report, printed = run("--layers", "conv1", "--vary", "continuous", "--budget", "1e-6")
    (entry,) = report["entries"]
    assert "budget 1e-05 s" in entry["skipped"]
    assert entry["steps_per_second"] is None
    assert entry["reasons"]["steps_per_second"] == entry["skipped"]
    assert f"skipped: {entry['skipped']}" in printed.replace("\n", " ")


def test_real_features_are_no_reference_for_binary_ones(script):
    entries = script("entries")
    trained, data = karate()
    graph = data.graph._replace(nodes=0.5 * np.asarray(data.graph.nodes))
    entry, limits = entries.Entry("gcn", "conv1", "binary", 2), entries.Limits(10.0)
    found = entries.measure(entry, trained, graph, limits, 1e9, {})
    assert "needs a reference of zeros and ones" in found["skipped"]


def test_a_layer_that_the_network_lacks_is_skipped_with_the_allowed_names(run):
    report, _ = run("--layers", "conv7", "--vary", "continuous")
    assert "conv1" in report["entries"][0]["skipped"]


def test_the_long_job_counts_verified_metamers(run):
    report, printed = run("--ten-thousand", "--count", 5, "--layers", "conv1")
    (job,) = report["ten_thousand"]
    assert (job["verified"], job["success_share"]) == (5, 1.0)
    assert job["useful_step_share"] == 1.0 or jax.default_backend() != "cpu"
    assert "5 of 5 metamers verified" in printed


def test_bytes_of_a_step_grow_with_what_it_touches(script):
    traffic = script("traffic")
    trained, data = karate()

    def size(layer, **changes):
        problem = jm.Problem(trained, data.graph, layer=layer)
        method = jm.Optimize(**changes).for_problem(problem)
        return traffic.bytes_per_step(Task(problem, 0, method, 1e-4))

    # 34 nodes, 8 columns, 156 directed edges, float32; the state of gradient descent is
    # theta, its best value, the step counter and ten scalars of the lane (see `Lane`).
    theta, edges = 4 * 34 * 8, 156
    network = 4 * 2 * theta + 2 * edges * (12 + 4 * 8)
    sgd = {"optimizer": jm.Optimizer("sgd", 0.1), "coordinates": "entry"}
    state = size("conv1", **sgd) - network - 2 * theta
    assert 0 <= state - 2 * 2 * theta <= 2 * 4 * 16
    assert size("conv1", **sgd) < size("conv1", **sgd | {"coordinates": "features"})
    assert size("conv1", **sgd) < size("conv1") < size("logits")


@pytest.mark.parity
@pytest.mark.parametrize("name", ["gcn", "gat", "graphsage", "gin"])
def test_pyg_networks_compute_the_same_activations(name, script):
    torch, networks = pytest.importorskip("torch"), script("torch_networks")
    options = {"heads": 2} if name == "gat" else {}
    trained, data = karate(jm.MODELS[name](hidden=8, **options))
    network = networks.PygNetwork(trained, torch.device("cpu"))
    edges = networks.edge_index(data.graph, torch.device("cpu"))
    expected = trained.activations(data.graph)
    for layer in ("conv1", "logits"):
        found = network(torch.tensor(np.asarray(data.graph.nodes)), edges, layer)
        np.testing.assert_allclose(found.post, expected[layer], rtol=1e-5, atol=1e-5)
        if found.pre is not None:
            np.testing.assert_allclose(found.pre, expected[f"{layer}.pre"], rtol=1e-5, atol=1e-5)


@pytest.mark.parity
def test_a_gcn_from_its_entry_computes_the_same_for_every_seed(script):
    torch, networks = pytest.importorskip("torch"), script("torch_networks")
    trained, data = karate()
    network = networks.GcnFromEntry(trained, data.graph, torch.device("cpu"))
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, *data.graph.nodes.shape)).astype(np.float32)
    entry = torch.tensor(features).transpose(0, 1) @ network.kernels[0]
    for layer in ("conv1", "logits"):
        found = network(entry, layer).post
        for place in range(3):
            graph = data.graph._replace(nodes=features[place])
            expected = trained.activations(graph)[layer]
            np.testing.assert_allclose(found[:, place], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("layer", ["conv1", "logits"])
@pytest.mark.parametrize("method", BASELINES)
def test_baselines_reach_the_tolerance_that_jmetamer_confirms(method, layer, script):
    baselines = script("torch_baselines")
    trained, data = karate()
    problem = jm.Problem(trained, data.graph, layer=layer)
    solved = getattr(baselines, method)(problem, 1e-2, 2)
    assert len(solved.losses) == len(solved.steps) == 2
    assert max(solved.losses) <= 1e-2
    target = np.asarray(problem.arrays.targets[layer])
    graph = data.graph._replace(nodes=solved.features.numpy())
    found = np.asarray(trained.activations(graph)[layer])
    match = np.sum((found - target) ** 2) / np.sum(target**2)
    np.testing.assert_allclose(match, solved.losses[0], rtol=1e-3)
    confirmed = baselines.verified_in_float64(problem, solved.features)
    np.testing.assert_allclose(confirmed, solved.losses[0], rtol=1e-3)


@pytest.mark.parity
def test_networks_with_other_options_are_refused(script):
    pytest.importorskip("torch")
    with pytest.raises(jm.InputError, match="'activation': 'elu'"):
        script("torch_networks").require_default_options(jm.GCN(hidden=8, activation="elu"))


@pytest.mark.parity
def test_the_comparison_gives_every_method_its_turn(run):
    report, printed = run(
        "--torch", "--torch-seeds", 2, "--plain-seeds", 1, "--strongest-seeds", 1, "--rounds", 2,
        "--layers", "conv1", "--vary", "continuous", "--tolerance", "1e-2",
    )  # fmt: skip
    (found,) = report["comparison"]
    assert list(found["methods"]) == ["jmetamer", *BASELINES]
    for row in found["methods"].values():
        assert row["verified_share"] == 1
        assert len(row["seconds"]) == 2
        assert row["loss_in_float64"] <= 1e-2
        assert row["ratio_of_medians"] > 0
    assert found["methods"]["jmetamer"]["ratio_of_medians"] == 1
    assert "times jmetamer" in printed


def test_without_torch_the_comparison_is_skipped_with_the_reason(run, script, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        script("benchmark").importlib.util,
        "find_spec",
        lambda name, *more: None if name.startswith("torch") else found(name, *more),
    )
    report, printed = run("--torch", "--layers", "conv7", "--vary", "continuous")
    assert report["comparison"]["skipped"].startswith("torch and torch_geometric not")
    assert "comparison with PyTorch skipped: torch and torch_geometric not" in printed


def test_entries_beyond_the_time_for_all_are_skipped_with_the_reason(run):
    report, _ = run("--total", "1e-9", "--layers", "conv1", "logits", "--vary", "continuous")
    reasons = [entry["skipped"] for entry in report["entries"]]
    assert reasons == ["the budget of 1e-09 s for all entries is spent"] * 2
