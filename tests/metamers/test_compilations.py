"""One compilation per shape: everything that is a number is data."""

import contextlib

import jax
import jax.monitoring
import numpy as np
import pytest

import jmetamer as jm

COMPILED: list[str] = []


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


def run(problem, optimizer, **changes):
    settings = {"count": 5, "lanes": 3, "steps": 30, "tolerance": 0.1, "optimizer": optimizer}
    return jm.generate(problem, **settings | changes)


@pytest.fixture(scope="module")
def warm(problem, adam):
    """The everyday problem was solved once, with lanes that are filled again."""
    made = run(problem, adam)
    return np.asarray(jm.metamer_graph(problem, made, 0).nodes)


def test_the_listener_hears_a_compilation():
    with compiled() as names:
        jax.jit(lambda x: x * 3.25 + 1)(np.float32(2))
    assert len(names) >= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 5},
        {"count": None, "seeds": [9, 3, 12, 7, 1, 40]},
        {"tolerance": 0.25},
        {"method": jm.Optimize(patience=9)},
        {"method": jm.Optimize(improvement=0.3)},
        {"steps": 44},
        {"optimizer": jm.Optimizer("adam", 0.03, "cosine")},
    ],
)
def test_other_numbers_compile_nothing(warm, problem, adam, changes):
    with compiled() as names:
        run(problem, **{"optimizer": adam, **changes})
    assert names == []


def test_another_reference_of_the_shape_compiles_nothing(
    warm, trained, adam, make_random_graph, oracle, l_act
):
    # The target of a problem takes small programs of its own, which an earlier file may have had
    # compiled and given back since.
    assert jm.Problem(trained, make_random_graph(5), layer="conv1").arrays.targets
    other = make_random_graph(3)
    problem = jm.Problem(trained, other, layer="conv1")
    assert not np.array_equal(other.senders, make_random_graph(0).senders)
    with compiled() as names:
        made = run(problem, adam)
        graph = jm.metamer_graph(problem, made, 0)
    assert names == []
    # And it is the other reference that was matched.
    truth, found = (oracle(trained.params, g)["conv1"] for g in (other, graph))
    assert made.loss_hardened[0] == pytest.approx(l_act(found, truth), rel=1e-2)


def test_other_lanes_of_a_processor_and_a_dropped_theta_compile_nothing(warm, problem, adam):
    with compiled() as names:
        run(problem, adam, lanes=1, keep_theta=False)
        run(problem, adam, lanes=None)
    assert names == []


def test_a_sweep_over_seeds_references_and_learning_rates_compiles_once(
    warm, trained, make_random_graph
):
    # Also tolerances, steps and which nodes are the target: everything of a cell but its shapes.
    with compiled() as names:
        for number, rate in enumerate((0.3, 0.02)):
            reference = make_random_graph(5 + number)
            problem = jm.Problem(trained, reference, layer="conv1")
            for seed in (1, 2):
                optimizer = jm.Optimizer("adam", rate, "cosine")
                run(problem, optimizer, seed=seed, steps=20 + seed, tolerance=0.3 / (1 + number))
    assert names == []


def test_other_target_nodes_compile_once_for_their_number(warm, trained, graph, adam):
    def solve(nodes):
        with compiled() as names:
            run(jm.Problem(trained, graph, layer="conv1", nodes=nodes), adam)
        return names

    assert "advance" in " ".join(solve([0, 3, 5, 8]))
    assert solve([1, 2, 9, 4]) == []


def test_other_parameters_compile_nothing(warm, make_trained, trained, graph, adam):
    again = make_trained(trained.model, graph, seed=8)
    with compiled() as names:
        made = run(jm.Problem(again, graph, layer="conv1"), adam)
    # Drawing parameters compiles; matching them does not.
    assert names == []
    assert (made.loss_hardened < made.loss_initial).all()


def test_a_given_target_compiles_nothing(warm, problem, trained, graph, adam):
    target = 1.2 * np.asarray(problem.arrays.targets["conv1"])
    with compiled() as names:
        run(jm.Problem(trained, graph, layer="conv1", target=target), adam)
    assert names == []
