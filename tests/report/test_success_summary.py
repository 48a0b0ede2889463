"""Criteria of success and null tests of a cell in numbers and words."""

import dataclasses
import itertools

import numpy as np
import pytest

from jmetamer.report.prose import said
from jmetamer.report.success_sentences import (
    success_sentence,
    too_few_pairs,
)
from jmetamer.report.success_summary import Correction, explain_criteria, summarize_success
from jmetamer.results import holm_over_cells, wilson_interval
from jmetamer.results.criteria import Missed


@pytest.fixture
def made(cell, digits, judged):
    return judged(cell(digits, count=16, stored=1, with_geometry=False))


def summarized(made, correction=None):
    return summarize_success(made["settings"], made["data"], correction)


def test_shares_and_intervals_are_those_of_the_bits(made):
    found = summarized(made)
    expected = {"success": 14, "success_matches": 14, "success_distinct": 16}
    for variable, count in expected.items():
        one = found.of(variable)
        assert (one.count, one.total) == (count, 16)
        assert one.interval == wilson_interval(count, 16)
    assert [one.variable for one in found.criteria][-1] == "success"


def test_tolerances_are_those_of_the_settings(made):
    bounds = {one.variable: one.bound for one in summarized(made).criteria}
    assert bounds["success_matches"] == "loss at most 10⁻⁴"
    assert bounds["success_matches_everywhere"] == "error of a node at most 0.05"
    assert bounds["success_beats_null"] == "p at most 0.05"
    assert bounds["success_same_classes"] == "all of them"
    assert bounds["success_distinct"] == "distance of features or edges at least 0.1"


def test_a_lower_agreement_is_told_as_a_share(made):
    made["settings"]["success"]["agreement"] = 0.9
    assert summarized(made).of("success_same_classes").bound == "at least 90% of them"


def test_statistics_stand_against_the_best_of_the_null(made):
    made["data"]["null_max"][1] = np.nan  # as where a layer is too narrow for correlations
    made["data"]["match_statistic"][:, 0] = np.linspace(0.5, 1.25, 16)
    spearman, pearson, snr = summarized(made).null.statistics
    assert (spearman.null_max, spearman.share_above) == (0.8, 9 / 16)
    assert spearman.median == 0.875
    assert np.isnan(pearson.null_max)
    assert np.isnan(pearson.share_above)
    assert snr.name == "signal-to-noise ratio (dB)"
    assert snr.share_above == 1


def test_corrected_p_values_count_against_alpha(made):
    adjusted = np.where(np.arange(16) < 4, 0.2, 0.05)
    found = summarized(made, Correction(adjusted, 3))
    assert (found.null.corrected.count, found.null.p_corrected) == (12, 0.05)
    names = [one.name for one in found.lines]
    assert names[2:4] == ["better than chance", "better than chance, corrected"]
    text = said("success_sentences", "null_test", found.null)
    assert "Against 999 random pairs of 64 other references (the same activations with" in text
    assert "a median p-value of 0.001, and of 0.05 after Holm's correction over 3 cells" in text
    assert "75% of the metamers then have p at most 0.05" in text


def test_one_cell_alone_is_not_corrected(made):
    found = summarized(made, Correction(np.full(16, 0.001), 1, 999))
    assert np.isnan(found.null.p_corrected)
    assert found.lines == found.criteria
    assert "Holm" not in said("success_sentences", "null_test", found.null)


@pytest.mark.parametrize(("num_cells", "pairs"), [(20, 399), (7, 139), (3, 59), (168, 3359)])
def test_too_few_pairs_are_told_with_how_many_would_do(made, num_cells, pairs):
    def told(most):
        lowest = [[1 / (1 + most)] * 16] * num_cells
        adjusted = holm_over_cells(lowest)[0]
        found = summarized(made, Correction(adjusted, num_cells, most)).null
        whole = said("success_sentences", "null_test", found)
        return (adjusted <= 0.05).any(), too_few_pairs(found), whole

    passes, text, whole = told(pairs)  # just enough, though the division is not exact
    assert passes
    assert text == ""
    assert "no cell can pass" not in whole
    passes, text, whole = told(pairs - 1)
    assert not passes
    assert f"correction over {num_cells} cells raises to 0.05" in text
    others = next(count for count in range(2, 999) if count * (count - 1) >= pairs)
    assert f"at least {pairs:,} pairs (success.null_test.pairs), of {others} others" in text
    assert whole.endswith(text)


def test_the_pairs_needed_are_the_fewest_with_which_the_corrected_test_can_be_passed(made):
    null = summarized(made, Correction(np.full(16, 1.0), 2, 999.0)).null
    for alpha, num_cells in itertools.product((0.05, 0.07, 0.001), (2, 3, 6, 7, 14, 55, 168)):
        pairs = dataclasses.replace(null, num_cells=num_cells, alpha=alpha).pairs_needed
        passes = [
            holm_over_cells([[1 / (1 + count)]] * num_cells)[0][0] <= alpha
            for count in (pairs - 1, pairs)
        ]
        assert passes == [False, True]


def test_a_cell_of_few_pairs_may_pass_where_another_has_more(made):
    made["data"].attrs["null_pairs"] = 99
    found = summarized(made, Correction(np.full(16, 0.01), 20, 4999.0))
    assert too_few_pairs(found.null) == ""


def test_what_the_store_does_not_hold_is_not_told(made, cell, digits):
    assert summarized(cell(digits)) is None
    made["data"] = made["data"].drop_vars(["null_p_value", "success_beats_null", "success"])
    found = summarized(made)
    assert found.null is None
    assert found.together is None
    assert success_sentence([found]) == ""
    assert [one.variable for one in explain_criteria([found, None])] == [
        "success_matches", "success_matches_everywhere", "success_same_classes",
        "success_distinct",
    ]  # fmt: skip


def test_the_sentence_adds_cells_up_and_names_what_fails_most(made):
    made["data"]["success_distinct"][:8] = False
    made["data"]["success"][:8] = False
    found = summarized(made)
    text = success_sentence([found, found])
    assert text.startswith(
        "16 of 32 searches gave a metamer that fulfills every criterion of success (50%"
    )
    assert text.endswith("most often missed is “distinct” (16 of 32).")
    # What is no other graph is called so everywhere, in the table and in the sentence.
    same = dataclasses.replace(found, missed=Missed("another graph", 8, 16, ""))
    assert same.lacking["distinct"] == 0
    assert success_sentence([same, same]).endswith("is “another graph” (16 of 32).")


def test_tolerances_of_cells_are_put_together(made):
    other = made | {"settings": made["settings"] | {"success": {"worst_node": 0.2}}}
    told = {one.variable: one for one in explain_criteria([summarized(made), summarized(other)])}
    assert told["success_matches_everywhere"].bounds == (
        "error of a node at most 0.05", "error of a node at most 0.2",
    )  # fmt: skip
    assert told["success_matches"].bounds == ("loss at most 10⁻⁴",)
    assert told["success"].bounds == ()
