"""Seed i gives the same metamer alone, in any batch, in any number of lanes and in any order."""

import jax
import numpy as np
import optax
import pytest

import jmetamer as jm

SEEDS = [17, 4, 0, 31, 2]


def features(problem, metamers):
    return {
        int(seed): np.asarray(jm.metamer_graph(problem, metamers, place).nodes)
        for place, seed in enumerate(metamers.seed_id)
    }


# The object is made once: every new optax object would be compiled again.
OPTIMIZERS = {
    "lane_lbfgs": jm.Optimizer("lane_lbfgs"),
    "adam": jm.Optimizer("adam", 0.1, "cosine"),
    "an optax object": optax.adam(0.1),
}


@pytest.fixture(scope="module", params=list(OPTIMIZERS))
def name(request):
    # Full optimization where it counts: it is what could make a batch round unlike a lane alone.
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", request.param != "lane_lbfgs")
    yield request.param
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def problem(name, problem, small):
    return small if name == "an optax object" else problem


@pytest.fixture(scope="module")
def made(name, problem):
    """(settings, metamers of five seeds in three lanes: two lanes are filled again)."""
    optimizer = OPTIMIZERS[name]
    settings = {"optimizer": optimizer, "steps": 30, "tolerance": 1e-3}
    return settings, jm.generate(problem, seeds=SEEDS, lanes=3, **settings)


def assert_equal_at(one, place, other, place_of_other):
    for name in one._fields:
        if name in ("trace_step", "base_seed", "coordinates", "method", "problem_digest"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        else:
            first, second = (
                jax.tree.leaves(jax.tree.map(lambda a, i=i: a[i], getattr(metamers, name)))
                for metamers, i in ((one, place), (other, place_of_other))
            )
            assert len(first) == len(second), name
            for mine, theirs in zip(first, second, strict=True):
                np.testing.assert_array_equal(mine, theirs, err_msg=name)


class TestASeed:
    def test_alone_equals_itself_in_a_batch(self, problem, made):
        settings, batch = made
        alone = jm.generate(problem, seeds=[17], **settings)
        assert_equal_at(alone, 0, batch, 0)
        np.testing.assert_array_equal(features(problem, alone)[17], features(problem, batch)[17])

    def test_does_not_depend_on_the_order_or_on_the_others(self, problem, made):
        settings, batch = made
        order = [2, 99, 17, 31]  # 99 is new, so every lane has another history
        other = jm.generate(problem, seeds=order, lanes=3, **settings)
        for seed in (2, 17, 31):
            assert_equal_at(other, order.index(seed), batch, SEEDS.index(seed))

    def test_ends_at_different_steps_so_that_lanes_are_filled_at_different_times(self, made):
        settings, batch = made
        if settings["optimizer"] == OPTIMIZERS["lane_lbfgs"]:
            assert len(set(batch.steps_used.tolist())) > 1

    def test_that_differs_gives_another_metamer(self, problem, made):
        _, batch = made
        drawn = features(problem, batch)
        assert all(np.abs(drawn[17] - drawn[seed]).max() > 0.1 for seed in SEEDS[1:])

    def test_of_another_base_seed_gives_another_metamer(self, problem, made):
        settings, batch = made
        other = jm.generate(problem, seeds=SEEDS[:3], lanes=3, seed=1, **settings)
        assert np.abs(features(problem, other)[17] - features(problem, batch)[17]).max() > 0.1


class TestBinaryFeatures:
    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls, binary_problem):
        return jm.generate(binary_problem, seeds=SEEDS, lanes=3, steps=40, tolerance=0.05)

    def test_do_not_depend_on_order_lanes_or_the_others(self, binary_problem, batch):
        order = [31, 2, 17, 5]
        other = jm.generate(binary_problem, seeds=order, lanes=3, steps=40, tolerance=0.05)
        alone = jm.generate(binary_problem, seeds=[17], steps=40, tolerance=0.05)
        expected = features(binary_problem, batch)
        for seed in (31, 2, 17):
            np.testing.assert_array_equal(features(binary_problem, other)[seed], expected[seed])
        np.testing.assert_array_equal(features(binary_problem, alone)[17], expected[17])
        np.testing.assert_array_equal(other.loss_trace[2], batch.loss_trace[0])


class TestOrder:
    def test_of_the_result_is_that_of_the_seeds(self, made):
        assert made[1].seed_id.tolist() == SEEDS

    def test_of_count_is_zero_to_count(self, small, adam):
        made = jm.generate(small, count=3, lanes=3, optimizer=adam, steps=30, tolerance=1e-3)
        assert made.seed_id.tolist() == [0, 1, 2]
        assert made.seed_id.dtype == np.int64
