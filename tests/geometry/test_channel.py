import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.geometry.channel import (
    channel_information,
    effective_dimension,
    stochastic_channel,
)
from jmetamer.geometry.spectrum import singular_values, spectrum_of, stack_spectra
from jmetamer.geometry.stochastic_trace import EstimateStatus, QuadratureSettings

KEY = jax.random.key(0)


def low_rank(q, p, rank, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(q, rank)) @ rng.normal(size=(rank, p)) / p


def test_information_and_dimension_equal_their_definitions():
    jacobian = np.random.default_rng(0).normal(size=(7, 12))
    gram, tau, noise = jacobian @ jacobian.T, 0.3, 0.7
    values = singular_values(jacobian)
    exact = np.linalg.slogdet(np.eye(7) + (tau / noise) ** 2 * gram)[1] / 2
    found = channel_information(values, input_std=tau, noise_std=noise)
    assert found == pytest.approx(exact, abs=1e-12)
    exact = np.trace(gram @ np.linalg.inv(gram + (noise / tau) ** 2 * np.eye(7)))
    found = effective_dimension(values, input_std=tau, noise_std=noise)
    assert found == pytest.approx(exact, abs=1e-12)


def test_without_noise_they_become_the_log_volume_and_the_rank():
    spectrum = spectrum_of(low_rank(9, 20, 4))
    values, tau = spectrum.singular_values[0], 0.5
    for noise in (1e-4, 1e-6, 1e-8):
        information = channel_information(values, input_std=tau, noise_std=noise)
        limit = spectrum.log_volume[0] - 4 * np.log(noise / tau)
        assert information == pytest.approx(limit, abs=1e3 * noise)
        dimension = effective_dimension(values, input_std=tau, noise_std=noise)
        assert dimension == pytest.approx(4, abs=1e3 * noise)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1e150), max_size=6), st.floats(1e-150, 1e150))
def test_they_stay_within_their_bounds_at_every_scale(values, noise):
    values = np.array(values)
    information = channel_information(values, input_std=1.0, noise_std=noise)
    dimension = effective_dimension(values, input_std=1.0, noise_std=noise)
    assert 0 <= dimension <= len(values)
    assert 0 <= information < np.inf
    assert dimension <= 2 * information + 1e-12  # x/(1+x) <= log(1+x)


def test_effective_dimension_is_the_slope_of_the_information():
    values, noise, step = np.array([3.0, 0.5, 0.01]), 0.4, 1e-5
    near = [
        channel_information(values, input_std=1.0, noise_std=noise * np.exp(sign * step))
        for sign in (1, -1)
    ]
    slope = -(near[0] - near[1]) / (2 * step)
    dimension = effective_dimension(values, input_std=1.0, noise_std=noise)
    assert dimension == pytest.approx(slope, rel=1e-8)


def test_spectra_of_several_targets_are_read_with_their_padding():
    spectra = [spectrum_of(low_rank(3, 8, 2)), spectrum_of(low_rank(5, 8, 5))]
    values = stack_spectra(spectra).singular_values
    for function in (channel_information, effective_dimension):
        joint = function(values, input_std=1.0, noise_std=0.1)
        single = [function(s.singular_values[0], input_std=1.0, noise_std=0.1) for s in spectra]
        assert joint.tolist() == pytest.approx(single, abs=1e-14)


def test_a_zero_jacobian_and_a_silent_input_carry_nothing():
    for function in (channel_information, effective_dimension):
        assert function([0.0, 0.0], input_std=1.0, noise_std=0.1) == 0
        assert function([], input_std=1.0, noise_std=0.1) == 0
        assert function([1.0, 2.0], input_std=0.0, noise_std=0.1) == 0
    for size in (0, 1, 60):
        found = stochastic_channel(lambda v: 0 * v, size, input_std=1.0, noise_std=0.1, key=KEY)
        assert found.information.value == found.effective_dimension.value == 0
        assert found.information.converged


@pytest.mark.parametrize("rank", [40, 150])
def test_the_estimate_agrees_with_the_exact_number_even_where_the_rank_is_deficient(rank):
    jacobian = low_rank(150, 200, rank)
    exact = singular_values(jacobian)
    scales = {"input_std": 1.0, "noise_std": 0.1}
    found = stochastic_channel(lambda v: jacobian @ (jacobian.T @ v), 150, key=KEY, **scales)
    for estimate, function in zip(found, (channel_information, effective_dimension), strict=True):
        assert estimate.converged
        assert estimate.steps <= 64
        assert estimate.standard_error > 0
        assert abs(estimate.value - function(exact, **scales)) <= 4 * estimate.standard_error


def test_noise_below_the_precision_of_the_operator_is_reported():
    jacobian = low_rank(60, 80, 20)
    found = stochastic_channel(
        lambda v: jacobian @ (jacobian.T @ v),
        60,
        input_std=1.0,
        noise_std=1e-9,
        key=KEY,
        settings=QuadratureSettings(steps=32),
    )
    assert found.information.status is EstimateStatus.SINGULAR
    assert np.isfinite(found.information.value)


def test_misuse_is_refused_by_name():
    with pytest.raises(InputError, match="`noise_std` is 0"):
        channel_information([1.0], input_std=1.0, noise_std=0.0)
    with pytest.raises(InputError, match="`input_std` is -1"):
        effective_dimension([1.0], input_std=-1.0, noise_std=1.0)
    with pytest.raises(InputError, match="`values` must be finite and not negative"):
        channel_information([-1.0], input_std=1.0, noise_std=1.0)
    with pytest.raises(InputError, match="`noise_std` is nan"):
        stochastic_channel(lambda v: v, 3, input_std=1.0, noise_std=np.nan, key=KEY)
