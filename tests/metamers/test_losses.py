"""Residuals: zero exactly where the activation matches, and never smaller than the mismatch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import jmetamer as jm

VALUES = hnp.arrays(np.float32, (3, 4), elements=st.floats(-8, 8, width=32, allow_subnormal=False))


def residual_of(pre, target, nonlinearity="relu"):
    post = jax.nn.relu(pre) if nonlinearity == "relu" else pre
    loss = jm.Complementarity()
    return np.asarray(loss.residual(jnp.array(pre), jnp.array(post), target, nonlinearity))


@given(VALUES, VALUES)
@settings(max_examples=200, deadline=None)
def test_complementarity_bounds_the_mismatch_entry_by_entry(pre, raw):
    target = np.maximum(raw, 0)
    found = residual_of(pre, target)
    mismatch = np.abs(np.maximum(pre, 0) - target)
    assert (mismatch <= np.abs(found)).all()
    np.testing.assert_array_equal(found == 0, mismatch == 0)


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_complementarity_is_zero_at_the_targets_own_preactivation(pre):
    assert (residual_of(pre, np.maximum(pre, 0)) == 0).all()


def test_complementarity_has_a_gradient_where_a_unit_should_be_active_and_is_not():
    def objective(loss, z):
        return jnp.sum(loss.residual(z, jax.nn.relu(z), jnp.array([[2.0]]), "relu") ** 2)

    z = jnp.array([[-1.0]])
    assert float(jax.grad(lambda z: objective(jm.RelativeSquared(), z))(z)[0, 0]) == 0
    assert float(jax.grad(lambda z: objective(jm.Complementarity(), z))(z)[0, 0]) == -6


@pytest.mark.parametrize("nonlinearity", ["elu", "tanh", "leaky_relu", "gelu", None])
def test_complementarity_is_the_plain_residual_away_from_relu(nonlinearity):
    pre, target = np.array([[-1.0, 2.0]]), np.array([[0.5, -0.5]])
    post = pre + 1
    for given_pre in (jnp.array(pre), None):
        found = jm.Complementarity().residual(given_pre, post, target, nonlinearity)
        np.testing.assert_array_equal(found, post - target)


@pytest.mark.parametrize("name", list(jm.LOSSES))
def test_every_loss_is_zero_where_the_activation_matches_and_hashable(name):
    loss = jm.LOSSES[name]()
    pre = np.array([[-1.0, 0.5, 2.0]], np.float32)
    post = np.maximum(pre, 0)
    np.testing.assert_array_equal(loss.residual(pre, post, post, "relu"), 0)
    assert hash(loss) == hash(jm.LOSSES[name]())


def test_a_metamer_matched_by_complementarity_matches_by_l_act(problem, oracle, l_act):
    # The objective is at least L_act, so a small objective is a small L_act.
    made = jm.generate(problem, count=3, lanes=3, steps=30, tolerance=1e-3)
    truth = oracle(problem.trained.params, problem.graph)["conv1"]
    for i in range(3):
        graph = jm.metamer_graph(problem, made, i)
        found = oracle(problem.trained.params, graph)
        residual = residual_of(found["conv1.pre"].astype(np.float32), truth.astype(np.float32))
        objective = np.sum(np.square(residual, dtype=np.float64)) / np.sum(truth**2)
        assert objective >= 0.999 * l_act(found["conv1"], truth)


@pytest.mark.parametrize("loss", jm.LOSSES.values())
def test_activations_of_another_shape_are_refused_and_not_broadcast(loss):
    post = jnp.ones((2, 3))
    with pytest.raises(jm.InputError, match=r"`target` has shape \(3,\).*`post` has \(2, 3\)"):
        loss().residual(None, post, jnp.ones(3), None)
    assert loss().residual(None, post, post, None).shape == (2, 3)
