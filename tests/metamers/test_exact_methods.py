"""Exact methods behind one door: judged, numbered and refused as metamers of the loop."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.check import rebuild
from jmetamer.metamers.methods.exact import (
    METHODS,
    ExactSynthesis,
    GaussNewton,
    Walk,
)
from jmetamer.metamers.methods.exact.methods import method_named
from jmetamer.metamers.methods.optimize.coordinates import OwnCoordinates
from jmetamer.metamers.methods.optimize.synthesis import thinned
from jmetamer.metamers.methods.optimize.tasks import Task
from jmetamer.metamers.renamed import Renaming
from jmetamer.metamers.result import result_of


def row_of(synthesis, finished, keep_theta):
    """What `generate` makes of it."""
    task = Task(synthesis.problem, synthesis.seed, synthesis.solver)
    curve = thinned(finished.curve, synthesis.trace_step)
    renaming = Renaming(task.problem, task.solver.tolerance)
    return result_of(task, finished, curve, keep_theta, renaming)


NAMES = ("reflect", "replace", "null_space", "gauss_newton", "walk", "max_distance")


@pytest.fixture(scope="module")
def twin_problem(make_trained):
    """A graph with twins, so that every method applies."""
    pairs = np.array([(0, 1), (1, 2), (2, 3), (3, 0), (3, 4), (3, 5), (4, 5)])
    nodes = np.random.default_rng(2).normal(size=(6, 10))
    senders, receivers = np.concatenate([pairs, pairs[:, ::-1]]).T
    graph = jm.make_graph(nodes, senders, receivers)
    model = jm.GCN(hidden=4, num_outputs=3, activation="elu")
    return jm.Problem(make_trained(model, graph), graph, "conv1", nodes=[0, 4])


@pytest.fixture(scope="module")
def solver(twin_problem):
    return jm.default_solver(twin_problem).replace(tolerance=1e-9, steps=25)


def make(problem, solver, name, seeds):
    return list(ExactSynthesis(problem, 0, solver, method=name).finished(seeds))


def test_the_table_holds_every_method():
    assert tuple(METHODS) == NAMES


@pytest.fixture(scope="module", params=NAMES)
def case(request, twin_problem, solver):
    name = request.param
    synthesis = ExactSynthesis(twin_problem, 0, solver, method=name)
    seeds = [5] if METHODS[name].repeats else [5, 2]
    return name, synthesis, seeds, list(synthesis.finished(seeds))


class TestEveryMethod:
    def test_ends_converged_by_the_same_judge_in_float32(self, case, oracle_of, l_act):
        _, synthesis, seeds, ended = case
        rows = [row_of(synthesis, finished, True) for finished in ended]
        for row, finished, seed in zip(rows, ended, seeds, strict=True):
            assert row["seed_id"] == seed
            assert row["status"] == jm.Status.CONVERGED
            assert row["theta"].dtype == np.float32
            np.testing.assert_array_equal(row["theta"], finished.graph.nodes)
            assert row["loss_hardened"] <= 1e-9
            assert row["loss_final"] <= 1e-12
            assert row["loss_initial"] >= 0
            assert row["layer_match"].shape == (3,)
            found, truth = (oracle_of(graph) for graph in (finished.graph, synthesis.problem.graph))
            nodes = synthesis.problem.nodes
            assert l_act(found[nodes], truth[nodes]) <= 1e-11
            assert np.linalg.norm(row["theta"] - synthesis.problem.graph.nodes) > 0.5

    def test_counts_outer_steps_and_traces_the_loss_at_each(self, case):
        _, synthesis, _, ended = case
        for finished in ended:
            row = row_of(synthesis, finished, False)
            assert row["steps_used"] == len(finished.curve) - 1
            assert row["loss_trace"].shape == synthesis.trace_step.shape
            seen = ~np.isnan(row["loss_trace"])
            assert seen.sum() == np.sum(synthesis.trace_step <= row["steps_used"])
            assert row["loss_trace"][0] == row["loss_initial"]
            assert synthesis.trace_step[-1] <= 25

    def test_gives_a_seed_the_same_metamer_in_any_batch(self, case, twin_problem, solver):
        name, _, seeds, ended = case
        alone = make(twin_problem, solver, name, seeds[-1:])[0]
        np.testing.assert_array_equal(alone.graph.nodes, ended[-1].graph.nodes)
        if len(seeds) > 1 and name != "max_distance":  # of one problem there is one farthest
            assert np.linalg.norm(ended[0].graph.nodes - ended[1].graph.nodes) > 1e-3

    def test_is_rebuilt_from_theta_alone(self, case):
        _, synthesis, seeds, ended = case
        coordinates = OwnCoordinates()
        assert coordinates.name == synthesis.coordinates
        rebuilt = rebuild(synthesis.problem, coordinates, (), ended[0].lane.best_theta, 0, seeds[0])
        np.testing.assert_array_equal(rebuilt.nodes, ended[0].graph.nodes)

    def test_is_labeled_as_leaving_the_range_of_the_data(self, case):
        name, synthesis, _, _ = case
        described = synthesis.solver.replace(method=name).described()
        assert described["method"] == name
        assert described["feature_range"] == "unconstrained"


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
    def test_of_a_seed_is_the_parameterizations_own(self, twin_problem, solver):
        finished = make(twin_problem, solver, "replace", [3])[0]
        key = jax.random.fold_in(jax.random.key(0), 3)
        start = np.asarray(twin_problem.vary.init(key, twin_problem.arrays.graph))
        q = np.linalg.qr(twin_problem.trained.params["params"]["conv1"]["kernel"])[0]
        invisible = np.eye(10) - q @ q.T
        np.testing.assert_allclose(finished.graph.nodes @ invisible, start @ invisible, atol=1e-5)


class TestProgress:
    def test_tells_of_every_metamer(self, twin_problem, solver):
        told = []
        list(
            ExactSynthesis(twin_problem, 0, solver, method="replace").finished([0, 1], told.append)
        )
        assert [(report.done, report.total) for report in told] == [(1, 2), (2, 2)]


class TestWhatIsRefused:
    def test_an_unknown_name(self, twin_problem, solver):
        with pytest.raises(
            jm.InputError, match="unknown method 'gaus_newton'; did you mean 'gauss"
        ):
            make(twin_problem, solver, "gaus_newton", [0])

    def test_what_is_no_method(self):
        with pytest.raises(jm.InputError, match="`method` is 3; allowed are the names 'reflect'"):
            method_named(3)

    def test_several_seeds_of_a_method_without_noise(self, twin_problem, solver):
        with pytest.raises(jm.InputError, match="all 2 seeds would give the same metamer"):
            make(twin_problem, solver, "reflect", [0, 1])

    def test_coordinates_that_are_not_exact(self, graph, make_trained):
        model = jm.GCN(hidden=10, residual=True, num_outputs=3)
        problem = jm.Problem(make_trained(model, graph), graph, "conv1")
        solver = jm.default_solver(problem).replace(coordinates="row_space")
        with pytest.raises(
            jm.InputError, match="'row_space' need a network that begins with a lin"
        ):
            make(problem, solver, "walk", [0])


class TestTheEdges:
    @pytest.mark.makes_nan
    def test_a_zero_target_is_told_and_not_divided_by(self, graph, make_trained):
        trained = make_trained(jm.GCN(hidden=4, num_outputs=3), graph)
        dead = jax.tree.map(np.copy, trained.params)
        dead["params"]["conv1"]["bias"] -= 1e3
        problem = jm.Problem(trained._replace(params=dead), graph, "conv1", nodes=[0])
        solver = jm.default_solver(problem)
        for name in ("reflect", "replace", "gauss_newton"):
            synthesis = ExactSynthesis(problem, 0, solver, method=name)
            row = row_of(synthesis, next(synthesis.finished([0])), True)
            assert row["status"] == jm.Status.ZERO_TARGET
            assert row["loss_final"] == 0

    def test_a_graph_of_one_node_has_metamers(self, make_trained):
        graph = jm.make_graph(np.arange(10.0)[None], [], [])
        problem = jm.Problem(
            make_trained(jm.GCN(hidden=4, num_outputs=3), graph), graph, "conv1.pre"
        )
        solver = jm.default_solver(problem)
        for name in ("reflect", "replace", "gauss_newton", "max_distance"):
            assert make(problem, solver, name, [0])[0].verdict.loss <= 1e-9

    def test_the_solvers_limits_bind_where_they_are_stricter(self, twin_problem, solver):
        strict = solver.replace(tolerance=1e-20, steps=3)
        synthesis = ExactSynthesis(twin_problem, 0, strict, method=GaussNewton())
        assert (synthesis.construction.aim, synthesis.construction.steps) == (1e-20, 3)
        assert ExactSynthesis(twin_problem, 0, solver, method=Walk(steps=4)).construction.steps == 4

    def test_an_end_above_the_tolerance_is_no_success(self, twin_problem, solver):
        short = solver.replace(steps=1, tolerance=1e-12)
        synthesis = ExactSynthesis(twin_problem, 0, short, method="gauss_newton")
        row = row_of(synthesis, next(synthesis.finished([0])), True)
        assert row["status"] == jm.Status.STEPS_EXHAUSTED


class TestThroughGenerate:
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, trained, graph):
        return jm.Problem(trained, graph, layer="conv1", nodes=[3])

    @pytest.mark.parametrize("method", ["replace", "gauss_newton"])
    def test_a_method_is_chosen_by_name_and_makes_graphs_that_match(self, target, method):
        seen = {}
        made = jm.generate(target, seeds=[4, 2], method=method, on_metamer=seen.__setitem__)
        assert made.method == method
        assert made.seed_id.tolist() == [4, 2]
        assert made.status.tolist() == [jm.Status.CONVERGED] * 2
        assert (made.loss_hardened < 1e-9).all()
        for place, seed_id in enumerate(made.seed_id):
            rebuilt = jm.metamer_graph(target, made, place)
            np.testing.assert_array_equal(rebuilt.nodes, seen[int(seed_id)].nodes)

    def test_an_unknown_method_names_the_nearest(self, target):
        with pytest.raises(jm.InputError, match="gauss_newton"):
            jm.generate(target, count=1, method="gaus_newton")

    def test_of_several_problems_each_has_its_own_seed(self, target, trained, graph):
        found = jm.generate_each([target, target], count=1, seed=[0, 1], method="replace")
        alone = jm.generate(target, count=1, seed=1, method="replace")
        np.testing.assert_array_equal(found[1].theta, alone.theta)
        assert not np.array_equal(found[0].theta, alone.theta)
