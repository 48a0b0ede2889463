"""Features and edges together, and features on edges that every seed draws anew."""

import dataclasses

import jax
import numpy as np
import pytest

import jmetamer as jm

SEEDS = [4, 1]
METHOD = jm.RelaxEdges(steps=60, block=40, refill_every=10)


@pytest.fixture(scope="module", params=["joint", "given"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def problem(kind, trained, graph):
    edges = {"joint": jm.BinaryEdges(), "given": jm.RandomEdges(start="rewired")}[kind]
    return jm.Problem(trained, graph, layer="conv1", vary=(jm.ContinuousFeatures(), edges))


@pytest.fixture(scope="module")
def made(problem):
    return jm.generate(problem, seeds=SEEDS, method=METHOD, tolerance=1e-4)


class TestContinuousFeatures:
    def test_reach_what_edges_alone_do_not(self, kind, made):
        if kind == "joint":
            assert made.status.tolist() == [1, 1]
            assert (made.loss_hardened <= 1e-4).all()
        else:  # not on all edges that are drawn
            assert (made.loss_hardened <= 1e-4).any()

    def test_come_with_other_edges_and_other_features(self, problem, made, is_legal, pairs_in):
        reference = pairs_in(problem.graph)
        for i in range(len(SEEDS)):
            graph = jm.metamer_graph(problem, made, i)
            assert is_legal(graph, problem.graph)
            edges = pairs_in(graph)
            assert 1 - len(edges & reference) / len(edges | reference) > 0.3
            assert np.abs(np.asarray(graph.nodes) - problem.graph.nodes).max() > 0.5

    def test_have_the_loss_that_numpy_finds(self, problem, made, oracle, l_act):
        truth = oracle(problem.trained.params, problem.graph)["conv1"]
        for i, loss in enumerate(made.loss_hardened):
            found = oracle(problem.trained.params, jm.metamer_graph(problem, made, i))["conv1"]
            assert np.sqrt(loss) == pytest.approx(np.sqrt(l_act(found, truth)), rel=1e-2)

    def test_of_a_seed_depend_on_no_other(self, problem, made):
        alone = jm.generate(problem, seeds=[1], method=METHOD, tolerance=1e-4)
        leaves = [jax.tree.leaves(m._replace(trace_step=(), base_seed=0)) for m in (alone, made)]
        for one, both in zip(*leaves, strict=True):
            if isinstance(one, np.ndarray):
                np.testing.assert_array_equal(one[0], both[1])

    def test_tell_one_trace_of_all_their_steps(self, kind, made):
        seen = (~np.isnan(made.loss_trace)).sum(axis=1)
        last = np.searchsorted(made.trace_step, made.steps_used, side="right")
        np.testing.assert_array_equal(seen, last)
        np.testing.assert_array_equal(made.loss_initial, made.loss_trace[:, 0])
        assert ("loss_relaxed" in made.details) == (kind == "joint")
        if kind == "joint":
            assert (made.steps_used > 60).all()
            assert (made.loss_final < made.details["loss_flipped"]).all()


class TestGivenEdges:
    def test_are_those_of_the_start(self, trained, graph, pairs_in, start_of):
        vary = (jm.ContinuousFeatures(), jm.RandomEdges(start="rewired"))
        problem = jm.Problem(trained, graph, layer="conv1", vary=vary)
        made = jm.generate(problem, seeds=SEEDS, steps=5)
        edges = dataclasses.replace(problem, vary=jm.BinaryEdges(start="rewired"))
        for i, start in enumerate(start_of(edges, SEEDS)):
            assert pairs_in(jm.metamer_graph(problem, made, i)) == start

    def test_features_start_where_they_would_alone(self, trained, graph):
        vary = (jm.RandomEdges(), jm.ContinuousFeatures())
        problem = jm.Problem(trained, graph, layer="conv1", vary=vary)
        settings = jm.Optimizer("sgd", 1e-9), 1
        method = jm.RelaxEdges(*settings, coordinates="features")
        made = jm.generate(problem, seeds=SEEDS, method=method)
        alone = dataclasses.replace(problem, vary=jm.ContinuousFeatures())
        method = jm.Optimize(*settings, coordinates="features")
        expected = jm.generate(alone, seeds=SEEDS, method=method)
        for i in range(len(SEEDS)):
            np.testing.assert_allclose(
                jm.metamer_graph(problem, made, i).nodes,
                jm.metamer_graph(alone, expected, i).nodes,
                atol=1e-5,
            )


def test_binary_features_and_edges_stay_binary(trained, binary_graph, is_legal):
    vary = (jm.BinaryFeatures(), jm.BinaryEdges())
    problem = jm.Problem(trained, binary_graph, layer="conv1", vary=vary)
    method = dataclasses.replace(METHOD, steps=40, feature_learning_rate=0.1)
    made = jm.generate(problem, seeds=SEEDS, method=method)
    assert (made.loss_hardened < made.loss_initial).all()
    for i in range(len(SEEDS)):
        graph = jm.metamer_graph(problem, made, i)
        assert is_legal(graph, binary_graph)
        assert set(np.unique(graph.nodes)) <= {0.0, 1.0}
        assert np.sum(graph.nodes) == np.sum(binary_graph.nodes)
