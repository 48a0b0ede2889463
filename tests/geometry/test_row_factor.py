"""Row factors and batched spectra, against singular vectors and single spectra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.geometry import spectrum_of
from jmetamer.geometry.batched_spectra import batched_singular_values, spectra_of_values
from jmetamer.geometry.row_space import RowFactor, factor_rows, row_energy


def drawn(q, p, rank, seed):
    rng = np.random.default_rng(seed)
    rank = min(rank, q, p)
    return rng.normal(size=(q, rank)) @ rng.normal(size=(rank, p)), rng.normal(size=(2, p)), rank


shapes = st.tuples(*[st.integers(1, 12)] * 2, st.integers(0, 12), st.integers(0, 10**6))


@given(shapes)
@settings(max_examples=60, deadline=None)
def test_energy_is_that_of_the_leading_singular_vectors(shape):
    jacobian, vectors, rank = drawn(*shape)
    factor = factor_rows(jacobian, vectors)
    _, s, vt = np.linalg.svd(jacobian, full_matrices=False)
    np.testing.assert_allclose(
        np.linalg.svd(factor.small, compute_uv=False), s, atol=1e-12 * max(1, s[0])
    )
    expected = np.sum((vectors @ vt[:rank].T) ** 2, axis=1)
    np.testing.assert_allclose(row_energy(factor, rank), expected, atol=1e-7)


def test_rows_may_be_switched_off_after_the_factorization():
    jacobian, vectors, _ = drawn(6, 30, 6, 1)
    factor = factor_rows(jacobian, vectors)
    scale = np.array([1.0, 0, 0.5, 0, 0, -2.0])
    found = row_energy(RowFactor(scale[:, None] * factor.small, factor.coordinates), 3)
    vt = np.linalg.svd(jacobian[scale != 0], full_matrices=False)[2]
    np.testing.assert_allclose(found, np.sum((vectors @ vt.T) ** 2, axis=1), rtol=1e-10)


def test_small_singular_values_keep_their_digits():
    # A Gram matrix would lose everything below 1e-8.
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.normal(size=(n, 4)))[0] for n in (4, 50))
    s = np.array([1.0, 1e-4, 1e-8, 1e-11])
    small = factor_rows(u * s @ v.T, v.T[3:]).small
    np.testing.assert_allclose(np.linalg.svd(small, compute_uv=False), s, rtol=1e-3)


def test_a_jacobian_of_zero_sees_nothing():
    assert row_energy(factor_rows(np.zeros((3, 5)), np.ones((1, 5))), 0).tolist() == [0.0]
    assert factor_rows(np.zeros((0, 5)), np.ones((1, 5))).small.shape == (0, 0)


def test_a_stack_has_the_spectra_of_its_members():
    jacobians = [drawn(q, p, r, p)[0] for q, p, r in ((5, 9, 4), (5, 3, 3), (5, 20, 5), (5, 9, 0))]
    smalls = [factor_rows(j, np.zeros((0, j.shape[1]))).small for j in jacobians]
    found = spectra_of_values(
        batched_singular_values(smalls), 5, [9, 3, 20, 9], [0.5, 0, 1e-3, 0], [5, 3, 4, 5]
    )
    for i, (jacobian, bound, scale) in enumerate(
        zip(jacobians, (5, 3, 4, 5), (0.5, 0, 1e-3, 0), strict=True)
    ):
        one = spectrum_of(jacobian, output_norm=scale, input_norm=1.0, structural_bound=bound)
        for name in ("rank", "rank_low", "rank_high", "certified", "num_inputs", "num_outputs"):
            assert getattr(found, name)[i] == getattr(one, name)[0], name
        row = found.singular_values[i]
        np.testing.assert_allclose(row[~np.isnan(row)], one.singular_values[0], atol=1e-12)
        assert found.log_volume[i] == pytest.approx(one.log_volume[0], abs=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: factor_rows(np.ones((2, 3)), np.ones((1, 4))), "`jacobian` has shape (2, 3)"),
        (lambda: factor_rows([[np.nan]], [[1.0]]), "holds NaN or infinite numbers"),
        (lambda: row_energy(factor_rows(np.eye(2), np.eye(2)), 3), "`rank` is 3; a matrix of 2"),
        (
            lambda: spectra_of_values([np.ones(1)], 1, [1, 1], [0], [1]),
            "`num_inputs` has shape (2,) for 1 spectra",
        ),
        (
            lambda: spectra_of_values([np.ones(2)], 1, [1], [0], [1]),
            "`values`[0] holds 2 singular values; a 1 x 1 matrix has 1.",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError) as raised:
        call()
    assert message in str(raised.value)
