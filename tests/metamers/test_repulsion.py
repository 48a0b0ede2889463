"""The repulsion of metamers against its formula written out pair by pair, in NumPy float64."""

import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer.measures import MEASURES
from jmetamer.metamers.methods.repel.repulsion import repulsion

COUNT, SHAPE = 5, (4, 3)


def felt_by(place, features):
    """mean_{j != i} (1 - d_ij)^2 of one set of features."""
    mine = features[place]
    others = [one for j, one in enumerate(features) if j != place]
    distances = [
        np.linalg.norm(mine - o) / (np.linalg.norm(mine) + np.linalg.norm(o)) for o in others
    ]
    return np.mean([(1 - d) ** 2 for d in distances])


def slope_of(place, features, step=1e-5):
    """Central differences by the features of one set, the others held."""
    found = np.zeros(SHAPE)
    for entry in np.ndindex(SHAPE):
        ends = []
        for sign in (1, -1):
            moved = features.copy()
            moved[(place, *entry)] += sign * step
            ends.append(felt_by(place, moved))
        found[entry] = (ends[0] - ends[1]) / (2 * step)
    return found


@pytest.fixture
def features():
    """Float32 numbers, held in float64; of different lengths."""
    drawn = np.random.default_rng(0).normal(size=(COUNT, *SHAPE)) * np.arange(1, 6)[:, None, None]
    return drawn.astype(np.float32).astype(np.float64)


def computed(features, present=None):
    present = np.ones(len(features), bool) if present is None else np.asarray(present)
    found = repulsion(jnp.asarray(features, jnp.float32), jnp.asarray(present))
    return [np.asarray(one, np.float64) for one in found]


def test_it_and_its_gradient_are_those_of_the_formula(features):
    felt, gradient = computed(features)
    for place in range(COUNT):
        assert felt[place] == pytest.approx(felt_by(place, features), rel=1e-5)
        np.testing.assert_allclose(gradient[place], slope_of(place, features), rtol=1e-3, atol=1e-6)


def test_the_distance_is_the_measure_by_which_metamers_are_compared(features):
    measure = MEASURES["features/normalized_euclidean"].function
    felt, _ = computed(features[:2])
    distance = float(measure(jnp.asarray(features[0]), jnp.asarray(features[1])))
    np.testing.assert_allclose(felt, (1 - distance) ** 2, rtol=1e-5)


def test_two_orthogonal_sets_of_one_length_part_as_computed_by_hand():
    # d = 1/sqrt(2), grad_x d = (x - y) / (sqrt(8) r^2) - sqrt(2) x / (4 r^2) for |x| = |y| = r.
    r, x, y = 3.0, np.array([[3.0, 0.0]]), np.array([[0.0, 3.0]])
    by_hand = -2 * (1 - np.sqrt(0.5)) * ((x - y) / np.sqrt(8) / r**2 - x * np.sqrt(2) / 4 / r**2)
    _, gradient = computed(np.stack([x, y]))
    np.testing.assert_allclose(gradient[0], by_hand, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(gradient[1], by_hand[:, ::-1], rtol=1e-5, atol=1e-7)


def test_lengths_alone_do_not_matter(features):
    """Blown up together, metamers are as far apart as before: nothing pulls them outward."""
    felt, gradient = computed(features)
    np.testing.assert_allclose(computed(7 * features)[0], felt, rtol=1e-5)
    pairwise = sum(np.sum(g * x) for g, x in zip(gradient, features, strict=True))
    assert abs(pairwise) < 1e-6


def test_it_does_not_depend_on_the_order(features):
    order = np.array([3, 0, 4, 2, 1])
    felt, gradient = computed(features)
    again, turned = computed(features[order])
    np.testing.assert_allclose(again, felt[order], rtol=1e-5)
    np.testing.assert_allclose(turned, gradient[order], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("left_out", ["absent", "not finite", "infinite"])
def test_one_that_is_left_out_or_not_finite_is_as_if_it_were_not_there(features, left_out):
    present = np.ones(COUNT, bool)
    broken = features.copy()
    if left_out == "absent":
        present[2] = False
    else:
        broken[2, 1, 1] = np.nan if left_out == "not finite" else np.inf
    rest = np.delete(np.arange(COUNT), 2)
    found, expected = computed(broken, present), computed(features[rest])
    for mine, alone in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine[rest], alone, rtol=1e-5, atol=1e-7)
        assert not mine[2].any()


def test_the_same_set_twice_and_a_set_of_zeros_have_finite_gradients():
    one = np.ones(SHAPE)
    felt, gradient = computed(np.stack([one, one, np.zeros(SHAPE)]))
    np.testing.assert_allclose(felt, [0.5, 0.5, 0], atol=1e-6)
    assert np.isfinite(gradient).all()


def test_one_alone_feels_nothing(features):
    felt, gradient = computed(features[:1])
    assert not felt.any()
    assert not gradient.any()
