"""Deviations of distributions and of geometry against SciPy, scikit-learn and closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import kstest, ortho_group, wasserstein_distance
from sklearn.metrics.pairwise import rbf_kernel

import jmetamer as jm
from jmetamer._base.precision import float64_on_host
from jmetamer.measures.distributions import feature_wasserstein, mmd_p_value, mmd_squared
from jmetamer.measures.pairs_of_rows import (
    MAX_NODES,
    cka_chance,
    cka_distance,
    median_of_positive,
    squared_distances,
)

rng = np.random.default_rng(0)
LEFT, RIGHT = rng.normal(size=(2, 9, 6))


def float64(function, *arrays):
    with float64_on_host():
        return float(function(*map(jnp.asarray, arrays)))


def test_wasserstein_is_the_mean_of_scipy_over_features():
    expected = np.mean([wasserstein_distance(*pair) for pair in zip(LEFT.T, RIGHT.T, strict=True)])
    assert float64(feature_wasserstein, LEFT, RIGHT) == pytest.approx(expected, abs=1e-14)


def test_wasserstein_of_bits_is_the_difference_of_their_shares():
    bits = (rng.uniform(size=(2, 9, 6)) < 0.4).astype(float)
    expected = np.abs(bits[0].mean(0) - bits[1].mean(0)).mean()
    assert float64(feature_wasserstein, *bits) == pytest.approx(expected, abs=1e-15)


def test_wasserstein_has_the_unit_of_the_features():
    once, thrice = (float64(feature_wasserstein, c * LEFT, c * RIGHT) for c in (1.0, 3.0))
    assert thrice == pytest.approx(3 * once, abs=1e-13)


@pytest.mark.parametrize("equal_rows", [0, 4])
def test_mmd_equals_that_of_scikit_learns_kernel(equal_rows):
    left = np.vstack([LEFT[:1]] * equal_rows + [LEFT])
    right = np.vstack([RIGHT, RIGHT[:equal_rows] + 1])
    distances = pdist(left)
    gamma = 1 / (2 * np.median(distances[distances > 0]) ** 2)
    means = [rbf_kernel(*pair, gamma=gamma).mean() for pair in
             ((left, left), (right, right), (left, right))]  # fmt: skip
    expected = means[0] + means[1] - 2 * means[2]
    assert float64(mmd_squared, left, right) == pytest.approx(expected, abs=1e-14)


def test_mmd_takes_its_width_from_the_reference_alone():
    wide = 50 * RIGHT
    there, back = float64(mmd_squared, LEFT, wide), float64(mmd_squared, wide, LEFT)
    assert abs(there - back) > 0.1
    assert float64(mmd_squared, LEFT, LEFT + 1e3) == pytest.approx(
        2 * rbf_kernel(LEFT, gamma=1 / (2 * np.median(pdist(LEFT)) ** 2)).mean(), abs=1e-10
    ), "far away, only the kernels within are left"


def test_mmd_of_equal_rows_has_a_width_of_one():
    ones = np.ones((3, 2))
    assert float64(mmd_squared, ones, ones + 1) == pytest.approx(2 - 2 * np.exp(-1), abs=1e-14)


def test_distances_of_equal_rows_are_exactly_zero():
    rows = np.float32(rng.normal(size=(3, 50)))
    found = np.asarray(squared_distances(jnp.asarray(rows), jnp.asarray(rows)))
    assert (np.diag(found) == 0).all()
    assert np.allclose(found, np.square(rows[:, None] - rows[None]).sum(-1), rtol=1e-5)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 40])
def test_the_median_of_positive_numbers_is_numpys(count, bits):
    values = rng.lognormal(sigma=20, size=(2, count)) * (rng.uniform(size=(2, count)) < 0.7)
    values = np.concatenate([values, -0.0 * values], axis=1).astype(f"float{bits}")
    expected = np.median(values[values > 0]) if (values > 0).any() else 1.0
    with float64_on_host():
        found = median_of_positive(jnp.asarray(values), jnp)
    assert float(found) == pytest.approx(expected, rel=1e-6 if bits == 32 else 1e-15)
    assert median_of_positive(values, np) == expected


def u_centered(products):
    """Szekely and Rizzo's U-centering, entry by entry."""
    n = len(products)
    off = products - np.diag(np.diag(products))
    result = np.zeros_like(off)
    for i in range(n):
        for j in range(n):
            if i != j:
                result[i, j] = (off[i, j] - off[i].sum() / (n - 2) - off[:, j].sum() / (n - 2)
                                + off.sum() / ((n - 1) * (n - 2)))  # fmt: skip
    return result


def unbiased_hsic(left, right):
    """Song et al. (2012), equation 5, with linear kernels."""
    n, one = len(left), np.ones(len(left))
    first, second = (rows @ rows.T * (1 - np.eye(n)) for rows in (left, right))
    parts = np.trace(first @ second)
    parts += one @ first @ one * (one @ second @ one) / ((n - 1) * (n - 2))
    parts -= 2 / (n - 2) * (one @ first @ second @ one)
    return parts / (n * (n - 3))


def test_cka_equals_the_ratio_of_unbiased_hsic_and_of_centered_products():
    ratio = unbiased_hsic(LEFT, RIGHT) / np.sqrt(
        unbiased_hsic(LEFT, LEFT) * unbiased_hsic(RIGHT, RIGHT)
    )
    assert float64(cka_distance, LEFT, RIGHT) == pytest.approx(1 - ratio, abs=1e-13)
    first, second = (u_centered(rows @ rows.T) for rows in (LEFT, RIGHT))
    cosine = (first * second).sum() / np.linalg.norm(first) / np.linalg.norm(second)
    assert float64(cka_distance, LEFT, RIGHT) == pytest.approx(1 - cosine, abs=1e-13)


def test_cka_is_blind_to_rotation_scale_and_shift():
    turned = 3 * LEFT @ ortho_group.rvs(6, random_state=0) + 7
    assert float64(cka_distance, LEFT, turned) == pytest.approx(0, abs=1e-13)
    assert float64(cka_distance, RIGHT, turned) == pytest.approx(
        float64(cka_distance, RIGHT, LEFT), abs=1e-13
    )


def test_cka_of_independent_features_is_at_its_chance_level_for_any_width():
    """The ordinary one calls 30 rows of 200 independent entries alike at 0.87."""
    draws = np.random.default_rng(1).normal(size=(40, 2, 30, 200))
    found = [float(cka_distance(*np.float32(pair))) for pair in draws]
    assert abs(np.mean(found) - 1) <= 4 * np.std(found) / np.sqrt(40)
    left, right = (rows - rows.mean(0) for rows in draws[0])
    biased = np.linalg.norm(left.T @ right) ** 2 / (
        np.linalg.norm(left.T @ left) * np.linalg.norm(right.T @ right)
    )
    assert biased > 0.8
    assert cka_chance(draws[0, 0]) == 1


def test_cka_of_features_without_geometry_counts_as_defined():
    equal, orthogonal = np.full((5, 4), 0.1), np.eye(5)[:, :4]
    rows = LEFT[:5, :4]
    assert float64(cka_distance, equal, orthogonal) == 0
    assert float64(cka_distance, equal, rows) == float64(cka_distance, rows, orthogonal) == 1
    assert float64(cka_distance, LEFT[:3], RIGHT[:3]) == 0, "three pairs say nothing"


@pytest.mark.parametrize("function", [mmd_squared, cka_distance])
def test_pairs_of_too_many_nodes_are_refused(function):
    rows = np.zeros((MAX_NODES + 1, 1), np.float32)
    with pytest.raises(
        jm.InputError, match=r"all pairs of 10001 nodes.*Leave it out of `measures`"
    ):
        function(rows, rows)


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_large_and_tiny_features_survive_float32(scale):
    left, right = np.float32(LEFT), np.float32(RIGHT)
    for function in (mmd_squared, cka_distance):
        expected = float(function(left, right))
        found = float(function(left * np.float32(scale), right * np.float32(scale)))
        assert found == pytest.approx(expected, rel=1e-4)


class TestThePermutationTest:
    def test_gives_uniform_p_values_where_both_have_one_distribution(self):
        draws = np.random.default_rng(3)
        p_values = []
        for seed in range(300):
            both = draws.exponential(size=(2, 12, 3))
            p_values.append(mmd_p_value(*both, num_permutations=49, seed=seed))
        # p lies on steps of 1 / 50; filled up within its step it is uniform on [0, 1].
        smoothed = np.array(p_values) - draws.random(300) / 50
        assert kstest(smoothed, "uniform").pvalue > 0.01
        assert min(p_values) >= 1 / 50

    def test_finds_another_mean_and_another_spread(self):
        draws = np.random.default_rng(4)
        rows, others = draws.normal(size=(2, 40, 4))
        for moved in (others + 1.5, 3 * others):
            assert mmd_p_value(rows, moved, num_permutations=199) == 1 / 200
        assert mmd_p_value(rows, rows[::-1]) == 1

    def test_counts_divisions_as_scikit_learns_kernel_does(self):
        left, right = LEFT, RIGHT + 0.7
        both = np.vstack([left, right])
        kernel = rbf_kernel(both, gamma=1 / (2 * np.median(pdist(both)) ** 2))
        draws, signs = np.random.default_rng(8), np.repeat([1.0, -1.0], 9)
        halves = [signs, *(draws.permutation(signs) for _ in range(2000))]
        found = np.array([half @ kernel @ half for half in halves])
        expected = np.mean(found[1:] >= found[0])
        error = 4 * np.sqrt(expected * (1 - expected) / 1000)
        assert 0.01 < expected < 0.5
        assert abs(mmd_p_value(left, right, num_permutations=2000) - expected) <= error

    def test_misuse_is_refused_by_name(self):
        with pytest.raises(jm.InputError, match=r"`metamer` \(4, 6\)"):
            mmd_p_value(LEFT, RIGHT[:4])
        with pytest.raises(jm.InputError, match=r"`num_permutations` is 0"):
            mmd_p_value(LEFT, RIGHT, num_permutations=0)
        with pytest.raises(jm.InputError, match=r"`reference` is not finite"):
            mmd_p_value(LEFT * np.nan, RIGHT)
        assert np.isnan(mmd_p_value(LEFT, RIGHT * np.inf))
