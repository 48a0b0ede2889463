"""Losses: zero exactly where the activation matches, and never smaller than the mismatch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import jmetamer as jm
from jmetamer.metamers.losses import MatchedLayer
from jmetamer.metamers.methods.exact import Point
from jmetamer.metamers.methods.exact.residual import ResidualMap

VALUES = hnp.arrays(np.float32, (3, 4), elements=st.floats(-8, 8, width=32, allow_subnormal=False))


def residual_of(pre, target, nonlinearity="relu"):
    post = jax.nn.relu(pre) if nonlinearity == "relu" else pre
    layer = MatchedLayer("conv1", jnp.array(pre), jnp.array(post), target, nonlinearity)
    return np.asarray(jm.Complementarity().residual(layer))


def matched(pre, target, name="conv1"):
    """A layer behind a ReLU as a search sees it."""
    scale = jnp.sum(jnp.square(target))
    scale = jnp.where(scale > 0, scale, 1.0)
    return MatchedLayer(name, pre, jax.nn.relu(pre), target, "relu", scale)


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
        return jnp.sum(loss.residual(matched(z, jnp.array([[2.0]]))) ** 2)

    z = jnp.array([[-1.0]])
    assert float(jax.grad(lambda z: objective(jm.RelativeSquared(), z))(z)[0, 0]) == 0
    assert float(jax.grad(lambda z: objective(jm.Complementarity(), z))(z)[0, 0]) == -6


@pytest.mark.parametrize("nonlinearity", ["elu", "tanh", "leaky_relu", "gelu", None])
def test_complementarity_is_the_plain_residual_away_from_relu(nonlinearity):
    pre, target = np.array([[-1.0, 2.0]]), np.array([[0.5, -0.5]])
    post = pre + 1
    for given_pre in (jnp.array(pre), None):
        layer = MatchedLayer("conv1", given_pre, post, target, nonlinearity)
        found = jm.Complementarity().residual(layer)
        np.testing.assert_array_equal(found, post - target)


@pytest.mark.parametrize("name", list(jm.LOSSES))
class TestEveryLoss:
    PRE = jnp.array([[-1.0, 0.5, 2.0], [1.0, -3.0, 0.25]])

    def test_is_zero_where_the_activation_matches_and_above_elsewhere(self, name):
        loss, other = jm.LOSSES[name](), self.PRE.at[1, 2].add(1.0)
        target = jax.nn.relu(self.PRE)
        assert abs(loss.objective([matched(self.PRE, target)])) <= 1e-6
        assert loss.objective([matched(other, target)]) > 1e-3
        assert hash(loss) == hash(jm.LOSSES[name]())
        assert loss == jm.LOSSES[name]()

    def test_has_a_finite_gradient_also_at_zero(self, name):
        loss = jm.LOSSES[name]()
        for z, target in ((self.PRE, self.PRE), (0 * self.PRE, self.PRE), (self.PRE, 0 * self.PRE)):
            target = jax.nn.relu(target)
            slope = jax.grad(lambda z, target=target: loss.objective([matched(z, target)]))(z)
            assert jnp.isfinite(slope).all()

    def test_has_a_residual_whose_squares_are_the_objective_or_says_that_it_has_none(self, name):
        loss, layer = jm.LOSSES[name](), matched(self.PRE, jax.nn.relu(self.PRE[::-1]))
        if not loss.has_residual:
            with pytest.raises(jm.InputError, match="has no residual"):
                loss.residual(layer)
            return
        residual = np.asarray(loss.residual(layer), np.float64)
        expected = np.sum(residual**2) / np.sum(np.square(layer.target, dtype=np.float64))
        assert loss.objective([layer]) == pytest.approx(expected, rel=1e-6)

    def test_refuses_activations_of_another_shape_and_broadcasts_nothing(self, name):
        post = jnp.ones((2, 3))
        with pytest.raises(jm.InputError, match=r"`target` has shape \(3,\).*`post` has \(2, 3\)"):
            jm.LOSSES[name]().objective([MatchedLayer("logits", None, post, jnp.ones(3))])


@given(VALUES, VALUES)
@settings(max_examples=50, deadline=None)
def test_the_cosine_is_that_of_numpy(post, target):
    scale = float(np.sum(target**2)) or 1.0
    layer = MatchedLayer("logits", None, jnp.array(post), jnp.array(target), None, scale)
    rows = []
    for a, b in zip(np.float64(post), np.float64(target), strict=True):
        if np.linalg.norm(b) == 0:
            rows.append(np.sum(a**2) * 3 / float(layer.scale))
            continue
        ratio = np.linalg.norm(a) / np.linalg.norm(b)
        cosine = a @ b / (np.linalg.norm(a) or 1) / np.linalg.norm(b)
        rows.append(1 - cosine + 0.5 * (ratio - 1) ** 2)
    found = float(jm.Cosine(norm=0.5).objective([layer]))
    assert found == pytest.approx(np.mean(rows), rel=1e-3, abs=1e-5)


class TestWeights:
    ONE = matched(jnp.array([[-1.0, 2.0]]), jnp.array([[3.0, 0.0]]))
    TWO = matched(jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 1.0]]), "conv2")

    @pytest.mark.parametrize("inner", [jm.RelativeSquared(), jm.Complementarity(), jm.Cosine()])
    def test_multiply_what_each_layer_adds(self, inner):
        loss = jm.Weighted({"conv2": 4.0}, inner)
        assert (loss.has_residual, loss.skips_nonlinearity) == (
            inner.has_residual,
            inner.skips_nonlinearity,
        )
        parts = [float(inner.objective([layer])) for layer in (self.ONE, self.TWO)]
        expected = (parts[0] + 4 * parts[1]) / 2
        assert float(loss.objective([self.ONE, self.TWO])) == pytest.approx(expected, rel=1e-6)
        plain = jm.Weighted(loss=inner).objective([self.ONE, self.TWO])
        assert plain == pytest.approx(float(inner.objective([self.ONE, self.TWO])), rel=1e-6)

    def test_of_a_layer_that_is_not_matched_are_refused(self, problem):
        with pytest.raises(jm.InputError, match="logits"):
            dataclasses.replace(problem, loss=jm.Weighted({"logits": 2.0}))
        with pytest.raises(jm.InputError, match="layers"):
            jm.Weighted({"conv1": -1.0})


@pytest.mark.parametrize("loss", [jm.Cosine(), jm.Weighted({"conv1": 9.0})])
def test_what_is_reported_is_l_act_whatever_steers(problem, oracle, l_act, loss):
    steered = dataclasses.replace(problem, loss=loss)
    made = jm.generate(steered, count=2, lanes=2, steps=40, tolerance=1e-3)
    truth = oracle(problem.trained.params, problem.graph)["conv1"]
    for i in range(2):
        graph = jm.metamer_graph(steered, made, i)
        found = l_act(oracle(problem.trained.params, graph)["conv1"], truth)
        assert made.loss_hardened[i] == pytest.approx(found, rel=1e-3)
        assert made.loss_final[i] == pytest.approx(found, rel=0.05)
        assert (made.loss_final[i] <= 1e-3) == (made.status[i] == jm.Status.CONVERGED)


@pytest.mark.parametrize("method", ["gauss_newton", "walk", "max_distance"])
def test_methods_that_solve_equations_refuse_a_loss_without_a_residual(problem, method):
    for loss in (jm.Cosine(), jm.Weighted(loss=jm.Cosine())):
        with pytest.raises(jm.InputError, match="has no residual"):
            jm.generate(dataclasses.replace(problem, loss=loss), count=1, method=method)


def test_gauss_newton_takes_weights(problem):
    weighted = dataclasses.replace(problem, loss=jm.Weighted({"conv1": 4.0}))
    found, plain = (
        ResidualMap(Point(one)).jacobian(np.zeros(ResidualMap(Point(one)).num_inputs), base(one))
        for one in (weighted, problem)
    )
    np.testing.assert_allclose(found, 2 * plain, rtol=1e-12)


def base(problem):
    point = Point(problem)
    return ResidualMap(point).base(point.features)


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
