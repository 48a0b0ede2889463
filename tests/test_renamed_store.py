"""A ring against two triangles through a sweep: what the store and the page say of success."""

import networkx
import numpy as np
import pytest

from jmetamer.oracles.known_answers import cycles
from jmetamer.report import write_report
from jmetamer.report.leaderboard.estimate import success_rates
from jmetamer.report.stored_cell import read_cells
from jmetamer.results import open_run
from jmetamer.sweep import command as sweep

CONFIG = """
name: ring
dataset: own.npz
model: {gin: {hidden: 4}}
training: {epochs: 0}
metamers:
  vary: binary_edges
  count: 24
  layer: conv1
  tolerance: 1e-8
  method: {relax_edges: {steps: 60}}
success: {null_test: {pairs: 199}}
geometry: null
store: {metamers: all}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ring")
    ring = cycles([6])
    once = ring.senders < ring.receivers
    edges = np.stack([ring.senders[once], ring.receivers[once]], axis=1)
    labels = np.arange(6) % 2
    np.savez(folder / "own.npz", node_features=ring.nodes, node_labels=labels, edges=edges)
    (folder / "ring.yaml").write_text(CONFIG.replace("own.npz", str(folder / "own.npz")))
    assert sweep.main([str(folder / "ring.yaml"), "--out", str(folder / "run")]) == 0
    return open_run(folder / "run")


def is_ring(graph):
    made = networkx.Graph(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    return networkx.is_isomorphic(made, networkx.cycle_graph(6))


def test_success_is_the_other_graphs_and_no_copy_of_the_ring(run):
    (cell,) = run.cells
    data = run.dataset(cell)
    matched = data["loss_hardened"].values <= 1e-8
    ring = np.array([is_ring(graph) for graph in run.metamers(cell)])
    assert (matched & ring).any()
    assert (matched & ~ring).any()
    np.testing.assert_array_equal(data["renamed"], np.where(matched & ring, 1, 0))
    np.testing.assert_array_equal(data["success"], matched & ~ring)
    counts = run.status_counts(cell)
    assert counts["UNCHANGED"] == (matched & ring).sum()
    assert counts["CONVERGED"] == (matched & ~ring).sum()


def test_the_null_is_not_applicable_and_says_why(run):
    (cell,) = run.cells
    data = run.dataset(cell)
    assert "success_beats_null" not in data
    assert np.isnan(data["null_p_value"]).all()
    assert "199 of 199" in data.attrs["null_not_applicable"]
    (stored,) = read_cells(run)
    rates = success_rates([stored])
    assert rates.corrected.count == rates.success.count == int(data["success"].sum())


def test_two_triangles_are_one_metamer_however_their_nodes_are_named(run):
    (cell,) = run.cells
    data = run.dataset(cell)
    assert data["diversity_class"].size >= 2
    assert run.scalars(cell)["diversity_num_classes"] == 1
    assert run.scalars(cell)["diversity_edges_effective_number"] == pytest.approx(1)
    assert (data["diversity_edges"] == 0).all()


def test_the_page_says_so(run, tmp_path):
    path = write_report(run, tmp_path / "page.html")
    text = path.read_text()
    assert "The null test is not applicable: 199 of 199 random pairs" in text
    assert "Up to renaming of nodes they are 1 graph" in text
