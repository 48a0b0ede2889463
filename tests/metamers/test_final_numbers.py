"""Final numbers are computed at the highest precision, and both ways of stepping lanes agree."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods import Execution, Task
from jmetamer.metamers.methods.optimize.synthesis import Synthesis


@pytest.fixture(scope="module")
def problem():
    data = jm.load_dataset("karate")
    trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
    return jm.Problem(trained, data.graph, layer="conv1")


def products(program):
    """Every matrix product of a traced program and of the programs inside it."""
    for equation in program.eqns:
        if equation.primitive.name == "dot_general":
            yield equation
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, tuple | list) else [parameter]:
                nested = getattr(inner, "jaxpr", inner)
                if hasattr(nested, "eqns"):
                    yield from products(nested)


def test_a_verdict_uses_the_highest_precision_whatever_the_default(problem):
    with jax.default_matmul_precision("bfloat16"):
        judge = Judge(problem)
        program = jax.make_jaxpr(judge)(problem.arrays.graph).jaxpr
    found = [equation.params["precision"] for equation in products(program)]
    highest = jax.lax.Precision.HIGHEST
    assert found
    assert all(precision == (highest, highest) for precision in found)


@pytest.mark.parametrize("optimizer", ["lane_lbfgs", "adam"])
def test_lanes_together_and_one_after_the_other_find_the_same_metamers(problem, optimizer):
    rate = None if optimizer == "lane_lbfgs" else 0.1
    method = jm.Optimize(jm.Optimizer(optimizer, rate), steps=60).for_problem(problem)
    results = []
    for together in (True, False):
        execution = Execution(lanes=3, together=together)
        found = {}
        for samples in Synthesis([Task(problem, 0, method, 1e-4)], execution).finished(range(7)):
            for row, seed in enumerate(samples.seed_id):
                found[int(seed)] = samples.of([row])
        results.append([found[seed] for seed in range(7)])
    for one, other in zip(*results, strict=True):
        assert one.status == other.status
        assert one.steps == other.steps
        nodes = [samples.graphs[0].nodes for samples in (one, other)]
        np.testing.assert_allclose(*nodes, rtol=1e-3, atol=1e-3)


def test_a_loss_under_the_tolerance_is_called_converged_whatever_stopped_the_loop(problem):
    made = jm.generate(problem, count=1, steps=8, tolerance=1e-9)
    reached = float(made.loss_hardened[0])
    again = jm.generate(problem, count=1, steps=8, tolerance=reached * 1.005)
    assert jm.Status(int(again.status[0])) is jm.Status.CONVERGED


def test_an_exception_of_the_watcher_stops_the_other_lanes_at_their_next_look(problem):
    seen = []

    def stop(progress):
        seen.append(progress)
        raise KeyError("enough")

    long = jm.Optimize(steps=100_000, patience=100_000)
    with pytest.raises(KeyError, match="enough"):
        jm.generate(problem, count=8, method=long, tolerance=1e-30, progress=stop)
    assert len(seen) <= 8


def test_identity_backward_takes_the_residual_that_it_changes(problem):
    through = jm.Problem(problem.trained, problem.graph, layer="conv1", identity_backward=True)
    assert through.matching.loss == jm.RelativeSquared()
    with pytest.raises(jm.InputError, match="no effect with `Complementarity"):
        jm.Problem(
            problem.trained,
            problem.graph,
            layer="conv1",
            identity_backward=True,
            loss=jm.Complementarity(),
        )


@pytest.mark.parametrize("wrong", [{"count": 2.5}, {"seeds": [0.7]}, {"count": 1, "steps": 2.5}])
def test_numbers_that_are_not_whole_are_refused(problem, wrong):
    with pytest.raises(jm.InputError, match=r"allowed: .*whole number"):
        jm.generate(problem, **wrong)
