"""Tests of hypotheses: formulas against SciPy or the definition, size by simulation.

A simulated share of S draws is off by less than 4 standard errors sqrt(p (1 - p) / S), but for one
simulation in 16000; the seeds are fixed, so a test that passes once always passes.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jmetamer._base.errors import InputError
from jmetamer.results import add_one_p_value, holm, monte_carlo_p_value, sign_flip_test


def four_standard_errors(share, simulations):
    return 4 * np.sqrt(share * (1 - share) / simulations)


class TestSignFlip:
    @settings(max_examples=25)
    @given(st.lists(st.integers(-9, 9), min_size=2, max_size=7))
    def test_equals_scipys_exact_permutation_test(self, differences):
        # Integers, so that many sums tie.
        expected = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        result = sign_flip_test(differences)
        # SciPy doubles the smaller tail, which differs only where the mean is exactly 0.
        assert result.p_value == pytest.approx(expected.pvalue if result.mean else 1.0)
        assert result.exact

    @pytest.mark.parametrize("pairs", range(1, 9))
    def test_can_give_no_less_than_its_smallest_p(self, pairs):
        result = sign_flip_test(np.linspace(1, 2, pairs))
        assert result.p_value == result.smallest_p == 2.0 ** (1 - pairs)

    @pytest.mark.parametrize("pairs", [5, 6, 8])
    def test_rejects_a_true_null_as_often_as_its_steps_allow(self, pairs):
        generator = np.random.default_rng(pairs)
        scale = generator.exponential(size=(4000, pairs))  # pairs need not be alike
        differences = generator.laplace(size=(4000, pairs)) * scale
        p_values = np.array([sign_flip_test(row).p_value for row in differences])
        for alpha in (0.05, 0.1, 0.2):
            size = np.floor(alpha * 2 ** (pairs - 1)) / 2 ** (pairs - 1)
            tolerance = four_standard_errors(size, len(p_values))
            assert np.mean(p_values <= alpha) == pytest.approx(size, abs=tolerance)
            assert size <= alpha

    def test_finds_a_difference_that_is_there(self):
        differences = np.random.default_rng(0).normal(1.5, 1, (500, 8))
        rejected = np.mean([sign_flip_test(row).p_value <= 0.05 for row in differences])
        assert rejected > 0.8

    def test_is_not_misled_by_round_off(self):
        # 0.1 + 0.2 - 0.3 is not 0 in floating point; as integers it is.
        assert (
            sign_flip_test([0.1, 0.2, -0.3, 0.1]).p_value == sign_flip_test([1, 2, -3, 1]).p_value
        )
        assert sign_flip_test([0.0, 0.0]).p_value == 1.0

    def test_draws_flips_where_there_are_too_many(self):
        values = np.random.default_rng(1).normal(0.3, 1, 20)
        exact = sign_flip_test(values)
        drawn = sign_flip_test([*values, 0.0])  # a pair without difference changes nothing
        assert (exact.exact, drawn.exact) == (True, False)
        tolerance = four_standard_errors(exact.p_value, 99_999)
        assert drawn.p_value == pytest.approx(exact.p_value, abs=tolerance)
        assert drawn == sign_flip_test([*values, 0.0])
        assert drawn.p_value != sign_flip_test([*values, 0.0], seed=1).p_value
        assert sign_flip_test(np.ones(60), num_draws=999).p_value == pytest.approx(1e-3)

    @pytest.mark.parametrize("differences", [[], [1.0, np.nan], [[1.0]]])
    def test_refuses_what_are_no_differences(self, differences):
        with pytest.raises(InputError, match="`differences` has shape"):
            sign_flip_test(differences)
        with pytest.raises(InputError, match="`num_draws` is 0"):
            sign_flip_test(np.ones(21), num_draws=0)


def adjusted_by_closure(p_values):
    """Holm as the closure of Bonferroni: the worst of all families that hold the hypothesis."""
    indices = range(len(p_values))
    families = [f for k in indices for f in itertools.combinations(indices, k + 1)]
    return [
        max(min(1, len(f) * min(p_values[j] for j in f)) for f in families if i in f)
        for i in indices
    ]


class TestHolm:
    @given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
    def test_is_the_closure_of_bonferroni(self, p_values):
        assert holm(p_values) == pytest.approx(adjusted_by_closure(p_values))

    @pytest.mark.parametrize("correlation", [0.0, 0.8])
    def test_controls_the_family_wise_error(self, correlation):
        generator = np.random.default_rng(3)
        simulations, cells, false_nulls = 3000, 12, 4
        shared = generator.normal(size=(simulations, 1)) * np.sqrt(correlation)
        own = generator.normal(size=(simulations, cells)) * np.sqrt(1 - correlation)
        effect = np.where(np.arange(cells) < false_nulls, 2.5, 0.0)
        p_values = stats.norm.sf(shared + own + effect)
        rejected = np.array([holm(row) for row in p_values]) <= 0.05
        wrong = rejected[:, false_nulls:].any(1).mean()
        assert wrong <= 0.05 + four_standard_errors(0.05, simulations)
        plain = (p_values[:, false_nulls:] <= 0.05).any(1).mean()
        assert plain > 0.1  # what the correction is for
        bonferroni = p_values <= 0.05 / cells
        assert (rejected >= bonferroni).all()
        assert rejected.sum() > bonferroni.sum()

    def test_leaves_out_what_was_not_tested_and_keeps_the_shape(self):
        result = holm([[0.01, np.nan], [0.04, 0.03]])
        np.testing.assert_allclose(result, [[0.03, np.nan], [0.06, 0.06]])
        assert holm([]).shape == (0,)
        assert np.isnan(holm([np.nan])).all()

    def test_refuses_what_is_no_probability(self):
        with pytest.raises(InputError, match=r"`p_values` hold 1\.5"):
            holm([0.1, 1.5])


class TestMonteCarlo:
    def test_counts_as_defined(self):
        null = [1.0, 2.0, 2.0, 3.0]
        found = monte_carlo_p_value([0.0, 2.0, 2.5, 3.0, 9.0, np.inf, np.nan], null)
        np.testing.assert_allclose(found, np.array([5, 4, 2, 2, 1, 1, 5]) / 5)

    @pytest.mark.parametrize("num_draws", [19, 99])
    def test_is_uniform_on_null_data(self, num_draws):
        generator = np.random.default_rng(num_draws)
        draws = generator.exponential(size=(2000, num_draws + 1))
        p_values = np.array([monte_carlo_p_value(row[0], row[1:]) for row in draws])
        assert set(np.round(p_values * (num_draws + 1))) == set(range(1, num_draws + 2))
        # p is uniform on steps of 1 / (1 + N); filled up within its step it is uniform on [0, 1].
        smoothed = p_values - generator.random(2000) / (num_draws + 1)
        assert stats.kstest(smoothed, "uniform").pvalue > 0.01
        # Without filling up it is never below uniform: a test that rejects p <= a has size <= a.
        assert stats.kstest(p_values, "uniform", alternative="greater").pvalue > 0.01

    def test_is_on_the_safe_side_of_ties(self):
        generator = np.random.default_rng(0)
        draws = generator.integers(0, 4, (2000, 50))
        p_values = np.array([monte_carlo_p_value(row[0], row[1:]) for row in draws])
        assert stats.kstest(p_values, "uniform", alternative="greater").pvalue > 0.01

    def test_refuses_impossible_counts(self):
        with pytest.raises(InputError, match="`exceedances` go from 5 to 5 and `num_draws` is 4"):
            add_one_p_value(5, 4)
        with pytest.raises(InputError, match=r"`null` has shape \(1, 1\)"):
            monte_carlo_p_value(1.0, [[1.0]])
