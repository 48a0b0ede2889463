"""L-BFGS with trial steps, against SciPy's L-BFGS-B."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

from jmetamer.metamers import OPTIMIZERS
from jmetamer.metamers.methods.optimize.lane_lbfgs import lane_lbfgs


def minimize(loss, start, steps):
    """Best loss after each evaluation, and the point of the best one."""
    method = lane_lbfgs(memory=8)  # SciPy's below stores as many pairs

    def body(carry, _):
        x, state, best, best_x = carry
        value, gradient = jax.value_and_grad(loss)(x)
        better = value < best
        best, best_x = jnp.where(better, value, best), jnp.where(better, x, best_x)
        updates, state = method.update(gradient, state, x, value=value)
        return (optax.apply_updates(x, updates), state, best, best_x), best

    carry = (start, method.init(start), jnp.inf, start)
    (_, _, _, best_x), curve = jax.lax.scan(body, carry, length=steps)
    return curve, best_x


def scipy_evaluations(loss, start, value):
    """Number of evaluations after which SciPy has seen a loss of at most `value`."""
    seen = []

    def both(x):
        found, gradient = jax.value_and_grad(loss)(jnp.asarray(x, jnp.float32))
        seen.append(float(found))
        return float(found), np.asarray(gradient, np.float64)

    options = {"maxcor": 8, "maxiter": 500}
    scipy.optimize.minimize(both, start, jac=True, method="L-BFGS-B", options=options)
    return int(np.argmax(np.array(seen) <= value)) + 1 if min(seen) <= value else np.inf


def quadratic(seed, size=12, condition=300.0):
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(size, size)))
    matrix = (q * np.geomspace(1, condition, size)) @ q.T
    offset = rng.normal(size=size)
    a, b = jnp.array(matrix, jnp.float32), jnp.array(offset, jnp.float32)
    return (lambda x: 0.5 * x @ a @ x - b @ x), np.linalg.solve(matrix, offset)


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_finds_the_minimum_of_a_quadratic_as_fast_as_scipy(seed):
    loss, solution = quadratic(seed)
    curve, x = minimize(loss, jnp.zeros(12), 150)
    np.testing.assert_allclose(x, solution, atol=2e-3 * np.abs(solution).max())
    target = float(loss(jnp.asarray(solution, jnp.float32)))
    close = target + 1e-4 * abs(target)
    ours = int(np.argmax(np.asarray(curve) <= close)) + 1
    assert curve[-1] <= close
    assert ours <= 2 * scipy_evaluations(loss, np.zeros(12), close)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [-1.0, 2.0, -1.0]])
def test_walks_through_rosenbrocks_valley_as_fast_as_scipy(start):
    curve, x = minimize(rosenbrock, jnp.array(start, jnp.float32), 200)
    assert curve[-1] <= 1e-5
    np.testing.assert_allclose(x, 1.0, atol=2e-2)
    ours = int(np.argmax(np.asarray(curve) <= 1e-5)) + 1
    assert ours <= 2 * scipy_evaluations(rosenbrock, np.array(start), 1e-5)


def test_under_vmap_every_lane_takes_its_own_path():
    starts = jnp.array([[-1.2, 1.0], [0.0, 0.5], [2.0, 2.0]])
    curves, points = jax.jit(jax.vmap(lambda x: minimize(rosenbrock, x, 60)))(starts)
    for start, curve, point in zip(starts, curves, points, strict=True):
        alone, alone_x = jax.jit(lambda x: minimize(rosenbrock, x, 60))(start)
        # The valley amplifies rounding, so the path is compared while it is young.
        np.testing.assert_allclose(curve[:15], alone[:15], rtol=1e-3)
        np.testing.assert_allclose(point, alone_x, atol=5e-2)


def test_takes_trees_and_stays_at_a_minimum():
    method = OPTIMIZERS["lane_lbfgs"](lambda step: 1.0)
    x = {"a": jnp.zeros((2, 2)), "b": jnp.zeros(3)}
    state = method.init(x)
    for _ in range(3):
        gradient = jax.tree.map(jnp.zeros_like, x)
        updates, state = method.update(gradient, state, x, value=jnp.float32(0))
        x = optax.apply_updates(x, updates)
    assert jax.tree.all(jax.tree.map(lambda leaf: bool((leaf == 0).all()), x))


def test_comes_back_from_a_trial_that_is_not_finite():
    # Left of zero the loss does not exist; the first step lands there.
    def loss(x):
        return jnp.sum(-jnp.log(x) + 30 * x)

    curve, x = minimize(loss, jnp.full(2, 0.3), 60)
    np.testing.assert_allclose(x, 1 / 30, rtol=1e-2)
    assert np.isfinite(curve[-1])


@pytest.mark.parametrize("bounded", [False, True])
def test_moves_coordinates_beside_which_their_gradient_vanishes_in_rounding(bounded):
    target = jnp.linspace(4.0, 6.0, 8)
    weights = 1e-9 * jnp.geomspace(1, 100, 8)

    def loss(x):
        return jnp.sum(weights * (x - target) ** 2)

    x = jnp.full(8, 5.0)
    assert (x - jax.grad(loss)(x) == x).all()  # what made them look as if held at a bound
    project = {"project": lambda x: jnp.clip(x, 0.0, 5.5)} if bounded else {}
    method = lane_lbfgs(bounded=bounded)

    def step(carry, _):
        x, state = carry
        value, gradient = jax.value_and_grad(loss)(x)
        updates, state = method.update(gradient, state, x, value=value, **project)
        x = optax.apply_updates(x, updates)
        return (project["project"](x) if bounded else x, state), None

    (x, _), _ = jax.jit(lambda: jax.lax.scan(step, (x, method.init(x)), length=60))()
    expected = jnp.minimum(target, 5.5) if bounded else target
    np.testing.assert_allclose(x, expected, atol=2e-3)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [-1.0, 2.0, -1.0]])
def test_derived_inner_products_are_those_of_the_stored_vectors(start):
    method = lane_lbfgs(memory=2, bounded=False)

    def step(carry, _):
        x, state = carry
        value, gradient = jax.value_and_grad(rosenbrock)(x)
        updates, state = method.update(gradient, state, x, value=value)
        return (optax.apply_updates(x, updates), state), (value, state)

    x = jnp.array(start)
    _, (values, states) = jax.jit(lambda: jax.lax.scan(step, (x, method.init(x)), length=100))()
    assert values.min() <= 1e-6
    stored = 0
    for state in (jax.tree.map(lambda leaf, i=i: leaf[i], states) for i in range(100)):
        expected = np.asarray(state.basis, np.float64) @ np.asarray(state.basis, np.float64).T
        size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        np.testing.assert_array_less(np.abs(state.gram - expected), 1e-3 * size + 1e-12)
        combination = -(state.scale * state.gradient + state.coefficients @ state.basis)
        if bool(state.stored > stored):
            np.testing.assert_allclose(combination, state.direction, rtol=1e-3, atol=1e-5)
        stored = int(state.stored)
    assert stored > 10
