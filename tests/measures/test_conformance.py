"""What every measure of features in the table promises, checked for all of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.precision import float64_on_host
from jmetamer.measures import MEASURES, deviations

OF_FEATURES = {name: m for name, m in MEASURES.items() if m.reads == "features"}
CASES = [
    pytest.param(measure, kind, id=f"{name}-{kind}")
    for name, measure in OF_FEATURES.items()
    for kind in measure.applies_to
]


def draw(kind, seed, num_nodes, num_features):
    """Draw features with zero rows and, for continuous ones, rows of very different scale."""
    rng = np.random.default_rng(seed)
    shape = (num_nodes, num_features)
    if kind == "one_hot":
        rows = np.eye(max(num_features, 1))[rng.integers(0, max(num_features, 1), num_nodes)]
        rows = rows[:, :num_features]
    elif kind == "binary":
        rows = (rng.uniform(size=shape) < rng.choice([0.0, 0.1, 0.5])).astype(float)
    else:
        rows = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4, size=(num_nodes, 1))
    return rows * (rng.uniform(size=(num_nodes, 1)) < 0.8)


@pytest.fixture(scope="module")
def evaluate():
    """Evaluate a measure in float64 through one compiled function per measure and shape."""
    compiled = {}

    def run(measure, reference, metamer):
        function = compiled.setdefault(measure.name, jax.jit(measure.function))
        with float64_on_host():
            return float(function(reference, metamer))

    return run


SHAPES = st.sampled_from([(0, 3), (1, 1), (4, 0), (6, 5)])


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_every_measure_keeps_what_it_declares(measure, kind, evaluate):
    @settings(max_examples=25, deadline=None)
    @given(SHAPES, st.integers(0, 10**6))
    def check(shape, seed):
        reference, metamer = draw(kind, seed, *shape), draw(kind, seed + 1, *shape)
        value = evaluate(measure, reference, metamer)
        assert 0 <= evaluate(measure, reference, reference) <= 1e-24, "identity"
        assert measure.low <= value <= measure.high * (1 + 1e-12), "range"
        if measure.symmetric:
            assert evaluate(measure, metamer, reference) == pytest.approx(value, abs=1e-12)
        rng = np.random.default_rng(seed)
        order, other = rng.permutation(shape[0]), rng.permutation(shape[0])
        assert evaluate(measure, reference[order], metamer[order]) == pytest.approx(
            value, abs=1e-10
        )
        if measure.permutation == "separate":
            assert evaluate(measure, reference[order], metamer[other]) == pytest.approx(
                value, abs=1e-10
            )

    check()


@pytest.mark.parametrize("name", OF_FEATURES)
def test_a_joint_measure_really_sees_a_separate_permutation(name, evaluate):
    measure = MEASURES[name]
    reference = draw(measure.applies_to[0], 3, 6, 5)
    reference[0], reference[1] = 0, 1
    moved = evaluate(measure, reference, reference[::-1])
    assert (moved <= 1e-12) == (measure.permutation == "separate")


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_float32_agrees_with_float64(measure, kind, evaluate):
    reference, metamer = draw(kind, 11, 6, 5), draw(kind, 12, 6, 5)
    single = float(jax.jit(measure.function)(jnp.float32(reference), jnp.float32(metamer)))
    assert single == pytest.approx(evaluate(measure, reference, metamer), abs=2e-6, rel=2e-6)


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_batches_equal_one_at_a_time(measure, kind):
    reference = draw(kind, 0, 6, 5)
    metamers = np.stack([draw(kind, seed, 6, 5) for seed in range(1, 6)])
    together = deviations(reference, metamers, kind, [measure.name]).values[:, 0]
    alone = [deviations(reference, m[None], kind, [measure.name]).values[0, 0] for m in metamers]
    assert np.array_equal(together, alone), "equal to the last bit"
    mapped = jax.jit(jax.vmap(measure.function, (None, 0)))(
        jnp.float32(reference), jnp.float32(metamers)
    )
    assert np.abs(together - mapped).max() <= 2e-6


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_metamer_that_is_not_finite_deviates_by_nan(name, bad):
    reference = np.eye(3)
    metamer = np.eye(3)
    metamer[1, 2] = bad
    assert np.isnan(MEASURES[name].function(jnp.float32(reference), jnp.float32(metamer)))


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_chance_is_the_mean_over_the_declared_null_within_its_standard_error(
    measure, kind, evaluate
):
    rng = np.random.default_rng(0)
    reference = draw(kind, 5, 120, 20)
    if kind == "binary":
        reference = (rng.uniform(size=(120, 20)) < 0.15).astype(float)
    density = reference.mean()
    draws = []
    for _ in range(100):
        if "entries in random order" in measure.null:
            null = rng.permuted(reference, axis=None)
        elif "rows in random order" in measure.null:
            null = rng.permutation(reference)
        else:
            null = (rng.uniform(size=reference.shape) < density).astype(float)
        draws.append(evaluate(measure, reference, null))
    error = np.std(draws) / np.sqrt(len(draws))
    # Two chance levels are a root or a ratio of means, exact up to 1/n; those of distributions are
    # means of few draws.
    inexact = measure.name in ("features/normalized_euclidean", "features/jaccard")
    bias = 0.5 / len(reference) * np.mean(draws) if inexact else 0.0
    few = np.std(draws) if measure.permutation == "separate" else 0.0
    assert abs(np.mean(draws) - measure.chance(reference)) <= 4 * error + bias + few


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_chance_lies_in_the_range_also_for_degenerate_references(measure, kind):
    for rows in (np.zeros((0, 3)), np.zeros((4, 3)), np.ones((1, 3)), np.ones((5, 2))):
        chance = measure.chance(rows)
        assert isinstance(chance, float)
        assert measure.low <= chance <= measure.high


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_describes_itself(name):
    measure = MEASURES[name]
    assert measure.name == name
    assert measure.formula
    assert measure.null
    assert measure.low < measure.high
    assert measure.reads in ("features", "edges")
    assert hash(measure) == hash(measure)
