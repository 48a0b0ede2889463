"""Intervals of means over seeds and of medians: formulas against SciPy, coverage by simulation.

A simulated share of S draws is off by less than 4 standard errors sqrt(p (1 - p) / S), but for one
simulation in 16000; the seeds are fixed, so a test that passes once always passes.
"""

import numpy as np
import pytest
from bounded_limits import bounded_limits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from jmetamer._base.errors import InputError
from jmetamer.results import (
    median_interval,
    rate_interval,
    seed_summary,
    t_interval,
    wilson_interval,
)

SIMULATIONS = 20_000


def standard_error(share):
    return np.sqrt(share * (1 - share) / SIMULATIONS)


def coverage(limits, truth):
    low, high = limits
    return np.mean((low <= truth) & (truth <= high))


@given(arrays(np.float64, st.integers(2, 12), elements=st.floats(-1e3, 1e3)), st.floats(0.01, 0.99))
def test_t_interval_equals_scipys(values, level):
    scale = stats.sem(values)
    if np.ptp(values) <= 1e-12 * np.abs(values).max() or values.var() == 0:
        assert t_interval(values, level) == (-np.inf, np.inf)  # equal values say nothing
        return
    expected = stats.t.interval(level, len(values) - 1, values.mean(), scale)
    np.testing.assert_allclose(t_interval(values, level), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("num_seeds", [3, 5, 8])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_t_interval_covers_the_mean_as_often_as_it_says(num_seeds, level):
    seeds = np.random.default_rng(num_seeds).normal(0.7, 0.08, (SIMULATIONS, num_seeds))
    covered = coverage(t_interval(seeds, level), 0.7)
    assert covered == pytest.approx(level, abs=4 * standard_error(level))


def test_an_interval_over_the_nodes_of_each_seed_would_not_cover():
    # Why the unit is the seed: nodes share their model, so 3 x 50 nodes are not 150 draws.
    generator = np.random.default_rng(0)
    models = generator.normal(0.7, 0.08, (2000, 3, 1))
    nodes = models + generator.normal(0, 0.3, (2000, 3, 50))
    assert coverage(t_interval(nodes.reshape(2000, -1)), 0.7) < 0.7
    assert coverage(t_interval(nodes.mean(-1)), 0.7) > 0.93


@pytest.mark.parametrize("count", [6, 9, 30])
@pytest.mark.parametrize("draw", ["exponential", "standard_cauchy", "random"])
def test_median_interval_covers_the_median_of_any_distribution(count, draw):
    median = {"exponential": np.log(2), "standard_cauchy": 0.0, "random": 0.5}[draw]
    values = getattr(np.random.default_rng(count), draw)(size=(SIMULATIONS, count))
    covered = coverage(median_interval(values), median)
    rank = int(np.searchsorted(np.sort(values[0]), median_interval(values)[0][0])) + 1
    exact = 1 - 2 * stats.binom.cdf(rank - 1, count, 0.5)
    assert covered == pytest.approx(exact, abs=4 * standard_error(exact))
    assert exact >= 0.95
    assert 1 - 2 * stats.binom.cdf(rank, count, 0.5) < 0.95  # and it is the shortest such interval


@given(
    arrays(np.float64, st.integers(6, 40), elements=st.floats(-1e3, 1e3), unique=True),
    st.sampled_from([0.8, 0.9, 0.95]),
)
def test_median_interval_equals_the_inverted_sign_test(values, level):
    # Inside are exactly the medians that a two-sided sign test does not reject.
    low, high = median_interval(values, level)
    ordered = np.sort(values)
    middles = (ordered[1:] + ordered[:-1]) / 2
    for middle in middles[(middles > ordered[:-1]) & (middles < ordered[1:])]:
        p_value = stats.binomtest(int(np.sum(values > middle)), len(values)).pvalue
        assert (low < middle < high) == (p_value > 1 - level + 1e-12)


def test_too_few_values_leave_everything_possible():
    assert t_interval([0.3]) == (-np.inf, np.inf)
    assert median_interval(np.arange(5)) == (-np.inf, np.inf)
    assert median_interval(np.arange(6)) == (0, 5)
    assert median_interval([]) == (-np.inf, np.inf)


@pytest.mark.parametrize("num_seeds", [2, 3])
def test_equal_seeds_say_nothing_about_their_spread(num_seeds):
    assert t_interval([0.1 + 0.2] * (num_seeds - 1) + [0.3]) == (-np.inf, np.inf)
    assert t_interval([0.0] * num_seeds, bounds=(-np.inf, 1)) == (-np.inf, np.inf)
    # Nor do bounds: a rank, a kappa or a control that is one number is no draw of trials.
    for bounds, mean in (((0, 1), 0.9995), ((0, 1), 1.0), ((-1, 1), 0.0), ((0, 7), 7.0)):
        summary = seed_summary([mean] * num_seeds, bounds=bounds)
        assert summary[1:] == (-np.inf, np.inf, num_seeds)
        assert summary.all_equal
    several = t_interval([[0.5, 0.5], [0.25, 0.75]], bounds=(0, 1))  # row by row
    assert np.isinf(several).tolist() == [[True, False]] * 2
    assert not seed_summary([0.5]).all_equal


@pytest.mark.parametrize("interval", [t_interval, median_interval])
def test_misuse_is_refused(interval):
    with pytest.raises(InputError, match="`level` is 95"):
        interval([1.0, 2.0], 95)
    with pytest.raises(InputError, match="`values`"):
        interval([1.0, np.nan])
    with pytest.raises(InputError, match="`values`"):
        interval(1.0)


class TestASummaryOfSeeds:
    def test_leaves_out_seeds_without_a_value_and_counts_the_others(self):
        summary = seed_summary([0.2, np.nan, 0.4, 0.9])
        low, high = t_interval([0.2, 0.4, 0.9])
        assert summary == (0.5, low, high, 3)

    def test_of_no_or_one_seed_says_so(self):
        nothing = seed_summary([np.nan])
        assert np.isnan(nothing[:3]).all()
        assert nothing.num_seeds == 0
        assert seed_summary([0.3]) == (0.3, -np.inf, np.inf, 1)

    def test_refuses_a_table(self):
        with pytest.raises(InputError, match=r"`values` has shape \(1, 2\)"):
            seed_summary([[1.0, 2.0]])


def studies(draw, mean, networks, count=64, repeats=2000):
    """Return successes of simulated studies, [studies, networks], and the true mean rate."""
    generator, spread = np.random.default_rng(networks), 0.1
    if draw == "beta":
        size = mean * (1 - mean) / spread**2 - 1
        rates, truth = generator.beta(mean * size, (1 - mean) * size, (repeats, networks)), mean
    else:
        law = stats.truncnorm(-mean / spread, (1 - mean) / spread, mean, spread)
        rates, truth = law.rvs((repeats, networks), random_state=generator), law.mean()
    return generator.binomial(count, rates), truth


class TestARateOverNetworks:
    @pytest.mark.parametrize("draw", ["beta", "truncated normal"])
    @pytest.mark.parametrize("mean", [0.5, 0.8, 0.9])
    def test_is_covered_in_92_to_97_percent_of_studies(self, draw, mean):
        counts, truth = studies(draw, mean, 21)
        limits = np.array([rate_interval(study, [64] * 21) for study in counts.tolist()])
        assert 0.92 <= coverage(limits.T, truth) <= 0.97
        pooled = np.array([wilson_interval(study, 64 * 21) for study in counts.sum(1).tolist()])
        assert coverage(pooled.T, truth) < 0.75

    @pytest.mark.parametrize("networks", [2, 3, 6])
    @pytest.mark.parametrize("mean", [0.5, 0.9])
    def test_is_covered_by_few_networks_too(self, networks, mean):
        counts, truth = studies("beta", mean, networks)
        limits = np.array([rate_interval(study, [64] * networks) for study in counts.tolist()])
        assert coverage(limits.T, truth) > 0.92

    def test_of_one_network_is_wilsons(self):
        assert rate_interval([63], [64]) == wilson_interval(63, 64)
        assert rate_interval([0, 63], [0, 64]) == wilson_interval(63, 64)
        assert rate_interval([], []) == (0, 1)

    @pytest.mark.parametrize("networks", [2, 3, 21])
    def test_at_an_end_counts_each_network_as_one_trial(self, networks):
        totals = [64] * networks
        assert rate_interval(totals, totals) == wilson_interval(networks, networks)
        assert rate_interval([0] * networks, totals) == wilson_interval(0, networks)

    def test_is_that_of_the_shares_where_all_networks_have_as_many_metamers(self):
        counts = [60, 40, 52, 7]
        found = rate_interval(counts, [64] * 4, 0.9)
        assert found == pytest.approx(bounded_limits(np.array(counts) / 64, 0, 1, 0.9))
        assert found == pytest.approx(t_interval(np.array(counts) / 64, 0.9, (0, 1)))

    @pytest.mark.parametrize(("counts", "totals"), [([32] * 3, [64] * 3), ([1, 2], [3, 6])])
    def test_counts_networks_of_one_rate_as_one_trial_each(self, counts, totals):
        alike = rate_interval(counts, totals)
        # Wilson's limits with n networks.
        z = stats.norm.ppf(0.975) ** 2 / len(counts)
        rate = sum(counts) / sum(totals)
        half = np.sqrt(z * rate * (1 - rate) + z**2 / 4)
        limits = ((rate + z / 2 + sign * half) / (1 + z) for sign in (-1, 1))
        assert alike == pytest.approx(tuple(limits))
        pooled = wilson_interval(sum(counts), sum(totals))
        assert alike[0] < pooled[0] - 0.05
        assert alike[1] > pooled[1] + 0.05

    def test_misuse_is_refused(self):
        with pytest.raises(InputError, match="`successes` has 1 counts and `totals` 2"):
            rate_interval([1], [2, 3])
        with pytest.raises(InputError, match="`successes` is 3 and `total` is 2"):
            rate_interval([3, 1], [2, 3])


class TestBounds:
    @given(arrays(np.float64, st.integers(2, 9), elements=st.floats(-1, 1)), st.floats(0.01, 0.999))
    def test_no_limit_leaves_the_range_or_leaves_out_the_mean(self, values, level):
        low, high = t_interval(values, level, (-1, 1))
        if np.isfinite(low):
            assert -1 <= low <= values.mean() + 1e-9
            assert values.mean() - 1e-9 <= high <= 1
        else:
            assert np.ptp(values) < 1e-11
        low, high = t_interval(values + 1, level, (0, np.inf))
        assert (0 <= low <= high) or np.ptp(values + 1) < 1e-11

    def test_limits_are_the_roots_of_the_score(self):
        values = [0.74, 0.9, 1.0]
        assert t_interval(values, 0.95, (-1, 1)) == pytest.approx(bounded_limits(values, -1, 1))

    @pytest.mark.parametrize("mean", [0.0, 0.7, 0.9])
    @pytest.mark.parametrize("num_seeds", [3, 6])
    def test_keep_the_coverage(self, mean, num_seeds):
        generator = np.random.default_rng(num_seeds)
        seeds = np.clip(generator.normal(mean, 0.08, (SIMULATIONS, num_seeds)), -1, 1)
        truth = np.clip(generator.normal(mean, 0.08, 2_000_000), -1, 1).mean()
        assert coverage(t_interval(seeds, bounds=(-1, 1)), truth) == pytest.approx(0.95, abs=0.01)

    def test_far_from_the_ends_nothing_changes(self):
        values = np.array([0.01, 0.02, -0.01, 0.0])
        assert t_interval(values, bounds=(-50, 50)) == pytest.approx(t_interval(values), abs=1e-4)

    def test_values_outside_are_refused(self):
        with pytest.raises(InputError, match=r"`values` hold 1.5, but `bounds` are 0 and 1"):
            seed_summary([0.5, 1.5], bounds=(0, 1))
