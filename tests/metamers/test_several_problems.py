"""Several problems in one set of lanes: each gets the metamers that it gets alone."""

import dataclasses

import jax
import jax.monitoring
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods import Execution, Task
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize import memory as memory_module
from jmetamer.metamers.methods.optimize.by_task import ByTask, joined, of_task
from jmetamer.metamers.methods.optimize.memory import memory_of
from jmetamer.metamers.methods.optimize.synthesis import Synthesis
from jmetamer.metamers.methods.optimize.tasks import shared_program

SEEDS = [3, 0, 8, 5, 1]
RATES = (0.1, 0.03, 0.2)
BASE_SEEDS = (0, 4, 4)
TOLERANCES = (0.05, 1e-3, 0.1)
TOGETHER, APART = Execution(together=True), Execution(together=False)


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
def methods(adam):
    """Rates, stop rules and numbers of steps that differ."""
    adams = [dataclasses.replace(adam, learning_rate=rate) for rate in RATES]
    return [
        jm.Optimize(rule, steps=steps, patience=200, improvement=0.1 * place)
        for place, (rule, steps) in enumerate(zip(adams, (60, 40, 50), strict=True))
    ]


@pytest.fixture(scope="module")
def tasks(problems, methods):
    columns = problems, BASE_SEEDS, methods, TOLERANCES
    return [Task(*each) for each in zip(*columns, strict=True)]


def made_of(problems, methods, together):
    """(metamers of all problems at once, those of each alone, graphs of the former)."""
    graphs = {}
    settings = {"seeds": SEEDS, "trace_points": 9, "together": together, "lanes": 4}
    each = jm.generate(
        problems,
        seed=BASE_SEEDS,
        method=methods,
        tolerance=TOLERANCES,
        on_metamer=lambda task, seed, graph: graphs.update({(task, seed): np.asarray(graph.nodes)}),
        **settings,
    )
    alone = [
        jm.generate(problem, seed=seed, method=method, tolerance=limit, **settings)
        for problem, seed, method, limit in zip(
            problems, BASE_SEEDS, methods, TOLERANCES, strict=True
        )
    ]
    return each, alone, graphs


@pytest.fixture(scope="module", params=["alone", "together"])
def made(request, problems, methods):
    return made_of(problems, methods, request.param == "together")


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

    def test_of_binary_features_too(self, methods, trained, make_trained, make_random_graph):
        binary = three(True, trained, make_trained, make_random_graph)
        each, alone, _ = made_of(binary, methods, together=False)
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


def test_a_list_of_one_gives_a_list_of_one(problems, methods):
    settings = {"method": methods[0], "tolerance": 0.05, "seed": 7, "lanes": 4}
    (found,) = jm.generate(problems[:1], 2, **settings)
    assert_same(found, jm.generate(problems[0], 2, **settings))


def test_methods_without_lanes_take_one_problem_after_the_other(problems):
    told = []
    settings = {"seeds": SEEDS[:2], "method": "replace"}
    each = jm.generate(
        problems[:2], seed=[0, 4], on_metamer=lambda *given: told.append(given[:2]), **settings
    )
    assert told == [(0, 3), (0, 0), (1, 3), (1, 0)]
    for problem, seed, found in zip(problems[:2], (0, 4), each, strict=True):
        assert_same(found, jm.generate(problem, seed=seed, **settings))


@pytest.mark.parametrize("together", [True, False])
def test_the_second_task_compiles_nothing(quick, methods, together):
    heard = []

    def note(event, duration, **details):
        if event == "/jax/core/compile/backend_compile_duration":
            heard.append(str(details.get("fun_name", "unnamed")))

    jax.monitoring.register_event_duration_secs_listener(note)
    settings = {
        "method": methods[:2], "tolerance": TOLERANCES[:2], "lanes": 2, "together": together
    }  # fmt: skip
    jm.generate(quick, seeds=[0, 1], **settings)
    # Compiled once, whether lanes hold one task or several, and whichever is the first.
    assert [name for name in heard if "advance" in name] == ["jit(advance)"]
    heard.clear()
    jm.generate(quick[::-1], seeds=[5, 9], **settings)
    assert heard == []


class TestTasksOfVeryDifferentLength:
    def test_leave_nine_tenths_of_the_steps_useful(self, quick):
        slow, fast = (
            jm.Optimize(
                jm.Optimizer("adam", rate), steps=3000, patience=3000, coordinates="features"
            )
            for rate in (0.001, 0.03)
        )
        tasks = [Task(quick[0], 0, fast, 1e-2), Task(quick[1], 0, slow, 1e-2)]
        executed = []
        told = Execution(
            lanes=8, chunk=4, together=True, progress=lambda seen: executed.append(seen.executed)
        )
        found = list(Synthesis(tasks, told).finished(range(80)))
        of_all, taken = (np.concatenate([getattr(f, n) for f in found]) for n in ("task", "steps"))
        steps = {task: taken[of_all == task] for task in (0, 1)}
        assert np.median(steps[1]) >= 10 * np.median(steps[0])
        # A seed that ends after k steps has looked at k + 1 iterates.
        assert np.sum(taken + 1) / executed[-1] >= 0.9


class TestComputingGoesOn:
    def test_while_metamers_are_handed_out(self, quick, methods, monkeypatch):
        log = []
        advance = Synthesis._advance

        def logged(self, *given):
            log.append("advance")
            return advance(self, *given)

        monkeypatch.setattr(Synthesis, "_advance", logged)
        jm.generate(
            quick,
            4,
            method=methods[:2],
            tolerance=TOLERANCES[:2],
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

    def test_and_ended_lanes_are_judged_in_groups(self, quick, methods, monkeypatch):
        sizes = []
        judged = Synthesis._judged

        def counted(self, state, group, *rest):
            sizes.append(len(group[0]))
            return judged(self, state, group, *rest)

        monkeypatch.setattr(Synthesis, "_judged", counted)
        # No lane ends before its last step, so that all end at once.
        method = dataclasses.replace(methods[0], steps=25, patience=99)
        jm.generate(quick, 10, method=method, tolerance=1e-30, lanes=20, together=True)
        assert sizes == [16, 4]


class TestMemory:
    def test_of_tasks_counts_the_data_of_each(self, tasks):
        one, all_ = (memory_of(some, TOGETHER, lanes=4) for some in (tasks[:1], tasks))
        assert 4 * one.shared <= all_.shared <= 6 * one.shared
        assert (all_.state, all_.check) == (one.state, one.check)
        assert memory_of(tasks, APART).shared == 3 * one.shared

    def test_of_more_tasks_is_traced_no_more_often(self, tasks):
        two = memory_of(tasks[:2], TOGETHER, lanes=4)
        before = memory_module._traced.cache_info().misses
        three = memory_of([*tasks[:2], tasks[1]], TOGETHER, lanes=4)
        assert memory_module._traced.cache_info().misses == before
        assert three.shared > two.shared
        assert three._replace(shared=0) == two._replace(shared=0)


class TestTheDataOfTasks:
    def test_holds_equal_leaves_once_and_gives_each_task_its_own(self, tasks):
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

    def test_of_one_task_leaves_the_program_as_it_is(self, tasks):
        synthesis = Synthesis(tasks[:1], TOGETHER)
        data = synthesis.arrays, synthesis.limits
        state = engine.fill.eval_shape(synthesis.program, np.arange(4, dtype=np.int32), *data)
        step = engine.advance.trace(synthesis.program, state, *data).jaxpr
        # Nothing is picked by the lanes' tasks before the loop.
        assert {equation.primitive.name for equation in step.jaxpr.eqns} <= {"scan", "transpose"}


class TestWhatCannotShareLanes:
    def refused(self, problems, words, **settings):
        with pytest.raises(jm.InputError, match=words) as caught:
            jm.generate(problems, 2, **settings)
        return str(caught.value)

    def test_is_refused_before_anything_is_compiled(self, trained, graph, monkeypatch):
        monkeypatch.setattr("jmetamer.metamers.methods.optimize.optimize.Synthesis", None)
        problems = [jm.Problem(trained, graph, layer=name) for name in ("conv1", "conv1", "logits")]
        text = self.refused(problems, r"`problem` 0 and 2 cannot share lanes: the matched layers")
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
        rules = [jm.Optimize(jm.Optimizer(name, 0.1)) for name in ("adam", "sgd")]
        self.refused([problem] * 2, r"the optimizer \(its learning rate may differ\)", method=rules)
        wide = make_trained(jm.GCN(hidden=5, num_outputs=3), graph)
        self.refused([problem, jm.Problem(wide, graph, layer="conv1")], "the network is GCN")

    def test_nor_can_problems_of_different_methods(self, problems):
        different = ["optimize", jm.Replace(), jm.Optimize()]
        self.refused(
            problems, r"`method` is \['optimize', 'replace', 'optimize'\]", method=different
        )

    def test_nor_can_no_problem_or_settings_of_another_number(self, trained, graph):
        self.refused([], "`problem` is empty")
        problem = jm.Problem(trained, graph, layer="conv1")
        self.refused([problem] * 3, "`seed` holds 2 values for 3 problems", seed=[0, 1])
        self.refused(
            [problem] * 2, r"`seed` is \[0, -1\]; allowed: a whole number from 0", seed=[0, -1]
        )
