"""Starts without noise are the reference itself, whatever its numbers and shape."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.vary.initialization import GlobalNoise, PerFeatureNoise

KEY = jax.random.key(0)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 3.7, -2.0, 1e-9, 7e5])
@pytest.mark.parametrize("shape", [(34, 34), (6, 3), (30, 300), (1, 7), (257, 3)])
def test_noise_of_equal_numbers_is_none(value, shape):
    features = np.full(shape, value, np.float32)
    for start in (GlobalNoise(), PerFeatureNoise()):
        np.testing.assert_array_equal(start(KEY, features), features)


def test_noise_has_mean_and_spread_of_what_it_replaces():
    features = np.random.default_rng(0).normal(2.0, 3.0, size=(400, 50)).astype(np.float32)
    features[:, 0] = 5.0
    start = np.asarray(PerFeatureNoise()(KEY, features))
    assert (start[:, 0] == 5.0).all()
    np.testing.assert_allclose(start[:, 1:].std(0), features[:, 1:].std(0), rtol=0.2)
    whole = np.asarray(GlobalNoise()(KEY, features))
    assert whole.mean() == pytest.approx(features.mean(), abs=0.1)
    assert whole.std() == pytest.approx(features.std(), rel=0.02)


def test_a_search_among_equal_numbers_finds_no_metamer():
    ends = np.arange(34)
    x = np.full((34, 34), 0.1)
    ring = jm.make_graph(x, [*ends, *(ends + 1) % 34], [*(ends + 1) % 34, *ends])
    trained = jm.train(
        jm.GCN(hidden=4), jm.load_dataset("karate"), settings=jm.TrainSettings(epochs=0)
    )
    made = jm.generate(jm.Problem(trained, ring, layer="conv1"), seeds=range(3))
    assert made.status.tolist() == [jm.Status.UNCHANGED] * 3
