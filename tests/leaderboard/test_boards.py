"""Which rows meet on a board, in which order, and what they are called."""

import pytest

from jmetamer.leaderboard import make_boards

PANEL = ("gat/1000", "gin/1000")


def kappa(value):
    return dict.fromkeys(PANEL, (value, value))


def models(board):
    return [(row.model, row.layer) for row in board.rows]


def test_rows_of_other_recipes_and_references_never_meet(read_back, cell):
    cells = read_back(
        cell(),
        cell(metamers__method="reflect"),
        cell(metamers__tolerance=1e-6),
        cell(success__distance=0.2),
        cell(dataset__name="cora"),
        cell(graph=5.0, dataset__seed=1),
    )
    boards = make_boards(cells)
    assert [len(board.rows) for board in boards] == [2] * 6  # one model and the identity
    assert len({(board.dataset, board.recipe) for board in boards}) == 6
    assert boards[1].recipe.startswith("continuous features, free; made by turning around")
    assert "of 10⁻⁶" in boards[2].recipe
    assert boards[3].recipe.endswith("counted by worst node 0.01, agreement 1.0, distance 0.2")
    assert boards[4].dataset == "cora"
    assert boards[5].dataset.startswith("karate, graph ")


def test_seeds_are_one_row_and_effort_is_another(read_back, cell):
    cells = read_back(
        cell(), cell(training__seed=1), cell(training__seed=2, metamers__seed=5, metamers__count=3),
        cell(metamers__steps=500), cell(training__perturbation="adversarial"),
        cell(model__architecture="gat"),
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
        cell(training__perturbation="random"),
    )  # fmt: skip
    (board,) = make_boards(cells)
    assert [(row.model, row.control) for row in board.rows] == [
        ("gcn relu", None),
        ("gcn relu", "untrained"),
        ("gcn relu", "shuffled labels"),
        ("gcn relu", "random perturbation"),
        ("the reference itself", "identity"),
    ]


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


def test_different_judges_are_said(read_back, cell):
    one, other = cell(kappa=kappa(0.5)), {"gin/1000": (0.5, 0.5)}
    (board,) = make_boards(read_back(one, cell(kappa=other, model__hidden=16)))
    assert board.notes[0].startswith("Not all rows have the same judges")
    (alike,) = make_boards(read_back(one, cell(kappa=kappa(0.1), model__hidden=16), name="alike"))
    assert alike.notes == ()


@pytest.mark.parametrize(("path", "name"), [("some/where/mine.npz", "mine"), ("karate", "karate")])
def test_a_file_goes_by_its_name_not_its_folder(read_back, cell, path, name):
    (board,) = make_boards(read_back(cell(dataset__name=path)))
    assert board.dataset == board.dataset_settings["name"] == name
