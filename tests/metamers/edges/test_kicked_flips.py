"""Greedy flips with kicks, against greedy flips alone and against trying every graph."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer.metamers.methods.relax_edges.greedy_flips import greedy_flips
from jmetamer.metamers.methods.relax_edges.kicked_flips import kicked_flips

SIZE = 10
IS_PAIR = np.arange(SIZE) < SIZE - 1


def problem(seed):
    """A matrix and an aim that a hard vector reaches."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(6, SIZE)).astype(np.float32)
    return matrix, matrix @ (rng.integers(0, 2, SIZE) * IS_PAIR).astype(np.float32)


def squared_error(weight, matrix, aim):
    return jnp.sum(jnp.square(matrix @ weight - aim))


@jax.jit
def search(key, matrix, aim, kicks, tolerance):
    loss = functools.partial(squared_error, matrix=matrix, aim=aim)
    start, is_pair = jnp.zeros(SIZE), jnp.asarray(IS_PAIR)
    found = kicked_flips(key, start, is_pair, loss, kicks=kicks, tolerance=tolerance)
    return found, greedy_flips(start, is_pair, loss, tolerance=tolerance)


def best_of_all(matrix, aim):
    hard = np.array(list(itertools.product([0, 1], repeat=SIZE - 1)))
    return np.sum((hard @ matrix[:, :-1].T - aim) ** 2, axis=1).min()


@pytest.mark.parametrize("seed", range(6))
class TestKicks:
    def test_none_is_greedy_descent(self, seed):
        found, greedy = search(jax.random.key(0), *problem(seed), 0, 0.0)
        np.testing.assert_array_equal(found.hard, greedy.hard)
        assert float(found.loss) == float(greedy.loss)
        assert int(found.num_kicks) == 0

    def test_many_find_the_best_of_all_graphs(self, seed):
        matrix, aim = problem(seed)
        assert best_of_all(matrix, aim) < 1e-8
        found, _ = search(jax.random.key(1), matrix, aim, 200, 1e-6)
        assert float(found.loss) < 1e-6
        assert float(found.loss) == pytest.approx(
            float(squared_error(found.hard, matrix, aim)), abs=1e-7
        )
        assert int(found.num_flips) == int(found.hard.sum())

    def test_never_flip_padding_and_never_end_above_the_descent(self, seed):
        for key in range(4):
            found, greedy = search(jax.random.key(key), *problem(seed), 3, 0.0)
            assert float(found.loss) <= float(greedy.loss)
            assert found.hard[-1] == 0
            assert set(np.unique(found.hard)) <= {0, 1}
            assert int(found.num_kicks) == 3 or float(found.loss) == 0


def test_kicks_end_at_the_tolerance():
    descents = [search(jax.random.key(2), *problem(seed), 200, 1e-6)[0] for seed in range(6)]
    assert all(int(found.num_kicks) < 200 for found in descents)
    # Some of the six need a kick, or the test would show nothing.
    assert any(int(found.num_kicks) > 0 for found in descents)
