"""Exact methods behind one door: judged, numbered and refused as metamers of the loop."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.keys import part_key
from jmetamer.metamers.methods import METHODS, Execution, Task, method_named
from jmetamer.metamers.methods.exact.construction import Construction
from jmetamer.metamers.result import Collected

NAMES = ("reflect", "replace", "null_space", "gauss_newton", "walk", "max_distance")


def task_of(problem, method, tolerance=1e-9):
    return Task(problem, 0, method_named(method).for_problem(problem), tolerance)


def make(task, seeds, **execution):
    return list(task.method.run([task], seeds, Execution(**execution)))


def metamers_of(task, samples, keep_theta=True):
    """What `generate` makes of one finished seed."""
    collected = Collected(task, 200, keep_theta)
    collected.add(samples)
    return collected.metamers(samples.seed_id.tolist())


@pytest.fixture(scope="module")
def twin_problem(make_trained):
    """A graph with twins, so that every method applies."""
    pairs = np.array([(0, 1), (1, 2), (2, 3), (3, 0), (3, 4), (3, 5), (4, 5)])
    nodes = np.random.default_rng(2).normal(size=(6, 10))
    senders, receivers = np.concatenate([pairs, pairs[:, ::-1]]).T
    graph = jm.make_graph(nodes, senders, receivers)
    model = jm.GCN(hidden=4, num_outputs=3, activation="elu")
    return jm.Problem(make_trained(model, graph), graph, "conv1", nodes=[0, 4])


def test_the_table_holds_every_method():
    constructions = [name for name, kind in METHODS.items() if issubclass(kind, Construction)]
    assert tuple(constructions) == NAMES
    assert all(kind.name == name for name, kind in METHODS.items())


@pytest.fixture(scope="module", params=NAMES)
def case(request, twin_problem):
    kind = METHODS[request.param]
    task = task_of(twin_problem, kind() if kind.exact else kind(steps=25))
    seeds = [5] if kind.repeats else [5, 2]
    return task, seeds, make(task, seeds)


class TestEveryMethod:
    def test_ends_converged_by_the_same_judge_in_float32(self, case, oracle_of, l_act):
        task, seeds, ended = case
        nodes, reference = task.problem.nodes, task.problem.graph
        assert len(ended) == len(seeds)
        for samples, seed in zip(ended, seeds, strict=True):
            made = metamers_of(task, samples)
            assert made.seed_id.tolist() == [seed]
            assert made.status.tolist() == [jm.Status.CONVERGED]
            assert made.theta.dtype == np.float32
            np.testing.assert_array_equal(made.theta[0], samples.graphs[0].nodes)
            assert made.loss_hardened[0] <= 1e-9
            assert made.loss_final[0] <= 1e-12
            assert made.loss_initial[0] >= 0
            assert made.layer_match.shape == (1, 3)
            found, truth = (oracle_of(graph) for graph in (samples.graphs[0], reference))
            assert l_act(found[nodes], truth[nodes]) <= 1e-11
            assert np.linalg.norm(made.theta[0] - reference.nodes) > 0.5

    def test_counts_outer_steps_and_traces_the_loss_at_each(self, case):
        task, _, ended = case
        for samples in ended:
            made = metamers_of(task, samples, keep_theta=False)
            assert made.steps_used.tolist() == [len(samples.curves[0]) - 1]
            assert made.loss_trace.shape == (1, *made.trace_step.shape)
            seen = ~np.isnan(made.loss_trace)
            assert seen.sum() == np.sum(made.trace_step <= made.steps_used)
            assert made.loss_trace[0, 0] == made.loss_initial[0]
            assert made.trace_step[-1] == (1 if task.method.exact else 25)

    def test_gives_a_seed_the_same_metamer_in_any_batch(self, case):
        task, seeds, ended = case
        alone = make(task, seeds[-1:])[0]
        np.testing.assert_array_equal(alone.graphs[0].nodes, ended[-1].graphs[0].nodes)
        # Of one problem there is one farthest.
        if len(seeds) > 1 and task.method.name != "max_distance":
            first, second = (samples.graphs[0].nodes for samples in ended)
            assert np.linalg.norm(first - second) > 1e-3

    def test_is_rebuilt_from_theta_alone(self, case):
        task, seeds, ended = case
        rebuilt = task.method.graph(task.problem, ended[0].theta[0], 0, seeds[0])
        np.testing.assert_array_equal(rebuilt.nodes, ended[0].graphs[0].nodes)


@pytest.fixture(scope="module")
def oracle_of(twin_problem):
    """conv1 of the ELU network by NumPy in float64."""
    first = twin_problem.trained.params["params"]["conv1"]

    def activation(graph):
        loops = np.eye(6)
        loops[np.asarray(graph.receivers), np.asarray(graph.senders)] = 1
        scale = 1 / np.sqrt(loops.sum(1))
        x = np.asarray(graph.nodes, np.float64)
        z = scale[:, None] * loops * scale @ x @ first["kernel"].astype(float) + first["bias"]
        return np.where(z > 0, z, np.expm1(z))

    return activation


class TestTheNoise:
    def test_of_a_seed_is_the_parameterizations_own(self, twin_problem):
        samples = make(task_of(twin_problem, "replace"), [3])[0]
        key = part_key(0, 3, "features")
        start = np.asarray(twin_problem.vary.init(key, twin_problem.arrays.graph))
        q = np.linalg.qr(twin_problem.trained.params["params"]["conv1"]["kernel"])[0]
        hidden = np.eye(10) - q @ q.T
        np.testing.assert_allclose(samples.graphs[0].nodes @ hidden, start @ hidden, atol=1e-5)


class TestProgress:
    def test_tells_of_every_metamer(self, twin_problem):
        told = []
        make(task_of(twin_problem, "replace"), [0, 1], progress=told.append)
        assert [(report.done, report.total) for report in told] == [(1, 2), (2, 2)]


class TestWhatIsRefused:
    def test_an_unknown_name(self):
        with pytest.raises(
            jm.InputError, match="unknown method 'gaus_newton'; did you mean 'gauss"
        ):
            method_named("gaus_newton")

    @pytest.mark.parametrize("given", [3, METHODS["walk"]])
    def test_what_is_no_method(self, given):
        with pytest.raises(
            jm.InputError, match=r"`method` is .*; allowed are the names 'optimize'"
        ):
            method_named(given)

    def test_several_seeds_of_a_method_without_noise(self, twin_problem):
        with pytest.raises(jm.InputError, match="all 2 seeds would give the same metamer"):
            make(task_of(twin_problem, "reflect"), [0, 1])

    def test_coordinates_that_are_not_exact(self, graph, make_trained):
        model = jm.GCN(hidden=10, residual=True, num_outputs=3)
        problem = jm.Problem(make_trained(model, graph), graph, "conv1")
        with pytest.raises(
            jm.InputError, match="'row_space' need a network that begins with a lin"
        ):
            make(task_of(problem, jm.Walk(coordinates="row_space")), [0])


class TestTheEdges:
    @pytest.mark.makes_nan
    def test_a_zero_target_is_told_and_not_divided_by(self, graph, make_trained):
        trained = make_trained(jm.GCN(hidden=4, num_outputs=3), graph)
        dead = jax.tree.map(np.copy, trained.params)
        dead["params"]["conv1"]["bias"] -= 1e3
        problem = jm.Problem(trained._replace(params=dead), graph, "conv1", nodes=[0])
        for name in ("reflect", "replace", "gauss_newton"):
            task = task_of(problem, name, 1e-4)
            made = metamers_of(task, make(task, [0])[0])
            assert made.status.tolist() == [jm.Status.ZERO_TARGET]
            assert made.loss_final.tolist() == [0]

    @pytest.mark.parametrize("name", ["reflect", "replace", "gauss_newton", "max_distance"])
    def test_a_graph_of_one_node_has_metamers(self, make_trained, name):
        graph = jm.make_graph(np.arange(10.0)[None], [], [])
        problem = jm.Problem(
            make_trained(jm.GCN(hidden=4, num_outputs=3), graph), graph, "conv1.pre"
        )
        task = task_of(problem, name)
        assert metamers_of(task, make(task, [0])[0]).loss_hardened[0] <= 1e-9

    def test_the_tolerance_binds_where_it_is_stricter_than_the_aim(self, twin_problem):
        method = jm.GaussNewton(aim=1e-2)
        ends = [
            make(task_of(twin_problem, method, tolerance), [0])[0].curves[0]
            for tolerance in (1e-1, 1e-2, 1e-20)
        ]
        np.testing.assert_array_equal(ends[0], ends[1])
        assert 1e-20 < ends[1][-1] <= 1e-2
        assert ends[2][-1] <= 1e-20

    def test_an_end_above_the_tolerance_is_no_success(self, twin_problem):
        task = task_of(twin_problem, jm.GaussNewton(steps=1), 1e-12)
        made = metamers_of(task, make(task, [0])[0])
        assert made.status.tolist() == [jm.Status.STEPS_EXHAUSTED]


class TestThroughGenerate:
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, trained, graph):
        return jm.Problem(trained, graph, layer="conv1", nodes=[3])

    @pytest.mark.parametrize("method", ["replace", "gauss_newton"])
    def test_a_method_is_chosen_by_name_and_makes_graphs_that_match(self, target, method):
        seen = {}
        made = jm.generate(target, seeds=[4, 2], method=method, on_metamer=seen.__setitem__)
        assert made.method.name == method
        assert made.seed_id.tolist() == [4, 2]
        assert made.status.tolist() == [jm.Status.CONVERGED] * 2
        assert (made.loss_hardened < 1e-9).all()
        for place, seed_id in enumerate(made.seed_id):
            rebuilt = jm.metamer_graph(target, made, place)
            np.testing.assert_array_equal(rebuilt.nodes, seen[int(seed_id)].nodes)

    def test_an_unknown_method_names_the_nearest(self, target):
        with pytest.raises(jm.InputError, match="gauss_newton"):
            jm.generate(target, count=1, method="gaus_newton")

    def test_steps_replace_those_of_a_search_and_are_refused_of_a_closed_form(self, target):
        assert jm.generate(target, 1, method=jm.Walk(steps=9), steps=4).method == jm.Walk(steps=4)
        with pytest.raises(jm.InputError, match="`steps` is 4, but method 'replace' has no steps"):
            jm.generate(target, 1, method="replace", steps=4)

    def test_of_several_problems_each_has_its_own_seed(self, target):
        found = jm.generate([target, target], count=1, seed=[0, 1], method="replace")
        alone = jm.generate(target, count=1, seed=1, method="replace")
        np.testing.assert_array_equal(found[1].theta, alone.theta)
        assert not np.array_equal(found[0].theta, alone.theta)
