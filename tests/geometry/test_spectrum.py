import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.geometry import (
    compress_rows,
    dense_jacobian,
    numerical_rank,
    singular_values,
    spectrum_of,
    stack_spectra,
    tolerance_dimension,
)

EPS = np.finfo(np.float64).eps


def matrix_with(values, rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.normal(size=(rows, rows)))[0][:, : len(values)]
    right = np.linalg.qr(rng.normal(size=(columns, len(values))))[0]
    return (left * values) @ right.T


@pytest.mark.parametrize("shape", [(4, 4), (3, 200), (200, 3), (1, 7), (7, 1)])
def test_singular_values_equal_those_of_a_prescribed_spectrum(shape):
    values = np.sort(np.random.default_rng(1).uniform(0.1, 2, min(shape)))[::-1]
    assert np.abs(singular_values(matrix_with(values, *shape)) - values).max() <= 1e-14


def test_a_wide_jacobian_keeps_small_singular_values_that_a_gram_matrix_would_lose():
    values = np.array([1.0, 1e-6, 1e-11])
    found = singular_values(matrix_with(values, 3, 500))
    assert np.abs(found / values - 1).max() <= 1e-4
    gram = matrix_with(values, 3, 500)
    gram = np.sqrt(np.abs(np.linalg.eigvalsh(gram @ gram.T)[0]))
    assert abs(gram / values[2] - 1) > 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 6), st.integers(0, 12), st.integers(0, 99))
def test_compression_commutes_with_selecting_and_scaling_rows(rows, columns, seed):
    rng = np.random.default_rng(seed)
    jacobian = rng.normal(size=(rows, columns))
    scale = rng.uniform(size=rows) * (rng.uniform(size=rows) < 0.7)
    small = compress_rows(jacobian)
    assert small.shape == (rows, min(rows, columns) if rows else columns)
    direct, compressed = (singular_values(scale[:, None] * m) for m in (jacobian, small))
    assert np.abs(direct - compressed).max(initial=0.0) <= 1e-14 * max(rows * columns, 1)


def test_the_cutoff_is_eps_times_the_larger_side_times_the_larger_scale():
    assert numerical_rank([2.0], 1, 50).cutoff == EPS * 50 * 2.0
    assert numerical_rank([2.0], 1, 50, scale=8.0).cutoff == EPS * 50 * 8.0


def test_full_rank_is_certified_only_clear_of_the_cutoff():
    cutoff = EPS * 10
    assert numerical_rank([1.0, 101 * cutoff], 2, 10)[:4] == (2, 2, 2, True)
    assert numerical_rank([1.0, 99 * cutoff], 2, 10)[:4] == (2, 1, 2, False)


def test_a_gap_of_a_thousand_certifies_and_a_smaller_one_does_not():
    below = EPS * 10 / 2
    assert numerical_rank([1.0, 1000.1 * below, below], 3, 10)[:4] == (2, 2, 2, True)
    undecided = numerical_rank([1.0, 999 * below, below], 3, 10)
    assert undecided[:4] == (2, 1, 3, False)
    assert undecided.gap == pytest.approx(999)


def test_a_structural_bound_certifies_and_narrows():
    slope = [1.0, 200 * EPS * 10, EPS * 9]
    assert numerical_rank(slope, 3, 10)[:4] == (2, 1, 3, False)
    assert numerical_rank(slope, 3, 10, structural_bound=2)[:4] == (2, 2, 2, True)
    assert numerical_rank([1.0, 20 * EPS * 10, EPS * 9], 3, 10, structural_bound=2)[1:4] == (
        1,
        2,
        False,
    )


def test_noise_beyond_the_structural_bound_takes_the_certificate_away():
    values = [1.0, 1e-9, 5e-10]
    decision = numerical_rank(values, 3, 10, structural_bound=2)
    assert decision.rank == 2
    assert not decision.certified


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 1e6), max_size=8),
    st.integers(0, 30),
    st.sampled_from([0.0, 1e-3, 1e5]),
    st.none() | st.integers(0, 10),
)
def test_the_interval_always_holds_the_rank(values, extra, scale, bound):
    values = sorted(values, reverse=True)
    decision = numerical_rank(values, len(values), len(values) + extra, scale, bound)
    assert 0 <= decision.low <= decision.rank <= decision.high <= len(values)
    assert not decision.certified or decision.low == decision.high
    assert bound is None or decision.high <= bound


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 6), st.integers(-8, 8))
def test_rank_agrees_with_numpy_and_ignores_the_unit_of_the_output(rows, columns, rank, power):
    rng = np.random.default_rng(rows * columns + rank)
    rank = min(rank, rows, columns)
    jacobian = 10.0**power * rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns))
    spectrum = spectrum_of(jacobian, output_norm=10.0**power, input_norm=1.0)
    assert spectrum.rank[0] == rank == np.linalg.matrix_rank(jacobian)
    assert spectrum.dimension[0] == columns - rank
    assert spectrum.certified[0]


def test_a_zero_jacobian_has_certified_rank_zero_and_every_direction_free():
    spectrum = spectrum_of(np.zeros((3, 8)))
    assert (spectrum.rank[0], spectrum.rank_high[0], spectrum.dimension[0]) == (0, 0, 8)
    assert spectrum.certified[0]
    assert spectrum.log_volume[0] == 0
    assert np.array_equal(spectrum.singular_values, np.zeros((1, 3)))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_an_empty_jacobian_has_certified_rank_zero(shape):
    spectrum = spectrum_of(np.zeros(shape))
    assert spectrum.singular_values.shape == (1, 0)
    assert (spectrum.rank[0], spectrum.dimension[0], spectrum.num_outputs[0]) == (
        0,
        shape[1],
        shape[0],
    )
    assert spectrum.certified[0]


def test_a_single_row_has_its_norm_as_singular_value():
    spectrum = spectrum_of(np.array([[3.0, 4.0, 0.0]]), output_norm=1.0, input_norm=1.0)
    assert spectrum.singular_values[0, 0] == pytest.approx(5, rel=1e-15)
    assert (spectrum.rank[0], spectrum.dimension[0], bool(spectrum.certified[0])) == (1, 2, True)
    assert spectrum.log_volume[0] == pytest.approx(np.log(5), rel=1e-15)


def test_a_jacobian_of_round_off_has_rank_zero_only_through_the_absolute_floor():
    # The mean of equal neighbors does not depend on the weights, whatever round-off says.
    features = np.full(7, 1 / 3)

    def mean_of_neighbors(weight):
        return (jnp.sum(weight * features) / jnp.sum(weight))[None]

    weight = np.array([0.3, 0.7, 1.1, 0.9, 1.3, 0.2, 1.7])
    jacobian = dense_jacobian(mean_of_neighbors, weight)
    assert 0 < np.abs(jacobian).max() < 1e-15
    norms = {"output_norm": 1 / 3, "input_norm": float(np.linalg.norm(weight))}
    assert spectrum_of(jacobian).rank[0] == 1
    floored = spectrum_of(jacobian, **norms)
    assert (floored.rank[0], floored.rank_low[0], floored.rank_high[0]) == (0, 0, 1)
    assert not floored.certified[0]


def test_a_zero_input_leaves_the_relative_rule_alone():
    assert spectrum_of(np.eye(2), output_norm=1.0, input_norm=0.0).cutoff[0] == EPS * 2


def test_a_compressed_jacobian_gives_the_spectrum_of_the_full_one():
    jacobian = np.random.default_rng(2).normal(size=(4, 90))
    full = spectrum_of(jacobian, output_norm=2.0, input_norm=1.0)
    small = spectrum_of(compress_rows(jacobian), output_norm=2.0, input_norm=1.0, num_inputs=90)
    for name in ("rank", "rank_low", "rank_high", "certified", "num_inputs", "num_outputs"):
        assert np.array_equal(getattr(full, name), getattr(small, name))
    assert small.log_volume[0] == pytest.approx(full.log_volume[0], abs=1e-13)
    assert small.log_volume_error[0] == 0


def test_stacking_pads_with_nan_and_keeps_every_field():
    spectra = [spectrum_of(np.eye(2)), spectrum_of(np.eye(3)), spectrum_of(np.zeros((0, 4)))]
    stacked = stack_spectra([stack_spectra(spectra[:2]), spectra[2]])
    assert stacked.singular_values.shape == (3, 3)
    assert np.isnan(stacked.singular_values).tolist() == [
        [False, False, True],
        [False] * 3,
        [True] * 3,
    ]
    assert stacked.rank.tolist() == [2, 3, 0]
    assert stacked.dimension.tolist() == [0, 0, 4]
    assert stacked.singular_values.dtype == np.float64
    assert stacked.rank.dtype == np.int32


def test_tolerance_dimension_counts_directions_slower_than_the_tolerance():
    values = [1.0, 0.1, 1e-4, np.nan]
    assert tolerance_dimension(values, 20, 1.0, 1.0, 1e-2) == 18
    assert tolerance_dimension(values, 20, 1.0, 1e-3, 1e-2) == 17
    assert tolerance_dimension(values, 20, 1.0, 0.0, 1e-2) == 17
    assert tolerance_dimension([], 20, 1.0, 1.0, 1e-2) == 20


def test_tolerance_dimension_grows_with_depth_of_smoothing_while_the_exact_one_stays():
    values = np.linspace(1, 0.3, 10)
    dimensions = [tolerance_dimension(values**depth, 10, 1, 1, 1e-3) for depth in (1, 8, 64)]
    assert dimensions == sorted(dimensions)
    assert dimensions[0] == 0 < dimensions[-1]
    assert numerical_rank(values**8, 10, 10).rank == 10


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_jacobian_that_is_not_finite_is_refused_with_the_place(bad):
    jacobian = np.eye(3)
    jacobian[1, 2] = bad
    with pytest.raises(InputError, match=rf"`jacobian` is {bad} at \[1, 2\].*finite"):
        spectrum_of(jacobian)
    with pytest.raises(InputError, match="finite"):
        singular_values(jacobian)


def test_other_misuse_is_refused_by_name():
    with pytest.raises(InputError, match=r"`jacobian` has shape \(3,\)"):
        singular_values(np.ones(3))
    with pytest.raises(InputError, match=r"`values` has shape \(1,\); a 2 x 3 matrix has 2"):
        numerical_rank([1.0], 2, 3)
    with pytest.raises(InputError, match="descending"):
        numerical_rank([1.0, 2.0], 2, 3)
    with pytest.raises(InputError, match="`scale` is nan"):
        numerical_rank([1.0], 1, 3, np.nan)
    with pytest.raises(InputError, match="`structural_bound` is -1"):
        numerical_rank([1.0], 1, 3, 1.0, -1)
    with pytest.raises(InputError, match="`num_inputs` is 2 but `jacobian` has 3 columns"):
        spectrum_of(np.eye(3), num_inputs=2)
    with pytest.raises(InputError, match="`spectra` is empty"):
        stack_spectra([])
    with pytest.raises(InputError, match="`eps` is -1"):
        tolerance_dimension([1.0], 1, 1, 1, -1)


@pytest.mark.parametrize("rank", [1, 6, 16, 32])
@pytest.mark.parametrize("decay", [1.0, 0.0])
def test_a_matrix_with_errors_is_certified_by_its_clear_values_and_by_no_others(rank, decay):
    # In full: experiments/certificates/known_ranks.py.
    rng, wrong, clear = np.random.default_rng(rank), [], []
    for error in np.repeat([1e-10, 1e-8, 1e-6, 1e-4], 4):
        noise = error * rng.normal(size=(32, 500))
        norm = np.linalg.norm(noise, 2)
        for smallest in (min(1.0, 100 * norm), 0.1 * norm):
            values = smallest ** np.linspace(0, 1, rank) if decay else np.ones(rank)
            found = spectrum_of(
                matrix_with(values, 32, 500, int(rng.integers(1000))) + noise, entry_error=error
            )
            certified = found.certified[0]
            wrong.append(certified and found.rank[0] != rank)
            if values[-1] >= 99 * norm:
                clear.append(certified)
            assert spectrum_of(matrix_with(values, 32, 500) + noise).rank[0] == 32
    assert np.mean(wrong) == 0
    assert np.mean(clear) >= 0.9


@pytest.mark.parametrize("rank", [2, 3, 5])
def test_low_ranks_are_certified_where_all_their_values_are_clear_of_the_error(rank):
    rng, certified = np.random.default_rng(rank), []
    for error in np.repeat([1e-10, 1e-8, 1e-6, 1e-4], 5):
        noise = error * rng.normal(size=(32, 500))
        norm = np.linalg.norm(noise, 2)
        for smallest in (100 * norm, 3 * norm, norm):
            values = smallest ** np.linspace(0, 1, rank)
            matrix = matrix_with(values, 32, 500, int(rng.integers(1000))) + noise
            found = spectrum_of(matrix, entry_error=error)
            assert not (found.certified[0] and found.rank[0] != rank)
            assert found.rank_low[0] <= rank <= found.rank_high[0]
            if smallest == 100 * norm:
                certified.append(found.certified[0])
    assert np.mean(certified) >= 0.95


def test_a_rank_that_the_absolute_floor_alone_sets_is_not_certified():
    values = [1.0, 1e-3, 1e-12]
    assert numerical_rank(values, 3, 10, scale=1e13)[:4] == (1, 0, 3, False)
    assert numerical_rank([1.0, 1.0, 1e-17], 3, 10, scale=1e9).certified  # the gap sets it
    assert not numerical_rank(values, 3, 10, scale=1e16).certified
    assert numerical_rank(values, 3, 10, scale=1e16, structural_bound=0).certified


def test_behind_saturated_units_a_gap_certifies_the_lower_end_alone():
    values = [2.0, 1.0, 1e-17]
    assert numerical_rank(values, 3, 10, saturation=20.0)[:4] == (2, 2, 2, True)
    assert numerical_rank(values, 3, 10, saturation=40.0)[:4] == (2, 2, 3, False)
    assert numerical_rank(values, 3, 10, structural_bound=2, saturation=np.inf).certified
    assert numerical_rank(np.zeros(3), 3, 10, saturation=750.0)[:4] == (0, 0, 3, False)


@pytest.mark.parametrize("name", ["entry_error", "saturation"])
def test_errors_and_saturation_below_zero_are_refused(name):
    with pytest.raises(InputError, match=f"`{name}` is -1"):
        numerical_rank([1.0], 1, 1, **{name: -1})


def test_tiny_rows_are_round_off_or_saturated_units_and_the_interval_holds_both():
    for tiny in (1e-18, 1e-260):
        found = spectrum_of(np.diag([1.0, 1.0, tiny, tiny]))
        assert (found.rank_low[0], found.rank_high[0], found.certified[0]) == (2, 4, False)
    assert spectrum_of(np.diag([1.0, 1.0, 0.0, 0.0])).certified[0]
