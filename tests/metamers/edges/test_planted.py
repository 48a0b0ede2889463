"""Planted metamers hold by NumPy in float64, are new by networkx, and lie in the exact set."""

import networkx as nx
import numpy as np
import pytest
from dense_networks import LAYERS, adjacency, dense_activations

import jmetamer as jm
from jmetamer.oracles.enumeration import exact_set, graph_code
from jmetamer.oracles.planted import circular_skip_links, planted_metamers
from jmetamer.oracles.symmetry_classes import metamer_classes, recall

NAMES = [case.name for case in planted_metamers(np.eye(5))]
SIX = [name for name in NAMES if name.endswith("_6")]


def change(name, trained, case, layer):
    """L_act of the planted metamer, in float64."""
    x, nodes = (
        np.asarray(case.reference.nodes, float),
        list(case.nodes or range(len(case.reference.nodes))),
    )
    target, found = (
        dense_activations(name, trained, x, adjacency(graph))[layer][nodes]
        for graph in (case.reference, case.metamer)
    )
    return np.sum((found - target) ** 2) / np.sum(target**2)


def colored(case, graph):
    """The graph with all that must stay: features, and which target node a node is."""
    made = nx.from_numpy_array(adjacency(graph))
    for node, row in enumerate(np.asarray(graph.nodes)):
        is_target = case.nodes is not None and node in case.nodes
        made.nodes[node]["color"] = (*row.tolist(), node if is_target else -1)
    return made


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("case", NAMES)
class TestAPlantedMetamer:
    def test_is_one_at_every_layer_of_which_it_says_so(self, case, name, planted, draw):
        trained = draw(name)
        layers = [
            layer for layer in ("conv1", "logits") if planted[case].holds_at(trained.model, layer)
        ]
        assert "conv1" in layers
        for layer in layers:
            assert change(name, trained, planted[case], layer) <= 1e-28

    def test_is_none_at_a_layer_of_which_it_does_not(self, case, name, planted, draw):
        trained = draw(name)
        if planted[case].holds_at(trained.model, "logits"):
            assert planted[case].hops is None
        else:
            assert change(name, trained, planted[case], "logits") > 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_metamer_is_not_the_reference_renamed(name, planted):
    case = planted[name]
    graphs = [colored(case, graph) for graph in (case.reference, case.metamer)]
    assert not nx.is_isomorphic(*graphs, node_match=lambda a, b: a["color"] == b["color"])
    assert graphs[0].number_of_edges() == graphs[1].number_of_edges()
    np.testing.assert_array_equal(case.reference.nodes, case.metamer.nodes)
    graph_code(case.reference), graph_code(case.metamer)  # both are simple


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("case", SIX)
def test_a_planted_metamer_of_six_nodes_is_in_the_exact_set(
    case, name, planted, six_problem, six_losses
):
    graph = case.removesuffix("_6")
    problem = six_problem(name, graph)
    exact = exact_set(problem, 1e-8, six_losses(name, graph, "conv1"))
    code = graph_code(planted[case].metamer)
    assert code in exact.codes
    found = recall([code], metamer_classes(problem, exact))
    assert (found.found, found.trivial, found.outside) == (1, 0, 0)


@pytest.mark.parametrize("layer", ["conv1", "logits"])
def test_training_changes_nothing_of_it(layer):
    data = jm.load_dataset("csbm", num_nodes=60)
    settings = jm.TrainSettings(epochs=25)
    trained = jm.train(jm.GCN(hidden=8), data, settings=settings)
    cases = planted_metamers(data.graph.nodes)
    for case in cases:
        if not case.holds_at(trained.model, layer):
            continue
        nodes = slice(None) if case.nodes is None else list(case.nodes)
        target, found = (
            np.asarray(trained.activations(graph)[layer])[nodes]
            for graph in (case.reference, case.metamer)
        )
        assert np.abs(target).max() > 0.01
        np.testing.assert_allclose(found, target, atol=1e-6)
    problem = jm.Problem(trained, cases[0].reference, layer=layer)
    assert graph_code(cases[0].metamer) in exact_set(problem, 1e-8).codes


class TestSkips:
    def test_may_be_the_same_graph_renamed(self):
        case = circular_skip_links(11, (2, 5), np.ones(1))
        assert nx.is_isomorphic(colored(case, case.reference), colored(case, case.metamer))

    @pytest.mark.parametrize("skips", [(2, 2), (1, 2), (2, 5)])
    def test_must_give_four_neighbors_and_differ(self, skips):
        with pytest.raises(jm.InputError, match=r"two different numbers from 2 to 4 on 10 nodes"):
            circular_skip_links(10, skips, np.ones(1))


@pytest.mark.parametrize("rows", [np.eye(4), np.ones((5, 3)), np.ones(5)])
def test_rows_must_differ(rows):
    with pytest.raises(jm.InputError, match=r"`rows` has shape .* first 5 rows different"):
        planted_metamers(rows)
