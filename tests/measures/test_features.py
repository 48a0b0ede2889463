import math

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial.distance
import sklearn.metrics.pairwise

from jmetamer._base.precision import float64_on_host
from jmetamer.measures.features import (
    cosine,
    cosine_chance,
    hamming,
    jaccard,
    jaccard_chance,
    log_norm,
    log_norm_chance,
    normalized_euclidean,
    normalized_euclidean_chance,
)

rng = np.random.default_rng(0)
LEFT, RIGHT = rng.normal(size=(2, 9, 6))
LEFT_BITS, RIGHT_BITS = (rng.uniform(size=(2, 9, 6)) < 0.3).astype(float)


def float64(function, *arrays):
    with float64_on_host():
        return float(function(*map(jnp.asarray, arrays)))


def test_cosine_equals_scikit_learn_and_scipy():
    pairs = sklearn.metrics.pairwise.paired_cosine_distances(LEFT, RIGHT)
    assert float64(cosine, LEFT, RIGHT) == pytest.approx(pairs.mean(), abs=1e-14)
    by_hand = [scipy.spatial.distance.cosine(*pair) for pair in zip(LEFT, RIGHT, strict=True)]
    assert float64(cosine, LEFT, RIGHT) == pytest.approx(np.mean(by_hand), abs=1e-14)


def test_jaccard_and_hamming_equal_scipy():
    bits = LEFT_BITS.ravel().astype(bool), RIGHT_BITS.ravel().astype(bool)
    expected = scipy.spatial.distance.jaccard(*bits)
    assert float64(jaccard, LEFT_BITS, RIGHT_BITS) == pytest.approx(expected, abs=1e-15)
    expected = scipy.spatial.distance.hamming(*bits)
    assert float64(hamming, LEFT_BITS, RIGHT_BITS) == pytest.approx(expected, abs=1e-15)


def test_jaccard_equals_scikit_learn_row_by_row():
    for left, right in zip(LEFT_BITS, RIGHT_BITS, strict=True):
        score = sklearn.metrics.jaccard_score(left, right, zero_division=1.0)
        assert float64(jaccard, left[None], right[None]) == pytest.approx(1 - score, abs=1e-15)


def test_normalized_euclidean_equals_its_formula():
    norm = np.linalg.norm
    expected = norm(LEFT - RIGHT) / (norm(LEFT) + norm(RIGHT))
    assert float64(normalized_euclidean, LEFT, RIGHT) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("factor", [2.0, 0.01])
def test_the_cosine_is_blind_to_scale_and_the_others_are_not(factor):
    assert float64(cosine, LEFT, factor * LEFT) == pytest.approx(0, abs=1e-15)
    assert float64(log_norm, LEFT, factor * LEFT) == pytest.approx(abs(math.log(factor)), abs=1e-12)
    expected = abs(factor - 1) / (factor + 1)
    assert float64(normalized_euclidean, LEFT, factor * LEFT) == pytest.approx(expected, abs=1e-12)


def test_each_measure_reaches_both_ends_of_its_range():
    assert float64(cosine, LEFT, -LEFT) == pytest.approx(2, abs=1e-14)
    assert float64(normalized_euclidean, LEFT, -LEFT) == pytest.approx(1, abs=1e-14)
    assert float64(jaccard, LEFT_BITS, 1 - LEFT_BITS) == 1
    assert float64(hamming, LEFT_BITS, 1 - LEFT_BITS) == 1


def test_zero_rows_count_as_defined():
    zero, one = np.zeros((1, 2)), np.ones((1, 2))
    assert float64(cosine, zero, zero) == 0
    assert float64(cosine, zero, one) == float64(cosine, one, zero) == 1
    assert float64(log_norm, zero, zero) == 0
    assert float64(log_norm, zero, one) == pytest.approx(math.log(1e6), abs=1e-12)
    assert float64(normalized_euclidean, zero, zero) == 0
    assert float64(normalized_euclidean, zero, one) == 1
    assert float64(jaccard, zero, zero) == 0
    assert float64(jaccard, zero, one) == 1


def test_a_zero_row_leaves_the_deviation_of_the_others_alone():
    padded = [np.vstack([array, np.zeros(6)]) for array in (LEFT, RIGHT)]
    for function in (cosine, log_norm):
        assert float64(function, *padded) == pytest.approx(
            float64(function, LEFT, RIGHT) * 9 / 10, abs=1e-14
        )


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_magnitudes_survive_float32(scale):
    left, right = np.float32(LEFT), np.float32(RIGHT)
    for function in (cosine, log_norm, normalized_euclidean):
        expected = float(function(left, right))
        assert float(function(left * np.float32(scale), right * np.float32(scale))) == (
            pytest.approx(expected, rel=1e-5)
        )


def test_small_deviations_do_not_cancel_in_float32():
    turned = np.float32([[1.0, 1e-4]])
    assert float(cosine(np.float32([[1.0, 0.0]]), turned)) == pytest.approx(5e-9, rel=1e-4)


def test_the_cosine_is_no_metric():
    first, second, third = np.array([[1.0, 0]]), np.array([[1.0, 1]]), np.array([[0.0, 1]])
    through = float64(cosine, first, second) + float64(cosine, second, third)
    assert float64(cosine, first, third) > through + 0.4


def test_reordering_chance_levels_are_means_over_all_permutations():
    import itertools

    rows = np.vstack([LEFT[:4], np.zeros(6)])
    values = {cosine: [], log_norm: [], normalized_euclidean: []}
    with float64_on_host():
        for order in itertools.permutations(range(5)):
            for function, found in values.items():
                found.append(float(function(rows, rows[list(order)])))
    assert cosine_chance(rows) == pytest.approx(np.mean(values[cosine]), abs=1e-13)
    assert log_norm_chance(rows) == pytest.approx(np.mean(values[log_norm]), abs=1e-12)
    squares = np.mean(np.square(values[normalized_euclidean]))
    assert normalized_euclidean_chance(rows) ** 2 == pytest.approx(squares, abs=1e-13)


def test_a_sparse_chance_level_is_the_known_one():
    bits = np.zeros((100, 10))
    bits.ravel()[:46] = 1
    assert 1 - jaccard_chance(bits) == pytest.approx(0.046 / (2 - 0.046), abs=1e-15)
