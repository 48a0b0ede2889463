"""Controls keep what they promise to keep, and are random in all else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jmetamer._base.errors import InputError
from jmetamer.measures import random_displacement, random_flips

RNG = np.random.default_rng(0)
KEYS = jax.random.split(jax.random.key(0), 3000)


def test_a_displacement_keeps_the_distance_of_every_node():
    reference, metamer = RNG.normal(size=(2, 6, 9)).astype(np.float32)
    metamer[2] = reference[2]
    moved = np.asarray(random_displacement(KEYS[0], jnp.asarray(reference), metamer))
    distance = np.linalg.norm(metamer - reference, axis=1)
    np.testing.assert_allclose(np.linalg.norm(moved - reference, axis=1), distance, rtol=1e-5)
    np.testing.assert_array_equal(moved[2], reference[2])
    assert (moved[np.arange(6) != 2] != metamer[np.arange(6) != 2]).all()


def test_a_displacement_has_no_preferred_direction():
    # In 3 dimensions each coordinate of a uniform unit vector is uniform on [-1, 1] (Archimedes).
    moved = jax.vmap(random_displacement, (0, None, None))(
        KEYS, jnp.ones((1, 3)), jnp.ones((1, 3)).at[0, 1].set(3.0)
    )
    for coordinate in (np.asarray(moved)[:, 0].T - 1) / 2:
        assert stats.kstest(coordinate, stats.uniform(-1, 2).cdf).pvalue > 0.01


def test_flips_keep_how_many_entries_of_each_kind_change_in_every_node():
    reference, metamer = (RNG.random((2, 12, 30)) < 0.3).astype(np.float32)
    metamer[3], reference[4], metamer[5] = reference[3], 0, 1
    flipped = np.asarray(random_flips(KEYS[0], jnp.asarray(reference), jnp.asarray(metamer)))
    assert np.isin(flipped, (0, 1)).all()
    for value in (0, 1):
        changed = [
            ((each != reference) & (reference == value)).sum(1) for each in (flipped, metamer)
        ]
        np.testing.assert_array_equal(*changed)
    np.testing.assert_array_equal(flipped.sum(1), metamer.sum(1))
    np.testing.assert_array_equal(flipped[3], reference[3])
    assert (flipped != metamer).any(1)[:3].all()


def test_flips_choose_every_entry_of_a_kind_equally_often():
    reference = jnp.array([[1.0, 1, 1, 0, 0, 0, 0, 0]])
    metamer = jnp.array([[0.0, 1, 1, 1, 1, 0, 0, 0]])
    flipped = jax.vmap(random_flips, (0, None, None))(KEYS, reference, metamer)
    share = np.mean(np.asarray(flipped != reference)[:, 0], axis=0)
    expected = np.array([1 / 3] * 3 + [2 / 5] * 5)
    error = 4 * np.sqrt(expected * (1 - expected) / len(KEYS))
    assert (np.abs(share - expected) < error).all()


@pytest.mark.parametrize("control", [random_displacement, random_flips])
def test_metamers_of_another_shape_are_refused(control):
    with pytest.raises(InputError, match=r"`metamer` has shape \(4, 1\), .* \(4, 3\)"):
        control(jax.random.key(0), np.zeros((4, 3)), np.zeros((4, 1)))
