"""What every measure of features in the table promises, checked for all of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer._base.precision import float64_on_host
from jmetamer.measures import MEASURES, Facts, deviations

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


def facts_of(reference):
    """Two classes, and an entry that sees two directions of the features."""
    num_nodes, num_features = reference.shape
    weights = np.random.default_rng(7).normal(size=(num_features, 2))
    return Facts(labels=np.arange(num_nodes) * 2 // max(num_nodes, 1), entry_weights=weights)


def known(measure, reference, order=None):
    """The measure with its facts filled in, of nodes in another order; None if it cannot apply."""
    facts = facts_of(reference)
    if order is not None:
        facts = facts._replace(labels=facts.labels[order])
    return measure.given(reference, facts)


@pytest.fixture(scope="module")
def evaluate():
    """Evaluate a measure in float64 through one compiled function per measure and shape."""
    compiled = jax.jit(lambda function, reference, metamer: function(reference, metamer))

    def run(measure, reference, metamer):
        with float64_on_host():
            function = jax.tree_util.Partial(measure.function)
            return float(compiled(function, reference, metamer))

    return run


SHAPES = st.sampled_from([(0, 3), (1, 1), (4, 0), (6, 5)])


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_every_measure_keeps_what_it_declares(measure, kind, evaluate):
    @settings(max_examples=25, deadline=None)
    @given(SHAPES, st.integers(0, 10**6))
    @example((6, 5), 172)  # one-hot rows: classes of a probe have equal scores, up to round-off
    def check(shape, seed):
        reference, metamer = draw(kind, seed, *shape), draw(kind, seed + 1, *shape)
        ours = known(measure, reference)
        if ours is None:
            return
        value = evaluate(ours, reference, metamer)
        assert 0 <= evaluate(ours, reference, reference) <= 1e-24, "identity"
        assert measure.low <= value <= measure.high * (1 + 1e-12), "range"
        if measure.symmetric:
            theirs = known(measure, metamer)
            assert evaluate(theirs, metamer, reference) == pytest.approx(value, abs=1e-12)
        rng = np.random.default_rng(seed)
        order, other = rng.permutation(shape[0]), rng.permutation(shape[0])
        moved = known(measure, reference[order], order)
        again = evaluate(moved, reference[order], metamer[order])
        assert again == pytest.approx(value, abs=1e-10)
        if measure.permutation == "separate":
            apart = evaluate(moved, reference[order], metamer[other])
            assert apart == pytest.approx(value, abs=1e-10)

    check()


@pytest.mark.parametrize("name", OF_FEATURES)
def test_a_joint_measure_really_sees_a_separate_permutation(name, evaluate):
    measure = MEASURES[name]
    reference = draw(measure.applies_to[0], 3, 6, 5)
    reference[0], reference[1] = 0, 1
    moved = evaluate(known(measure, reference), reference, reference[::-1])
    assert (abs(moved) <= 1e-12) == (measure.permutation == "separate")


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_float32_agrees_with_float64(measure, kind, evaluate):
    reference, metamer = draw(kind, 11, 6, 5), draw(kind, 12, 6, 5)
    ours = known(measure, reference)
    function = jax.jit(lambda *both: ours.function(*both))
    single = float(function(jnp.float32(reference), jnp.float32(metamer)))
    assert single == pytest.approx(evaluate(ours, reference, metamer), abs=2e-6, rel=2e-6)


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_batches_equal_one_at_a_time(measure, kind):
    reference = draw(kind, 0, 6, 5)
    metamers = np.stack([draw(kind, seed, 6, 5) for seed in range(1, 6)])
    facts = facts_of(reference)

    def found(some):
        return deviations(reference, some, kind, [measure.name], facts=facts).values[:, 0]

    together, alone = found(metamers), [found(metamer[None])[0] for metamer in metamers]
    assert np.array_equal(together, alone), "equal to the last bit"
    mapped = jax.jit(jax.vmap(known(measure, reference).function, (None, 0)))(
        jnp.float32(reference), jnp.float32(metamers)
    )
    assert np.abs(together - mapped).max() <= 2e-6


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_metamer_that_is_not_finite_deviates_by_nan(name, bad):
    reference = np.eye(3)
    metamer = np.eye(3)
    metamer[1, 2] = bad
    function = known(MEASURES[name], reference).function
    assert np.isnan(function(jnp.float32(reference), jnp.float32(metamer)))


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_chance_is_the_mean_over_the_declared_null_within_its_standard_error(
    measure, kind, evaluate
):
    rng = np.random.default_rng(0)
    reference = draw(kind, 5, 120, 20)
    if kind == "binary":
        reference = (rng.uniform(size=(120, 20)) < 0.15).astype(float)
    density, ours = reference.mean(), known(measure, reference)
    draws = []
    for _ in range(100):
        if "entries in random order" in measure.null:
            null = rng.permuted(reference, axis=None)
        elif "rows in random order" in measure.null:
            null = rng.permutation(reference)
        else:
            null = (rng.uniform(size=reference.shape) < density).astype(float)
        draws.append(evaluate(ours, reference, null))
    error = np.std(draws) / np.sqrt(len(draws))
    # Some chance levels are a root or a ratio of means, exact up to 1/n; those of distributions are
    # means of few draws.
    inexact = "|_F / (" in measure.formula or measure.name == "features/jaccard"
    bias = 0.5 / len(reference) * np.mean(draws) if inexact else 0.0
    few = np.std(draws) if measure.permutation == "separate" else 0.0
    assert abs(np.mean(draws) - ours.chance(reference)) <= 4 * error + bias + few


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_chance_lies_in_the_range_also_for_degenerate_references(measure, kind):
    for rows in (np.zeros((0, 3)), np.zeros((4, 3)), np.ones((1, 3)), np.ones((5, 2))):
        ours = known(measure, rows)
        if ours is None:
            continue
        chance = ours.chance(rows)
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


@pytest.mark.parametrize("name", [name for name, m in OF_FEATURES.items() if m.prepare])
def test_a_measure_that_needs_facts_is_absent_without_and_refused_by_name(name):
    rows = draw(OF_FEATURES[name].applies_to[-1], 0, 6, 5)
    assert OF_FEATURES[name].given(rows, Facts()) is None
    unasked = deviations(rows, rows[None], "continuous").names
    assert name not in unasked
    assert name in deviations(rows, rows[None], "continuous", facts=facts_of(rows)).names
    with pytest.raises(InputError, match=f"`names` asks for '{name}', which does not apply"):
        deviations(rows, rows[None], "continuous", [name])
