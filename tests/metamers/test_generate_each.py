"""Several problems in one set of lanes: each gets the metamers that it gets alone."""

import dataclasses
import sys

import jax
import jax.monitoring
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize import memory as memory_module
from jmetamer.metamers.methods.optimize.by_task import ByTask, joined, of_task
from jmetamer.metamers.methods.optimize.memory import memory_of
from jmetamer.metamers.methods.optimize.synthesis import Synthesis
from jmetamer.metamers.methods.optimize.tasks import Task, shared_program
from jmetamer.metamers.solver import Solver

SEEDS = [3, 0, 8, 5, 1]
RATES = (0.1, 0.03, 0.2)
BASE_SEEDS = (0, 4, 4)


def three(binary, trained, make_trained, make_random_graph):
    """Problems of one shape: three references, two networks."""
    graphs = [make_random_graph(seed, binary=binary) for seed in (0, 1, 2)]
    if binary:  # the number of ones belongs to the parameterization
        ones = np.asarray(graphs[0].nodes)
        graphs = [g._replace(nodes=np.roll(ones, k, axis=0)) for k, g in enumerate(graphs)]
    networks = [trained, make_trained(trained.model, graphs[0], seed=8), trained]
    vary = jm.BinaryFeatures() if binary else jm.ContinuousFeatures()
    return [
        jm.Problem(network, graph, layer="conv1", vary=vary)
        for network, graph in zip(networks, graphs, strict=True)
    ]


@pytest.fixture(scope="module")
def problems(trained, make_trained, make_random_graph):
    return three(False, trained, make_trained, make_random_graph)


@pytest.fixture(scope="module")
def quick(small, make_trained, graph, make_random_graph):
    """Two problems that compile fast."""
    other = make_trained(small.trained.model, graph, seed=3)
    again = jm.Problem(other, make_random_graph(4), layer="logits", vary=small.vary)
    return [small, again]


@pytest.fixture(scope="module")
def solvers(adam):
    """Rates, stop rules and numbers of steps that differ."""
    adams = [dataclasses.replace(adam, learning_rate=rate) for rate in RATES]
    steps, tolerances = (60, 40, 50), (0.05, 1e-3, 0.1)
    return [
        Solver(*each, lanes=4, improvement=0.1 * place)
        for place, each in enumerate(zip(adams, steps, tolerances, strict=True))
    ]


def made_of(problems, solvers, together):
    """(metamers of all problems at once, those of each alone, graphs of the former)."""
    graphs = {}
    settings = {"seeds": SEEDS, "trace_points": 9, "together": together}
    each = jm.generate_each(
        problems,
        seed=BASE_SEEDS,
        solver=solvers,
        on_metamer=lambda task, seed, graph: graphs.update({(task, seed): np.asarray(graph.nodes)}),
        **settings,
    )
    alone = [
        jm.generate_each([problem], seed=seed, solver=solver, **settings)[0]
        for problem, seed, solver in zip(problems, BASE_SEEDS, solvers, strict=True)
    ]
    return each, alone, graphs


@pytest.fixture(scope="module", params=["alone", "together"])
def made(request, problems, solvers):
    return made_of(problems, solvers, request.param == "together")


def assert_same(found, expected, **tolerance):
    """Equal, to the last bit where no tolerance is given."""
    assert found.base_seed == expected.base_seed
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for name, value in found._asdict().items():
        pair = jax.tree.leaves(value), jax.tree.leaves(getattr(expected, name))
        for one, other in zip(*pair, strict=True):
            if tolerance and np.asarray(one).dtype.kind == "f":
                np.testing.assert_allclose(one, other, **tolerance, err_msg=name)
            else:
                np.testing.assert_array_equal(one, other, err_msg=name)


class TestEveryProblem:
    def test_gets_the_metamers_that_it_gets_alone(self, made, request):
        each, alone, _ = made
        # Numbers of their own make lanes that step together another program: batches of matrices
        # are multiplied, sums are taken in another order.
        together = "together" in request.node.callspec.id
        tolerance = {"rtol": 1e-3, "atol": 1e-4} if together else {}
        for found, expected in zip(each, alone, strict=True):
            assert_same(found, expected, **tolerance)
        # They do differ, so that a mixed-up problem would be seen.
        assert len({found.loss_initial.tobytes() for found in each}) == len(each)
        assert len({int(found.trace_step[-1]) for found in each}) == len(each)

    def test_of_binary_features_too(self, solvers, trained, make_trained, make_random_graph):
        binary = three(True, trained, make_trained, make_random_graph)
        each, alone, _ = made_of(binary, solvers, together=False)
        for found, expected in zip(each, alone, strict=True):
            assert_same(found, expected)

    def test_gets_the_graphs_of_its_own_metamers(self, made, problems):
        each, _, graphs = made
        for task, (problem, found) in enumerate(zip(problems, each, strict=True)):
            for place, seed in enumerate(SEEDS):
                rebuilt = np.asarray(jm.metamer_graph(problem, found, place).nodes)
                np.testing.assert_allclose(graphs[task, seed], rebuilt, rtol=1e-5, atol=1e-6)

    def test_is_judged_by_its_own_reference_and_network(self, made, problems, oracle, l_act):
        each, _, graphs = made
        for task, problem in enumerate(problems):
            graph = problem.graph._replace(nodes=graphs[task, SEEDS[0]])
            found, truth = (
                oracle(problem.trained.params, g)["conv1"] for g in (graph, problem.graph)
            )
            assert each[task].loss_hardened[0] == pytest.approx(l_act(found, truth), rel=1e-3)


def test_a_single_problem_is_generate(problems, solvers):
    (found,) = jm.generate_each(problems[:1], 2, solver=solvers[0], seed=7)
    assert_same(found, jm.generate(problems[0], 2, solver=solvers[0], seed=7))


@pytest.mark.parametrize("together", [True, False])
def test_the_second_task_compiles_nothing(quick, solvers, together):
    heard = []

    def note(event, duration, **details):
        if event == "/jax/core/compile/backend_compile_duration":
            heard.append(str(details.get("fun_name", "unnamed")))

    jax.monitoring.register_event_duration_secs_listener(note)
    settings = {"solver": solvers[:2], "lanes": 2, "together": together}
    jm.generate_each(quick, seeds=[0, 1], **settings)
    # Compiled once, whether lanes hold one task or several, and whichever is the first.
    assert [name for name in heard if "advance" in name] == ["jit(advance)"]
    heard.clear()
    jm.generate_each(quick[::-1], seeds=[5, 9], **settings)
    assert heard == []


class TestTasksOfVeryDifferentLength:
    def test_leave_nine_tenths_of_the_steps_useful(self, quick):
        solver = Solver(jm.Optimizer("adam", 0.03), 3000, 1e-2, 3000, coordinates="features")
        fast = Task(quick[0], 0, solver.replace(lanes=8, chunk=4))
        slow = fast.solver.replace(optimizer=jm.Optimizer("adam", 0.001))
        others = [fast._replace(problem=quick[1], solver=slow)]
        synthesis = Synthesis(*fast, 10, others=others, together=True)
        executed = []
        found = list(synthesis.finished(range(80), lambda seen: executed.append(seen.executed)))
        steps = {task: [int(f.lane.step) for f in found if f.lane.task == task] for task in (0, 1)}
        assert np.median(steps[1]) >= 10 * np.median(steps[0])
        # A seed that ends after k steps has looked at k + 1 iterates.
        assert sum(sum(one) + len(one) for one in steps.values()) / executed[-1] >= 0.9


class TestComputingGoesOn:
    def test_while_metamers_are_handed_out(self, quick, solvers, monkeypatch):
        log = []
        advance = Synthesis._advance

        def logged(self, *given):
            log.append("advance")
            return advance(self, *given)

        monkeypatch.setattr(Synthesis, "_advance", logged)
        jm.generate_each(
            quick,
            4,
            solver=solvers[:2],
            lanes=2,
            together=True,
            on_metamer=lambda *_: log.append("metamer"),
            progress=lambda _: log.append("look"),
        )
        assert log.count("metamer") == 8
        # At a look, one chunk more has been computed than there were looks before it. When the
        # first metamer is handed out, the next chunk has been asked for already.
        before = log[: log.index("metamer")]
        assert before.count("advance") == before.count("look") + 2
        # After the last one there is nothing to compute.
        assert log.count("advance") == log.count("look")

    def test_and_ended_lanes_are_judged_in_groups(self, quick, solvers, monkeypatch):
        sizes = []
        judged = Synthesis._judged

        def counted(self, state, group, *rest):
            sizes.append(len(group[0]))
            return judged(self, state, group, *rest)

        monkeypatch.setattr(Synthesis, "_judged", counted)
        # No lane ends before its last step, so that all end at once.
        solver = solvers[0].replace(tolerance=1e-30, steps=25, patience=99)
        jm.generate_each(quick, 10, solver=solver, lanes=20, together=True)
        assert sizes == [16, 4]


class TestMemory:
    def test_of_tasks_counts_the_data_of_each(self, problems, solvers):
        others = [Task(p, 0, s) for p, s in zip(problems[1:], solvers[1:], strict=True)]
        one = memory_of(problems[0], solvers[0], lanes=4, together=True)
        all_ = memory_of(problems[0], solvers[0], lanes=4, together=True, others=others)
        assert 4 * one.shared <= all_.shared <= 6 * one.shared
        assert (all_.state, all_.check) == (one.state, one.check)
        alone = memory_of(problems[0], solvers[0], together=False, others=others)
        assert alone.shared == 3 * one.shared

    def test_of_more_tasks_is_traced_no_more_often(self, problems, solvers):
        task = Task(problems[1], 0, solvers[1])
        settings = {"lanes": 4, "together": True}
        two = memory_of(problems[0], solvers[0], others=[task], **settings)
        before = memory_module._traced.cache_info().misses
        three = memory_of(problems[0], solvers[0], others=[task, task], **settings)
        assert memory_module._traced.cache_info().misses == before
        assert three.shared > two.shared
        assert three._replace(shared=0) == two._replace(shared=0)


class TestTheDataOfTasks:
    def test_holds_equal_leaves_once_and_gives_each_task_its_own(self, problems, solvers):
        tasks = [Task(*each) for each in zip(problems, BASE_SEEDS, solvers, strict=True)]
        _, data = shared_program(tasks)
        whole = [joined(trees) for trees in zip(*data, strict=True)]
        for number, expected in enumerate(data):
            found = of_task(whole, number)
            assert jax.tree.structure(found) == jax.tree.structure(expected)
            for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
                np.testing.assert_array_equal(one, other)
        assert isinstance(whole[0], ByTask)
        shared = {id(leaf) for leaf in whole[0].common}
        assert id(data[0][0].graph.n_node) in shared

    def test_of_one_task_is_its_own(self, problems):
        assert joined([problems[0].arrays]) is problems[0].arrays

    def test_of_one_task_leaves_the_program_as_it_is(self, problems, solvers):
        synthesis = Synthesis(problems[0], 0, solvers[0], 5, together=True)
        data = synthesis.arrays, synthesis.basis, synthesis.limits
        state = engine.fill.eval_shape(synthesis.program, np.arange(4, dtype=np.int32), *data)
        step = engine.advance.trace(synthesis.program, state, *data).jaxpr
        # Nothing is picked by the lanes' tasks before the loop.
        assert {equation.primitive.name for equation in step.jaxpr.eqns} <= {"scan", "transpose"}


class TestWhatCannotShareLanes:
    def refused(self, problems, words, **settings):
        with pytest.raises(jm.InputError, match=words) as caught:
            jm.generate_each(problems, 2, **settings)
        return str(caught.value)

    def test_is_refused_before_anything_is_compiled(self, trained, graph, monkeypatch):
        monkeypatch.setattr(sys.modules["jmetamer.metamers.generate"], "Synthesis", None)
        problems = [jm.Problem(trained, graph, layer=name) for name in ("conv1", "conv1", "logits")]
        text = self.refused(problems, r"`problems` 0 and 2 cannot share lanes: the matched layers")
        assert "are ('conv1',) and ('logits',); problems of one call must have one network" in text
        assert "pad the graphs to equal numbers, or call `generate` for each" in text

    def test_for_other_shapes_names_the_array(self, trained, graph, make_random_graph):
        problems = [
            jm.Problem(trained, graph, layer="conv1"),
            jm.Problem(trained, make_random_graph(0, num_nodes=18), layer="conv1"),
        ]
        text = self.refused(problems, "data.graph.nodes has shape")
        assert "(16, 10) float32 and (18, 10) float32" in text

    def test_for_other_numbers_of_target_nodes_too(self, trained, graph):
        problems = [jm.Problem(trained, graph, layer="conv1", nodes=n) for n in ([0], [0, 1])]
        self.refused(problems, r"data.nodes has shape \(1,\) int32 and \(2,\) int32")
        problems[1] = jm.Problem(trained, graph, layer="conv1")
        self.refused(problems, r"data that the other lacks or has otherwise: data.nodes")

    def test_for_other_optimizers_networks_or_parameterizations(self, trained, graph, make_trained):
        problem = jm.Problem(trained, graph, layer="conv1")
        rules = [Solver(jm.Optimizer("adam", 0.1)), Solver(jm.Optimizer("sgd", 0.1))]
        self.refused([problem] * 2, r"the optimizer \(its learning rate may differ\)", solver=rules)
        wide = make_trained(jm.GCN(hidden=5, num_outputs=3), graph)
        self.refused([problem, jm.Problem(wide, graph, layer="conv1")], "the network is GCN")

    def test_nor_can_no_problem_or_settings_of_another_number(self, trained, graph):
        self.refused([], "`problems` is empty")
        problem = jm.Problem(trained, graph, layer="conv1")
        self.refused([problem] * 3, "`seed` holds 2 values for 3 problems", seed=[0, 1])
        self.refused(
            [problem] * 2, r"`seed` is \[0, -1\]; allowed: a whole number from 0", seed=[0, -1]
        )
