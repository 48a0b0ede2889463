import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.geometry import (
    LOG_DERIVATIVES,
    after_activation,
    compress_rows,
    count_ties,
    linearizer,
    log_volume,
    singular_values,
    spectrum_of,
    stack_volume_changes,
    volume_change,
)

SMOOTH = ("tanh", "elu", "leaky_relu", "gelu", "softplus", "sigmoid")


def change_of(jacobian, z, name):
    return volume_change(jacobian, spectrum_of(jacobian), z, LOG_DERIVATIVES[name])


def low_rank(q, p, rank, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(q, rank)) @ rng.normal(size=(rank, p))


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize(("q", "p", "rank"), [(6, 20, 6), (12, 40, 5), (30, 9, 9)])
def test_the_restricted_formula_equals_the_difference_of_log_volumes(name, q, p, rank):
    jacobian = low_rank(q, p, rank, seed=q)
    z = np.random.default_rng(1).normal(size=q)
    slope = np.exp(LOG_DERIVATIVES[name](z))
    after = singular_values(slope[:, None] * jacobian)
    change = change_of(jacobian, z, name)
    expected = log_volume(after, rank) - log_volume(singular_values(jacobian), rank)
    assert change.delta[0] == pytest.approx(expected, abs=1e-9)
    assert change.lower[0] - 1e-12 <= change.delta[0] <= change.upper[0] + 1e-12
    assert (change.rank_loss[0], change.num_active[0]) == (0, q)


def test_at_full_row_rank_the_change_needs_no_jacobian_and_otherwise_it_does():
    z = np.random.default_rng(2).normal(size=8)
    total = np.sum(LOG_DERIVATIVES["tanh"](z))
    assert change_of(low_rank(8, 30, 8), z, "tanh").delta[0] == pytest.approx(total, abs=1e-13)
    assert abs(change_of(low_rank(8, 30, 4), z, "tanh").delta[0] - total) > 0.1
    negative = np.sum(z < 0)
    leaky = change_of(low_rank(8, 30, 8), z, "leaky_relu").delta[0]
    assert leaky == pytest.approx(negative * np.log(0.01), abs=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(SMOOTH), st.floats(0.1, 4))
def test_the_change_stays_within_its_bounds(seed, name, spread):
    rng = np.random.default_rng(seed)
    q, rank = int(rng.integers(1, 9)), int(rng.integers(1, 5))
    change = change_of(low_rank(q, 15, min(q, rank), seed), rng.normal(size=q) * spread, name)
    assert change.lower[0] - 1e-9 <= change.delta[0] <= change.upper[0] + 1e-9


def test_the_change_of_a_linear_layer_follows_from_the_kronecker_factors():
    rng = np.random.default_rng(3)
    aggregation, weight = low_rank(6, 6, 4, 1), low_rank(5, 7, 3, 2)
    z = rng.normal(size=30)
    left = np.kron(np.linalg.svd(aggregation)[0][:, :4], np.linalg.svd(weight)[0][:, :3])
    slope = np.exp(LOG_DERIVATIVES["tanh"](z))
    expected = np.linalg.slogdet(left.T @ (slope[:, None] ** 2 * left))[1] / 2
    change = change_of(np.kron(aggregation, weight), z, "tanh")
    assert change.delta[0] == pytest.approx(expected, abs=1e-9)


def test_saturated_units_keep_their_accuracy():
    # Three rows span two dimensions; the third is saturated far below what J_h could resolve.
    jacobian = np.array([[1.0, 0, 0], [0, 0.6, 0], [0, 0.8, 0]])
    z = np.array([100.0, -200.0, -120.0])
    change = change_of(jacobian, z, "elu")
    assert change.delta[0] == pytest.approx(-120 + np.log(0.8), abs=1e-12)
    hidden = np.array([[1.0, 0, 0], [0, 0.6, 0], [0, 1e-9, 0]])
    change = change_of(hidden, np.array([1.0, -1.0, 5.0]), "elu")
    expected = 0.5 * np.log(np.exp(-2) * 0.36 + 1e-18) - np.log(0.6)
    assert change.delta[0] == pytest.approx(expected, abs=1e-12)


def test_derivatives_too_far_apart_for_float64_give_nan_and_keep_the_bounds():
    change = change_of(low_rank(3, 9, 2), np.array([1.0, -700.0, -1.0]), "elu")
    assert np.isnan(change.delta[0])
    assert (change.lower[0], change.upper[0], change.rank_loss[0]) == (-701, -1, 0)


def relu_network(x, row):
    rng = np.random.default_rng(0)
    mix, first, second = rng.normal(size=(9, 9)), rng.normal(size=(6, 20)), rng.normal(size=(20, 8))
    z = (mix @ jax.nn.relu(mix @ x @ first / 9) @ second / 20)[row]
    return jnp.concatenate([z, jax.nn.relu(z)])


def test_relu_splits_the_volume_into_active_and_lost_parts():
    x = np.random.default_rng(4).normal(size=(9, 6))
    value, jacobian = linearizer(relu_network)(x, 5)
    before, after = np.split(jacobian, 2)
    z = value[:8]
    spectrum = spectrum_of(before, output_norm=np.linalg.norm(z), input_norm=np.linalg.norm(x))
    change = volume_change(before, spectrum, z, LOG_DERIVATIVES["relu"])
    active = z > 0
    assert 0 < active.sum() < 8
    assert spectrum.rank[0] == 8
    assert (change.num_active[0], change.rank_loss[0]) == (active.sum(), (~active).sum())
    assert np.isnan(change.delta[0])
    kept = log_volume(singular_values(after), int(active.sum()))
    assert kept == pytest.approx(spectrum_of(before[active]).log_volume[0], abs=1e-12)
    # The lost volume by its own definition: inactive rows outside the span of the active ones.
    basis = np.linalg.qr(before[active].T)[0]
    outside = before[~active] - before[~active] @ basis @ basis.T
    lost = log_volume(singular_values(outside), int((~active).sum()))
    assert change.log_volume_lost[0] == pytest.approx(lost, abs=1e-9)
    assert kept + lost == pytest.approx(spectrum.log_volume[0], abs=1e-6)


def test_inactive_units_need_not_cost_rank():
    jacobian = low_rank(10, 30, 3, seed=7)
    z = np.array([1.0] * 6 + [-1.0] * 4)
    change = change_of(jacobian, z, "relu")
    assert (change.rank_loss[0], change.num_active[0]) == (0, 6)
    left = np.linalg.svd(jacobian)[0][:6, :3]
    assert change.delta[0] == pytest.approx(np.linalg.slogdet(left.T @ left)[1] / 2, abs=1e-9)
    assert change.lower[0] == -np.inf
    assert change.upper[0] == 0
    assert np.isnan(change.log_volume_lost[0])


def test_dead_units_are_those_inactive_at_every_node_of_the_target():
    z = np.array([[1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]])
    change = change_of(np.eye(6), z, "relu")
    assert (change.num_active[0], change.num_dead[0]) == (2, 1)


def test_all_units_inactive_lose_the_whole_rank():
    change = change_of(np.eye(3), -np.ones(3), "relu")
    assert (change.rank_loss[0], change.num_active[0], change.num_dead[0]) == (3, 0, 3)
    assert np.isnan(change.delta[0])
    assert change.log_volume_lost[0] == 0


def test_a_zero_jacobian_has_no_volume_to_change():
    change = change_of(np.zeros((3, 5)), np.ones(3), "tanh")
    assert (change.delta[0], change.lower[0], change.upper[0]) == (0, 0, 0)


def test_an_empty_target_changes_nothing():
    change = change_of(np.zeros((0, 5)), np.zeros(0), "relu")
    assert (change.delta[0], change.num_active[0], change.num_dead[0]) == (0, 0, 0)


def test_ties_are_counted_relative_to_the_largest_preactivation():
    assert count_ties([0.0, 1e-13, 1e-11, 1.0]) == 2
    assert count_ties(np.zeros((2, 2))) == 4
    assert count_ties([]) == 0
    assert change_of(np.eye(2), [0.0, 1.0], "leaky_relu").num_ties[0] == 1


@pytest.mark.parametrize("name", LOG_DERIVATIVES)
def test_the_jacobian_after_an_activation_has_the_spectrum_autodiff_finds(name):
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(7, 5))
    functions = {"identity": lambda z: z, "tanh": jnp.tanh}
    functions |= {"gelu": lambda z: jax.nn.gelu(z, approximate=False), "gelu_tanh": jax.nn.gelu}
    sigma = functions.get(name) or getattr(jax.nn, name)
    x = rng.normal(size=7)
    _, jacobian = linearizer(lambda x: sigma(x @ weight))(x)
    after = after_activation(weight.T, LOG_DERIVATIVES[name](x @ weight))
    assert np.abs(singular_values(after) - singular_values(jacobian)).max() <= 1e-13


def test_compressed_jacobians_change_alike():
    jacobian, z = low_rank(6, 50, 4), np.linspace(-1, 1, 6)
    full, small = (change_of(m, z, "tanh") for m in (jacobian, compress_rows(jacobian)))
    assert small.delta[0] == pytest.approx(full.delta[0], abs=1e-12)


def test_changes_stack_along_the_leading_axis():
    stacked = stack_volume_changes([change_of(np.eye(2), [1.0, -1.0], n) for n in ("elu", "relu")])
    assert stacked.rank_loss.tolist() == [0, 1]
    assert stacked.delta.shape == (2,)
    assert stacked.rank_loss.dtype == np.int32


def test_misuse_is_refused_by_name():
    spectrum = spectrum_of(np.eye(2))
    elu = LOG_DERIVATIVES["elu"]
    with pytest.raises(InputError, match="`preactivation` has 3 numbers but the Jacobian has 2"):
        volume_change(np.eye(2), spectrum, np.ones(3), elu)
    with pytest.raises(InputError, match="`preactivation` holds 1 values that are not finite"):
        volume_change(np.eye(2), spectrum, [np.nan, 1.0], elu)
    with pytest.raises(InputError, match="`log_derivatives` has 3 numbers"):
        after_activation(np.eye(2), np.ones(3))
    with pytest.raises(InputError, match="`rank` is 2 but only 1 singular values are positive"):
        log_volume([1.0, 0.0], 2)
    with pytest.raises(InputError, match="`changes` is empty"):
        stack_volume_changes([])
    with pytest.raises(InputError, match="`spectrum_pre` holds 2 spectra"):
        volume_change(
            np.eye(2), type(spectrum)(*(np.repeat(a, 2, 0) for a in spectrum)), [1, 1], elu
        )
