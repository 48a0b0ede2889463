"""The projection on the budget, against the exact solution by sorting and against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.precision import float64_on_host
from jmetamer.metamers.methods.relax_edges.budget import within_budget

SIZE = 12  # one shape, so one compilation
FLOATS = st.floats(-3, 4, width=32, allow_subnormal=False)
COARSE = st.sampled_from([-0.5, 0.0, 0.25, 0.5, 1.0, 1.5])
project = jax.jit(within_budget)


def by_sorting(weight, start, budget):
    """The same projection in float64: the total is linear in the shift between sorted corners."""
    weight, start = np.asarray(weight, np.float64), np.asarray(start, np.float64)
    change = np.where(start == 1, 1 - weight, weight)

    def total(shift):
        return np.clip(change - shift, 0, 1).sum()

    shift = 0.0
    if total(0) > budget:
        corners = np.unique(np.maximum(np.concatenate([change, change - 1, [0.0]]), 0))
        totals = np.array([total(corner) for corner in corners])
        shift = np.interp(budget, totals[::-1], corners[::-1])
        if budget == 0:
            shift = change.max()
    moved = np.clip(change - shift, 0, 1)
    return np.where(start == 1, 1 - moved, moved)


PROBLEMS = (
    st.lists(st.one_of(FLOATS, COARSE), min_size=SIZE, max_size=SIZE),
    st.lists(st.booleans(), min_size=SIZE, max_size=SIZE),
    st.floats(0, SIZE, width=32, allow_subnormal=False),
)


@given(*PROBLEMS)
@settings(max_examples=200, deadline=None)
def test_is_the_exact_projection_in_float32(weight, start, budget):
    weight, start = np.array(weight, np.float32), np.array(start, np.float32)
    found = np.asarray(project(weight, start, np.float32(budget)))
    # The sum of the changes is rounded to the digits of the budget.
    tolerance = 1e-6 * max(1.0, budget)
    np.testing.assert_allclose(found, by_sorting(weight, start, budget), atol=tolerance)


@given(*PROBLEMS)
@settings(max_examples=100, deadline=None)
def test_is_the_exact_projection_in_float64(weight, start, budget):
    weight, start = np.array(weight), np.array(start, np.float64)
    with float64_on_host():
        found = np.asarray(project(weight, start, budget))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, by_sorting(weight, start, budget), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_is_what_a_constrained_solver_finds(seed):
    rng = np.random.default_rng(seed)
    weight, start = rng.normal(0.5, 1, 6), rng.integers(0, 2, 6).astype(float)
    sign = 1 - 2 * start  # inside the box the change has this sign
    solved = scipy.optimize.minimize(
        lambda w: np.sum((w - weight) ** 2),
        start,
        jac=lambda w: 2 * (w - weight),
        bounds=[(0, 1)] * 6,
        constraints=[
            {"type": "ineq", "fun": lambda w: 1.2 - sign @ (w - start), "jac": lambda w: -sign}
        ],
        method="SLSQP",
        options={"ftol": 1e-15},
    )
    with float64_on_host():
        found = np.asarray(project(weight, start, 1.2))
    np.testing.assert_allclose(found, solved.x, atol=1e-8)


def test_leaves_weights_inside_as_they_are_to_the_last_digit():
    weight = np.random.default_rng(0).uniform(size=SIZE).astype(np.float32)
    start = (np.arange(SIZE) % 2).astype(np.float32)
    inside = np.asarray(project(weight, start, np.float32(SIZE)))
    np.testing.assert_array_equal(inside, weight)


def test_uses_the_whole_budget_where_it_binds_also_for_many_tiny_changes():
    weight = np.random.default_rng(0).uniform(0, 2e-3, 20_000).astype(np.float32)
    start = np.zeros_like(weight)
    found = np.asarray(project(weight, start, np.float32(4.0)), np.float64)
    assert found.sum() == pytest.approx(4, rel=1e-5)
    np.testing.assert_allclose(found, by_sorting(weight, start, 4.0), atol=1e-8)


def test_projects_many_seeds_each_as_alone():
    rng = np.random.default_rng(0)
    weight = rng.normal(0.5, 1, (3, SIZE)).astype(np.float32)
    start = jnp.zeros(SIZE)
    together = jax.vmap(lambda w: within_budget(w, start, 2.0))(weight)
    for one, alone in zip(together, weight, strict=True):
        np.testing.assert_allclose(one, project(alone, start, 2.0), atol=1e-7)
