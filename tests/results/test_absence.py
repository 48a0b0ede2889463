"""The bound on what a search may have missed: its limits, its coverage, what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import jmetamer as jm
from jmetamer.results.absence import absence_bound

counts = st.integers(0, 60).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(counts, counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_limits_are_scipys_beta_quantiles(searches, controls, level):
    (found, searched), (recalled, planted) = searches, controls
    bound = absence_bound(found, searched, recalled, planted, level=level)
    tail = (1 - level) / 2
    upper = stats.beta.ppf(1 - tail, found + 1, searched - found) if found < searched else 1
    lower = stats.beta.ppf(tail, recalled, planted - recalled + 1) if recalled else 0
    assert bound.success_upper == pytest.approx(upper, abs=1e-12)
    assert bound.recall_lower == pytest.approx(lower, abs=1e-12)
    assert bound.share_upper == pytest.approx(min(1, upper / lower) if lower else 1, abs=1e-12)


def test_nothing_found_leaves_the_limit_that_has_a_closed_form():
    bound = absence_bound(0, 50, 30, 30, level=0.9)
    assert bound.success_upper == pytest.approx(1 - 0.05 ** (1 / 50))
    assert bound.recall_lower == pytest.approx(0.05 ** (1 / 30))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_share_lies_below_the_bound_as_often_as_the_level_says(level):
    """Summed over all outcomes: a share t of problems has metamers, each found with chance r."""
    searched, planted = 14, 11
    bounds = np.array(
        [
            [absence_bound(k, searched, m, planted, level=level).share_upper for m in range(12)]
            for k in range(15)
        ]
    )
    for t in (0.0, 0.05, 0.2, 0.5, 0.9):
        for r in (0.1, 0.5, 0.8, 0.95, 1.0):
            chance = np.outer(
                stats.binom.pmf(range(15), searched, t * r), stats.binom.pmf(range(12), planted, r)
            )
            assert chance[bounds >= t].sum() >= level


class TestABound:
    def test_says_nothing_where_nothing_planted_was_found_or_searched(self):
        for recalled, planted in ((0, 40), (0, 0)):
            bound = absence_bound(0, 1000, recalled, planted)
            assert bound.share_upper == 1
            assert not bound.calibrated

    def test_is_wider_by_the_recall_that_is_missing(self):
        full, half = absence_bound(0, 500, 40, 40), absence_bound(0, 500, 20, 40)
        assert half.share_upper == pytest.approx(
            full.share_upper * full.recall_lower / half.recall_lower
        )

    @pytest.mark.parametrize(
        ("recalled", "planted", "calibrated"), [(16, 16, False), (17, 17, True), (35, 40, False)]
    )
    def test_is_calibrated_from_seventeen_of_seventeen_on(self, recalled, planted, calibrated):
        """0.025^(1/17) = 0.805, and 0.794 of sixteen."""
        assert absence_bound(0, 10, recalled, planted).calibrated == calibrated

    def test_is_as_strict_as_asked(self):
        assert absence_bound(0, 10, 9, 10, least_recall=0.5).calibrated
        assert not absence_bound(0, 10, 9, 10, least_recall=0.9).calibrated

    @pytest.mark.parametrize("least_recall", [0.0, 1.1, float("nan")])
    def test_refuses_a_recall_that_is_none(self, least_recall):
        with pytest.raises(jm.InputError, match=f"`least_recall` is {least_recall}; allowed"):
            absence_bound(0, 1, 1, 1, least_recall=least_recall)

    @pytest.mark.parametrize("given", [(2, 1, 0, 0), (0, 0, -1, 3)])
    def test_refuses_impossible_counts(self, given):
        with pytest.raises(jm.InputError, match="a proportion needs"):
            absence_bound(*given)
