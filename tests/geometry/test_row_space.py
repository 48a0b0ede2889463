"""The rank of a first matrix: products of known rank, and the one rule that all use."""

import numpy as np
import pytest

import jmetamer as jm
from jmetamer.geometry import spectrum_of
from jmetamer.geometry.row_space import row_space

rng = np.random.default_rng(0)
LEFT, RIGHT = rng.normal(size=(6, 2)), rng.normal(size=(2, 5))


def test_dependent_columns_count_once():
    found = row_space(LEFT @ RIGHT)
    assert found.basis.shape == (6, 2)
    rebuilt = found.basis * found.values @ found.right
    np.testing.assert_allclose(rebuilt, LEFT @ RIGHT, atol=1e-13)
    assert row_space(np.zeros((6, 3))).basis.shape == (6, 0)


@pytest.mark.parametrize("weights", [LEFT @ RIGHT, np.float32(LEFT @ RIGHT), LEFT * [1, 1e-12]])
def test_is_the_rank_of_a_jacobian_that_is_the_matrix(weights):
    rank = row_space(weights).values.size
    assert rank == spectrum_of(weights).rank[0] == np.linalg.matrix_rank(np.float64(weights))


def test_a_matrix_of_other_numbers_is_refused():
    with pytest.raises(jm.InputError, match=r"a matrix \[features, outputs\] of finite"):
        row_space(LEFT * np.nan)
