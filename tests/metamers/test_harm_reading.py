"""Where a network is right on graphs and controls of all kinds, recomputed in float64."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.evaluation.control_graphs import ControlGraphs
from jmetamer.evaluation.harm_reading import HarmReading
from jmetamer.graphs.block_model import class_posterior
from jmetamer.measures import bayes_labels

DATA = {
    "csbm": jm.load_dataset("csbm", num_nodes=40, num_features=5, signal=0.7),
    "dcsbm": jm.load_dataset("dcsbm", num_nodes=40, num_edges=80, num_classes=3, num_features=4),
    "sbm": jm.load_dataset("sbm", num_nodes=40, num_classes=2, p_in=0.3, p_out=0.1),
}
TRAINED = {
    name: jm.train(jm.GCN(hidden=8), data, settings=jm.TrainSettings(epochs=15))
    for name, data in DATA.items()
}


def bayes_of(data):
    return jax.tree_util.Partial(lambda graph: bayes_labels(data.block_model, graph, data.labels))


def outcomes(name, graphs):
    """Codes by their definition: 2 * wrong before + wrong now."""
    data, trained = DATA[name], TRAINED[name]

    def is_wrong(graph):
        graph = jax.tree.map(np.asarray, graph)
        bayes = class_posterior(data.block_model, graph, data.labels).argmax(axis=1)
        return np.asarray(trained.predict(graph)) != bayes

    before = is_wrong(data.graph)
    return np.array([2 * before + is_wrong(graph) for graph in graphs])


@pytest.mark.parametrize(
    ("name", "vary", "nodes"),
    [
        ("csbm", jm.ContinuousFeatures(), None),
        ("csbm", (jm.ContinuousFeatures(), jm.BinaryEdges()), [5, 3, 17, 20, 30, 31, 32]),
        ("dcsbm", jm.ContinuousFeatures(), None),
        ("dcsbm", jm.BinaryEdges(), None),
        ("sbm", jm.BinaryFeatures(), None),
        ("sbm", jm.BinaryEdges(nodes=tuple(range(3, 30))), None),
    ],
)
def test_outcomes_are_those_of_the_definition(name, vary, nodes):
    data = DATA[name]
    problem = jm.Problem(TRAINED[name], data.graph, layer="logits", vary=vary, nodes=nodes)
    start = jm.default_method(problem).starts(problem, 99)
    graphs = [start(seed) for seed in range(4)]  # in the place of metamers
    reading = HarmReading(problem, bayes_of(data), 7)
    columns = reading.columns([reading.read(seed, graph) for seed, graph in enumerate(graphs)])
    targets = np.arange(40) if nodes is None else nodes
    np.testing.assert_array_equal(reading.nodes, targets)
    np.testing.assert_array_equal(columns["harm_outcome"], outcomes(name, graphs)[:, targets])
    kind = {jm.BinaryFeatures: "flips", jm.BinaryEdges: "edge_flips"}.get(type(vary))
    assert reading.controls == ("start", kind or "displacement")
    beside = [ControlGraphs(problem, 7).of(seed, graph) for seed, graph in enumerate(graphs)]
    for place, control in enumerate(reading.controls):
        expected = outcomes(name, [made[control] for made in beside])[:, targets]
        np.testing.assert_array_equal(columns["control_harm_outcome"][:, place], expected)
    assert len(np.unique(columns["control_harm_outcome"])) > 1


def test_a_search_without_a_start_of_its_own_has_no_such_control():
    data = DATA["csbm"]
    problem = jm.Problem(TRAINED["csbm"], data.graph, layer="logits")
    reading = HarmReading(problem, bayes_of(data), 0, jm.Walk())
    assert reading.controls == ("displacement",)
    assert "walk" in reading.no_start
    assert reading.read(0, problem.arrays.graph).shape == (2, 2, 40)
