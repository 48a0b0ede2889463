"""Rounding: every way is what it says, judged by itself, and the best one is returned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer.metamers.methods.relax_edges.rounding import best_rounding

WEIGHT = np.array([0.9, 0.5, 0.49, 0.0, 1.0, 0.3, 0.3, 0.2, 0.9, 0.05], np.float32)
IS_PAIR = np.arange(10) != 8
BITS = 2.0 ** np.arange(10)


def number(hard):
    """A loss that says which vector it has seen."""
    return jnp.sum(hard * BITS.astype(np.float32))


def vectors(losses):
    """The hard vectors behind losses that `number` gave, [k, 10]."""
    return np.asarray(losses).astype(int)[:, None] >> np.arange(10) & 1


@pytest.fixture(scope="module")
def many():
    """Every rounding of 2000 draws."""
    return best_rounding(jax.random.key(0), WEIGHT, IS_PAIR, number, draws=2000)


def test_first_takes_all_weights_of_at_least_a_half(many):
    assert vectors(many.losses)[0].tolist() == [1, 1, 0, 0, 1, 0, 0, 0, 0, 0]


def test_then_takes_as_many_of_the_largest_as_the_weights_sum_to(many):
    # Without padding they sum to 3.74; of equal weights the first.
    assert vectors(many.losses)[1].tolist() == [1, 1, 1, 0, 1, 0, 0, 0, 0, 0]


def test_then_draws_each_edge_with_the_probability_of_its_weight(many):
    drawn = vectors(many.losses)[2:]
    expected = np.where(IS_PAIR, WEIGHT, 0)
    error = np.sqrt(expected * (1 - expected) / len(drawn))
    assert np.all(np.abs(drawn.mean(axis=0) - expected) <= 4 * error)
    between = (expected > 0) & (expected < 1)  # and independently of the others
    correlation = np.corrcoef(drawn[:, between].T)
    assert np.abs(correlation - np.eye(between.sum())).max() < 4 / np.sqrt(len(drawn))


def test_returns_the_best_with_its_loss(many):
    losses = np.asarray(many.losses)
    assert int(many.rule) == losses.argmin()
    assert float(many.loss) == losses.min() == float(number(np.asarray(many.hard)))


def test_never_takes_a_loss_that_is_no_number():
    def loss(hard):
        return jnp.where(hard.sum() > 3, jnp.nan, -hard.sum())

    rounded = best_rounding(jax.random.key(0), WEIGHT, IS_PAIR, loss, draws=4)
    assert np.isnan(rounded.losses[1])
    assert np.isfinite(rounded.loss)


def test_of_a_seed_does_not_depend_on_the_others():
    keys = jax.random.split(jax.random.key(0), 3)

    @jax.jit
    def one(key):
        of_weights, of_draws = jax.random.split(key)
        weight = jax.random.uniform(of_weights, (10,))
        return best_rounding(of_draws, weight, IS_PAIR, number, draws=5)

    together = jax.vmap(one)(jax.random.clone(keys))
    for place in range(3):
        among = jax.tree.map(lambda array, at=place: array[at], together)
        jax.tree.map(np.testing.assert_array_equal, one(keys[place]), among)
