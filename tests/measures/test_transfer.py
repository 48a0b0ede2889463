"""Shared recognition and its parts, on tables of kappa made from known effects."""

import numpy as np
import pytest
from bounded_limits import bounded_limits
from scipy import stats

from jmetamer._base.errors import InputError
from jmetamer.measures import transfer

RNG = np.random.default_rng(0)
SEEDS = [0, 1, 2, 3]
JUDGE_SEEDS = {"gcn": SEEDS, "gat": [10, 11, 12], "gin": [10], "mlp": [10, 11]}
LEVELS = {"gcn": 0.9, "gat": 0.6, "gin": 0.8, "mlp": 0.2}
MAKER = np.array([0.01, 0.04, -0.02, 0.05])  # effect of the maker's seed, the same on all judges
OTHERS = ["gat", "gin", "mlp"]
LESS = {"gcn": 0.5, "gat": 0.2, "gin": 0.1, "mlp": 0.3}  # what a control has less


def table(noise=0.0):
    """Return level of the architecture + effect of the maker's seed + noise that averages to 0."""
    kappa = {}
    for name, level in LEVELS.items():
        values = level + MAKER[:, None, None] + np.zeros((4, len(JUDGE_SEEDS[name]), 6))
        sway = RNG.normal(size=(*values.shape[:2], 3)) * noise
        kappa[name] = values + np.concatenate([sway, -sway], axis=2)
    kappa["gcn"][range(4), range(4)] = 1.0  # a model on its own metamers
    return kappa


def of(kappa, **changes):
    arguments = {"own": "gcn", "maker_seeds": SEEDS, "judge_seeds": JUDGE_SEEDS}
    return transfer(kappa, **(arguments | changes))


def assert_summary(summary, values, bounds=(-1, 1)):
    expected = (np.mean(values), *bounded_limits(values, *bounds), len(values))
    np.testing.assert_allclose(summary, expected, atol=1e-12)


def test_known_effects_come_back_with_equal_weight_for_each_architecture():
    result = of(table(noise=0.3))
    mean = np.mean([LEVELS[name] for name in OTHERS])  # though they have 3, 1 and 2 judges
    assert_summary(result.recognition, mean + MAKER)
    assert_summary(result.seed_gap, 1 - (LEVELS["gcn"] + MAKER), (0, 2))
    for name, by_seed in result.by_judge.items():
        np.testing.assert_allclose(by_seed, LEVELS[name] + MAKER)


def test_the_gap_of_architectures_is_paired_by_seed():
    # The effect of the seed is in both terms, so that nothing is left of it.
    mean, low, high, seeds = of(table()).architecture_gap
    assert (mean, seeds) == (pytest.approx(0.9 - 1.6 / 3), 4)
    assert (low, high) == (-np.inf, np.inf)  # equal values say nothing about their spread


def test_the_range_leaves_out_one_judge_architecture_at_a_time():
    result = of(table())
    expected = {"gat": 0.5, "gin": 0.4, "mlp": 0.7}
    assert result.without == pytest.approx({k: v + MAKER.mean() for k, v in expected.items()})
    assert (result.lowest, result.highest) == (result.without["gin"], result.without["mlp"])
    two = of({name: table()[name] for name in ("gcn", "gat")})
    assert two.without == {}
    assert np.isnan([two.lowest, two.highest]).all()


def test_a_judge_of_the_makers_own_seed_does_not_count():
    kappa, seeds = table(), JUDGE_SEEDS | {"gat": [0, 11, 12]}
    kappa["gat"][0, 0] = np.nan
    kappa["gcn"][range(4), range(4)] = np.nan
    plain, shared = of(table()), of(kappa, judge_seeds=seeds)
    np.testing.assert_allclose(plain.recognition, shared.recognition)
    np.testing.assert_allclose(plain.seed_gap, shared.seed_gap)


def test_only_metamers_that_passed_count():
    kappa, passed = table(), np.ones((4, 6), bool)
    passed[1, 2:], passed[3] = False, False
    for name in kappa:
        kappa[name][:, :, :] = np.where(passed[:, None], kappa[name], np.nan)
    result = of(kappa, passed=passed)
    assert_summary(result.recognition, (1.6 / 3 + MAKER)[:3])
    assert_summary(result.seed_gap, (0.1 - MAKER)[:3], (0, 2))
    np.testing.assert_array_equal(np.isnan(result.by_judge["gin"]), [False, False, False, True])
    nothing = of(kappa, passed=np.zeros((4, 6), bool))
    assert nothing.recognition.num_seeds == 0
    assert np.isnan([nothing.recognition.mean, nothing.seed_gap.low, nothing.lowest]).all()


def test_one_seed_has_a_mean_but_no_interval_and_no_gap_of_seeds():
    kappa = {name: values[:1] for name, values in table().items()}
    kappa["gcn"] = kappa["gcn"][:, :1]
    result = of(kappa, maker_seeds=[0], judge_seeds=JUDGE_SEEDS | {"gcn": [0]})
    assert result.recognition == pytest.approx((1.6 / 3 + 0.01, -np.inf, np.inf, 1))
    assert result.seed_gap.num_seeds == result.architecture_gap.num_seeds == 0


def test_a_board_without_the_own_architecture_still_has_its_recognition():
    kappa = table()
    del kappa["gcn"]
    result = of(kappa)
    assert result.recognition == of(table()).recognition
    assert np.isnan(result.seed_gap.mean)


def test_judges_that_differ_in_more_than_the_seed_give_no_gap():
    plain, unlike = of(table()), of(table(), alike=False)
    assert unlike.recognition == plain.recognition
    assert unlike.without == plain.without
    np.testing.assert_allclose(unlike.by_judge["gcn"], plain.by_judge["gcn"])
    assert unlike.seed_gap.num_seeds == unlike.architecture_gap.num_seeds == 0
    assert plain.seed_gap.num_seeds == plain.architecture_gap.num_seeds == 4


def test_the_interval_covers_the_recognition_over_all_seeds():
    # True R is 0.5; seeds, judges of this panel and metamers vary. The panel is kept fixed.
    generator, hits = np.random.default_rng(1), 0
    panel = {name: generator.normal(0, 0.1, (1, 2, 1)) for name in OTHERS}
    truth = 0.5 + np.mean([panel[name].mean() for name in OTHERS])
    seeds = {name: [8, 9] for name in OTHERS}
    for _ in range(600):
        maker = generator.normal(0.5, 0.08, (5, 1, 1))
        kappa = {n: maker + panel[n] + generator.normal(0, 0.1, (5, 2, 4)) for n in OTHERS}
        result = transfer(kappa, "gcn", range(5), seeds).recognition
        hits += result.low <= truth <= result.high
    assert hits / 600 == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 600))


def test_misuse_is_refused_by_name():
    kappa = table()
    with pytest.raises(InputError, match=r"`kappa` of 'gin' has shape \(4, 1, 5\)"):
        of(kappa | {"gin": kappa["gin"][:, :, 1:]})
    with pytest.raises(InputError, match="`kappa` of 'gin' is NaN for a metamer that counts"):
        of(kappa | {"gin": kappa["gin"] * np.nan})
    with pytest.raises(InputError, match=r"`judge_seeds` of 'gin' are \[2\]; seed 2 of the maker"):
        of(kappa, judge_seeds=JUDGE_SEEDS | {"gin": [2]})
    with pytest.raises(InputError, match=r"`judge_seeds` of 'gin' are \[\]"):
        of(kappa, judge_seeds={"gcn": SEEDS, "gat": [10, 11, 12]})
    with pytest.raises(InputError, match="a judge of another architecture is needed"):
        of({"gcn": kappa["gcn"]})
    with pytest.raises(InputError, match="each seed once"):
        of(kappa, maker_seeds=[0, 0, 1, 2])
    with pytest.raises(InputError, match=r"`passed` has shape \(6,\)"):
        of(kappa, passed=np.ones(6, bool))


class TestPaired:
    """Metamers less their controls."""

    def control(self, kappa):
        return {name: values - LESS[name] for name, values in kappa.items()}

    def test_differences_are_paired_and_architectures_have_equal_weight(self):
        kappa = table(noise=0.3)  # noise and effect of the seed are in both
        found = of(kappa, control=self.control(kappa)).paired
        for name, by_seed in found.by_judge.items():
            np.testing.assert_allclose(by_seed, LESS[name])
        half = stats.t.ppf(0.975, 2) * stats.sem([0.2, 0.1, 0.3])  # only judges differ
        assert found.difference == pytest.approx((0.2, 0.2 - half, 0.2 + half, 4, 3))
        assert found.num_pairs == 24
        mean = np.mean([LEVELS[name] for name in OTHERS]) + MAKER.mean()
        assert (found.metamers, found.controls) == pytest.approx((mean, mean - 0.2))

    def test_only_metamers_that_passed_and_have_a_control_are_pairs(self):
        kappa = table()
        control = self.control(kappa)
        passed = np.ones((4, 6), bool)
        passed[0, :3] = False
        for name in kappa:
            kappa[name][0, :, :3] = 9.0  # did not pass
            control[name][:, :, 4:] = np.nan  # without a control
        kappa["gat"][1, :, 4:] = 0.0  # so that these do not count in the difference, but in R
        plain = of(kappa, passed=passed)
        result = of(kappa, passed=passed, control=control)
        assert result.recognition == plain.recognition
        assert plain.paired is None
        assert result.paired.num_pairs == 1 + 3 * 4
        assert result.paired.difference.mean == pytest.approx(0.2)

    def test_a_judge_of_the_makers_seed_reads_no_pair(self):
        kappa, seeds = table(), JUDGE_SEEDS | {"gat": [0, 11, 12]}
        control = self.control(kappa)
        control["gat"][0, 0] = np.nan
        assert of(kappa, judge_seeds=seeds, control=control).paired.num_pairs == 24

    def test_no_pair_gives_no_number(self):
        kappa = table()
        nothing = {name: values * np.nan for name, values in kappa.items()}
        found = of(kappa, control=nothing).paired
        assert (found.num_pairs, found.difference.num_rows) == (0, 0)
        assert np.isnan([found.difference.mean, found.metamers, found.controls]).all()

    def test_the_interval_covers_the_difference_of_other_makers_and_judges(self):
        # True difference is 0.1; seeds of the maker, architectures, judges and metamers vary.
        generator, hits = np.random.default_rng(2), 0
        seeds = {name: [8, 9] for name in OTHERS}
        for _ in range(300):
            maker = generator.normal(0.1, 0.05, (3, 1, 1))
            kappa, control = {}, {}
            for name in OTHERS:
                judges = generator.normal(0, 0.1) + generator.normal(0, 0.05, (1, 2, 1))
                control[name] = generator.normal(0.5, 0.1, (3, 2, 4))
                noise = generator.normal(0, 0.1, (3, 2, 4))
                kappa[name] = control[name] + maker + judges + noise
            found = transfer(kappa, "gcn", range(3), seeds, control=control).paired.difference
            hits += found.low <= 0.1 <= found.high
        assert hits / 300 > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 300)

    def test_misuse_is_refused_by_name(self):
        kappa = table()
        control = self.control(kappa)
        with pytest.raises(InputError, match=r"`control` of 'gin' has shape \(4, 1, 5\)"):
            of(kappa, control=control | {"gin": kappa["gin"][:, :, 1:]})
        with pytest.raises(InputError, match=r"`control` is of judges \['gin'\]"):
            of(kappa, control={"gin": control["gin"]})
