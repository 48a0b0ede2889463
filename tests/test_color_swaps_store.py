"""Exact structure metamers through config, pipeline and store: they come back, and hold again."""

from pathlib import Path

import numpy as np
import pytest

import jmetamer as jm
from jmetamer.config import cells, read_config
from jmetamer.graphs.pairs import edge_jaccard, flips_between, pairs_of_graph
from jmetamer.measures import relative_squared_error
from jmetamer.metamers.problem import reference_activations
from jmetamer.oracles.known_answers import random_regular
from jmetamer.results import open_run
from jmetamer.sweep import command as sweep
from jmetamer.sweep import pipeline

COUNT, STORED = 5, 4
CONFIG = f"""
name: swaps
dataset: own.npz
model: {{gcn: {{hidden: 4}}}}
training: {{epochs: 3}}
metamers: {{vary: binary_edges, method: color_swaps, count: {COUNT}, layer: conv1}}
geometry: null
store: {{metamers: {STORED}}}
runs:
  - metamers: {{layer: conv1}}
  - metamers: {{vary: {{binary_edges: {{directed: true}}}}}}
  - dataset: karate
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swaps")
    graph = random_regular(30, 3, num_labels=2, seed=1)
    once = graph.senders < graph.receivers
    np.savez(
        folder / "own.npz",
        node_features=graph.nodes,
        node_labels=np.arange(30) % 2,
        edges=np.stack([graph.senders[once], graph.receivers[once]], axis=1),
    )
    text = CONFIG.replace("own.npz", str(folder / "own.npz"))
    (folder / "swaps.yaml").write_text(text)
    assert sweep.main([str(folder / "swaps.yaml"), "--out", str(folder / "run")]) == 0
    return open_run(folder / "run")


@pytest.fixture(scope="module")
def grid(run):
    found = cells(read_config(Path(run.folder).parent / "swaps.yaml"))
    return dict(zip(("undirected", "directed", "karate"), found, strict=True))


@pytest.mark.parametrize("name", ["undirected", "directed"])
def test_stored_metamers_are_other_legal_graphs_with_the_stored_loss(run, grid, name):
    cell, directed = grid[name], name == "directed"
    data, reference = run.dataset(cell.id), run.reference(cell.id)
    trained = jm.train(cell.model, cell.dataset.load(), 0, cell.training.of_network())
    truth = reference_activations(trained.model, trained.params, reference)["conv1"]
    num_pairs = pairs_of_graph(reference, directed=directed).senders.size
    found = run.metamers(cell.id)
    assert len(found) == STORED
    for place, graph in enumerate(found):
        assert (graph.edges.weight == 1).all()
        pairs = pairs_of_graph(graph, directed=directed)  # raises unless simple
        assert pairs.senders.size == num_pairs
        np.testing.assert_array_equal(graph.nodes, reference.nodes)
        flips = flips_between(reference, graph, directed=directed)
        mine = data["flip_seed_id"].values == data["stored_seed_id"].values[place]
        np.testing.assert_array_equal(data["flip_sender"].values[mine], flips.pairs.senders)
        np.testing.assert_array_equal(data["flip_receiver"].values[mine], flips.pairs.receivers)
        np.testing.assert_array_equal(data["flip_added"].values[mine], flips.added)
        assert flips.added.size >= 4
        assert data["edge_jaccard"].values[place] == pytest.approx(edge_jaccard(flips, num_pairs))
        here = reference_activations(trained.model, trained.params, graph)["conv1"]
        again = float(relative_squared_error(truth, here))
        assert again <= 1e-6
        assert again == pytest.approx(float(data["loss_hardened"].values[place]), abs=1e-12)
    assert run.status_counts(cell.id) == {"CONVERGED": COUNT}
    assert (data["num_available"].values > 0).all()
    assert (data["num_moves"].values >= 10 * num_pairs).all()
    assert (data["num_proposed"].values >= data["num_moves"].values).all()
    assert run.verify(cell.id)


def test_where_none_exists_the_store_and_the_report_say_so(run, grid):
    cell = grid["karate"]
    data = run.dataset(cell.id)
    assert run.status_counts(cell.id) == {"UNCHANGED": COUNT}
    assert not data["num_available"].values.any()
    assert data["flip_sender"].values.shape == (0,)
    assert not data["edge_jaccard"].values.any()
    assert not float(data.attrs.get("converged", 0))
    reference = run.reference(cell.id)
    for graph in run.metamers(cell.id):
        np.testing.assert_array_equal(graph.senders, reference.senders)
    text = (Path(run.folder) / "report.html").read_text()
    assert "no structure metamer of the matched layers exists by this construction" in text
    assert "UNCHANGED" in text
    assert text.count("graphs are one swap away from the reference") == 2


def test_an_estimate_needs_no_more_than_the_graph(grid):
    found = pipeline.estimate(grid["undirected"])
    assert (found.num_nodes, found.num_edges, found.lanes) == (30, 90, 1)
    assert 0 < found.bytes < 100_000
