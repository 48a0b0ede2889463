import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.measures import (
    error_of_share,
    node_errors,
    relative_squared_error,
    snr_db,
    worst_node_error,
)

REFERENCE = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
METAMER = REFERENCE + 0.1 * np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)


def test_the_relative_error_equals_its_formula():
    expected = np.sum((METAMER - REFERENCE) ** 2) / np.sum(REFERENCE**2)
    assert float(relative_squared_error(REFERENCE, METAMER)) == pytest.approx(expected, rel=1e-6)
    assert float(relative_squared_error(REFERENCE, REFERENCE)) == 0


def test_decibels_are_of_power():
    error = relative_squared_error(REFERENCE, METAMER)
    signal = np.sum(REFERENCE**2) / np.sum((METAMER - REFERENCE) ** 2)
    assert float(snr_db(error)) == pytest.approx(10 * np.log10(signal), rel=1e-5)
    assert float(snr_db(jnp.array(0.0))) == np.inf


def test_the_worst_node_equals_its_formula():
    size = np.linalg.norm(REFERENCE, axis=1)
    error = np.linalg.norm(METAMER - REFERENCE, axis=1)
    expected = np.max(error / np.maximum(size, np.median(size)))
    assert float(worst_node_error(REFERENCE, METAMER)) == pytest.approx(expected, rel=1e-5)


def test_one_bad_node_among_many_shows_in_the_worst_node_only():
    reference = np.ones((1000, 2), np.float32)
    metamer = reference.copy()
    metamer[7] = -1
    assert float(relative_squared_error(reference, metamer)) < 0.01
    assert float(worst_node_error(reference, metamer)) == pytest.approx(2)


@pytest.mark.parametrize("function", [relative_squared_error, worst_node_error])
def test_an_inactive_reference_has_no_relative_error(function):
    assert np.isnan(function(jnp.zeros((3, 2)), jnp.ones((3, 2))))
    assert np.isnan(function(jnp.zeros((3, 2)), jnp.zeros((3, 2))))
    assert np.isnan(function(jnp.zeros((0, 2)), jnp.zeros((0, 2))))


def test_a_silent_node_that_stays_silent_is_matched_and_one_that_wakes_is_not():
    reference = jnp.zeros((5, 2)).at[0].set(1.0)
    assert float(worst_node_error(reference, reference)) == 0
    assert float(worst_node_error(reference, reference.at[3].set(1e-3))) == np.inf


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_both_errors_are_blind_to_the_unit_in_float32(scale):
    scale = np.float32(scale)
    for function in (relative_squared_error, worst_node_error):
        expected = float(function(REFERENCE, METAMER))
        assert float(function(scale * REFERENCE, scale * METAMER)) == pytest.approx(
            expected, rel=1e-5
        )


def test_both_errors_map_over_metamers():
    metamers = np.stack([REFERENCE, METAMER])
    for function in (relative_squared_error, worst_node_error):
        mapped = jax.jit(jax.vmap(function, (None, 0)))(REFERENCE, metamers)
        assert float(mapped[0]) == 0
        assert float(mapped[1]) == pytest.approx(float(function(REFERENCE, METAMER)), rel=1e-6)


ERRORS = st.sampled_from([0.0, 0.1, 0.1, 0.5, np.inf, np.nan])


@settings(deadline=None)  # sorting is compiled for every number of nodes
@given(
    st.sampled_from([1, 2, 99, 100]).flatmap(lambda n: st.lists(ERRORS, min_size=n, max_size=n)),
    st.sampled_from([0.01, 0.5, 0.99, 1.0]),
)
def test_the_error_of_a_share_is_the_smallest_that_enough_nodes_do_not_exceed(errors, share):
    found = float(error_of_share(np.float32(errors), share))
    within = sum(not np.isnan(error) and np.float32(error) <= found for error in errors)
    smaller = [e for e in map(np.float32, errors) if e < found]
    if np.isnan(found):
        assert sum(not np.isnan(error) for error in errors) < share * len(errors)
    else:
        assert within >= share * len(errors) * (1 - 1e-9)
        assert len(smaller) < share * len(errors)


@pytest.mark.parametrize(("count", "passes"), [(99, False), (100, True), (199, True)])
def test_one_bad_node_in_a_hundred_does_not_decide(count, passes):
    reference = np.ones((count, 2), np.float32)
    metamer = reference.copy()
    metamer[7] = -1
    share = 0.99 if count >= 100 else 1.0
    assert (float(worst_node_error(reference, metamer, share)) == 0) is passes
    metamer[8] = -1
    assert float(worst_node_error(reference, metamer, share)) == pytest.approx(2)


def test_a_node_that_is_not_finite_is_worse_than_any_other():
    reference = np.ones((100, 2), np.float32)
    metamer = reference.copy()
    metamer[7] = np.nan
    assert np.isnan(worst_node_error(reference, metamer))
    assert float(worst_node_error(reference, metamer, 0.99)) == 0
    assert np.flatnonzero(np.isnan(node_errors(reference, metamer))).tolist() == [7]


@pytest.mark.parametrize("function", [relative_squared_error, node_errors, worst_node_error])
def test_activations_of_another_shape_are_refused(function):
    with pytest.raises(InputError, match=r"`metamer` has shape \(6, 1\), .* \(6, 4\)"):
        function(REFERENCE, METAMER[:, :1])


@pytest.mark.parametrize("reference", [False, np.zeros(3)])
def test_of_nodes_are_matrices(reference):
    with pytest.raises(InputError, match="`reference` "):
        worst_node_error(reference, METAMER)
