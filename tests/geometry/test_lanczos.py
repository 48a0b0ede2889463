import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.geometry.lanczos import gauss_rule, on_host, tridiagonalize


def with_eigenvalues(values, seed=0):
    values = np.asarray(values, np.float64)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return (turn * values) @ turn.T


def start_vectors(size, count, seed=1):
    return np.random.default_rng(seed).normal(size=(size, count))


def ritz_values(matrix, start, steps):
    return gauss_rule(tridiagonalize(lambda v: matrix @ v, start, steps), 0, steps)[0]


def test_all_steps_find_all_eigenvalues():
    values = np.linspace(0.1, 5, 30)
    found = ritz_values(with_eigenvalues(values), start_vectors(30, 1), 30)
    assert np.abs(found - values).max() <= 1e-12


def test_no_eigenvalue_appears_twice_by_round_off():
    # Without full reorthogonalization the isolated value is found again and again.
    values = np.concatenate([np.linspace(0, 1, 99), [1e6]])
    done = tridiagonalize(lambda v: values[:, None] * v, start_vectors(100, 1), 60)
    found, _ = gauss_rule(done, 0, 60)
    assert np.sum(found > 2) == 1


@pytest.mark.parametrize("distinct", [1, 2, 5])
def test_more_steps_than_distinct_eigenvalues_are_exact_and_never_nan(distinct):
    values = np.repeat(np.arange(1.0, distinct + 1), 8)
    matrix = with_eigenvalues(values)
    start = start_vectors(len(values), 3)
    done = tridiagonalize(lambda v: matrix @ v, start, 20)
    assert done.length.tolist() == [distinct] * 3
    assert done.exhausted().all()
    logarithm = with_eigenvalues(np.log(values))
    for column in range(3):
        nodes, weights = gauss_rule(done, column, 20)
        assert np.abs(nodes - np.arange(1, distinct + 1)).max() <= 1e-12
        exact = start[:, column] @ logarithm @ start[:, column]
        assert done.start_norm[column] ** 2 * weights @ np.log(nodes) == pytest.approx(exact)


def test_vectors_of_one_batch_break_down_on_their_own():
    values = np.arange(1.0, 7.0)
    start = np.eye(6)[:, :3]
    start[:, 1] = 1
    start[:, 2] = 0
    alone = tridiagonalize(lambda v: values[:, None] * v, start[:, 1:2], 6)
    done = tridiagonalize(lambda v: values[:, None] * v, start, 6)
    assert done.length.tolist() == [1, 6, 1]
    assert np.abs(done.diagonal[:, 1] - alone.diagonal[:, 0]).max() <= 1e-12
    assert (done.off_diagonal[:, [0, 2]] == 0).all()
    assert np.isfinite(done.diagonal).all()


def test_the_rule_is_exact_for_polynomials_of_degree_below_twice_the_steps():
    matrix = with_eigenvalues(np.linspace(-1, 1, 40))
    start = start_vectors(40, 1)
    nodes, weights = gauss_rule(tridiagonalize(lambda v: matrix @ v, start, 4), 0, 4)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    for degree, equal in ((7, True), (8, False)):
        exact = (start.T @ np.linalg.matrix_power(matrix, degree) @ start).item()
        found = float(np.sum(start**2) * weights @ nodes**degree)
        assert bool(abs(found - exact) <= 1e-12 * np.sum(start**2)) is equal


def test_leading_steps_are_the_shorter_run():
    matrix = with_eigenvalues(np.linspace(0, 1, 20))
    long = tridiagonalize(lambda v: matrix @ v, start_vectors(20, 2), 10)
    short = tridiagonalize(lambda v: matrix @ v, start_vectors(20, 2), 5)
    for part, whole in zip(gauss_rule(short, 1, 5), gauss_rule(long, 1, 5), strict=True):
        assert np.abs(part - whole).max() <= 1e-14


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e100])
def test_the_unit_of_the_operator_does_not_matter(scale):
    matrix = scale * with_eigenvalues([1.0, 1.0, 2.0, 3.0])
    found = ritz_values(matrix, start_vectors(4, 1), 4)
    assert np.abs(found / scale - [1, 2, 3]).max() <= 1e-12


def test_the_zero_operator_has_one_ritz_value_zero():
    done = tridiagonalize(lambda v: 0 * v, start_vectors(5, 2), 4)
    assert done.length.tolist() == [1, 1]
    assert gauss_rule(done, 0, 4)[0].tolist() == [0]


def test_an_operator_of_one_row_takes_one_step():
    done = tridiagonalize(lambda v: 7 * v, np.array([[2.0]]), 5)
    assert (done.diagonal.tolist(), done.length.tolist()) == ([[7]], [1])
    assert done.exhausted().all()


def test_a_jax_function_runs_in_float64_on_columns():
    weight = np.random.default_rng(0).normal(size=(3, 4)) / 3
    operator = on_host(lambda v: jnp.asarray(weight) @ v)
    image = operator(np.eye(4, dtype=np.float32))
    assert image.dtype == np.float64
    assert np.abs(image - weight).max() <= 1e-16
    assert jnp.ones(1).dtype == jnp.float32


def test_misuse_is_refused_by_name():
    start = np.ones((3, 2))
    with pytest.raises(InputError, match=r"returned shape \(2, 2\) for columns of shape \(3, 2\)"):
        tridiagonalize(lambda v: v[:2], start, 2)
    with pytest.raises(InputError, match=r"returned float32; float64 is needed.*`on_host`"):
        tridiagonalize(lambda v: v.astype(np.float32), start, 2)
    with pytest.raises(InputError, match="returned 6 values that are not finite"):
        tridiagonalize(lambda v: v * np.nan, start, 2)
    with pytest.raises(InputError, match=r"`start` has shape \(0, 1\)"):
        tridiagonalize(lambda v: v, np.zeros((0, 1)), 2)
    with pytest.raises(InputError, match="`steps` is 0"):
        tridiagonalize(lambda v: v, start, 0)
    with pytest.raises(InputError, match="float32"):
        tridiagonalize(jax.jit(lambda v: v), start, 2)
