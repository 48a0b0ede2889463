"""Noise is JAX's own up to rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer._base.keys import part_key
from jmetamer._base.noise import standard_normal


@pytest.mark.parametrize("shape", [(1,), (7, 3), (2708, 5), (0, 4), ()])
@pytest.mark.parametrize("seed", [0, 5, 2**31 - 1])
def test_the_numbers_are_those_of_jax(shape, seed):
    key = part_key(seed, 3, "features")
    theirs = jax.random.normal(key, shape)
    np.testing.assert_allclose(standard_normal(key, shape), theirs, rtol=1e-5)
    compiled = jax.jit(standard_normal, static_argnums=1)(key, shape)
    np.testing.assert_allclose(compiled, theirs, rtol=1e-5)


def test_the_tails_are_there_and_right():
    noise = standard_normal(jax.random.key(7), (2_000_000,))
    theirs = jax.random.normal(jax.random.key(7), (2_000_000,))
    np.testing.assert_allclose(noise, theirs, rtol=1e-5)
    assert jnp.abs(noise).max() > 4.8
    assert bool(jnp.isfinite(noise).all())


def test_keys_of_another_generator_are_left_to_jax():
    key = jax.random.key(1, impl="rbg")
    np.testing.assert_array_equal(standard_normal(key, (5,)), jax.random.normal(key, (5,)))


def test_keys_may_be_batched():
    keys = jax.random.split(jax.random.key(2), 3)
    ours = jax.vmap(lambda key: standard_normal(key, (4, 2)))(keys)
    theirs = jax.vmap(lambda key: jax.random.normal(key, (4, 2)))(keys)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
