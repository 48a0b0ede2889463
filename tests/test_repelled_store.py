"""Metamers that repel each other as a sweep makes and stores them, and what it refuses."""

import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.errors import ConfigError
from jmetamer.config import cells, find_config, packaged_configs, read_config
from jmetamer.metamers.check import Judge
from jmetamer.report.cells import name_cells
from jmetamer.report.sentences import cell_sentences
from jmetamer.report.summary import summarize
from jmetamer.results import PartialCell, RunStore, open_run
from jmetamer.sweep.pipeline import ONE_GROUP, estimate, prepare, run_cell

SETTINGS = [
    "dataset=karate",
    "model={gcn: {hidden: 4, activation: relu}}",
    "training.epochs=0",
    "geometry=null",
]
KINDS = {
    "continuous": "layer: conv1, vary: {continuous_features: {domain: {box: {low: -1, high: 2}}}}",
    "binary": "layer: logits, vary: binary_features, nodes: [0, 33]",
}
COUNT = 5


def repel(method="{}", weight=0.5):
    return f"method: {{repel: {{weight: {weight}, method: {{optimize: {method}}}}}}}"


def cell_of(metamers):
    path = find_config("quickstart", packaged_configs())
    change = f"metamers={{count: {COUNT}, tolerance: 1e-2, {metamers}}}"
    return cells(read_config(path, [*SETTINGS, change]))[0]


@pytest.fixture(scope="module", params=list(KINDS))
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    cell = cell_of(f"{KINDS[request.param]}, {repel('{steps: 90}')}")
    shelf = PartialCell(folder / "shelf", cell.id)
    record, reference = run_cell(cell, partial=shelf)
    store = RunStore(folder)
    store.write_reference(reference)
    store.write(cell.id, record)
    return cell, record, open_run(folder), shelf


def test_a_cell_is_one_block_made_as_a_whole(made):
    cell, record, _, shelf = made
    assert prepare(cell).blocks.size == COUNT
    assert estimate(cell).lanes == COUNT
    assert not shelf.folder.exists() or not list(shelf.folder.iterdir())
    assert sum(record.status_counts.values()) == COUNT


def test_its_losses_are_those_of_the_stored_bytes(made):
    cell, _, run, _ = made
    prepared, data = prepare(cell), run.dataset(cell.id)
    judge = Judge(prepared.problem)
    graphs = list(run.metamers(cell.id))
    assert len(graphs) == COUNT
    for graph, loss in zip(graphs, data["loss_hardened"].values, strict=True):
        whole = prepared.problem.arrays.graph._replace(nodes=graph.nodes)
        assert float(judge(whole).loss) == pytest.approx(float(loss), rel=1e-5)
    assert (data["loss_hardened"].values < data["loss_initial"].values).all()
    converged = int(np.sum(data["loss_hardened"].values <= 1e-2))
    assert run.status_counts(cell.id)["CONVERGED"] == converged >= 3


def test_its_record_and_its_report_say_that_metamers_depend_on_each_other(made):
    cell, record, run, _ = made
    solver = run.provenance(cell.id)["solver"]
    assert (solver["method"], solver["settings"]["weight"]) == ("repel", 0.5)
    assert (solver["tolerance"], solver["lanes"], solver["seeds"]) == (1e-2, COUNT, ONE_GROUP)
    settings = run.settings(cell.id)
    assert settings["metamers"]["method"]["repel"]["weight"] == 0.5
    name = name_cells({cell.id: settings})[cell.id]
    found = summarize(name, settings, run.dataset(cell.id), record.status_counts)
    text = [one for one in cell_sentences(found) if "no independent sample" in one]
    assert len(text) == 1
    assert "(weight 0.5)" in text[0]


@pytest.mark.parametrize(
    ("metamers", "words"),
    [
        (f"vary: binary_edges, {repel()}", "`vary` is BinaryEdges("),
        (f"vary: edge_weights, {repel()}", "`vary` is EdgeWeights("),
        (
            f"vary: {{together: [continuous_features, binary_edges]}}, {repel()}",
            "allowed are features alone",
        ),
        (repel("{coordinates: entry}"), "`coordinates` is 'entry'"),
        (repel("{optimizer: lbfgs}"), "allowed is an `Optimizer` with a learning rate"),
        (repel("{optimizer: lane_lbfgs}"), "allowed is an `Optimizer` with a learning rate"),
    ],
)
def test_what_cannot_repel_is_refused_before_anything_is_made(metamers, words):
    with pytest.raises(ConfigError, match=r"`metamers\.method`: .*weight=0\.5") as caught:
        cell_of(f"layer: conv1, {metamers}")
    assert words in str(caught.value)


def test_a_method_is_chosen_that_asks_for_gradients_alone(make_random_graph, make_trained):
    graph = make_random_graph(0)
    problem = jm.Problem(make_trained(jm.GCN(hidden=4, num_outputs=3), graph), graph, "conv1")
    cells_of = [cell_of(f"layer: conv1, {method}") for method in ("method: null", repel())]
    alone, repelled = (cell.metamers.method.for_problem(problem) for cell in cells_of)
    assert (alone.name, alone.optimizer.name) == ("optimize", "lane_lbfgs")
    assert (repelled.name, repelled.weight) == ("repel", 0.5)
    assert repelled.method.optimizer.name == "adam"
    assert cells_of[0].id != cells_of[1].id
    assert cells_of[0].id == cell_of("layer: conv1").id
