"""Nearest other rows against SciPy."""

import jax.numpy as jnp
import numpy as np
from scipy.spatial import KDTree

from jmetamer.evaluation.nearest import nearest_rows


def test_is_the_nearest_of_all_others():
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    _, expected = KDTree(rows).query(rows, k=2)
    np.testing.assert_array_equal(nearest_rows(jnp.asarray(rows)), expected[:, 1])


def test_a_double_is_nearest_although_far_from_the_origin():
    rows = 1e4 + np.array([[0.0], [0.5], [0.0], [0.2]], np.float32)
    assert nearest_rows(jnp.asarray(rows)).tolist() == [2, 3, 0, 0]
