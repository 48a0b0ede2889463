import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from jmetamer._base.errors import InputError
from jmetamer.results.statistics import clopper_pearson_interval, wilson_interval


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_interval_equals_scipys(total, share, level):
    successes = round(share * total)
    expected = binomtest(successes, total).proportion_ci(level, method="wilson")
    assert wilson_interval(successes, total, level) == pytest.approx(tuple(expected), abs=1e-12)


@given(st.integers(0, 200), st.integers(0, 200))
def test_interval_contains_the_share_and_mirrors_with_failures(successes, failures):
    total = successes + failures
    low, high = wilson_interval(successes, total)
    assert 0 <= low <= (successes / total if total else 0.5) <= high <= 1
    mirrored = wilson_interval(failures, total)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_exact_interval_equals_scipys(total, share, level):
    successes = round(share * total)
    expected = binomtest(successes, total).proportion_ci(level, method="exact")
    found = clopper_pearson_interval(successes, total, level)
    assert found == pytest.approx(tuple(expected), abs=1e-10)


@given(st.integers(0, 200), st.integers(0, 200))
def test_exact_interval_leaves_half_of_the_rest_on_either_side(successes, failures):
    total = successes + failures
    low, high = clopper_pearson_interval(successes, total, 0.9)
    if successes:
        assert binom.sf(successes - 1, total, low) == pytest.approx(0.05, abs=1e-10)
    if failures:
        assert binom.cdf(successes, total, high) == pytest.approx(0.05, abs=1e-10)
    mirrored = clopper_pearson_interval(failures, total, 0.9)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize("interval", [wilson_interval, clopper_pearson_interval])
def test_no_trials_say_nothing(interval):
    assert interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("interval", [wilson_interval, clopper_pearson_interval])
@pytest.mark.parametrize(("successes", "total"), [(5, 4), (-1, 4), (0, -1)])
def test_impossible_counts_are_refused_with_both_numbers(successes, total, interval):
    with pytest.raises(InputError, match=rf"`successes` is {successes} and `total` is {total}"):
        interval(successes, total)


@pytest.mark.parametrize("interval", [wilson_interval, clopper_pearson_interval])
@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_outside_zero_to_one_is_refused(level, interval):
    with pytest.raises(InputError, match=rf"`level` is {level}"):
        interval(1, 2, level)
