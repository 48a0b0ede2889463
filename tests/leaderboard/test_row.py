"""A row of a board: every number against one worked out by hand."""

import dataclasses

import numpy as np
import pytest
from bounded_limits import bounded_limits

from jmetamer.report.cells import control_of
from jmetamer.report.leaderboard.document import harm_numbers
from jmetamer.report.leaderboard.page import _three
from jmetamer.report.leaderboard.row import identity_row, make_row
from jmetamer.results import Variable, crossed_summary, seed_summary


def interval(low, high, least=-1, most=1):
    """Mean of two seeds with its limits, which do not leave the range of a kappa."""
    limits = bounded_limits((low, high), least, most)
    return pytest.approx(((low + high) / 2, *limits, 2), abs=1e-7)


def share(low, high):
    """The same of shares."""
    return interval(low, high, 0)


def numbers(estimate):
    return estimate.value, estimate.low, estimate.high, estimate.num_seeds


@pytest.fixture
def row(read_back, two_seeds):
    return make_row(read_back(*two_seeds))


def test_recognition_and_its_parts(row):
    # Seed 0: gat (0.6 + 0.8 + 0.4 + 0.6) / 4 = 0.6, gin 0.3. Seed 1, its first metamer alone:
    # gat 0.8, gin 0.5. So R is 0.45 and 0.65.
    found = row.recognized
    assert numbers(found.recognition) == interval(0.45, 0.65)
    assert (found.lowest, found.highest) == pytest.approx((0.4, 0.7))
    assert found.without == pytest.approx({"gat": 0.4, "gin": 0.7})
    assert numbers(found.seed_gap) == interval(0.1, 0.2, 0, 2)
    assert numbers(found.architecture_gap) == interval(0.45, 0.15, -2, 2)
    assert numbers(found.by_judge["gat"]) == interval(0.6, 0.8)
    assert numbers(found.controls["displacement"]) == interval(0.2, 0.4)
    assert found.panel.names == ("gcn/1000", "gat/1000", "gat/1001", "gin/1000")
    assert found.notes == ()


def test_differences_are_paired_and_take_seeds_and_architectures_as_samples(row):
    # Less 0.1 and 0.3 of seed 0, less 0.3 of the one metamer of seed 1 that succeeded:
    # gat 0.6 - 0.2 and 0.8 - 0.3, gin 0.3 - 0.2 and 0.5 - 0.3.
    found = row.recognized.above_length
    expected = crossed_summary([[0.4, 0.1], [0.5, 0.2]], bounds=(-2, 2))
    assert numbers(found) == pytest.approx((*expected[:3], 2))
    assert (found.control, found.num_architectures, found.num_pairs) == ("displacement", 2, 3)
    # Seed 1 has no null-space replacement that the judges can read.
    found = row.recognized.above_null_space
    assert (found.value, found.low, found.num_seeds) == (pytest.approx((0.2 - 0.1) / 2), None, 1)
    assert (found.control, found.num_pairs, found.reason) == ("null_space", 2, "")


def test_a_row_without_controls_says_so(read_back, cell):
    kappa = {"gat/1000": (0.5, 0.5), "gin/1000": (0.5, 0.5)}
    found = make_row(read_back(cell(kappa=kappa))).recognized
    assert found.above_length.reason == "this control is not stored"
    apart = {"displacement": dict.fromkeys(kappa, (0.5,))}  # of the first metamer alone
    given = cell(kappa=kappa, success=(False, True), controls=apart)
    found = make_row(read_back(given, name="apart")).recognized.above_length
    assert (found.value, found.reason) == (None, "no metamer that succeeded has this control")


def test_success_with_its_interval_over_seeds(row, read_back, cell):
    # 2 of 2 and 1 of 2: that of the shares 1 and 1/2.
    rate = row.rates.success
    assert (rate.count, rate.total, rate.value, rate.num_networks) == (3, 4, 0.75, 2)
    assert (rate.low, rate.high) == pytest.approx(bounded_limits((1, 0.5), 0, 1))
    one = make_row(read_back(cell(success=(True, False, True, True)), name="one")).rates.success
    # p = 3/4, n = 4, z = 1.959964: (p + z^2/8 -+ z sqrt(p (1-p) / 4 + z^2/64)) / (1 + z^2/4)
    assert (one.low, one.high) == pytest.approx((0.30064, 0.95441), abs=1e-5)
    assert one.num_networks == 1


def test_blind_fraction_and_ranks_are_means_over_nodes_after_the_activation(row):
    # Node 2 has no features and node 3 of seed 0 no inputs: they have no value.
    assert row.map_layer == "conv1"
    assert numbers(row.nu) == (pytest.approx(0.8), None, None, 2)
    assert numbers(row.nu_centered) == (pytest.approx(0.5), None, None, 2)
    assert (row.rank.value, row.rank.low) == (pytest.approx((4 / 3 + 2) / 2), 0)  # cut at 0
    assert row.num_units.reason == "no spectra are stored"
    assert numbers(row.rank_ratio) == share((0.25 + 0.5 + 0.25) / 3, 0.5)
    assert numbers(row.nu_random) == share(2 / 3, 0.5)


def test_shares_are_not_rounded_to_all_or_nothing():
    assert [_three(value) for value in (0.99981, 0.00019, 1.0, 0.0, 0.25)] == [
        "0.9998", "0.0002", "1.000", "0.000", "0.250",
    ]  # fmt: skip


def test_harm_counts_metamers_that_succeeded_beside_their_controls(row):
    # Seed 0: harmful 1/4 and 2/3, repaired 1/4 and 1/3; displaced 0 and 1/4. Seed 1: one metamer.
    harm = harm_numbers(row.harm)
    assert numbers(harm["harmful"]) == share((1 / 4 + 2 / 3) / 2, 0)
    assert numbers(harm["repaired"]) == share((1 / 4 + 1 / 3) / 2, 1 / 2)
    assert numbers(harm["still_wrong"]) == share(1 / 8, 0)
    assert numbers(harm["kept_right"]) == share(1 / 8, 1 / 2)
    assert harm["counts"] == {
        "kept right": 3, "harmful": 3, "repaired": 4, "still wrong": 1, "unknown": 1,
    }  # fmt: skip
    assert numbers(harm["unseen"]) == share((1 / 4 + 1 / 3) / 2, 0)  # nodes 0 and 2
    assert numbers(harm["controls"]["displacement"]["harmful"]) == share(1 / 8, 1 / 4)
    assert numbers(harm["controls"]["start"]["harmful"]) == share(1 / 2, 0)
    assert numbers(harm["controls"]["start"]["unseen"]) == share(1 / 4, 0)
    # Differences of shares are paired by metamer; limits stay inside -1 and 1.
    pairs = [(1 / 4 + 2 / 3 - 1 / 4) / 2, -1 / 4]
    expected = seed_summary(pairs, bounds=(-1, 1))
    assert numbers(harm["less"]["displacement"]["harmful"]) == pytest.approx(expected)
    assert numbers(harm["less"]["start"]["harmful"])[0] == pytest.approx((1 / 4 + 2 / 3 - 1) / 4)
    assert numbers(harm["less"]["start"]["unseen"])[0] == pytest.approx((1 / 3 - 1 / 4) / 4)


def test_one_seed_has_no_interval_of_harm(read_back, cell):
    outcomes = {"metamers": [[1, 0], [1, 1]], "displacement": [[0, 0], [1, 0]]}
    harm = harm_numbers(make_row(read_back(cell(harmful=outcomes))).harm)
    assert numbers(harm["harmful"]) == (0.75, None, None, 1)
    assert numbers(harm["less"]["displacement"]["harmful"]) == (0.5, None, None, 1)


def test_harm_that_counted_repairs_is_not_shown(read_back, cell):
    record, reference = cell()
    record.variables["harmful_fraction"] = Variable(("metamer",), np.array([0.5, 0.5]))
    harm = harm_numbers(make_row(read_back((record, reference))).harm)
    assert (harm["harmful"].value, harm["counts"]) == (None, {})
    assert "run the cell again" in harm["harmful"].reason


def test_accuracy_cost_and_names(row):
    assert numbers(row.test_accuracy) == share(0.8, 0.9)
    assert (row.cost.seconds_per_metamer, row.cost.seconds) == (3.0, 15.0)
    assert row.cost.devices == ("1 x made-up (cpu)",)
    assert (row.model, row.control, row.layer, row.seeds) == ("gcn relu", None, "conv1", (0, 1))
    assert row.cells == (("run", "c0"), ("run", "c1"))


def test_a_cell_of_today_without_anything_new_says_why(read_back, cell):
    row = make_row(read_back(cell(success=None)))
    assert row.rates.success.value is None
    assert row.rates.success.reason == "which metamers succeeded is not stored"
    assert row.recognized.recognition.reason == "no judge read these metamers"
    assert "geometry.maps" in row.nu.reason
    assert "block model (sbm, csbm, dcsbm)" in row.harm.reason
    assert row.cost.reason == "which metamers succeeded is not stored"
    assert row.test_accuracy.reason == "not stored"


def test_where_no_metamer_succeeded_there_is_no_recognition(read_back, cell):
    kappa = {"gat/1000": (0.5, 0.5), "gin/1000": (0.5, 0.5), "gcn/1000": (0.5, 0.5)}
    outcomes = {"metamers": [[1], [1]], "displacement": [[0], [0]]}
    given = {"kappa": kappa, "harmful": outcomes, "scalars": {"seconds_metamers": 1.0}}
    row = make_row(read_back(cell(success=(False, False), **given)))
    found = row.recognized
    for estimate in (found.recognition, found.seed_gap, found.architecture_gap):
        assert (estimate.value, estimate.reason) == (None, "no metamer succeeded")
    assert (row.harm.lines, row.harm.reason) == ((), "no metamer succeeded")
    assert (found.lowest, found.highest, found.without) == (None, None, {})
    assert (row.rates.success.count, row.rates.success.value) == (0, 0.0)
    assert (row.cost.seconds_per_metamer, row.cost.reason) == (None, "no metamer succeeded")


def test_a_judge_of_the_makers_own_seed_does_not_count(read_back, cell):
    kappa = {"gat/0": (np.nan, 1.0), "gat/7": (0.5, 0.3), "gcn/0": (1.0, 1.0)}
    found = make_row(read_back(cell(kappa=kappa))).recognized
    assert found.recognition.value == pytest.approx(0.4)
    assert (found.recognition.low, found.recognition.num_seeds) == (None, 1)
    assert found.seed_gap.reason == "no judge of the own architecture with another seed"
    alone = make_row(read_back(cell(kappa={"gat/0": (1.0, 1.0)}), name="alone")).recognized
    assert alone.recognition.reason == "the only judge gat/0 has the seed of a model that it judges"


def test_judges_of_the_own_architecture_alone_give_no_recognition(read_back, cell):
    found = make_row(read_back(cell(kappa={"gcn/1000": (0.9, 0.9)}))).recognized
    assert found.recognition.reason == "no judge has another architecture than the model"


def test_a_metamer_that_a_judge_cannot_read_is_left_out_and_counted(read_back, cell):
    kappa = {"gat/1000": (np.nan, 0.4), "gin/1000": (0.9, 0.2)}
    found = make_row(read_back(cell(kappa=kappa))).recognized
    assert found.recognition.value == pytest.approx(0.3)
    assert found.notes[0].startswith("1 metamers of which some judge's logits")
    none = {"gat/1000": (np.nan, 0.4), "gin/1000": (0.9, np.nan)}
    found = make_row(read_back(cell(kappa=none), name="none")).recognized
    assert found.recognition.reason == "no metamer that succeeded can be read by all judges"


def test_seeds_without_judges_and_judges_of_some_cells_are_said(read_back, cell):
    one = cell(kappa={"gat/1000": (0.5, 0.5), "gin/1000": (0.1, 0.1)})
    two = cell(kappa={"gin/1000": (0.3, 0.3)}, training__seed=1)
    found = make_row(read_back(one, two, cell(training__seed=2))).recognized
    assert numbers(found.recognition) == interval(0.1, 0.3)
    assert found.notes == (
        "no judge read the metamers of the seeds [2]",
        "left out, because they read only some cells: gat/1000",
    )


def test_cells_of_one_seed_are_one_maker(read_back, cell):
    # Three metamers of seed 0, in two cells; one of seed 1.
    kappas = [{"gat/1000": values} for values in ((0.1, 0.2), (0.6,), (0.7,))]
    row = make_row(
        read_back(
            cell(kappa=kappas[0]),
            cell(success=(True,), kappa=kappas[1], metamers__seed=9),
            cell(success=(True,), kappa=kappas[2], training__seed=1),
        )
    )
    assert numbers(row.recognized.recognition) == interval(0.3, 0.7)
    assert row.seeds == (0, 1)


@pytest.mark.parametrize(
    ("training", "control"),
    [
        ({"epochs": 0}, "untrained"),
        ({"epochs": 5, "shuffle_labels": True}, "shuffled labels"),
        ({"epochs": 5, "perturbation": {"random": {}}}, "random perturbation"),
        ({"epochs": 5, "perturbation": {"adversarial": {}}}, None),
        ({}, None),
    ],
)
def test_controls_are_known_by_their_settings(training, control):
    assert control_of({"training": training}) == control


def test_the_identity_is_read_as_before(read_back, cell):
    by_definition = identity_row(read_back(cell()))
    assert by_definition.recognized.recognition.value == 1.0
    assert (by_definition.nu.value, by_definition.notes) == (0.0, ("R and ν by definition",))
    # A judge that knows one class only has kappa 0 even there.
    stored = {"identity": {"gat/1": (1.0, 1.0), "gin/1": (0.0, 0.0)}}
    kappa = {"gat/1": (0.5, 0.5), "gin/1": (0.5, 0.5)}
    seen = identity_row(read_back(cell(kappa=kappa, controls=stored), name="stored"))
    assert seen.recognized.recognition.value == 0.5
    assert seen.notes == ("R is the mean kappa that is stored",)


OTHER = {"gat/1000": (0.5, 0.5), "gin/1000": (0.3, 0.3)}
KAPPA = OTHER | {"gcn/1000": (0.8, 0.8)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model__activation": "elu"}, "activation relu, not elu"),
        ({"model__hidden": 16}, "hidden 8, not 16"),
        ({"training__epochs": 0}, "epochs 50, not 0"),
        ({"training__shuffle_labels": True}, "shuffle labels no, not yes"),
        ({"training__perturbation": {"adversarial": {}}}, "perturbation none, not adversarial"),
        ({"judges": {"training.epochs": 9}}, "epochs 9, not 50"),
        ({"judges": None}, "how the judges of this architecture were trained is not stored"),
    ],
)
def test_the_gaps_are_known_only_of_judges_that_are_the_maker_with_another_seed(
    read_back, cell, changes, words
):
    alike = make_row(read_back(cell(kappa=KAPPA))).recognized
    assert alike.seed_gap.value == pytest.approx(0.2)
    assert alike.architecture_gap.value == pytest.approx(0.4)
    found = make_row(read_back(cell(kappa=KAPPA, **changes), name="unlike")).recognized
    for gap in (found.seed_gap, found.architecture_gap):
        assert gap.value is None
        assert words in gap.reason
    assert found.recognition.value == pytest.approx(0.4)
    assert found.by_judge["gcn"].value == pytest.approx(0.8)
    without = make_row(read_back(cell(kappa=OTHER, **changes), name="none")).recognized
    assert without.seed_gap.reason == "no judge of the own architecture with another seed"


def test_success_over_seeds_takes_the_training_seed_as_unit(read_back, cell):
    # Seed 0 in two cells: 3 of 5; seed 1: 0 of 2.
    cells = (
        cell(success=(True, True, False)),
        cell(success=(True, False), metamers__seed=7),
        cell(success=(False, False), training__seed=1),
    )
    rates = make_row(read_back(*cells)).rates
    assert (rates.success.count, rates.success.total) == (3, 7)
    assert numbers(rates.by_seed) == share(0.6, 0.0)


def test_cells_without_success_are_said(read_back, cell):
    row = make_row(read_back(cell(), cell(success=None, training__seed=1)))
    assert (row.rates.success.count, row.rates.success.total) == (2, 2)
    assert row.notes == (
        "2 metamers of 1 cell left out of the success rate, R, I and harmful, as which of them "
        "succeeded is not stored",
    )


def test_success_after_correction_is_of_all_cells_of_the_run(read_back, cell):
    # First metamers: 0.01, 0.02, 0.04 become 0.03, 0.04, 0.04. Second ones: 0.001, 0.04, 0.03
    # become 0.003, 0.06, 0.06.
    tested = [(0.01, 0.001), (0.02, 0.04), (0.04, 0.03)]
    cells = [
        cell(p_values=tested[0]),
        cell(p_values=tested[1], training__seed=1),
        cell(p_values=tested[2], model__hidden=16, success=(False, True)),
        cell(training__seed=2),
    ]
    read = read_back(*cells)
    rates = make_row([read[0], read[1], read[3]]).rates
    assert (rates.success.count, rates.success.total) == (6, 6)
    assert (rates.corrected.count, rates.corrected.total) == (3, 4)
    assert numbers(rates.corrected_by_seed) == share(1.0, 0.5)
    assert rates.notes == (
        "2 metamers of 1 cell left out of the corrected success rate, as no null-distribution test "
        "was made",
    )
    failed = make_row([read[2]]).rates
    assert (failed.success.count, failed.corrected.count) == (1, 0)
    untested = make_row([read[3]]).rates
    assert untested.corrected.value is None
    assert "no null-distribution test" in untested.corrected.reason
    at_most = {"success__null_test__alpha": 0.015}
    strict = make_row(read_back(cell(p_values=(0.01, 0.02), **at_most), name="strict"))
    assert strict.rates.corrected.count == 1


def test_what_judges_of_other_architectures_read_of_the_labels(read_back, cell):
    # The second metamer did not succeed; the judge of the own architecture does not count.
    given = {
        "success": (True, False),
        "kappa": dict.fromkeys(("gat/1", "gat/2", "gin/1", "gcn/1"), (0.5, 0.0)),
        "accuracy": {"gat/1": (0.6, 0), "gat/2": (0.8, 0), "gin/1": (0.3, 0), "gcn/1": (1, 1)},
        "agreement": {"gat/1": (0.7, 0), "gat/2": (0.9, 0), "gin/1": (0.6, 0), "gcn/1": (1, 1)},
        "reference_accuracy": {"gat/1": 0.9, "gat/2": 0.7, "gin/1": 0.6, "gcn/1": 0.0},
    }
    found = make_row(read_back(cell(**given))).recognized
    assert found.accuracy.value == pytest.approx((0.7 + 0.3) / 2)
    assert found.agreement.value == pytest.approx((0.8 + 0.6) / 2)
    assert found.reference_accuracy.value == pytest.approx((0.8 + 0.6) / 2)
    more = {k: v for k, v in given.items() if k != "accuracy"} | {
        "accuracy": dict.fromkeys(given["kappa"], (0.2, 0.0))
    }
    both = make_row(read_back(cell(**given), cell(training__seed=3, **more), name="two"))
    assert numbers(both.recognized.accuracy) == share(0.5, 0.2)
    unlabeled = given | {"accuracy": dict.fromkeys(given["kappa"], (np.nan, np.nan))}
    found = make_row(read_back(cell(**unlabeled), name="unlabeled")).recognized
    assert found.accuracy.reason == "no node that is read has a label"
    assert found.agreement.value == pytest.approx(0.7)
    silent = make_row(read_back(cell(kappa=OTHER), name="silent")).recognized
    assert silent.accuracy.reason == "not stored"


def test_a_row_without_success_says_what_is_missed_and_what_to_change(cell, read_back):
    record, reference = cell(
        success=(False, False), scalars={"remedy": "`metamers.method: replace`"}
    )
    bits = {"success_matches": Variable(("metamer",), np.zeros(2, bool))}
    record = dataclasses.replace(record, variables={**record.variables, **bits})
    row = make_row(read_back((record, reference), cell(training__seed=1)))
    (note,) = [note for note in row.notes if "succeeded" in note]
    assert "“matches”" in note
    assert note.endswith("remedy: metamers.method: replace")
