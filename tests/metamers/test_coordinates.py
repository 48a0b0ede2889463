"""The three coordinates: which take the same path, and where they end."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.keys import part_key
from jmetamer.metamers.methods.optimize.coordinates import choose_coordinates

STEPS = 25


def run(problem, coordinates, optimizer):
    made = jm.generate(
        problem,
        count=2,
        lanes=2,
        method=jm.Optimize(optimizer, steps=STEPS, coordinates=coordinates),
        tolerance=1e-9,
    )
    assert made.method.coordinates == coordinates
    return made, [np.asarray(jm.metamer_graph(problem, made, i).nodes) for i in range(2)]


def starts(problem):
    """The starts, by the rule of the table of streams."""
    keys = [part_key(0, i, "features") for i in range(2)]
    return [np.asarray(problem.vary.initialization(key, problem.graph.nodes)) for key in keys]


@pytest.mark.parametrize("name", ["sgd", "momentum"])
def test_gradient_methods_take_the_same_path_in_features_and_row_space(small, name):
    optimizer = jm.Optimizer(name, 2.0)
    one, x_features = run(small, "features", optimizer)
    other, x_row_space = run(small, "row_space", optimizer)
    assert (one.loss_hardened < 0.9 * one.loss_initial).all()
    np.testing.assert_allclose(one.loss_trace, other.loss_trace, rtol=2e-4)
    for x, y, x0 in zip(x_features, x_row_space, starts(small), strict=True):
        assert np.linalg.norm(x - x0) > 0.05 * np.linalg.norm(x0)
        assert np.linalg.norm(x - y) <= 1e-4 * np.linalg.norm(x - x0)


def test_adam_takes_another_path_in_row_space(small):
    optimizer = jm.Optimizer("adam", 0.05)
    _, x_features = run(small, "features", optimizer)
    _, x_row_space = run(small, "row_space", optimizer)
    for x, y, x0 in zip(x_features, x_row_space, starts(small), strict=True):
        assert np.linalg.norm(x - y) >= 0.1 * np.linalg.norm(x - x0)


@pytest.fixture(scope="module")
def entry(problem):
    settings = {"steps": 30, "tolerance": 1e-3, "lanes": 3, "count": 3}
    made = jm.generate(problem, method=jm.Optimize(coordinates="entry"), **settings)
    return made, [np.asarray(jm.metamer_graph(problem, made, i).nodes) for i in range(2)]


def test_entry_reaches_the_tolerance_in_features(problem, entry, oracle, l_act):
    made, found = entry
    assert made.status.tolist() == [jm.Status.CONVERGED] * 3
    truth = oracle(problem.trained.params, problem.graph)["conv1"]
    for x in found:
        graph = problem.graph._replace(nodes=x)
        assert l_act(oracle(problem.trained.params, graph)["conv1"], truth) <= 1.01e-3


def test_entry_moves_no_feature_in_the_kernel_of_the_first_matrix(problem, entry):
    weights = np.asarray(problem.trained.params["params"]["conv1"]["kernel"], np.float64)
    check_kernel(weights, entry[1], starts(problem))


def test_row_space_moves_no_feature_in_the_kernel_of_the_first_matrix(small):
    found = run(small, "row_space", jm.Optimizer("momentum", 2.0))[1]
    check_kernel(np.asarray(small.trained.params, np.float64), found, starts(small))


def check_kernel(weights, found, starts):
    q, _ = np.linalg.qr(weights)
    assert q.shape == weights.shape
    for x, x0 in zip(found, starts, strict=True):
        moved = np.asarray(x - x0, np.float64)
        outside = moved - moved @ q @ q.T
        assert np.linalg.norm(moved) > 0.05 * np.linalg.norm(x0)
        assert np.linalg.norm(outside) <= 1e-5 * np.linalg.norm(x0)


def test_auto_takes_entry_for_free_features_and_features_otherwise(problem, entry, binary_problem):
    settings = {"count": 3, "lanes": 3, "steps": 30, "tolerance": 1e-3}
    np.testing.assert_array_equal(jm.generate(problem, **settings).theta, entry[0].theta)
    assert choose_coordinates(problem, "auto")[0].name == "entry"
    assert choose_coordinates(binary_problem, "auto")[0] == binary_problem.vary


@pytest.mark.parametrize("coordinates", ["entry", "row_space"])
def test_coordinates_that_are_not_exact_are_refused(trained, graph, coordinates):
    boxed = jm.Problem(trained, graph, "conv1", vary=jm.ContinuousFeatures(jm.Box(-1.0, 1.0)))
    with pytest.raises(jm.InputError) as raised:
        jm.generate(boxed, count=1, method=jm.Optimize(coordinates=coordinates))
    text = str(raised.value)
    assert repr(coordinates) in text
    assert "free continuous features" in text
    assert "Box(low=-1.0, high=1.0)" in text
    assert "'features' or 'auto'" in text


def test_unknown_coordinates_are_refused_with_the_list():
    with pytest.raises(jm.InputError, match=r"`coordinates` is 'rowspace'; .*did you mean 'row_s"):
        jm.Optimize(coordinates="rowspace")


@pytest.mark.parametrize("name", ["entry", "row_space"])
def test_a_wrapper_keeps_what_a_part_promises(problem, name):
    vary, arrays = choose_coordinates(problem, name)
    graph, key = arrays.graph, jax.random.key(0)
    back = vary.harden(vary.encode(graph), graph)
    np.testing.assert_array_equal(back.nodes, graph.nodes)
    assert back.globals is None
    theta, origin, seen = vary.begin(problem.vary.init(key, graph), graph)
    np.testing.assert_array_equal(vary.init(key, graph), theta)
    moved = theta + jax.random.normal(key, theta.shape)
    assert vary.project(moved, graph) is moved
    products = vary.harden(moved, origin).nodes @ graph.globals.weights
    np.testing.assert_allclose(products, vary.decode(moved, seen).nodes, rtol=1e-3, atol=1e-3)
    again, _ = choose_coordinates(problem, name)
    assert again == vary
    assert hash(again) == hash(vary)
