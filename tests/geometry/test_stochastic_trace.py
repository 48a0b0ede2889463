import jax
import numpy as np
import pytest

from jmetamer._base.errors import ConfigError, InputError
from jmetamer.geometry.lanczos import gauss_rule, tridiagonalize
from jmetamer.geometry.stochastic_trace import (
    EstimateStatus,
    QuadratureSettings,
    log_determinant,
    stochastic_trace,
)

KEY = jax.random.key(0)


def with_eigenvalues(values, seed=0):
    values = np.asarray(values, np.float64)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return (turn * values) @ turn.T


def columns(matrix):
    return lambda v: matrix @ v


def determinant(matrix, key=KEY, **settings):
    return log_determinant(
        columns(matrix), len(matrix), key=key, settings=QuadratureSettings(**settings)
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_log_determinant_lies_within_four_standard_errors(seed):
    matrix = with_eigenvalues(np.linspace(0.5, 5, 150), seed)
    found = determinant(matrix, jax.random.key(seed))
    exact = np.linalg.slogdet(matrix)[1]
    assert found.converged
    assert 0 < found.standard_error < 0.1 * exact
    assert abs(found.value - exact) <= 4 * found.standard_error


def test_the_standard_error_is_the_one_of_theory():
    # 2 (|log K|_F^2 - sum (log K)_ii^2) / N; normal probes would have 2 |log K|_F^2 / N.
    values = np.geomspace(0.01, 10, 160)
    matrix, logarithm = with_eigenvalues(values), with_eigenvalues(np.log(values))
    total, diagonal = np.sum(logarithm**2), np.sum(np.diag(logarithm) ** 2)
    keys = jax.random.split(KEY, 4)
    found = [determinant(matrix, key, num_probes=100, steps=24) for key in keys]
    variance = np.mean([estimate.standard_error**2 for estimate in found])
    assert variance == pytest.approx(2 * (total - diagonal) / 100, rel=0.15)
    assert variance < 0.8 * 2 * total / 100


def test_the_quadrature_bias_is_one_sided_and_the_doubling_check_sees_it():
    matrix = with_eigenvalues(np.geomspace(1e-6, 1, 120))
    fixed = [determinant(matrix, steps=m, max_steps=m) for m in (8, 16, 32, 64, 120)]
    bias = [found.value - fixed[-1].value for found in fixed[:-1]]
    assert bias == sorted(bias, reverse=True)
    assert min(bias) > 0
    assert bias[0] > 4 * fixed[0].standard_error  # the standard error alone would be a lie
    assert not fixed[0].converged
    assert fixed[0].status is EstimateStatus.STEPS_EXHAUSTED
    doubled = determinant(matrix, steps=8)
    assert doubled.converged
    assert doubled.steps > 8
    assert doubled.quadrature_error <= doubled.standard_error
    assert abs(doubled.value - np.linalg.slogdet(matrix)[1]) <= 4 * doubled.standard_error


def test_the_bias_falls_with_the_rate_of_the_condition_number():
    # rho^(-2m) with rho = (sqrt kappa + 1) / (sqrt kappa - 1); kappa = 9 gives rho = 2.
    matrix = with_eigenvalues(np.linspace(1, 9, 400))
    exact = determinant(matrix, steps=40, max_steps=40).value
    bias = [determinant(matrix, steps=m, max_steps=m).value - exact for m in (3, 4, 5, 6, 7)]
    ratio = np.array(bias[:-1]) / np.array(bias[1:])
    assert (ratio > 4).all()
    assert ratio[-1] == pytest.approx(4, rel=0.4)


def test_a_threshold_on_ritz_values_fails_on_a_singular_operator():
    # Why no Ritz value is discarded: most of them are no eigenvalues.
    values = np.concatenate([np.zeros(60), np.geomspace(1e-4, 1, 140)])
    matrix, pseudo = with_eigenvalues(values), np.sum(np.log(values[60:]))
    start = np.random.default_rng(0).choice([-1.0, 1.0], size=(200, 8))
    done = tridiagonalize(columns(matrix), start, 80)
    for steps in (10, 20, 40, 80):
        total = 0.0
        for column in range(8):
            nodes, weights = gauss_rule(done, column, steps)
            kept = nodes > 1e-12
            total += 200 / 8 * np.sum(weights[kept] * np.log(nodes[kept]))
        assert total < pseudo - 100
    found = determinant(matrix)
    assert found.status is EstimateStatus.SINGULAR
    assert (found.value, found.standard_error) == (-np.inf, np.inf)
    assert "inactive units" in found.status.remedy


@pytest.mark.parametrize("num_zero", [1, 5, 50])
def test_a_singular_operator_never_converges(num_zero):
    values = np.concatenate([np.zeros(num_zero), np.linspace(1, 2, 100)])
    found = determinant(with_eigenvalues(values))
    assert found.status is EstimateStatus.SINGULAR
    assert found.value == -np.inf


def test_more_steps_than_distinct_eigenvalues_are_exact():
    values = np.repeat([1.0, 2.0, 5.0], 30)
    found = determinant(with_eigenvalues(values), steps=64)
    assert found.quadrature_error == 0
    assert found.converged
    assert abs(found.value - np.sum(np.log(values))) <= 4 * found.standard_error


def test_a_diagonal_operator_has_no_scatter():
    values = np.linspace(1, 2, 50)
    found = log_determinant(lambda v: values[:, None] * v, 50, key=KEY)
    assert found.standard_error <= 1e-10
    assert found.value == pytest.approx(np.sum(np.log(values)), abs=1e-10)
    assert found.converged


@pytest.mark.parametrize("size", [1, 2, 20])
def test_an_operator_of_few_rows_is_exact(size):
    matrix = with_eigenvalues(np.geomspace(1e-2, 1e3, size))
    found = determinant(matrix)
    assert (found.standard_error, found.quadrature_error, found.num_probes) == (0, 0, size)
    assert found.converged
    assert found.value == pytest.approx(np.linalg.slogdet(matrix)[1], rel=1e-8)


def test_an_empty_operator_has_log_determinant_zero():
    found = log_determinant(lambda v: v, 0, key=KEY)
    assert found[:4] == (0, 0, 0, 0)
    assert found.converged


@pytest.mark.parametrize("size", [1, 5, 100])
def test_the_zero_operator_is_singular_and_not_nan(size):
    found = log_determinant(lambda v: 0 * v, size, key=KEY)
    assert (found.value, found.status) == (-np.inf, EstimateStatus.SINGULAR)


def test_the_identity_is_exact():
    found = log_determinant(lambda v: v, 100, key=KEY)
    assert abs(found.value) <= 1e-10
    assert found.converged


def test_several_functions_share_one_run_and_zero_eigenvalues_do_not_matter_to_all():
    values = np.concatenate([np.zeros(50), np.linspace(1, 4, 50)])
    matrix = with_eigenvalues(values)
    calls = []

    def counted(v):
        calls.append(v.shape[1])
        return matrix @ v

    trace, count, root = stochastic_trace(
        counted, 100, [lambda x: x, lambda x: x / (1 + x), np.log], key=KEY
    )
    assert abs(trace.value - values.sum()) <= 4 * trace.standard_error
    assert abs(count.value - np.sum(values / (1 + values))) <= 4 * count.standard_error
    assert trace.converged
    assert count.converged
    assert root.status is EstimateStatus.SINGULAR
    alone = len(calls)
    calls.clear()
    stochastic_trace(counted, 100, [np.log], key=KEY)
    assert alone <= 2 * len(calls)


def test_results_follow_the_key_and_not_the_batch():
    matrix = with_eigenvalues(np.linspace(1, 2, 80))
    first = determinant(matrix)
    assert determinant(matrix).value == first.value
    assert determinant(matrix, jax.random.key(1)).value != first.value
    assert determinant(matrix, batch=5).value == pytest.approx(first.value, rel=1e-12)


def test_misuse_is_refused_by_name():
    with pytest.raises(InputError, match=r"Ritz value -1.*no negative eigenvalue"):
        determinant(np.diag([-1.0, 1.0]))
    with pytest.raises(InputError, match=r"returned shape \(3, 3\).*\(2, 2\) is needed"):
        log_determinant(lambda v: np.zeros((3, 3)), 2, key=KEY)
    for name in ("num_probes", "steps", "batch"):
        with pytest.raises(InputError, match=f"`{name}` is 0; allowed: .*from [12] up"):
            QuadratureSettings(**{name: 0})
    with pytest.raises(ConfigError, match="`max_steps` is 4; give at least 16"):
        QuadratureSettings(max_steps=4)
