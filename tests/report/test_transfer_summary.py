"""How judges read the metamers of makers, with numbers made by hand."""

import numpy as np
import pytest
from bounded_limits import bounded_limits
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer.report.maker_tests import compare_makers
from jmetamer.report.makers import makers
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.success_sentences import transfer_sentence
from jmetamer.report.transfer_summary import (
    judge_architectures,
    mean_accuracies,
    own_judges_note,
    readings,
    row_notes,
)
from jmetamer.report.wording import interval, limits, middle, short
from jmetamer.results import CrossedSummary, crossed_summary, seed_summary


@pytest.fixture
def made(cell, digits, judged):
    """Build a judged cell; `table` sets kappa of metamers (rows) by judges (columns)."""

    def build(number=1, seed=0, table=None, passed=None, layer="conv1", run="", **changes):
        count = 4 if table is None else len(table)
        plain = cell(
            digits, layer=layer, count=count, stored=0, num_stalled=0, with_geometry=False,
            activation=changes.pop("activation", "relu"),
        )  # fmt: skip
        passed = np.ones(count, bool) if passed is None else passed
        found = judged(plain, seed=seed, passed=passed, **changes)
        if table is not None:
            found["data"]["recognition_kappa"][:] = np.asarray(table, float)
        return StoredCell(run, f"c{number}", number, found["settings"], found["data"])

    return build


def read(*cells):
    return readings(makers(cells))


def means(found):
    return {name: one.mean for name, one in found.items()}


TWO = (("gcn", 5), ("gat", 5))
THREE = (("gcn", 5), ("gat", 5), ("gin", 5))


def test_entries_average_judges_and_passed_metamers_then_seeds(made):
    judges = (("gcn", 1000), ("gat", 1000), ("gat", 1001))
    first = made(1, 0, [[0.9, 0.2, 0.4], [0.7, 0.4, 0.6], [0, 0, 0]], [True, True, False],
                 judges=judges)  # fmt: skip
    second = made(2, 1, [[0.5, 0.6, 0.8], [9, 9, 9], [9, 9, 9]], [True, False, False],
                  judges=judges)  # fmt: skip
    (row,) = read(first, second)
    np.testing.assert_allclose(row.by_judge["gat"], [0.4, 0.7])
    assert row.entries["gat"].mean == pytest.approx(0.55)
    assert row.entries["gcn"].mean == pytest.approx((0.8 + 0.5) / 2)
    limits = bounded_limits((0.4, 0.7), -1, 1)
    assert row.entries["gat"][1:3] == pytest.approx(limits)
    assert row.result.recognition.mean == pytest.approx(0.55)
    assert row.result.seed_gap.mean == pytest.approx(0.35)
    assert row.result.architecture_gap.mean == pytest.approx(0.1)
    assert (row.passed, row.total, row.seeds, row.maker.numbers) == (3, 6, (0, 1), (1, 2))
    assert judge_architectures([row]) == ["gcn", "gat"]


def test_a_judge_of_the_makers_seed_is_left_out(made):
    judges = (("gcn", 0), ("gcn", 1), ("gat", 7))
    (row,) = read(made(1, 0, [[0.1, 0.5, 0.3]], judges=judges))
    assert row.entries["gcn"].mean == pytest.approx(0.5)


def test_seeds_of_a_maker_may_have_different_numbers_of_cells(made):
    cells = [made(1, 0, [[0.2, 0.2]] * 3, judges=TWO), made(2, 0, [[0.6, 0.6]] * 3, judges=TWO),
             made(3, 1, [[0.5, 0.5]] * 3, judges=TWO)]  # fmt: skip
    cells[1].settings["metamers"]["seed"] = 9
    (row,) = read(*cells)
    np.testing.assert_allclose(row.by_judge["gat"], [0.4, 0.5])
    assert row.total == 9


def test_cells_of_one_training_seed_are_one_maker(made):
    one = made(1, 3, [[0.0, 0.0]] * 2, judges=TWO)
    other = made(2, 3, [[0.5, 0.5]] * 2, judges=TWO)
    other.settings["metamers"]["seed"] = 77
    (row,) = read(one, other)
    assert row.seeds == (3,)
    assert row.entries["gat"].mean == pytest.approx(0.25)
    assert not row.several_seeds


def test_what_no_judge_can_read_is_left_out_and_counted(made):
    (row,) = read(made(1, 0, [[0.2, np.nan], [0.4, 0.6]], judges=TWO))
    assert row.entries["gcn"].mean == pytest.approx(0.4)
    assert row.undefined == 1
    assert row.notes == ["1 metamer left out, as a judge's logits are not finite."]


def test_no_passed_metamer_gives_no_number(made):
    (row,) = read(made(1, 0, [[0.2, 0.3]] * 2, [False, False], judges=TWO))
    assert np.isnan(row.entries["gat"].mean)
    assert "no metamer succeeded" in row.notes[0]
    assert transfer_sentence([row]).startswith("Who else is fooled cannot be told: no metamer")


def test_without_criteria_those_that_converged_count(made):
    one = made(1, 0, [[0.2, 0.2], [0.8, 0.8]], judges=TWO)
    data = one.data.drop_vars("success")
    data["status"][:] = [2, 1]
    (row,) = read(StoredCell("", "c", 1, one.settings, data))
    assert row.entries["gat"].mean == pytest.approx(0.8)


def test_judges_of_the_makers_architecture_alone_give_no_recognition(made):
    (row,) = read(made(1, 0, [[0.2, 0.6]], judges=(("gcn", 8), ("gcn", 9))))
    assert row.result is None
    assert row.entries["gcn"].mean == pytest.approx(0.4)
    assert "mean kappa of 0.40" in transfer_sentence([row])


def test_a_judge_that_shares_its_only_seed_is_a_problem_that_is_told(made):
    (row,) = read(made(1, 5, [[0.2, 0.6]], judges=TWO))
    assert np.isnan(row.entries["gat"].mean)
    assert "no judge of another seed" in row.notes[0]


def test_cells_with_other_judges_are_a_row_of_their_own(made):
    rows = read(made(1, 0, judges=TWO), made(2, 1), made(3, 2, judges=TWO))
    assert [row.maker.numbers for row in rows] == [(1, 3), (2,)]


def test_cells_without_judges_take_no_part(made):
    one = made(1)
    bare = one.data.drop_vars("recognition_kappa")
    assert read(StoredCell("", "c", 1, one.settings, bare)) == []
    assert transfer_sentence([]) == ""


def test_controls_are_averaged_and_absent_ones_left_out(made):
    one = made(1, 0, [[0.2, 0.2]], judges=TWO)
    one.data["control_kappa"][1] = np.array([[0.1, 0.3], [0.2, 0.4], [0.3, 0.5]])
    one.data["control_loss"][1] = [0.3, 0.1, 0.2]
    one.data["control_kappa"][2] = np.nan
    one.data["control_loss"][2] = np.nan
    one.data["control_own_kappa"][2] = np.nan
    (row,) = read(one)
    controls = {control.name: control for control in row.controls}
    assert list(controls) == ["start", "displacement", "identity"]
    assert means(controls["displacement"].by_judge) == pytest.approx({"gcn": 0.2, "gat": 0.4})
    assert controls["displacement"].loss == 0.2
    assert controls["displacement"].own_kappa == pytest.approx(0.6)


def test_a_judge_of_the_makers_seed_reads_no_control_either(made):
    one = made(1, 0, [[0.2] * 3], judges=(("gcn", 0), ("gcn", 1), ("gat", 7)))
    one.data["control_kappa"][1] = [[0.9, 0.3, 0.5]] * 3
    (row,) = read(one)
    assert means(row.controls[1].by_judge) == pytest.approx({"gcn": 0.3, "gat": 0.5})


def test_controls_have_intervals_over_training_seeds_not_over_samples_or_cells(made):
    cells = [made(1, 0, judges=TWO), made(2, 0, judges=TWO), made(3, 1, judges=TWO)]
    cells[1].settings["metamers"]["seed"] = 9
    for one, level in zip(cells, (0.1, 0.3, 0.6), strict=True):
        for variable, scale in (("kappa", 1), ("agreement", 0.5), ("accuracy", 0.25)):
            one.data[f"control_{variable}"][1] = scale * level * np.ones((3, 2))
    (row,) = read(*cells)
    found = row.controls[1]
    # Seeds 0.2 and 0.6.
    for one, scale, least in ((found.by_judge, 1, -1), (found.beside["agreement"], 0.5, 0),
                              (found.beside["accuracy"], 0.25, 0)):  # fmt: skip
        mean, low, high, num_seeds = one["gat"]
        assert (mean, num_seeds) == (pytest.approx(0.4 * scale), 2)
        limits = bounded_limits((0.2 * scale, 0.6 * scale), least, 1)
        assert (low, high) == pytest.approx(limits)
    assert found.chance == {"gcn": pytest.approx(0.2), "gat": pytest.approx(0.2)}


def test_metamers_are_compared_with_their_own_controls(made):
    cells = []
    for seed, far in ((0, 0.1), (1, 0.3)):
        one = made(seed + 1, seed, [[0.9, 0.5, 0.7], [0.9, 0.6, 0.8], [0.9, 0.1, 0.1]],
                   [True, True, False], judges=THREE)  # fmt: skip
        # Controls of the first metamers that stand in another order.
        data = one.data.isel(sample=[0, 1])
        data["control_kappa"][1] = [[0.2, 0.3, far + 0.2], [0.2, 0.1, far]]
        data["control_seed_id"] = ("sample", [1, 0])
        data["seed_id"] = ("metamer", [0, 1, 2])
        cells.append(StoredCell("", one.cell, one.number, one.settings, data))
    (row,) = read(*cells)
    found = row.above_length
    # gat: 0.5 - 0.1 and 0.6 - 0.3; gin: 0.7 - far and 0.8 - far - 0.2.
    expected = crossed_summary([[0.35, 0.55], [0.35, 0.35]], bounds=(-2, 2))
    np.testing.assert_allclose(found.difference, expected)
    assert (found.num_pairs, row.above_null_space) == (4, None)
    assert (found.metamers, found.controls) == pytest.approx((0.65, 0.25))
    low, high = (short(limit) for limit in expected[1:3])
    assert f"same length is 0.40 (95% interval {low} to {high})" in transfer_sentence([row])


def test_metamers_without_controls_have_no_pairs_and_that_is_said(made):
    one = made(1, 0, [[0.2, 0.3, 0.4]] * 2, judges=THREE)
    bare = one.data.drop_vars([name for name in one.data if str(name).startswith("control_")])
    (row,) = read(StoredCell("", "c", 1, one.settings, bare))
    assert row.paired == {}
    assert "No control was read beside them" in transfer_sentence([row])


def test_accuracy_and_agreement_are_of_the_metamers_and_judges_of_kappa(made):
    judges = (("gcn", 0), ("gcn", 1), ("gat", 7))
    first = made(1, 0, [[0.5, 0.5, 0.5], [0.5, np.nan, 0.5], [0.5] * 3], [True, True, False],
                 judges=judges)  # fmt: skip
    second = made(2, 1, [[0.5] * 3] * 3, [True, True, False], judges=judges)
    first.data["recognition_accuracy"][:] = [[9, 0.2, 0.7], [9] * 3, [9] * 3]
    second.data["recognition_accuracy"][:] = [[0.4, 9, 0.1], [0.6, 9, 0.3], [9] * 3]
    second.data["own_accuracy"][:] = [0.2, 0.4, 9]
    (row,) = read(first, second)
    found = row.beside["accuracy"]
    assert means(found) == pytest.approx({"gcn": (0.2 + 0.5) / 2, "gat": (0.7 + 0.2) / 2})
    assert found["gcn"].num_seeds == 2
    assert list(row.beside) == ["agreement", "accuracy"]
    assert row.own_accuracy == pytest.approx((0.95 + 0.3) / 2)
    assert row.chance == {"gcn": pytest.approx(0.2), "gat": pytest.approx(0.2)}


def test_a_store_without_accuracy_has_kappa_alone(made):
    one = made(1, 0, judges=TWO)
    gone = [name for name in one.data if name.endswith(("_accuracy", "_agreement", "_chance"))]
    (row,) = read(StoredCell("", "c", 1, one.settings, one.data.drop_vars(gone)))
    assert (row.beside, row.chance) == ({}, {})
    assert row.controls[0].beside == {}


def test_only_makers_made_like_their_judges_have_a_seed_gap(made):
    alike, elu = made(1, 0, judges=TWO), made(2, 0, judges=TWO, activation="elu")
    plain, other = read(alike, elu)
    assert "seed gap" in [name for name, _ in plain.lines]
    assert (plain.mark, own_judges_note([plain])) == ("own", "")
    names = [name for name, _ in other.lines]
    assert not any("seed gap" in name for name in names)
    assert "gap to judges with default settings (maker: other activation)" in names
    assert other.mark == "own*"
    assert "The maker has others (activation), so that what is lost" in own_judges_note(
        [plain, other]
    )
    text = transfer_sentence([plain, other])
    assert "the same architecture from other seeds with 0.70" in text
    assert "judges of the same architecture, trained with default settings, with 0.70" in text
    assert "other seeds" not in transfer_sentence([other])
    (alone,) = read(made(3, 0, judges=(("gcn", 8),), activation="elu"))
    assert "trained with default settings, they read" in transfer_sentence([alone])


def test_a_note_of_several_makers_is_told_once(made):
    rows = read(*(made(n + 1, 0, layer=layer, passed=[False] * 4)
                  for n, layer in enumerate(("conv1", "logits"))))  # fmt: skip
    assert row_notes(rows) == [
        "layer conv1 and layer logits: no metamer succeeded, so there is no kappa."
    ]


def test_the_sentence_tells_makers_start_and_other_architectures(made):
    text = transfer_sentence(read(made(1, 0, kappa=0.4, gap=0.3)))
    assert "Other architectures read metamers with a mean kappa of 0.40" in text
    assert "the same architecture from other seeds with 0.70, the maker itself with 0.99" in text
    assert text.endswith("; the starts of the searches with 0.00.")
    assert text.startswith(
        "Who else is fooled? Kappa of other architectures less that of random changes of the same "
        "length is -0.15 (an interval needs two seeds"
    )
    assert short(-0.004) == "-0.004"  # 0.00 is written of what is 0
    assert short(-1e-9) == "0.00"


def test_accuracy_of_judges_of_several_datasets_is_not_pooled(made):
    one, other = made(1), made(2)
    other.settings["dataset"] = {"elsewhere": {}}
    other.data["judge_reference_accuracy"][:] = [0.1, 0.1, 0.3, 0.3, 0.3]
    found = dict(mean_accuracies(read(one, other)))
    assert found["gcn on elsewhere"] == pytest.approx(0.1)
    assert found["gcn on digits"] == pytest.approx(mean_accuracies(read(made(1)))[0][1])


def test_a_maker_that_gives_one_class_has_no_kappa_of_its_own(made):
    one = made(1)
    one.data["own_kappa"][:2] = 0.0
    assert read(one)[0].own_kappa == pytest.approx(0.99 / 2)
    one.data["own_undefined"] = ("metamer", [True, True, False, False])
    found = read(one)[0]
    assert found.own_kappa == pytest.approx(0.99)
    assert (found.own_undefined, found.own_seeds) == (2, 1)
    assert any(note.startswith("2 metamers left out") for note in found.notes)


def test_seeds_are_those_behind_the_numbers(made):
    first, second = made(1, 0), made(2, 1)
    third = made(3, 2, passed=np.zeros(4, bool))  # no metamer of this seed is read
    second.data["own_undefined"] = ("metamer", [True] * 4)
    (found,) = read(first, second, third)
    assert (len(found.seeds), found.num_seeds, found.own_seeds) == (3, 2, 1)
    assert f"({found.own_undefined} metamers left out, as" in transfer_sentence([found])


def test_accuracy_of_judges_is_averaged_over_their_seeds(made):
    one = made(1)
    one.data["judge_reference_accuracy"][:] = [0.8, 0.9, 0.7, 0.7, np.nan]
    assert mean_accuracies(read(one)) == [("gcn", pytest.approx(0.85)), ("gat", 0.7)]


def many(made, seeds, **changes):
    """A ReLU and an ELU maker at two layers; the ELU's metamers are read better by 0.1."""
    cells = []
    for layer in ("conv1", "logits"):
        for activation, kappa in (("relu", 0.4), ("elu", 0.5)):
            for seed in range(seeds):
                level = kappa + 0.01 * seed * (activation == "elu")
                cells.append(made(len(cells) + 1, seed, layer=layer, activation=activation,
                                  kappa=level, **changes))  # fmt: skip
    return cells


def test_six_seeds_allow_a_sign_flip_test_corrected_over_layers(made):
    found = compare_makers(read(*many(made, 6)))
    assert [test.where for test in found.tests] == ["digits · conv1", "digits · logits"]
    for test in found.tests:
        assert (test.first, test.second, test.num_seeds) == ("gcn relu", "gcn elu", 6)
        assert test.difference == pytest.approx(-0.125)
        assert test.p_value == 2 / 64  # all six differences have one sign
        assert test.corrected == pytest.approx(4 / 64)
        assert test.judges == ("gat", "gin")


def test_five_seeds_allow_none(made):
    found = compare_makers(read(*many(made, 5)))
    assert found.tests == ()
    assert (found.num_pairs, found.most_seeds) == (2, 5)


def test_makers_are_compared_by_architectures_that_neither_has(made):
    cells = [made(s + 1, s, own="gcn") for s in range(6)]
    cells += [made(s + 7, s, own="gat", kappa=0.1) for s in range(6)]
    (test,) = compare_makers(read(*cells)).tests
    assert test.judges == ("gin",)
    assert test.difference == pytest.approx(0.3)


def test_makers_of_two_runs_are_told_apart_by_their_runs(made):
    cells = [made(s + 1, s, run="a") for s in range(6)]
    cells += [made(s + 7, s, run="b", kappa=0.1) for s in range(6)]
    (test,) = compare_makers(read(*cells)).tests
    assert (test.first, test.second) == ("a", "b")


@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(-6, 0))
def test_limits_can_be_told_apart_with_their_signs(low, exponent):
    high = low + 10**exponent
    written = limits(CrossedSummary((low + high) / 2, low, high, 3, 3))
    first, last = (float(end) for end in written.split(" to "))
    assert last - first == pytest.approx(high - low, rel=0.26)  # steps of a quarter at most
    for end, text in ((low, first), (high, last)):
        assert np.sign(text) == np.sign(end) or abs(end) <= 1e-7


def test_a_narrow_interval_gets_its_digits():
    assert limits(seed_summary([-0.0003, -0.0002, -0.0004])) == "-0.0005 to -0.0001"
    assert middle(seed_summary([0.5, 0.5003, 0.5006])) == "0.5003"
    assert interval(seed_summary([0.5, 0.5, 0.5]), short) == "all 3 equal"
