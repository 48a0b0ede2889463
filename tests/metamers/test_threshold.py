"""The K-th largest without sorting, against NumPy's sort."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer.metamers.vary.threshold import exact_top, kth_largest_threshold

SIZE = 12  # one shape, so one compilation
# Compiled code treats subnormal numbers as zero, so they are no inputs here.
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)
COARSE = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3e38, -3e38, 1.5e-38])


def test_all_axes_that_the_guess_lacks_are_counted_over():
    values = np.random.default_rng(0).normal(size=(2, 5, 7)).astype(np.float32)
    counts, guesses = np.array([9, 20]), np.zeros(2, np.float32)
    tables = kth_largest_threshold(jnp.array(values), jnp.array(counts), jnp.array(guesses))
    flat = values.reshape(2, -1)
    rows = kth_largest_threshold(jnp.array(flat), jnp.array(counts), jnp.array(guesses))
    np.testing.assert_array_equal(tables, rows)
    assert (values >= np.asarray(tables)[:, None, None]).sum((1, 2)).tolist() == [9, 20]


@jax.jit
def top(values, count, guess):
    threshold = kth_largest_threshold(values, count, guess)
    return threshold, exact_top(values, count, threshold)


def numpy_top(values, count):
    """The `count` largest, ties by the smaller index."""
    order = np.lexsort((np.arange(values.size), -values))
    mask = np.zeros(values.size, bool)
    mask[order[:count]] = True
    return mask


@given(
    st.lists(st.one_of(FLOATS, COARSE), min_size=SIZE, max_size=SIZE),
    st.integers(0, SIZE),
    st.one_of(FLOATS, st.just(float("nan")), st.just(float("inf")), st.just(-float("inf"))),
)
@settings(max_examples=300, deadline=None)
def test_exact_top_is_the_stable_sort_whatever_the_guess(values, count, guess):
    values = np.array(values, np.float32)
    threshold, mask = map(np.asarray, top(values, count, np.float32(guess)))
    np.testing.assert_array_equal(mask, numpy_top(values, count))
    # Compared on the device: beside zeros the threshold may be subnormal, which counts as zero.
    at_least = int(jnp.sum(values >= jnp.asarray(threshold)))
    assert at_least >= count
    if at_least > count:  # only because of a tie at the place of the K-th
        assert bool(jnp.asarray(threshold) == np.sort(values)[::-1][count - 1])


@given(
    st.lists(FLOATS, min_size=SIZE, max_size=SIZE, unique=True),
    st.integers(0, SIZE),
)
@settings(max_examples=100, deadline=None)
def test_without_ties_the_threshold_leaves_exactly_the_count(values, count):
    values = np.array(values, np.float32) + np.float32(0.0)  # no negative zero beside a zero
    threshold, _ = top(values, count, np.float32(0.0))
    if len(np.unique(values)) == SIZE:
        assert int(jnp.sum(values >= threshold)) == count


def test_rows_are_independent_under_vmap_and_along_the_last_axis():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, SIZE)).astype(np.float32)
    values[1] = 0.0
    values[2, ::2] = 7.0
    counts, guesses = np.array([0, 4, 5, 12, 1]), np.array([9, 0, -1, 3, 0.5], np.float32)
    threshold = kth_largest_threshold(jnp.array(values), jnp.array(counts), jnp.array(guesses))
    mask = exact_top(jnp.array(values), jnp.array(counts), threshold)
    _, batched = jax.vmap(top)(values, counts, guesses)
    for row in range(5):
        expected = numpy_top(values[row], counts[row])
        np.testing.assert_array_equal(mask[row], expected)
        np.testing.assert_array_equal(batched[row], expected)


def test_equal_entries_are_taken_from_the_left():
    _, mask = top(np.zeros(SIZE, np.float32), 5, np.float32(0))
    assert np.asarray(mask).tolist() == [True] * 5 + [False] * 7
