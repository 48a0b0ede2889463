"""Greedy flips, against the same descent in NumPy that tries every flip."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer.metamers.methods.relax_edges.greedy_flips import greedy_flips

SIZE = 14
IS_PAIR = np.arange(SIZE) < SIZE - 2


def quadratic(seed):
    """A matrix, an aim that a hard vector reaches, and a start."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(9, SIZE)).astype(np.float32)
    aim = matrix @ (rng.integers(0, 2, SIZE) * IS_PAIR).astype(np.float32)
    return matrix, aim, (rng.integers(0, 2, SIZE) * IS_PAIR).astype(np.float32)


def squared_error(weight, matrix, aim):
    return jnp.sum(jnp.square(matrix @ weight - aim))


@functools.partial(jax.jit, static_argnames=("shortlist", "widest"))
def descend(matrix, aim, start, shortlist=SIZE, widest=SIZE, most=100, tolerance=0.0):
    loss = functools.partial(squared_error, matrix=matrix, aim=aim)
    width = {"shortlist": shortlist, "widest": widest}
    return greedy_flips(start, jnp.asarray(IS_PAIR), loss, **width, most=most, tolerance=tolerance)


def by_trying_all(matrix, aim, start):
    """Each flip that was best in turn, until none lowers the loss."""
    hard, path = start.astype(np.float64), []
    while True:
        here = np.sum((matrix @ hard - aim) ** 2)
        flips = np.eye(SIZE)[IS_PAIR] * (1 - 2 * hard)
        losses = np.sum(((hard + flips) @ matrix.T - aim) ** 2, axis=1)
        if losses.min() >= here:
            return hard, here, path
        path.append(int(losses.argmin()))
        hard = hard + flips[losses.argmin()]


@pytest.mark.parametrize("seed", range(8))
def test_makes_the_best_flip_until_none_lowers_the_loss(seed):
    matrix, aim, start = quadratic(seed)
    hard, value, path = by_trying_all(matrix, aim, start)
    found = descend(matrix, aim, start)
    np.testing.assert_array_equal(found.hard, hard)
    assert float(found.loss) == pytest.approx(value, rel=1e-4, abs=1e-4)
    assert int(found.num_flips) == len(path) > 0


def misleading():
    """Edge 0 promises most and would overshoot; edge 1 is what is missing."""
    matrix, aim = np.zeros((9, SIZE), np.float32), np.zeros(9, np.float32)
    matrix[0, :2], aim[0] = [6.0, 2.0], 2.5
    return matrix, aim, np.zeros(SIZE, np.float32)


def test_tries_first_what_the_gradient_promises_most():
    matrix, aim, start = misleading()
    assert int(descend(matrix, aim, start, shortlist=1, widest=1).num_flips) == 0
    matrix[0, 0] = 4.0  # now it helps, though edge 1 would help more
    found = descend(matrix, aim, start, shortlist=1, widest=1)
    assert found.hard.tolist() == [1.0] + [0.0] * (SIZE - 1)


def test_tries_what_promises_less_where_the_best_promises_fail():
    found = descend(*misleading(), shortlist=1, widest=2)
    assert found.hard.tolist() == [0.0, 1.0] + [0.0] * (SIZE - 2)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shortlist", [1, 4, 5])  # 5 does not divide the number of edges
def test_that_may_try_all_edges_ends_where_no_flip_lowers_the_loss(seed, shortlist):
    matrix, aim, start = quadratic(seed)
    found = descend(matrix, aim, start, shortlist)
    hard = np.asarray(found.hard, np.float64)
    flips = np.eye(SIZE)[IS_PAIR] * (1 - 2 * hard)
    losses = np.sum(((hard + flips) @ matrix.T - aim) ** 2, axis=1)
    assert losses.min() >= np.sum((matrix @ hard - aim) ** 2) - 1e-4


@pytest.mark.parametrize("shortlist", [1, 3, SIZE, 100])
def test_never_ends_above_its_start(shortlist):
    matrix, aim, start = quadratic(3)
    found = descend(matrix, aim, start, shortlist)
    assert float(found.loss) <= float(squared_error(start, matrix, aim))
    assert float(found.loss) == pytest.approx(float(squared_error(found.hard, matrix, aim)))
    assert set(np.unique(found.hard)) <= {0.0, 1.0}
    assert not np.asarray(found.hard)[~IS_PAIR].any()


def test_stops_after_the_largest_number_of_flips():
    matrix, aim, start = quadratic(0)
    path = by_trying_all(matrix, aim, start)[2]
    found = descend(matrix, aim, start, most=2)
    assert np.flatnonzero(np.asarray(found.hard) != start).tolist() == sorted(path[:2])


def test_stops_at_the_tolerance_and_does_nothing_where_it_holds_already():
    matrix, aim, start = quadratic(0)
    value = float(squared_error(start, matrix, aim))
    assert int(descend(matrix, aim, start, tolerance=value * 1.01).num_flips) == 0
    first = descend(matrix, aim, start, most=1)
    found = descend(matrix, aim, start, tolerance=float(first.loss))
    assert int(found.num_flips) == 1


def test_of_a_seed_does_not_depend_on_the_others():
    problems = [quadratic(seed) for seed in range(8)]
    stacked = [np.stack(parts) for parts in zip(*problems, strict=True)]
    together = jax.vmap(descend)(*stacked)
    assert len(set(together.num_flips.tolist())) > 1
    for place, problem in enumerate(problems):
        np.testing.assert_array_equal(together.hard[place], descend(*problem).hard)
