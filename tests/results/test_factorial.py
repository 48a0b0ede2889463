"""Effects of a factorial: by hand, against least squares and SciPy, and coverage by simulation.

A simulated share of S draws is off by less than 4 standard errors sqrt(p (1 - p) / S), but for one
simulation in 16000; the seeds are fixed, so a test that passes once always passes.
"""

import itertools

import numpy as np
import pytest
from scipy import stats

from jmetamer._base.errors import InputError
from jmetamer.results import adjusted_effect, factorial_effects, holm, sign_flip_test

SIMULATIONS = 600
ABC = dict.fromkeys("abc", (-1, 1))


def rows_of(table, factors):
    """Rows of outcomes [seed, cell], cells in the order of the product of levels."""
    cells = list(itertools.product(*factors.values()))
    return [
        {**dict(zip(factors, cell, strict=True)), "seed": seed, "y": value}
        for seed, line in enumerate(table)
        for cell, value in zip(cells, line, strict=True)
    ]


def four_standard_errors(share):
    return 4 * np.sqrt(share * (1 - share) / SIMULATIONS)


def test_effects_that_cancel_between_seeds_are_zero_on_average():
    for first in np.random.default_rng(0).integers(1, 99, 20) / 1000:
        changes = dict(enumerate((first, 2 * first, -3 * first)))
        rows = [
            {"a": level, "seed": seed, "y": 0.7 + level * change}
            for seed, change in changes.items()
            for level in (0, 1)
        ]
        (effect,) = factorial_effects(rows, {"a": (0, 1)}, "y")
        assert effect.mean == 0
        assert effect.low < 0 < effect.high


class TestEffects:
    def test_of_a_square_are_those_by_hand(self):
        factors = {"activation": ("relu", "elu"), "residual": (False, True)}
        # relu-plain, relu-residual, elu-plain, elu-residual
        table = [[10, 14, 20, 30], [12, 14, 20, 26]]
        first, second, both = factorial_effects(rows_of(table, factors), factors, "y")
        # Seed 0: (20 + 30 - 10 - 14) / 2 = 13; seed 1: (20 + 26 - 12 - 14) / 2 = 10.
        assert first[:2] == (("activation",), 11.5)
        # (14 + 30 - 10 - 20) / 2 = 7 and (14 + 26 - 12 - 20) / 2 = 4.
        assert second[:2] == (("residual",), 5.5)
        # Half of (30 - 20) - (14 - 10) = 6, that is 3; half of (26 - 20) - (14 - 12) = 4, is 2.
        assert both[:2] == (("activation", "residual"), 2.5)
        assert both.num_seeds == 2

    def test_of_a_cube_are_those_of_a_textbook(self):
        # The pilot plant of Box, Hunter and Hunter: temperature, concentration, catalyst; yields
        # in standard order (temperature changes fastest), effects 23, -5, 1.5, 1.5, 10, 0, 0.5.
        yields = [60, 72, 54, 68, 52, 83, 45, 80]
        standard = [(t, c, k) for k, c, t in itertools.product((-1, 1), repeat=3)]
        rows = [
            {"T": t, "C": c, "K": k, "seed": 0, "y": y}
            for (t, c, k), y in zip(standard, yields, strict=True)
        ]
        found = factorial_effects(rows, dict.fromkeys("TCK", (-1, 1)), "y")
        assert {"".join(effect.factors): effect.mean for effect in found} == {
            "T": 23, "C": -5, "K": 1.5, "TC": 1.5, "TK": 10, "CK": 0, "TCK": 0.5,
        }  # fmt: skip
        assert (found[0].low, found[0].high, found[0].p_value) == (-np.inf, np.inf, 1.0)

    def test_are_twice_the_coefficients_of_least_squares(self):
        table = np.random.default_rng(0).normal(size=(5, 8))
        found = factorial_effects(rows_of(table, ABC), ABC, "y")
        signs = np.array(list(itertools.product((-1, 1), repeat=3)))
        columns = [signs[:, list(s)].prod(1) for n in (1, 2, 3)
                   for s in itertools.combinations(range(3), n)]  # fmt: skip
        design = np.tile(np.stack([np.ones(8), *columns], axis=1), (5, 1))
        fitted = np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
        np.testing.assert_allclose([effect.mean for effect in found], 2 * fitted[1:])

    def test_have_the_intervals_and_tests_of_paired_differences(self):
        table = np.random.default_rng(1).normal([0, 1], size=(6, 2))
        factors = {"elu": (False, True)}
        (effect,) = factorial_effects(rows_of(table, factors), factors, "y", level=0.9)
        paired = stats.ttest_rel(table[:, 1], table[:, 0])
        assert effect[2:4] == pytest.approx(tuple(paired.confidence_interval(0.9)))
        exact = sign_flip_test(table[:, 1] - table[:, 0])
        assert (effect.p_value, effect.smallest_p) == (exact.p_value, 2**-5)

    def test_are_corrected_for_as_many_as_were_asked_for(self):
        table = np.random.default_rng(2).normal(size=(9, 8)) + np.arange(8) * 3
        for order, count in ((1, 3), (2, 6), (3, 7)):
            found = factorial_effects(rows_of(table, ABC), ABC, "y", order=order)
            assert len(found) == count
            np.testing.assert_allclose(
                [e.adjusted_p for e in found], holm([e.p_value for e in found])
            )
        # Nine seeds are the least with which one of seven effects can be significant.
        assert found[0].adjusted_p == pytest.approx(7 * 2.0**-8)
        assert 7 * 2.0**-8 < 0.05 < 7 * 2.0**-7

    def test_leave_out_seeds_without_every_combination(self):
        table = np.arange(12.0).reshape(3, 4)
        table[1, 2] = np.nan
        factors = {"a": (-1, 1), "b": (-1, 1)}
        rows = rows_of(table, factors)
        assert factorial_effects(rows, factors, "y")[0].num_seeds == 2
        assert factorial_effects(rows[:-1], factors, "y")[0].num_seeds == 1

    def test_refuse_what_is_no_factorial(self):
        factors = {"a": (-1, 1)}
        rows = rows_of([[1, 2]], factors)
        with pytest.raises(InputError, match=r"two rows have seed 0 and the levels \[-1\]"):
            factorial_effects([*rows, rows[0]], factors, "y")
        with pytest.raises(InputError, match="level of 'a' is -1 in a row, but `factors` names"):
            factorial_effects(rows, {"a": ("low", "high")}, "y")
        with pytest.raises(InputError, match="no seed has all 2 combinations of"):
            factorial_effects(rows, factors, "other")
        with pytest.raises(InputError, match="`factors` is empty"):
            factorial_effects(rows, {}, "y")
        with pytest.raises(InputError, match="`order` is 0"):
            factorial_effects(rows, factors, "y", order=0)


class TestMoreLevels:
    def test_are_compared_with_the_first_over_the_runs_at_these_two(self):
        factors = {"net": ("gcn", "gat", "gin"), "elu": (False, True)}
        table = [[1, 2, 10, 14, 30, 36], [1, 4, 12, 14, 30, 32]]  # gcn, gat, gin; each False, True
        found = factorial_effects(rows_of(table, factors), factors, "y")
        by_name = {(one.factors, one.levels): one.mean for one in found}
        assert by_name == {
            # Seed 0: (10 + 14 - 1 - 2) / 2 = 10.5; seed 1: (12 + 14 - 1 - 4) / 2 = 10.5.
            (("net",), (("gcn", "gat"),)): 10.5,
            (("net",), (("gcn", "gin"),)): (31.5 + 28.5) / 2,
            (("elu",), ((False, True),)): (11 / 3 + 7 / 3) / 2,
            # Half of (14 - 10) - (2 - 1) = 3, and of (14 - 12) - (4 - 1) = -1.
            (("net", "elu"), (("gcn", "gat"), (False, True))): 0.5,
            (("net", "elu"), (("gcn", "gin"), (False, True))): (5 / 2 - 1 / 2) / 2,
        }

    def test_are_least_squares_with_treatment_contrasts(self):
        factors = {"net": (0, 1, 2)}
        table = np.random.default_rng(4).normal(size=(6, 3))
        found = factorial_effects(rows_of(table, factors), factors, "y")
        for one, second in zip(found, (1, 2), strict=True):
            paired = stats.ttest_rel(table[:, second], table[:, 0])
            assert one[2:4] == pytest.approx(tuple(paired.confidence_interval(0.95)))
        np.testing.assert_allclose([e.adjusted_p for e in found], holm([e.p_value for e in found]))

    def test_are_refused_where_they_repeat(self):
        rows = rows_of([[1, 2]], {"a": (0, 1)})
        for levels in ((0, 1, 1), (0,)):
            with pytest.raises(InputError, match="two different levels or more"):
                factorial_effects(rows, {"a": levels}, "y")


def test_limits_end_where_no_larger_difference_is_possible():
    rows = rows_of([[0.0, 1.0], [0.1, 0.3]], {"a": (0, 1)})
    (free,) = factorial_effects(rows, {"a": (0, 1)}, "y")
    (share,) = factorial_effects(rows, {"a": (0, 1)}, "y", largest=1.0)
    assert free.low < -1 < 1 < free.high
    assert (share.low, share.high, share.mean) == (-1, 1, free.mean)


def simulate(generator, *, direct, varying=0.0, slope=2.0):
    """Outcomes of six seeds of a 2^2 factorial in which `a` raises x by 3, and y by `direct`."""
    factors = {"a": (-1, 1), "b": (-1, 1)}
    a, b = np.array(list(itertools.product((0, 1), repeat=2))).T
    start = generator.normal(0, 3, (2, 6, 1))
    x = start[0] + 3 * a + b + generator.normal(0, 1, (6, 4))
    own = direct + varying * generator.normal(size=(6, 1))
    y = start[1] + slope * x + own * a + generator.normal(0, 1, (6, 4))
    rows = rows_of(y, factors)
    for row, value in zip(rows, x.ravel(), strict=True):
        row["x"] = value
    return rows, factors


def covered(truth, **options):
    generator = np.random.default_rng(7)
    found = []
    for _ in range(SIMULATIONS):
        rows, factors = simulate(generator, direct=truth, **options)
        found.append(adjusted_effect(rows, factors, "a", "x", "y"))
    return np.mean([one.low <= truth <= one.high for one in found]), found


class TestAnAdjustedEffect:
    def test_is_that_of_least_squares_with_a_column_for_every_seed(self):
        rows, factors = simulate(np.random.default_rng(0), direct=1.0)
        seeds = np.eye(6)[[row["seed"] for row in rows]]
        column = {name: np.array([row[name] for row in rows]) for name in ("a", "b", "x", "y")}
        for others in ((), ("b",)):
            found = adjusted_effect(rows, factors, "a", "x", "y", others=others)
            design = np.column_stack(
                [seeds, column["a"], column["x"], *(column[name] for name in others)]
            )
            fitted = np.linalg.lstsq(design, column["y"], rcond=None)[0]
            assert found.mean == pytest.approx(2 * fitted[6])
            assert found.slope == pytest.approx(fitted[7])
        (plain, *_) = factorial_effects(rows, factors, "y")
        assert found.unadjusted == pytest.approx(plain.mean)

    def test_has_the_interval_of_the_plain_one_where_the_covariate_says_nothing(self):
        rows, factors = simulate(np.random.default_rng(3), direct=1.0, slope=0.0)
        # Orthogonal to levels, seeds and outcome: of two seeds with equal outcomes, the signs
        # of the covariate are opposite.
        twins = [{**row, "seed": row["seed"] + 6} for row in rows]
        for row in rows:
            row["x"] = row["a"] * row["b"]
        for row in twins:
            row["x"] = -row["a"] * row["b"]
        found = adjusted_effect(rows + twins, factors, "a", "x", "y")
        (plain, *_) = factorial_effects(rows + twins, factors, "y")
        assert found.slope == pytest.approx(0, abs=1e-12)
        assert found.mean == pytest.approx(plain.mean)
        # Without one seed the slope is not quite 0; b does not feel it, as x and a are orthogonal.
        assert found[1:3] == pytest.approx(plain[2:4])

    def test_covers_nothing_about_as_often_as_it_says_where_all_goes_through_the_covariate(self):
        share, found = covered(0.0)
        assert np.mean([one.unadjusted for one in found]) == pytest.approx(6, abs=0.1)
        # A jackknife of six seeds is only nearly exact.
        assert share == pytest.approx(0.95, abs=four_standard_errors(0.95))

    def test_finds_an_effect_that_goes_another_way(self):
        share, found = covered(4.0)
        assert share == pytest.approx(0.95, abs=four_standard_errors(0.95))
        assert np.mean([one.mean for one in found]) == pytest.approx(4, abs=0.1)
        assert np.mean([one.low > 0 for one in found]) > 0.9

    def test_covers_also_where_seeds_differ_and_the_formula_of_least_squares_does_not(self):
        share, _ = covered(0.0, varying=3.0)
        assert share > 0.9
        generator, inside = np.random.default_rng(7), []
        for _ in range(SIMULATIONS):
            rows, _ = simulate(generator, direct=0.0, varying=3.0)
            seeds = np.eye(6)[[row["seed"] for row in rows]]
            design = np.column_stack([seeds, [[row["a"] / 2, row["x"]] for row in rows]])
            y = np.array([row["y"] for row in rows])
            fitted = np.linalg.lstsq(design, y, rcond=None)[0]
            freedom = len(y) - design.shape[1]
            variance = ((y - design @ fitted) ** 2).sum() / freedom
            error = np.sqrt(variance * np.linalg.inv(design.T @ design)[6, 6])
            inside.append(abs(fitted[6]) <= stats.t.ppf(0.975, freedom) * error)
        assert np.mean(inside) < 0.9

    def test_needs_a_covariate_of_its_own_and_three_seeds(self):
        rows, factors = simulate(np.random.default_rng(0), direct=1.0)
        for row in rows:
            row["x"] = 58.1 + 6 * row["a"] + row["seed"] / 3
        with pytest.raises(InputError, match="'x' does not vary beyond what seeds and levels say"):
            adjusted_effect(rows, factors, "a", "x", "y")
        rows[0]["x"] += 1  # at one seed only, so that without it nothing is left
        with pytest.raises(InputError, match="or does at one seed only"):
            adjusted_effect(rows, factors, "a", "x", "y")
        with pytest.raises(InputError, match="only 2 seeds have every combination"):
            adjusted_effect(rows[:8], factors, "a", "x", "y")
        for factor, others in (("c", ()), ("a", ("a",)), ("a", ("c",))):
            with pytest.raises(InputError, match="is not one of the factors"):
                adjusted_effect(rows, factors, factor, "x", "y", others=others)


class TestTheShareOfADirectPart:
    @pytest.mark.parametrize("seed", range(5))
    def test_lies_within_the_margin_exactly_where_both_one_sided_tests_reject(self, seed):
        rows, factors = simulate(np.random.default_rng(seed), direct=0.5 * seed)
        options = {"factor": "a", "covariate": "x", "outcome": "y", "others": "crossed"}
        found = adjusted_effect(rows, factors, **options)
        pseudo, totals = [], []
        for out in range(6):
            kept = [row for row in rows if row["seed"] != out]
            without = adjusted_effect(kept, factors, **options).mean
            pseudo.append(6 * found.mean - 5 * without)
            totals.append(sum(row["a"] * row["y"] for row in rows if row["seed"] == out) / 2)
        for limit, sign in ((found.share_low, 1), (found.share_high, -1)):
            error = np.std(np.array(pseudo) - limit * np.array(totals), ddof=1) / np.sqrt(6)
            t = (found.mean - limit * np.mean(totals)) / error
            assert sign * t == pytest.approx(stats.t.ppf(0.95, 5))
        assert found.share == pytest.approx(found.mean / found.unadjusted)

    def test_is_none_where_the_total_is_not_told_from_zero(self):
        rows, factors = simulate(np.random.default_rng(0), direct=0.0, slope=0.0)
        found = adjusted_effect(rows, factors, "a", "x", "y")
        assert (found.share_low, found.share_high) == (-np.inf, np.inf)
        assert not found.within_margin

    def test_crossed_is_least_squares_with_a_mean_for_every_combination(self):
        rows, factors = simulate(np.random.default_rng(2), direct=1.0)
        found = adjusted_effect(rows, factors, "a", "x", "y", others="crossed")
        seeds = np.eye(6)[[row["seed"] for row in rows]]
        a, b, x, y = (np.array([row[name] for row in rows]) for name in "abxy")
        design = np.column_stack([seeds, a / 2, b, a * b, x])
        fitted = np.linalg.lstsq(design, y, rcond=None)[0]
        assert (found.mean, found.slope) == pytest.approx((fitted[6], fitted[9]))

    def test_crossed_is_not_fooled_by_a_direct_interaction(self):
        rows, factors = simulate(np.random.default_rng(2), direct=1.0)
        changed = [row | {"y": row["y"] + 5 * row["a"] * row["b"]} for row in rows]
        options = {"factor": "a", "covariate": "x", "outcome": "y"}
        for others, same in (("crossed", True), (("b",), False)):
            before = adjusted_effect(rows, factors, others=others, **options).mean
            after = adjusted_effect(changed, factors, others=others, **options).mean
            assert (before == pytest.approx(after)) is same

    def test_refuses_a_margin_that_is_no_share_and_three_levels(self):
        rows, factors = simulate(np.random.default_rng(2), direct=1.0)
        for margin in (0, 1, float("nan")):
            with pytest.raises(InputError, match="`margin` is"):
                adjusted_effect(rows, factors, "a", "x", "y", margin=margin)
        with pytest.raises(InputError, match="`factor` 'a' has the levels"):
            adjusted_effect(rows, factors | {"a": (-1, 0, 1)}, "a", "x", "y")


@pytest.mark.parametrize(("size", "is_effect"), [(2.0, False), (0.0, True), (0.01, True)])
def test_what_is_below_the_round_off_of_the_numbers_is_no_effect(size, is_effect):
    rows = [
        {"kind": kind, "seed": seed, "difference": 1.5e-8 * (kind == "b")}
        for seed in range(3)
        for kind in "ab"
    ]
    (effect,) = factorial_effects(
        rows, {"kind": ("a", "b")}, "difference", largest=30.0, size=size, round_off=1e-6
    )
    assert (effect.mean != 0) is is_effect


@pytest.mark.parametrize("missing", ["seed", "first"])
def test_rows_without_a_key_are_refused_by_its_name(missing):
    rows = [{"first": level, "seed": 0, "rank": 1.0} for level in (0, 1)]
    del rows[1][missing]
    with pytest.raises(InputError, match=f"a row has no '{missing}'"):
        factorial_effects(rows, {"first": (0, 1)}, "rank")
