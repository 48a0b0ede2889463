"""The null-distribution test: statistics against SciPy, p-values by counting and by simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from jmetamer._base.errors import InputError
from jmetamer.measures import null_test, null_test_of, relative_squared_error, snr_db
from jmetamer.measures.null_test import _counted, match_values

KEY = jax.random.key(5)
WIDTH = 30  # the least at which correlations count
RNG = np.random.default_rng(0)
# References in groups of three, so that some random pairs match and most do not.
OTHERS = (RNG.normal(size=(8, 1, WIDTH)) + 0.5 * RNG.normal(size=(8, 3, WIDTH))).reshape(24, WIDTH)
REFERENCE = OTHERS[0] + 0.5 * RNG.normal(size=WIDTH)
NEAR = np.stack([REFERENCE + size * RNG.normal(size=WIDTH) for size in (0, 0.1, 0.5, 1, 2, 5)])


def by_scipy(reference, other):
    snr = 10 * np.log10(np.sum(reference**2) / np.sum((reference - other) ** 2))
    return stats.spearmanr(reference, other)[0], stats.pearsonr(reference, other)[0], snr


def run(reference=REFERENCE, metamers=NEAR, others=OTHERS, num_pairs=99, key=KEY, **options):
    return null_test(reference, metamers, others, num_pairs=num_pairs, key=key, **options)


def values_of(reference, metamers):
    filled = np.concatenate([metamers, NEAR])[: len(NEAR)]  # one shape, so one compiled program
    return run(reference, filled).values[: len(metamers)]


class TestStatistics:
    @settings(max_examples=20, deadline=None)
    @given(arrays(np.float64, (2, WIDTH), elements=st.integers(-4, 4)))
    def test_equal_scipys_with_many_ties(self, pair):
        if any(np.ptp(row) == 0 for row in pair) or (pair[0] == pair[1]).all():
            return
        found = values_of(pair[0], pair[1:])
        np.testing.assert_allclose(found[0], by_scipy(*pair), atol=2e-5)

    @pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
    def test_equal_scipys_without_ties_at_any_scale(self, scale):
        found = values_of(REFERENCE * scale, NEAR[1:] * scale)
        expected = [by_scipy(REFERENCE, metamer) for metamer in NEAR[1:]]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)

    def test_take_a_zero_for_a_zero_whatever_its_sign(self):
        zeros = np.maximum(NEAR, 0)
        signed = np.where(zeros == 0, np.where(np.arange(WIDTH) % 2, -0.0, 0.0), zeros)
        assert np.signbit(signed).any()
        np.testing.assert_array_equal(values_of(REFERENCE, signed), values_of(REFERENCE, zeros))

    def test_of_an_exact_match_are_exact(self):
        assert values_of(REFERENCE, NEAR[:1]).tolist() == [[1.0, 1.0, np.inf]]

    def test_of_constant_and_silent_vectors_are_zero(self):
        constant, silent = np.full(WIDTH, 0.1), np.zeros(WIDTH)
        assert values_of(REFERENCE, constant[None])[0, :2].tolist() == [0, 0]
        assert values_of(constant, REFERENCE[None])[0, :2].tolist() == [0, 0]
        assert values_of(constant, constant[None])[0].tolist() == [0, 0, np.inf]
        assert values_of(REFERENCE, silent[None])[0].tolist() == [0, 0, 0]
        assert values_of(silent, np.stack([REFERENCE, silent])).tolist() == [[0, 0, 0]] * 2

    def test_signal_to_noise_is_that_of_the_loss_or_half_of_it(self):
        losses = jax.vmap(relative_squared_error, (None, 0))(jnp.asarray(REFERENCE), NEAR)
        np.testing.assert_allclose(values_of(REFERENCE, NEAR)[:, 2], snr_db(losses), rtol=1e-5)
        tests = [run(convention=convention) for convention in ("power", "feather")]
        np.testing.assert_array_equal(tests[1].values, tests[0].values * [1, 1, 0.5])
        np.testing.assert_array_equal(tests[1].null_max, tests[0].null_max * [1, 1, 0.5])
        np.testing.assert_array_equal(tests[1].p_values, tests[0].p_values)
        norms = np.linalg.norm(REFERENCE), np.linalg.norm(NEAR[2] - REFERENCE)
        halved = 10 * np.log10(norms[0] / norms[1])  # the formula of the released code
        assert tests[1].values[2, 2] == pytest.approx(halved, rel=1e-5)


class TestTheNull:
    @pytest.mark.parametrize("num_pairs", [552, 553, 10**9])
    def test_counts_each_pair_once_where_no_more_are_different(self, num_pairs):
        pairs = [(a, b) for a in range(24) for b in range(24) if a != b]
        null = np.array([by_scipy(OTHERS[a], OTHERS[b]) for a, b in pairs])
        result = run(num_pairs=num_pairs)
        counts = np.sum(null[:, None] >= result.values, axis=0)
        np.testing.assert_allclose(result.p_values, (1 + counts) / 553)
        assert result.num_pairs == 552
        assert result.p_value.min() == 1 / 553

    @pytest.mark.parametrize("num_pairs", [400, 20_000])  # fewer and more than 24^2 pairs
    def test_is_that_of_all_ordered_pairs_of_different_references(self, num_pairs):
        pairs = [(a, b) for a in range(24) for b in range(24) if a != b]
        null = np.array([by_scipy(OTHERS[a], OTHERS[b]) for a, b in pairs])
        result = run(num_pairs=num_pairs)
        exact = np.mean(null[:, None] >= result.values, axis=0)
        error = 4 * np.sqrt(exact * (1 - exact) / num_pairs) + 2 / min(num_pairs, 553)
        assert (np.abs(result.p_values - exact) <= error).all()
        assert np.sum((exact > 0.01) & (exact < 0.95)) > 6  # the comparison says something
        assert (result.null_max <= null.max(0) + 1e-5).all()
        if num_pairs > 10_000:  # each of 552 pairs has then been drawn
            np.testing.assert_allclose(result.null_max, null.max(0), rtol=1e-5)

    def test_is_the_same_in_parts_and_at_once(self):
        reference, near, others = (
            jnp.asarray(array, jnp.float32) for array in (REFERENCE, NEAR, OTHERS)
        )
        values = match_values(reference, near)
        expected = _counted(1000, False, values, others, KEY, 1000)
        found = _counted(300, False, values, others, KEY, 1000)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)
        every = [_counted(size, True, values, others, KEY, 552) for size in (100, 552)]
        np.testing.assert_array_equal(every[0][0], every[1][0])

    def test_is_the_same_in_little_memory(self):
        np.testing.assert_array_equal(run().p_values, run(pass_bytes=1).p_values)

    def test_follows_the_key(self):
        one, two = (run(key=jax.random.key(seed)) for seed in (1, 2))
        assert (one.p_values != two.p_values).any()

    def test_gives_uniform_p_values_where_the_metamer_is_another_reference(self):
        # Every repetition has its own reference, metamer and others: 400 independent p-values.
        repetitions, num_others, num_pairs = 400, 30, 99
        generator = np.random.default_rng(11)
        groups = generator.normal(size=(4, WIDTH))
        found = []
        for repetition in range(repetitions):
            which = generator.integers(0, 4, num_others + 2)
            nodes = groups[which] + 1.5 * generator.normal(size=(num_others + 2, WIDTH))
            key = jax.random.key(repetition)
            test = null_test(nodes[0], nodes[1:2], nodes[2:], num_pairs=num_pairs, key=key)
            found.append(test.p_values[0])
        p_values = np.array(found)
        # p lies on steps of 1 / (1 + N); filled up within its step it is uniform on [0, 1].
        smoothed = p_values - generator.random((repetitions, 1)) / (num_pairs + 1)
        for column, filled in zip(p_values.T, smoothed.T, strict=True):
            assert stats.kstest(filled, "uniform").pvalue > 0.01
            assert stats.kstest(column, "uniform", alternative="greater").pvalue > 0.01


class TestTheVerdict:
    def test_needs_every_statistic_to_beat_every_pair(self):
        result = run(num_pairs=20_000)
        assert result.names == ("spearman", "pearson", "snr_db")
        assert result.used.all()
        np.testing.assert_array_equal(result.beats_all, (result.values > result.null_max).all(1))
        assert result.beats_all[:2].all()
        assert not result.beats_all[3:].any()
        np.testing.assert_array_equal(result.p_value, result.p_values.max(1))
        assert result.p_value[0] == 1 / 553
        assert (result.num_pairs, result.num_others) == (552, 24)

    def test_of_narrow_targets_rests_on_the_signal_to_noise_alone(self):
        narrow = run(REFERENCE[:29], NEAR[:, :29], OTHERS[:, :29])
        assert narrow.used.tolist() == [False, False, True]
        assert np.isnan(narrow.p_values[:, :2]).all()
        assert np.isnan(narrow.null_max[:2]).all()
        np.testing.assert_array_equal(narrow.p_value, narrow.p_values[:, 2])
        np.testing.assert_array_equal(narrow.beats_all, narrow.values[:, 2] > narrow.null_max[2])
        assert np.isfinite(narrow.values[1:]).all()  # told nevertheless

    def test_joins_the_target_nodes_to_one_vector(self):
        arrays = REFERENCE.reshape(10, 3), NEAR.reshape(-1, 10, 3), OTHERS.reshape(-1, 10, 3)
        for one, other in zip(run(*arrays), run(), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_never_favors_a_metamer_that_is_not_finite(self):
        broken = NEAR.copy()
        broken[0, 3], broken[1, 7] = np.nan, np.inf
        result = run(metamers=broken)
        assert np.isnan(result.values[:2]).all()
        assert (result.p_value[:2] == 1).all()
        assert not result.beats_all[:2].any()
        np.testing.assert_array_equal(result.values[2:], run().values[2:])

    def test_passes_metamers_and_fails_noise(self):
        # One ReLU layer of mean aggregation sees features X only through X W: replacing what W
        # does not see leaves activations alone, replacing all of X by rows of X does not.
        features, weights = RNG.normal(size=(250, 12)), RNG.normal(size=(12, 3))
        adjacency = (RNG.random((250, 250)) < 0.02) + np.eye(250)
        seen = weights @ np.linalg.pinv(weights)
        shuffled = [RNG.permutation(features) for _ in range(3)]
        metamers = [features @ seen + noise @ (np.eye(12) - seen) for noise in shuffled]
        mean = adjacency / adjacency.sum(1, keepdims=True)
        hidden, *changed = (
            np.maximum(mean @ x @ weights, 0).reshape(25, 10, 3)
            for x in (features, *metamers, *shuffled)
        )
        result = run(hidden[0], np.stack([each[0] for each in changed]), hidden[1:])
        assert result.beats_all.tolist() == [True] * 3 + [False] * 3
        assert (result.p_value[:3] == 0.01).all()
        assert (result.p_value[3:] > 0.05).all()

    def test_of_no_metamers_is_empty(self):
        result = run(metamers=NEAR[:0])
        assert result.p_values.shape == (0, 3)
        assert result.p_value.shape == result.beats_all.shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metamers": NEAR[:, 1:]}, r"`metamers` has shape \(6, 29\)"),
        ({"metamers": REFERENCE}, r"`metamers` has shape \(30,\)"),
        ({"others": OTHERS[:1]}, "`others` holds 1 references"),
        ({"others": OTHERS * np.nan}, "`others` is not finite"),
        ({"reference": REFERENCE * np.inf}, "`reference` is not finite"),
        ({"num_pairs": 0}, "`num_pairs` is 0, allowed are 1 to"),
        ({"convention": "amplitude"}, "`convention` is 'amplitude'; allowed: 'power' or 'feather'"),
    ],
)
def test_misuse_is_refused_by_name(change, message):
    with pytest.raises(InputError, match=message):
        run(**change)


VALUES = np.array([[1.0, 1.0, 60.0]])


@pytest.mark.parametrize(
    ("values", "others", "message"),
    [
        (VALUES[0], OTHERS, r"`values` has shape \(3,\); \[metamers, 3\] is needed"),
        (VALUES[:, :2], OTHERS, r"`values` has shape \(1, 2\)"),
        (VALUES, OTHERS.reshape(24, 5, 6), r"`others` has shape \(24, 5, 6\)"),
        (VALUES, OTHERS[0], r"`others` has shape \(30,\)"),
        (VALUES, OTHERS[:, :0], r"`others` has shape \(24, 0\)"),
        (VALUES, np.where(OTHERS.max() - 0.01 < OTHERS, np.nan, OTHERS), "`others` is not finite"),
        (VALUES, OTHERS[:1], "`others` holds 1 references"),
    ],
)
def test_misuse_of_statistics_at_hand_is_refused_by_name(values, others, message):
    with pytest.raises(InputError, match=message):
        null_test_of(values, others, num_pairs=99, key=KEY)


@pytest.mark.makes_nan
def test_statistics_at_hand_may_be_those_of_a_metamer_that_is_not_finite():
    found = null_test_of([[1, 1, 60], [np.nan] * 3], OTHERS.astype(int), num_pairs=99, key=KEY)
    assert found.p_value.tolist() == [0.01, 1.0]


class TestNotApplicable:
    """A null that a perfect match could not be told from says so, and nothing else."""

    def test_where_others_equal_the_target(self):
        others = np.tile(REFERENCE, (24, 1))
        found = run(others=others, metamers=np.stack([REFERENCE] * 6))
        assert "99 of 99 random pairs" in found.not_applicable
        assert not found.used.any()
        assert not found.beats_all.any()
        assert np.isnan(found.p_value).all()
        assert np.isnan(found.null_max).all()
        assert (found.values[:, 2] == np.inf).all()

    @pytest.mark.parametrize("noise", [1e-8, 1e-7, 1e-6])
    def test_where_they_do_up_to_round_off(self, noise):
        rng = np.random.default_rng(1)
        others = REFERENCE * (1 + noise * rng.normal(size=(24, WIDTH)))
        assert run(others=others).not_applicable

    def test_but_not_where_they_are_only_near(self):
        rng = np.random.default_rng(1)
        others = REFERENCE * (1 + 1e-4 * rng.normal(size=(24, WIDTH)))
        found = run(others=others)
        assert not found.not_applicable
        assert found.p_value[0] == 0.01

    @pytest.mark.parametrize("num_alike", [2, 8, 24])
    def test_where_some_pairs_are_equal_however_few(self, num_alike):
        others = np.random.default_rng(2).normal(size=(48, WIDTH))
        others[:num_alike] = REFERENCE
        # Of two alike 1.8 pairs are drawn on average, and of some keys none.
        found = run(others=others, num_pairs=1999, key=jax.random.key(0))
        share = num_alike * (num_alike - 1) / (48 * 47)
        assert float(found.not_applicable.split()[0].replace(",", "")) / 1999 == pytest.approx(
            share, abs=0.012
        )
        assert np.isnan(found.p_value).all()

    def test_of_a_silent_target(self):
        found = run(reference=np.zeros(WIDTH))
        assert "all zero" in found.not_applicable

    def test_with_few_different_others(self):
        others = np.tile(OTHERS[:3], (8, 1))
        assert run(others=others, num_pairs=999).not_applicable

    def test_a_constant_target_has_no_correlations_but_a_signal(self):
        constant = np.full(WIDTH, 0.3) * (1 + 1e-7 * np.arange(WIDTH) / WIDTH)
        found = run(reference=constant, metamers=np.stack([constant] * 6))
        assert found.used.tolist() == [False, False, True]
        assert not found.not_applicable
        assert (found.p_value == 0.01).all()

    def test_few_pairs_alone_are_no_reason(self):
        found = run(num_pairs=5)
        assert not found.not_applicable
        assert found.p_value[0] == pytest.approx(1 / 6)
