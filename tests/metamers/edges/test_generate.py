"""What `generate` makes of settings of edges: refusals, searches, compilations, progress."""

import contextlib
import dataclasses

import jax.monitoring
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods import Execution, Task
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis

COMPILED: list[str] = []
JOINT = (jm.ContinuousFeatures(), jm.BinaryEdges())
GIVEN = (jm.ContinuousFeatures(), jm.RandomEdges())


@pytest.fixture(scope="module", autouse=True)
def listener():
    def note(event, duration, **details):
        if event == "/jax/core/compile/backend_compile_duration":
            COMPILED.append(str(details.get("fun_name", "unnamed")))

    jax.monitoring.register_event_duration_secs_listener(note)
    return note


@contextlib.contextmanager
def compiled():
    """The names of all functions compiled inside."""
    start = len(COMPILED)
    names: list[str] = []
    yield names
    names.extend(COMPILED[start:])


METHOD = jm.RelaxEdges(block=40, refill_every=10)


def message(call):
    with pytest.raises(jm.InputError) as raised:
        call()
    return str(raised.value)


@pytest.fixture(scope="module")
def problem(edge_problem):
    return edge_problem()


class TestRefused:
    def test_are_coordinates_of_features(self, problem):
        method = jm.RelaxEdges(coordinates="row_space")
        text = message(lambda: jm.generate(problem, count=1, method=method))
        assert "`coordinates` is 'row_space', which are coordinates of features" in text

    @pytest.mark.parametrize("name", ["lane_lbfgs", "lbfgs"])
    def test_is_an_optimizer_with_a_history(self, problem, name):
        text = message(lambda: jm.generate(problem, count=1, optimizer=jm.Optimizer(name)))
        assert "which keeps a history of past steps, but pairs are exchanged" in text
        assert "such as `Optimizer('adam', 0.05)`" in text

    @pytest.mark.parametrize("method", ["optimize", jm.Optimize(steps=3)])
    def test_is_a_search_of_features(self, problem, method):
        text = message(lambda: jm.generate(problem, count=1, method=method))
        assert "whose edges come and go; use `jm.RelaxEdges()`" in text

    @pytest.mark.parametrize("name", ["reflect", "walk"])
    def test_is_a_construction_of_features(self, problem, name):
        text = message(lambda: jm.generate(problem, count=1, method=name))
        assert "free continuous features" in text
        assert "`vary` is BinaryEdges(" in text

    def test_is_a_relaxation_where_no_edges_vary(self, trained, graph):
        problem = jm.Problem(trained, graph, layer="conv1")
        text = message(lambda: jm.generate(problem, count=1, method="relax_edges"))
        assert "no edges come and go" in text
        assert "use `jm.Optimize()`" in text

    def test_is_a_search_over_edges_where_features_vary(self, trained, graph):
        for vary in (jm.ContinuousFeatures(), JOINT):
            problem = jm.Problem(trained, graph, layer="conv1", vary=vary)
            for method in ("swap_search", jm.SwapSearch(steps=3)):
                text = message(lambda: jm.generate(problem, count=1, method=method))  # noqa: B023
                assert "use `BinaryEdges()`, or leave `method` out" in text

    @pytest.mark.parametrize("options", [{"budget": 3}, {"start": "reference", "distance": 0.1}])
    def test_is_a_search_that_would_ignore_a_setting(self, edge_problem, options):
        problem = edge_problem(**options)
        text = message(lambda: jm.generate(problem, count=1, method="swap_search"))
        assert "takes `start` 'noise' or 'rewired' and no `budget`" in text

    @pytest.mark.parametrize("vary", [jm.BinaryEdges(), JOINT])
    def test_is_a_network_that_takes_the_maximum(self, graph, make_trained, vary):
        trained = make_trained(jm.GraphSAGE(hidden=4, num_outputs=3, aggregator="max"), graph)
        problem = jm.Problem(trained, graph, layer="conv1", vary=vary)
        text = message(lambda: jm.generate(problem, count=1))
        assert "the maximum over neighbors of GraphSAGE jumps" in text


def test_a_network_that_takes_the_maximum_can_be_searched(graph, make_trained, is_legal):
    trained = make_trained(jm.GraphSAGE(hidden=4, num_outputs=3, aggregator="max"), graph)
    problem = jm.Problem(trained, graph, layer="conv1", vary=jm.BinaryEdges())
    made = jm.generate(problem, count=1, method=jm.SwapSearch(steps=30))
    assert made.loss_hardened[0] < made.loss_initial[0]
    assert is_legal(jm.metamer_graph(problem, made, 0), graph)


class TestASearch:
    def test_finds_legal_graphs_and_tells_their_loss(self, problem, is_legal, oracle, l_act):
        search = jm.SwapSearch(steps=15, proposals=8)
        made = jm.generate(problem, seeds=[3, 9], method=search)
        assert made.method == search
        assert (made.loss_hardened < made.loss_initial).all()
        assert (made.details["num_moves"] > 0).all()
        np.testing.assert_allclose(made.loss_final, made.loss_hardened, rtol=1e-4)
        truth = oracle(problem.trained.params, problem.graph)["conv1"]
        for i in range(2):
            graph = jm.metamer_graph(problem, made, i)
            assert is_legal(graph, problem.graph)
            found = oracle(problem.trained.params, graph)["conv1"]
            assert made.loss_hardened[i] == pytest.approx(l_act(found, truth), rel=1e-3)
        alone = jm.generate(problem, seeds=[9], method=search)
        np.testing.assert_array_equal(alone.theta.receivers[0], made.theta.receivers[1])

    def test_by_swaps_keeps_the_degrees_of_its_start(self, edge_problem):
        problem = edge_problem(start="rewired")
        made = jm.generate(problem, count=2, method=jm.SwapSearch(steps=10, proposals=8))
        degree = np.bincount(problem.graph.receivers)
        for i in range(2):
            found = jm.metamer_graph(problem, made, i)
            np.testing.assert_array_equal(np.bincount(found.receivers), degree)


class TestOneCompilation:
    @pytest.fixture(scope="class")
    @classmethod
    def warm(cls, problem):
        jm.generate(problem, count=2, steps=25, method=METHOD)

    @pytest.mark.parametrize(
        "changes",
        [
            {"penalty": 0.1},
            {"learning_rate": 0.2},
            {"refill_every": 7},
            {"flips": 4},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_serves_other_numbers_of_the_edges(self, warm, problem, changes):
        method = dataclasses.replace(METHOD, **changes)
        with compiled() as names:
            jm.generate(problem, count=2, steps=25, method=method)
        assert names == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"seed": 3},
            {"steps": 31},
            {"tolerance": 0.3},
            {"count": 1},
            {"method": dataclasses.replace(METHOD, patience=4)},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_serves_other_numbers_of_the_search(self, warm, problem, changes):
        with compiled() as names:
            jm.generate(problem, **{"count": 2, "steps": 25, "method": METHOD, **changes})
        assert names == []

    def test_serves_other_references_and_parameters(
        self, warm, problem, trained, make_trained, make_random_graph
    ):
        other = make_random_graph(7)
        again = make_trained(trained.model, other, seed=5)
        with compiled() as names:
            problem = jm.Problem(again, other, "conv1", problem.vary)
            jm.generate(problem, count=2, steps=25, method=METHOD)
        assert names == []

    def test_serves_features_on_all_edges_drawn(self, trained, graph):
        problem = jm.Problem(trained, graph, layer="conv1", vary=GIVEN)
        jm.generate(problem, count=1, steps=25)
        with compiled() as names:
            jm.generate(problem, seeds=[3, 4, 5], steps=30, seed=1)
        assert names == []


def test_a_patience_ends_seeds_early(problem):
    method = dataclasses.replace(METHOD, steps=200, patience=1)
    made = jm.generate(problem, count=2, method=method, tolerance=1e-9)
    assert made.status.tolist() == [int(jm.Status.STALLED)] * 2
    assert (made.steps_used < 200).all()


def test_seeds_at_once_are_those_one_by_one_up_to_rounding(problem, is_legal):
    # What accelerators do, on a processor: same starts, same losses in the beginning.
    method = dataclasses.replace(METHOD, steps=20).for_problem(problem)
    task = Task(problem, 0, method, 1e-2)
    curves = []
    for together in (False, True):
        synthesis = EdgeSynthesis(task, Execution(lanes=2, together=together))
        found = list(synthesis.finished([4, 2, 7]))
        assert [len(one.graphs) for one in found] == ([2, 1] if together else [1, 1, 1])
        assert np.concatenate([one.seed_id for one in found]).tolist() == [4, 2, 7]
        assert all(is_legal(graph, problem.graph) for one in found for graph in one.graphs)
        curves.append(np.stack([curve for one in found for curve in one.curves]))
    np.testing.assert_allclose(curves[0][:, :5], curves[1][:, :5], rtol=1e-4)


def test_several_problems_are_solved_one_after_the_other(problem, trained, graph):
    features = jm.Problem(trained, graph, layer="conv1", vary=GIVEN)
    told = []
    both = jm.generate(
        [problem, features],
        count=1,
        steps=5,
        on_metamer=lambda task, seed, _: told.append((task, seed)),
    )
    assert told == [(0, 0), (1, 0)]
    alone = jm.generate(problem, count=1, steps=5)
    np.testing.assert_array_equal(both[0].loss_hardened, alone.loss_hardened)


def test_progress_counts_steps_and_metamers(problem):
    seen = []
    jm.generate(problem, count=2, steps=20, progress=seen.append)
    assert seen[-1].done == seen[-1].total == 2
    assert seen[-1].executed == 2 * 21
    assert sorted(p.executed for p in seen) == [p.executed for p in seen]
    assert np.isfinite(seen[-1].loss)


def test_without_theta_graphs_come_only_as_they_end(problem):
    kept = {}
    made = jm.generate(problem, count=1, steps=5, keep_theta=False, on_metamer=kept.__setitem__)
    assert list(kept) == [0]
    assert "made with `keep_theta=False`" in message(lambda: jm.metamer_graph(problem, made, 0))


def test_seeds_that_do_not_fit_the_memory_are_refused(problem, monkeypatch):
    from jmetamer.metamers.methods.relax_edges import seeds_at_once

    monkeypatch.setattr(seeds_at_once, "available_bytes", lambda: 10_000)
    text = message(lambda: jm.generate(problem, count=1, steps=5, method=METHOD))
    assert "one seed of 24 edges and 40 candidates does not fit" in text
    assert "take a smaller `block`" in text


def test_weights_that_match_while_their_hard_edges_do_not_have_stalled(edge_problem, caplog):
    problem = edge_problem()
    method = jm.RelaxEdges(steps=3, block=40, flips=0).for_problem(problem)
    task = Task(problem, 0, method, 1e3)
    synthesis = EdgeSynthesis(task)
    judge = synthesis.judge
    assert next(synthesis.finished([0])).status.tolist() == [jm.Status.CONVERGED]
    synthesis.judge = lambda graph: judge(graph)._replace(loss=np.float32(1e4))
    assert next(synthesis.finished([0])).status.tolist() == [jm.Status.STALLED]
    assert not caplog.records
