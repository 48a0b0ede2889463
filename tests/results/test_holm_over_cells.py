"""Holm's correction over the cells of a run, one family for each metamer number."""

import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.results import holm, holm_over_cells


def test_each_metamer_number_is_a_family_of_its_own():
    # First metamers 0.01, 0.04, 0.03: times 3, 1, 2 in rising order, never falling: 0.03, 0.06,
    # 0.06. Second ones 0.02 and 0.01 of the two cells that have two: 0.02 and 0.02.
    found = holm_over_cells([[0.01, 0.02], [0.04], [0.03, 0.01]])
    expected = [[0.03, 0.02], [0.06], [0.06, 0.02]]
    for adjusted, by_hand in zip(found, expected, strict=True):
        np.testing.assert_allclose(adjusted, by_hand, rtol=1e-12)


def test_cells_of_equal_length_are_columns_of_holm():
    table = np.random.default_rng(0).uniform(size=(4, 5))
    by_column = np.stack([holm(column) for column in table.T], axis=1)
    np.testing.assert_array_equal(np.stack(holm_over_cells(list(table))), by_column)


def test_a_metamer_that_was_not_tested_does_not_count():
    first, second = holm_over_cells([[np.nan, 0.02], [0.03, 0.04]])
    assert np.isnan(first[0])
    assert second[0] == 0.03  # alone in its family
    np.testing.assert_allclose([first[1], second[1]], [0.04, 0.04])


def test_one_cell_needs_no_correction_and_no_cell_is_none():
    np.testing.assert_array_equal(holm_over_cells([[0.2, 0.5]])[0], [0.2, 0.5])
    assert holm_over_cells([]) == []
    assert [len(found) for found in holm_over_cells([[], [0.3]])] == [0, 1]


def test_a_table_and_a_number_that_is_no_probability_are_refused():
    with pytest.raises(InputError, match=r"`p_values\[1\]` has shape \(1, 1\)"):
        holm_over_cells([[0.1], [[0.1]]])
    with pytest.raises(InputError, match=r"hold 1\.5"):
        holm_over_cells([[1.5]])
