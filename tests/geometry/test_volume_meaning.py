"""What a log-volume says about the set of metamers, in closed form or by counting points."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from jmetamer.geometry.nonlinearity import LOG_DERIVATIVES
from jmetamer.geometry.spectrum import singular_values, spectrum_of
from jmetamer.geometry.volume import after_activation, log_volume, volume_change


def jacobian_of(q=3, p=8, seed=0):
    return np.random.default_rng(seed).normal(size=(q, p))


def activated(jacobian, seed=1):
    z = np.random.default_rng(seed).normal(size=len(jacobian))
    return z, after_activation(jacobian, LOG_DERIVATIVES["tanh"](z))


def tube_log_volume(jacobian, eps, rank):
    """r log eps + log V_r - logvol(J), the normal volume of all steps with |J delta| <= eps."""
    ball = rank / 2 * math.log(math.pi) - math.lgamma(rank / 2 + 1)
    return rank * math.log(eps) + ball - log_volume(singular_values(jacobian), rank)


def test_the_log_volume_is_half_the_log_pseudo_determinant():
    jacobian = jacobian_of(6, 3) @ jacobian_of(3, 9, 1)
    eigenvalues = np.linalg.eigvalsh(jacobian @ jacobian.T)[-3:]
    assert spectrum_of(jacobian).log_volume[0] == pytest.approx(np.sum(np.log(eigenvalues)) / 2)
    full = jacobian_of()
    determinant = np.linalg.slogdet(full @ full.T)[1] / 2
    assert spectrum_of(full).log_volume[0] == pytest.approx(determinant, abs=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_the_unit_of_the_input_shifts_the_log_volume_by_the_rank(rank):
    jacobian = jacobian_of(6, rank) @ jacobian_of(rank, 9, 1)
    shift = spectrum_of(jacobian / 10).log_volume[0] - spectrum_of(jacobian).log_volume[0]
    assert shift == pytest.approx(-rank * np.log(10), abs=1e-10)


def test_an_injective_activation_leaves_the_directions_of_the_metamer_set():
    jacobian = jacobian_of(5, 9)
    _, after = activated(jacobian)
    angles = scipy.linalg.subspace_angles(
        scipy.linalg.null_space(jacobian), scipy.linalg.null_space(after)
    )
    assert angles.max() <= 1e-12


def test_the_volume_of_the_metamer_set_itself_does_not_see_the_activation():
    # As a graph w(u) over the free inputs u: sqrt det(I + B^T B) = vol(J) / |det J_w|.
    jacobian = jacobian_of(3, 8)
    _, after = activated(jacobian)
    found = []
    for matrix in (jacobian, after):
        bound, free = matrix[:, :3], matrix[:, 3:]
        slope = -np.linalg.solve(bound, free)
        graph = np.linalg.slogdet(np.eye(5) + slope.T @ slope)[1] / 2
        volume = spectrum_of(matrix).log_volume[0] - np.linalg.slogdet(bound)[1]
        assert graph == pytest.approx(volume, abs=1e-10)
        found.append(graph)
    assert found[0] == pytest.approx(found[1], abs=1e-10)


def test_the_tube_around_the_metamer_set_has_the_volume_that_counting_finds():
    jacobian, eps = jacobian_of(3, 8), 0.7
    _, _, right = np.linalg.svd(jacobian, full_matrices=False)  # the normal directions
    half = eps / singular_values(jacobian)[-1]
    points = np.random.default_rng(2).uniform(-half, half, size=(200_000, 3))
    inside = np.mean(np.linalg.norm(points @ right @ jacobian.T, axis=1) <= eps)
    error = np.sqrt(inside * (1 - inside) / len(points)) / inside
    counted = np.log(inside * (2 * half) ** 3)
    assert error < 0.02
    assert abs(counted - tube_log_volume(jacobian, eps, 3)) <= 4 * error


def test_a_contracting_activation_fattens_the_tube_by_what_the_volume_loses():
    jacobian = jacobian_of(4, 9)
    z, after = activated(jacobian)
    change = volume_change(jacobian, spectrum_of(jacobian), z, LOG_DERIVATIVES["tanh"]).delta[0]
    assert change < 0
    growth = tube_log_volume(after, 0.1, 4) - tube_log_volume(jacobian, 0.1, 4)
    assert growth == pytest.approx(-change, abs=1e-10)


def test_the_density_of_an_activation_is_the_prior_over_the_volume_on_the_metamer_set():
    # Linear map of a standard normal input: the integral over the fibre is known.
    jacobian, target = jacobian_of(3, 8), np.array([0.3, -1.0, 0.5])
    nearest = np.linalg.pinv(jacobian) @ target
    prior_on_fibre = -0.5 * 3 * np.log(2 * np.pi) - 0.5 * nearest @ nearest
    density = prior_on_fibre - spectrum_of(jacobian).log_volume[0]
    exact = scipy.stats.multivariate_normal(np.zeros(3), jacobian @ jacobian.T).logpdf(target)
    assert density == pytest.approx(exact, abs=1e-10)
