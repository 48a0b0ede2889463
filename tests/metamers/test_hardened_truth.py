"""What is reported is recomputed from the finished graph, and the best iterate is kept."""

import dataclasses

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.errors import InputError
from jmetamer.metamers.check import Judge

COUNT = 3


def graphs(problem, metamers):
    return [jm.metamer_graph(problem, metamers, i) for i in range(len(metamers.seed_id))]


@pytest.fixture(scope="module")
def continuous(problem):
    return jm.generate(problem, count=COUNT, lanes=3, steps=30, tolerance=1e-3)


@pytest.fixture(scope="module")
def binary(binary_problem):
    return jm.generate(binary_problem, count=COUNT, lanes=3, steps=40, tolerance=0.05)


@pytest.fixture(scope="module")
def rows(trained, binary_graph):
    """One binary problem with the number of ones kept in every row, and its metamers."""
    vary = jm.BinaryFeatures(ones="row", margin_weight=0.1)
    problem = jm.Problem(trained, binary_graph, layer="conv1", vary=vary)
    return problem, jm.generate(problem, count=COUNT, lanes=3, steps=40, tolerance=1e-6)


@pytest.fixture(params=["continuous", "binary global", "binary rows"])
def case(request, problem, continuous, binary_problem, binary, rows):
    return {
        "continuous": (problem, continuous),
        "binary global": (binary_problem, binary),
        "binary rows": rows,
    }[request.param]


class TestLossHardened:
    def test_is_l_act_in_float64_of_the_rebuilt_graph(self, case, oracle, l_act):
        problem, metamers = case
        params, layer = problem.trained.params, problem.layer
        truth = oracle(params, problem.graph)[layer]
        for graph, stored in zip(graphs(problem, metamers), metamers.loss_hardened, strict=True):
            # float32 activations differ from float64 ones by 1e-6 of their size, e_act is sqrt(L).
            error = np.sqrt(l_act(oracle(params, graph)[layer], truth))
            assert abs(np.sqrt(stored) - error) <= 1e-3 * error + 1e-6

    def test_of_every_layer_is_l_act_in_float64(self, case, oracle, l_act):
        problem, metamers = case
        params, names = problem.trained.params, problem.trained.model.layer_names
        truth = oracle(params, problem.graph)
        for graph, stored in zip(graphs(problem, metamers), metamers.layer_match, strict=True):
            found = oracle(params, graph)
            expected = [l_act(found[name], truth[name]) for name in names]
            np.testing.assert_allclose(stored, expected, rtol=3e-3, atol=1e-9)
        place = names.index(problem.layer)
        np.testing.assert_allclose(
            metamers.layer_match[:, place], metamers.loss_hardened, rtol=1e-5
        )

    def test_is_no_more_than_the_loss_at_any_step(self, case):
        _, metamers = case
        assert metamers.loss_trace.shape == (COUNT, len(metamers.trace_step))
        smallest = np.nanmin(metamers.loss_trace, axis=1)
        assert (metamers.loss_hardened <= smallest * 1.001 + 1e-9).all()
        np.testing.assert_allclose(metamers.loss_final, smallest, rtol=1e-6)
        np.testing.assert_allclose(metamers.loss_final, metamers.loss_hardened, rtol=1e-3)

    def test_starts_from_the_first_point_of_the_trace(self, case):
        _, metamers = case
        np.testing.assert_array_equal(metamers.loss_initial, metamers.loss_trace[:, 0])
        assert metamers.trace_step[0] == 0
        assert (metamers.loss_hardened < metamers.loss_initial).all()

    def test_trace_ends_with_the_lane(self, case):
        _, metamers = case
        after = metamers.trace_step[None] > metamers.steps_used[:, None]
        np.testing.assert_array_equal(np.isnan(metamers.loss_trace), after)

    def test_agreement_and_worst_node_are_those_of_the_graph(self, case, oracle):
        problem, metamers = case
        params, layer = problem.trained.params, problem.layer
        truth = oracle(params, problem.graph)
        size = np.linalg.norm(truth[layer], axis=1)
        for i, graph in enumerate(graphs(problem, metamers)):
            found = oracle(params, graph)
            same = found["logits"].argmax(1) == truth["logits"].argmax(1)
            assert metamers.agreement[i] == pytest.approx(same.mean(), abs=1e-6)
            error = np.linalg.norm(found[layer] - truth[layer], axis=1)
            worst = (error / np.maximum(size, np.median(size))).max()
            assert metamers.worst_node[i] == pytest.approx(worst, rel=1e-2)
            assert metamers.node_error[i] == metamers.worst_node[i]  # of few nodes all are needed


class TestTheBestIterate:
    def test_is_kept_when_the_last_one_is_worse(self, rows):
        _, made = rows
        last = np.array([row[~np.isnan(row)][-1] for row in made.loss_trace])
        best = np.nanmin(made.loss_trace, axis=1)
        assert (last > 1.01 * best).any()
        assert (made.loss_hardened <= best * 1.001).all()


class TestBinaryMetamers:
    def test_are_zeros_and_ones_with_the_references_number_of_ones(self, binary_problem, binary):
        reference = np.asarray(binary_problem.graph.nodes)
        for graph in graphs(binary_problem, binary):
            nodes = np.asarray(graph.nodes)
            assert nodes.dtype == np.float32
            assert set(np.unique(nodes)) == {0.0, 1.0}
            assert nodes.sum() == reference.sum()
            assert not np.array_equal(nodes, reference)

    def test_keep_the_ones_of_every_row_where_asked(self, rows):
        problem, metamers = rows
        reference = np.asarray(problem.graph.nodes)
        for graph in graphs(problem, metamers):
            nodes = np.asarray(graph.nodes)
            assert set(np.unique(nodes)) == {0.0, 1.0}
            np.testing.assert_array_equal(nodes.sum(axis=1), reference.sum(axis=1))

    def test_log_the_margin_penalty_apart_from_the_loss(self, rows, binary):
        assert (rows[1].penalty > 0).all()
        assert (rows[1].penalty <= 0.1 * 0.25).all()
        assert (binary.penalty == 0).all()


class TestOnMetamer:
    def test_gets_every_finished_graph_once(self, problem, continuous):
        seen = {}
        jm.generate(
            problem,
            count=COUNT,
            lanes=3,
            steps=30,
            tolerance=1e-3,
            on_metamer=lambda seed, graph: seen.setdefault(seed, []).append(graph),
        )
        assert sorted(seen) == list(range(COUNT))
        for seed, (graph,) in seen.items():
            rebuilt = jm.metamer_graph(problem, continuous, seed)
            np.testing.assert_array_equal(graph.nodes, rebuilt.nodes)
            assert jax.tree.all(
                jax.tree.map(lambda a, b: bool((a == b).all()), graph[1:5], problem.graph[1:5])
            )

    def test_progress_counts_up_to_all(self, problem):
        told = []
        jm.generate(problem, count=4, lanes=3, steps=30, tolerance=1e-3, progress=told.append)
        done = [report.done for report in told]
        assert done == sorted(done)
        assert done[-1] == 4
        assert all(report.total == 4 for report in told)


class TestMetamerGraph:
    def test_counts_from_the_end_too(self, problem, continuous):
        np.testing.assert_array_equal(
            jm.metamer_graph(problem, continuous, -1).nodes,
            jm.metamer_graph(problem, continuous, COUNT - 1).nodes,
        )

    @pytest.mark.parametrize("index", [COUNT, -COUNT - 1])
    def test_refuses_a_place_that_is_not_there(self, problem, continuous, index):
        with pytest.raises(
            jm.InputError, match=rf"`index` is {index}, but there are {COUNT} metamers"
        ):
            jm.metamer_graph(problem, continuous, index)


@pytest.mark.parametrize("share", [None, 0.5, 1.0])
def test_of_several_layers_a_node_is_as_far_off_as_where_it_is_worst(problem, share):
    both = dataclasses.replace(problem, layer=("conv1", "logits"), share=share)
    moved = problem.graph._replace(nodes=np.asarray(problem.graph.nodes)[::-1].copy())
    model, params = problem.trained.model, problem.trained.params
    errors = []
    for layer in both.layers:
        truth, found = (
            np.asarray(model.activations(params, graph)[layer]) for graph in (problem.graph, moved)
        )
        size = np.linalg.norm(truth, axis=1)
        errors.append(np.linalg.norm(found - truth, axis=1) / np.maximum(size, np.median(size)))
    worst = np.sort(np.max(errors, axis=0))
    verdict = Judge(both)(moved)
    assert float(verdict.worst_node) == pytest.approx(worst[-1], rel=1e-4)
    needed = len(worst) // 2 if share == 0.5 else len(worst)
    assert float(verdict.node_error) == pytest.approx(worst[needed - 1], rel=1e-4)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(problem, share):
    with pytest.raises(InputError, match="`share` is"):
        dataclasses.replace(problem, share=share)
