"""Which cells are a factorial grid, told from their settings alone."""

import itertools

import pytest
import xarray as xr

from jmetamer.report.factor_grids import factor_grids
from jmetamer.report.factor_settings import _short_name
from jmetamer.report.stored_cell import StoredCell

TWO = {"model.activation": ["relu", "elu"], "model.residual": [False, True]}
KINDS = {"training.perturbation": [None, "adversarial", "random"]}
SEEDS = {"training.seed": [0, 1]}
USUAL = {
    "dataset": "cora", "dataset.seed": None, "model": "gcn", "model.activation": "relu",
    "model.residual": False, "model.hidden": 8, "training.learning_rate": 0.01,
    "training.perturbation": None, "training.seed": 0, "metamers.layer": "conv1",
    "metamers.seed": 0, "metamers.tolerance": 1e-4,
}  # fmt: skip
OBJECTS = ("dataset", "model", "training.perturbation", "metamers.vary")


def settings_of(flat):
    nested = {}
    for key, value in (USUAL | flat).items():
        *path, name = key.split(".")
        place = nested
        for depth, part in enumerate(path, start=1):
            place = place.setdefault(part, {})
            if ".".join(path[:depth]) in OBJECTS:
                (place,) = place.values()
        place[name] = {value: {}} if key in OBJECTS and value else value
    return nested


def crossed(*grids, run="", change=None):
    """Cells of every combination of each grid."""
    points = [
        dict(zip(grid, levels, strict=True))
        for grid in grids
        for levels in itertools.product(*grid.values())
    ]
    settings = [settings_of(point | (change(point) if change else {})) for point in points]
    return [
        StoredCell(run, f"c{number}", number, one, xr.Dataset())
        for number, one in enumerate(settings, start=1)
    ]


def only(cells, failed=()):
    grids, refused = factor_grids(cells, failed)
    assert not refused
    (grid,) = grids
    return grid


def fail(cells, place):
    """The cells without one, and what failed."""
    return cells[:place] + cells[place + 1 :], [("", cells[place].settings)]


class TestAGrid:
    def test_has_its_factors_in_the_order_of_the_settings_and_of_the_run(self):
        grid = only(crossed(SEEDS | TWO))
        assert grid.pairs == {"activation": ("relu", "elu"), "residual": (False, True)}
        assert [factor.contrast for factor in grid.factors] == [
            "activation elu instead of relu",
            "residual true instead of false",
        ]
        assert (grid.seeds, grid.note) == ((0, 1), "")
        assert len(grid.cells) == 8
        assert "cora" in grid.where
        assert "conv1" in grid.where

    def test_puts_numbers_in_order_whatever_comes_first(self):
        grid = only(crossed(SEEDS | TWO | {"model.activation": ["relu"], "model.hidden": [64, 16]}))
        assert grid.pairs["hidden"] == (16, 64)

    def test_is_one_of_each_dataset_and_layer_and_names_them(self):
        places = {"dataset": ["cora", "texas"], "metamers.layer": ["conv1", "logits"]}
        grids, refused = factor_grids(crossed(places | SEEDS | TWO))
        assert not refused
        *each, whole = grids
        assert len({grid.where for grid in each}) == len(each) == 4
        assert all(len(grid.cells) == 8 for grid in each)
        assert all(grid.about == {"activation", "residual"} for grid in each)
        assert list(whole.pairs) == ["dataset", "activation", "residual", "layer"]
        assert (len(whole.cells), whole.about) == (32, {"dataset", "layer"})

    def test_of_several_runs_is_within_one(self):
        halves = [SEEDS | TWO | {"model.activation": [name]} for name in ("relu", "elu")]
        cells = crossed(halves[0], run="a") + crossed(halves[1], run="b")
        assert [list(grid.pairs) for grid in factor_grids(cells)[0]] == [["residual"]] * 2
        grids, _ = factor_grids(crossed(SEEDS | TWO, run="a") + crossed(SEEDS | TWO, run="b"))
        assert [grid.where[:1] for grid in grids] == ["a", "b"]

    def test_takes_together_cells_that_differ_in_another_seed(self):
        grid = only(crossed(SEEDS | TWO | {"metamers.seed": [0, 1, 2]}))
        assert {len(cells) for cells in grid.cells.values()} == {3}

    def test_says_what_changes_along_with_a_factor(self):
        def change(point):
            return {"training.learning_rate": 0.02 if point["model.residual"] else 0.01}

        grid = only(crossed(SEEDS | TWO, change=change))
        assert [factor.along for factor in grid.factors] == [(), ("training.learning_rate",)]


class TestPerturbations:
    def test_of_three_kinds_are_three_contrasts(self):
        grids, _ = factor_grids(crossed(KINDS | SEEDS | TWO))
        pairs = [grid.pairs["perturbation"] for grid in grids]
        assert pairs == [(None, "adversarial"), (None, "random"), ("random", "adversarial")]
        assert all(len(grid.cells) == 16 for grid in grids)
        ends = [f"{second} against {first or 'null'}" for first, second in pairs]
        assert [grid.where[-len(end) :] for grid, end in zip(grids, ends, strict=True)] == ends

    def test_of_two_kinds_are_one_from_none_whatever_comes_first(self):
        kinds = {"training.perturbation": ["adversarial", None]}
        assert only(crossed(kinds | SEEDS | TWO)).pairs["perturbation"] == (None, "adversarial")

    def test_of_two_sizes_are_each_compared_with_the_same_plain_training(self):
        plain, changed = SEEDS | TWO, SEEDS | TWO | {"training.perturbation": ["random"]}
        grids, refused = factor_grids(
            crossed(plain, changed | {"training.perturbation.size": [0.1, 0.2]})
        )
        assert not refused
        assert [len(grid.cells) for grid in grids] == [16, 16]
        assert [grid.where for grid in grids] == ["size 0.1", "size 0.2"]


class TestOneFactor:
    @pytest.mark.parametrize(
        ("key", "levels", "name"),
        [
            ("model.activation", ["relu", "elu"], "activation"),
            ("model", ["gcn", "gat", "gin", "graphsage"], "model"),
            ("model.hidden", [8, 16, 32], "hidden"),
            ("training.learning_rate", [0.01, 0.1], "learning_rate"),
            ("metamers.layer", ["conv1", "logits"], "layer"),
            ("metamers.vary", ["continuous_features", "binary_edges"], "vary"),
            ("metamers.nodes", [[0, 1], [2, 3]], "nodes"),
            ("dataset", ["cora", "texas", "karate"], "dataset"),
            ("dataset.p_in", [1, 2], "dataset.p_in"),
            ("training.patience", [None, 10], "patience"),
            ("geometry.inputs", ["node", "ball"], "geometry.inputs"),
        ],
    )
    def test_is_any_setting_that_differs(self, key, levels, name):
        grid = only(crossed(SEEDS | {key: levels}))
        assert list(grid.pairs) == [name]
        assert len(grid.pairs[name]) == len(levels)
        assert (len(grid.cells), grid.about) == (2 * len(levels), {name})
        assert {len(cells) for cells in grid.cells.values()} == {1}

    def test_stands_for_the_defaults_that_follow_it(self):
        def change(point):
            gat = point["model"] == "gat"
            return {"training.learning_rate": 0.005, "model.heads": 8} if gat else {}

        both = SEEDS | {"model": ["gcn", "gat", "gin"]}
        (factor,) = only(crossed(both, change=change)).factors
        # Other models have no heads, so that these do not change with the model.
        assert (factor.name, factor.along) == ("model", ("training.learning_rate",))
        assert factor.contrast == "model gat or gin instead of gcn"

    def test_is_compared_where_all_else_is_equal_if_few_combinations_are_there(self):
        changes = {"model.hidden": [16], "model.residual": [True], "model.activation": ["elu"]}
        one_by_one = [SEEDS, *(SEEDS | {key: level} for key, level in changes.items())]
        grids, refused = factor_grids(crossed(*one_by_one))
        assert not refused
        pairs = [grid.pairs for grid in grids]
        assert pairs == [
            {"activation": ("relu", "elu")}, {"residual": (False, True)}, {"hidden": (8, 16)}
        ]  # fmt: skip
        assert all(len(grid.cells) == 4 for grid in grids)

    def test_leaves_out_the_level_that_has_no_cell(self):
        cells = crossed({"training.seed": [0, 1]} | {"model.hidden": [8, 16, 32]})
        failed = [
            ("", one.settings) for one in cells if one.settings["model"]["gcn"]["hidden"] == 16
        ]
        grids, refused = factor_grids([one for one in cells if one.settings not in
                                       [settings for _, settings in failed]], failed)  # fmt: skip
        assert [grid.pairs for grid in grids] == [{"hidden": (8, 32)}]
        assert "2 are missing (failed, see Failures): hidden 16, seed 0" in refused[0]


class TestNoGrid:
    @pytest.mark.parametrize("grid", [TWO, {"metamers.seed": [0, 1]} | TWO],
                             ids=["one seed", "other seeds"])  # fmt: skip
    def test_is_made_of_ordinary_runs(self, grid):
        assert factor_grids(crossed(grid)) == ([], [])

    def test_is_made_of_no_cells(self):
        assert factor_grids([]) == ([], [])


class TestAnIncompleteGrid:
    def test_is_refused_with_what_failed(self):
        cells, failed = fail(crossed(SEEDS | TWO), 7)
        grids, (sentence,) = factor_grids(cells, failed)
        # What is left: each factor where the other is as it was.
        assert [grid.pairs for grid in grids] == [
            {"activation": ("relu", "elu")}, {"residual": (False, True)}
        ]  # fmt: skip
        assert all(len(grid.cells) == 4 for grid in grids)
        assert "no main effects and interactions of activation and residual" in sentence
        assert "only one training seed has all 4 combinations" in sentence
        assert "Of 8 cells (at 2 seeds), 1 is missing (failed, see Failures)" in sentence
        assert sentence.endswith(": activation elu, residual true, seed 1.")

    def test_is_refused_with_what_is_not_there_yet(self):
        _, (sentence,) = factor_grids(crossed(SEEDS | TWO)[:6] + crossed(SEEDS | TWO)[7:])
        assert "1 is missing: activation elu, residual false, seed 1." in sentence
        assert "failed" not in sentence

    def test_counts_those_that_failed_among_those_that_are_missing(self):
        cells, failed = fail(crossed(SEEDS | TWO), 0)
        _, (sentence,) = factor_grids(cells[:-1], failed)
        assert "no training seed has all 4 combinations" in sentence
        assert "2 are missing (1 of them failed, see Failures)" in sentence

    def test_is_seen_where_every_cell_of_a_level_failed(self):
        cells = crossed(SEEDS | TWO)
        failed = [("", one.settings) for one in cells if one.settings["model"]["gcn"]["residual"]]
        kept = [one for one in cells if not one.settings["model"]["gcn"]["residual"]]
        (grid,), (sentence,) = factor_grids(kept, failed)
        assert grid.pairs == {"activation": ("relu", "elu")}
        assert "4 are missing (failed" in sentence

    def test_leaves_a_seed_out_where_two_others_are_complete(self):
        cells, failed = fail(crossed({"training.seed": [0, 1, 2]} | TWO), 4)
        grid = only(cells, failed)
        assert grid.seeds == (0, 2)
        assert grid.note.startswith("Left out: training seed 1,")
        assert grid.note.endswith("see Failures): activation relu, residual false, seed 1.")
        assert {seed for _, seed in grid.cells} == {0, 2}


def test_names_of_factors_say_what_they_are_of():
    keys = ["store.metamers", "planted.problems", "success.worst_node", "dataset.p_in", "dataset"]
    usual = ["model", "model.activation", "training.perturbation.size", "metamers.vary.start"]
    assert [_short_name(key) for key in keys] == keys
    assert [_short_name(key) for key in usual] == [
        "model",
        "activation",
        "perturbation.size",
        "vary.start",
    ]
