"""The starts of searches, made again from the seeds: their loss is the one that the search saw."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods import Execution, Task, method_named
from jmetamer.metamers.methods.relax_edges import programs
from jmetamer.metamers.methods.relax_edges.hard_graph import edges_theta, graph_of_theta
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis

DATA = jm.load_dataset("karate")
TRAINED = jm.train(jm.GCN(hidden=4), DATA, settings=jm.TrainSettings(epochs=20))
FEATURES, EDGES = jm.ContinuousFeatures(), jm.BinaryEdges()


def problem(vary):
    return jm.Problem(TRAINED, DATA.graph, layer="logits", vary=vary)


def loss(graph):
    target, found = (np.asarray(TRAINED.activations(one)["logits"]) for one in (DATA.graph, graph))
    return np.sum((found - target) ** 2) / np.sum(target**2)


@pytest.mark.parametrize(("vary", "options"), [
    (FEATURES, {"steps": 1}),
    (jm.ContinuousFeatures(jm.Box(0.0, 1.0), jm.PermutedRows()), {"steps": 1}),
    (FEATURES, {"method": jm.Repel(0.1, jm.Optimize(steps=2))}),
    (FEATURES, {"method": "replace"}),
    (FEATURES, {"method": "gauss_newton", "steps": 1}),
    (jm.EdgeWeights(candidates=((0, 9),)), {"steps": 1}),
    (EDGES, {"method": "swap_search"}),
    ((FEATURES, jm.RandomEdges(start="rewired")), {"steps": 1}),
    ((FEATURES, jm.EdgeWeights()), {"steps": 1}),
])  # fmt: skip
def test_the_loss_of_the_start_is_the_one_that_is_stored(vary, options):
    found = jm.generate(problem(vary), seeds=[0, 5], seed=3, **options)
    assert not found.method.begins(problem(vary))
    start_of = found.method.starts(problem(vary), 3)
    losses = [loss(start_of(seed_id)) for seed_id in (0, 5)]
    np.testing.assert_allclose(losses, found.loss_initial, rtol=1e-4)
    assert losses[0] != pytest.approx(losses[1])


@pytest.mark.parametrize("vary", [
    EDGES, jm.BinaryEdges(start="rewired", nodes=range(12)), jm.BinaryEdges(start="any_density"),
    (FEATURES, EDGES),
])  # fmt: skip
def test_edges_are_those_at_which_the_relaxation_begins(vary):
    method = jm.default_method(problem(vary))
    synthesis = EdgeSynthesis(Task(problem(vary), 3, method, 1e-2), Execution())
    state = programs.begin(synthesis.plan, np.array([5]), synthesis.data, synthesis.numbers)
    pairs, present = jax.tree.map(lambda side: side[0], (state.now.pairs, state.start))
    start = method.starts(problem(vary), 3)(5)
    expected = graph_of_theta(problem(vary), edges_theta(pairs, present))
    for name in ("senders", "receivers"):
        np.testing.assert_array_equal(getattr(start, name), getattr(expected, name))
    noise = jax.tree.leaves(state.now.features)  # none where features stay
    np.testing.assert_array_equal(start.nodes, noise[0][0] if noise else DATA.graph.nodes)


def test_of_binary_features_it_is_as_hard_as_a_metamer():
    start = jm.Optimize().starts(problem(jm.BinaryFeatures()), 0)(2)
    assert {*np.unique(start.nodes).tolist()} == {0.0, 1.0}
    assert float(np.sum(start.nodes)) == np.sum(DATA.graph.nodes)


@pytest.mark.parametrize(("vary", "method", "word"), [
    (FEATURES, "reflect", "turned around"),
    (FEATURES, "walk", "reference"),
    (FEATURES, "max_distance", "reflection"),
    (EDGES, "color_swaps", "reference"),
    (jm.BinaryEdges(start="reference", distance=0.2), "relax_edges", "reference"),
])  # fmt: skip
def test_methods_without_a_random_start_say_where_they_begin(vary, method, word):
    assert word in method_named(method).begins(problem(vary))
