"""Which rows meet on a board, in which order, and what they are called."""

import pytest

from jmetamer.report.leaderboard import make_boards

REPEL = {"repel": {"weight": 0.1, "method": {"optimize": {"steps": 100}}}}
PANEL = ("gat/1000", "gin/1000")


def kappa(value):
    return dict.fromkeys(PANEL, (value, value))


def models(board):
    return [(row.model, row.layer) for row in board.rows]


def test_rows_of_other_recipes_and_references_never_meet(read_back, cell):
    cells = read_back(
        cell(),
        cell(metamers__method={"reflect": {}}),
        cell(metamers__tolerance=1e-6),
        cell(success__distance=0.2),
        cell(dataset={"cora": {}}),
        cell(graph=5.0, dataset__seed=1),
    )
    boards = make_boards(cells)
    assert [len(board.rows) for board in boards] == [2] * 6  # one model and the identity
    assert len({(board.dataset, board.recipe) for board in boards}) == 6
    assert boards[1].recipe.startswith("continuous features, free; made by turning around")
    assert "of 10⁻⁶" in boards[2].recipe
    assert boards[3].recipe.endswith("agreement 1.0, distance 0.2, null test alpha 0.05")
    assert boards[4].dataset == "cora"
    assert boards[5].dataset.startswith("karate, graph ")


def test_seeds_are_one_row_and_effort_is_another(read_back, cell):
    cells = read_back(
        cell(), cell(training__seed=1), cell(training__seed=2, metamers__seed=5, metamers__count=3),
        cell(metamers__method__steps=500), cell(training__perturbation={"adversarial": {}}),
        cell(model={"gat": {"activation": "relu"}}),
    )  # fmt: skip
    (board,) = make_boards(cells)
    assert [name for name, _ in models(board)] == [
        "gcn relu, steps 100",
        "gcn relu, steps 500",
        "gcn relu, perturbation adversarial, steps 100",
        "gat relu",
        "the reference itself",
    ]
    assert board.rows[0].seeds == (0, 1, 2)


def test_controls_are_rows_of_their_own(read_back, cell):
    cells = read_back(
        cell(), cell(training__epochs=0), cell(training__shuffle_labels=True),
        cell(training__perturbation={"random": {}}),
    )  # fmt: skip
    (board,) = make_boards(cells)
    assert [(row.model, row.control) for row in board.rows] == [
        ("gcn relu", None),
        ("gcn relu", "untrained"),
        ("gcn relu", "shuffled labels"),
        ("gcn relu", "random perturbation"),
        ("the reference itself", "identity"),
    ]


def test_what_stands_above_its_controls_comes_before_a_higher_recognition(read_back, cell):
    def controlled(level):
        return {"displacement": dict.fromkeys(kappa(0), (level, level))}

    cells = read_back(
        cell(kappa=kappa(0.8), controls=controlled(0.9)),
        cell(kappa=kappa(0.6), controls=controlled(0.2), model__activation="elu"),
        cell(kappa=kappa(0.9), model__activation="tanh"),
    )
    (board,) = make_boards(cells)
    assert [name for name, _ in models(board)][:3] == ["gcn elu", "gcn relu", "gcn tanh"]


def test_within_a_layer_the_highest_recognition_is_first_and_unknown_last(read_back, cell):
    cells = read_back(
        cell(model__activation="elu"),
        cell(kappa=kappa(0.2)),
        cell(kappa=kappa(0.6), model__activation="tanh"),
        cell(kappa=kappa(0.9), metamers__layer="logits"),
    )
    (board,) = make_boards(cells)
    assert models(board) == [
        ("gcn tanh", "conv1"), ("gcn relu", "conv1"), ("gcn elu", "conv1"),
        ("gcn relu", "logits"), ("the reference itself", "any"),
    ]  # fmt: skip


def test_a_cell_of_two_runs_counts_once(read_back, cell):
    cells = read_back(cell(), name="one") + read_back(cell(), cell(training__seed=1), name="two")
    (board,) = make_boards(cells)
    assert board.rows[0].cells == (("one", "c0"), ("two", "c1"))
    assert board.rows[0].notes == ("left out, as other cells hold the same metamers: two c0",)


@pytest.mark.parametrize(
    "changes",
    [
        {"geometry__nodes": 2},
        {"measures": ["features/log_norm"]},
        {"metamers__count": 1, "success": (True,)},
        {"recognition__seeds": 5},
    ],
)
def test_metamers_that_two_cells_hold_count_once(read_back, cell, changes):
    # One network, two metamers, looked at in two ways.
    given = changes if "success" in changes else changes | {"kappa": kappa(0.5)}
    cells = read_back(cell(**given), name="one") + read_back(cell(kappa=kappa(0.5)), name="two")
    (board,) = make_boards(cells)
    row = board.rows[0]
    assert (row.rates.success.count, row.rates.success.total) == (2, 2)
    assert row.recognized.recognition.value == 0.5
    assert len(row.cells) == 1


def test_of_cells_with_the_same_metamers_the_one_that_was_judged_is_kept(read_back, cell):
    maps = {"nu": [0.5], "nu_centered": [0.5], "rank": [1], "dimension": [1]}
    cells = read_back(
        cell(maps=maps),
        cell(kappa=kappa(0.5), geometry__nodes=1),
        cell(kappa=kappa(0.5), maps=maps, geometry__nodes=2),
    )
    (board,) = make_boards(cells)
    assert board.rows[0].cells == (("run", "c2"),)
    (note,) = board.rows[0].notes
    assert note == "left out, as other cells hold the same metamers: run c0 and run c1"


def test_metamers_that_push_each_other_apart_differ_with_their_number(read_back, cell):
    few = cell(success=(True,), metamers__method=REPEL, metamers__count=1)
    (board,) = make_boards(read_back(few, cell(metamers__method=REPEL)))
    assert board.rows[0].rates.success.total == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recognition__hidden": 32, "judges": {"model.hidden": 32}}, "judge hidden {}"),
        ({"recognition__epochs": 9, "judges": {"training.epochs": 9}}, "judge epochs {}"),
        ({"recognition__epochs": 9, "judges": None}, "judge epochs {}"),
    ],
)
def test_judges_of_one_name_and_other_settings_are_never_averaged(read_back, cell, changes, words):
    one, two = cell(kappa=kappa(0.9)), cell(kappa=kappa(0.1), training__seed=1, **changes)
    (board,) = make_boards(read_back(one, two))
    assert [row.recognized.recognition.value for row in board.rows[:2]] == [0.9, 0.1]
    usual, other = ("8", "32") if "hidden" in words else ("default", "9")
    assert [row.model for row in board.rows[:2]] == [
        "gcn relu, " + words.format(usual), "gcn relu, " + words.format(other),
    ]  # fmt: skip
    assert board.notes[0].startswith("Not all rows have the same judges")


def test_judges_that_another_version_trains_otherwise_are_apart(read_back, cell):
    one = cell(kappa=kappa(0.9))
    two = cell(kappa=kappa(0.1), training__seed=1, judges={"training.optimizer": "sgd"})
    (board,) = make_boards(read_back(one, two))
    assert [row.recognized.recognition.value for row in board.rows[:2]] == [0.9, 0.1]
    assert board.notes
    # Where a record is older and does not say, what was asked for decides.
    (board,) = make_boards(
        read_back(one, cell(kappa=kappa(0.1), training__seed=1, judges=None), name="old")
    )
    assert board.rows[0].recognized.recognition.value == 0.5


def test_judges_of_another_depth_are_said(read_back, cell):
    deep = cell(kappa=kappa(0.5), model__layers=3, judges={"model.layers": 3})
    (board,) = make_boards(read_back(cell(kappa=kappa(0.5)), deep))
    assert board.notes[0].startswith("Not all rows have the same judges")


def test_different_judges_are_said(read_back, cell):
    one, other = cell(kappa=kappa(0.5)), {"gin/1000": (0.5, 0.5)}
    (board,) = make_boards(read_back(one, cell(kappa=other, model__hidden=16)))
    assert board.notes[0].startswith("Not all rows have the same judges")
    (alike,) = make_boards(read_back(one, cell(kappa=kappa(0.1), model__hidden=16), name="alike"))
    assert alike.notes == ()


@pytest.mark.parametrize(("path", "name"), [("some/where/mine.npz", "mine"), ("karate", "karate")])
def test_a_file_goes_by_its_name_not_its_folder(read_back, cell, path, name):
    (board,) = make_boards(read_back(cell(dataset={path: {}})))
    assert board.dataset == board.dataset_settings["name"] == name


def test_a_share_that_is_named_and_one_that_the_data_decided_are_one_recipe(cell, read_back):
    scalars = {"success_share": 0.99, "success_agreement": 0.99}
    null = {"success__share": None, "success__agreement": None}
    named = {"success__share": 0.99, "success__agreement": 0.99}
    cells = read_back(
        cell(scalars=scalars, training__seed=0, **null),
        cell(scalars=scalars, training__seed=1, **named),
        cell(training__seed=2, success__share=1.0),
    )
    boards = make_boards(cells)
    assert [board.rows[0].seeds for board in boards] == [(0, 1), (2,)]
    assert "share 0.99" in boards[0].recipe


def test_a_method_that_is_not_of_the_package_is_read_by_its_name_and_fields(read_back, cell):
    vary = {"first_columns": {"depth": 2}}
    own = {
        rate: cell(
            model={"loner": {"factor": 2.0}},
            metamers__vary=vary,
            metamers__method={"my_search": {"rate": rate}},
        )
        for rate in (0.5, 0.25)
    }
    (board,) = make_boards(read_back(*own.values()))
    assert board.recipe.startswith("first columns; made by my search; matched at all nodes")
    assert [name for name, _ in models(board)] == [
        "loner, rate 0.5", "loner, rate 0.25", "the reference itself"
    ]  # fmt: skip
    assert board.recipe_settings["metamers.method"] == "my_search"
    (deeper,) = make_boards(
        read_back(cell(metamers__vary={"first_columns": {"depth": 3}}), name="deeper")
    )
    assert deeper.recipe_settings["metamers.vary.depth"] == 3
