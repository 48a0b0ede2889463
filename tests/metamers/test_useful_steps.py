"""Lanes waste few steps, though one seed may need ten times as many as another."""

import dataclasses

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods import Execution, Task
from jmetamer.metamers.methods.optimize.synthesis import Synthesis
from jmetamer.metamers.vary.initialization import GlobalNoise


@dataclasses.dataclass(frozen=True)
class NearAndFar:
    """Noise whose distance from the reference differs tenfold between keys."""

    def __call__(self, key, features):
        scale = 10 ** jax.random.uniform(jax.random.fold_in(key, 1))
        return features + 0.3 * scale * jax.numpy.sign(GlobalNoise()(key, features))


@pytest.fixture(scope="module")
def run():
    data = jm.load_dataset("karate")
    trained = jm.train(jm.GCN(hidden=8), data, settings=jm.TrainSettings(epochs=0))
    vary = jm.ContinuousFeatures(initialization=NearAndFar())
    problem = jm.Problem(trained, data.graph, layer="conv1.pre", vary=vary)
    # Adam's steps are of about the same length: their number grows with the distance.
    optimizer = jm.Optimizer("adam", 0.01)
    method = jm.Optimize(optimizer, steps=2000, patience=2000, coordinates="features")
    executed = []
    told = Execution(lanes=8, together=True, progress=lambda seen: executed.append(seen.executed))
    found = Synthesis([Task(problem, 0, method, 1e-2)], told).finished(range(160))
    return np.concatenate([samples.steps for samples in found]), executed[-1]


def test_step_counts_are_ten_times_apart(run):
    steps, _ = run
    assert np.quantile(steps, 0.9) >= 10 * np.quantile(steps, 0.1)


def test_nine_tenths_of_the_executed_steps_are_useful(run):
    steps, executed = run
    # A seed that ends after k steps has looked at k + 1 iterates.
    assert np.sum(steps + 1) / executed >= 0.9
