"""Effects of factors in numbers and words, against numbers made by hand."""

import itertools

import numpy as np
import pytest
import xarray as xr

from jmetamer.report.effects_summary import EqualRank, summarize_effects
from jmetamer.report.outcomes import cell_outcomes, grid_rows
from jmetamer.report.prose import paragraphs, said
from jmetamer.report.stored_cell import StoredCell
from jmetamer.results import AdjustedEffect, Effect

COMBINATIONS = list(itertools.product(("relu", "elu"), (False, True)))
# Test accuracy by seed; columns: relu, relu with residual, elu, elu with residual.
ACCURACY = {0: (0.8, 0.8, 0.7, 0.6), 1: (0.8, 0.9, 0.6, 0.7)}
T_ONE = 12.706204736  # quantile of Student's distribution of one degree of freedom


def settings_of(activation="relu", residual=False, seed=0, **more):
    model = {"activation": activation, "residual": residual}
    return {
        "dataset": {"made up": {}},
        "model": {"gcn": model | more},
        "training": {"seed": seed},
        "metamers": {"layer": "conv1"},
    }


def made(numbers, variables=lambda *place: {}):
    """Cells whose test accuracy is given by seed and combination."""
    found = []
    for seed, row in numbers.items():
        for (activation, residual), value in zip(COMBINATIONS, row, strict=True):
            data = xr.Dataset(variables(activation, residual, seed), attrs={"test_accuracy": value})
            settings = settings_of(activation, residual, seed)
            found.append(StoredCell("", f"c{len(found)}", len(found) + 1, settings, data))
    return found


def only(cells):
    (study,) = summarize_effects(cells).studies
    return study


class TestEffects:
    def test_are_those_made_by_hand(self):
        activation, residual, both = only(made(ACCURACY)).effects["test accuracy"]
        # Per seed: -0.15 and -0.2; -0.05 and 0.1; half of -0.2 + 0.1, and of -0.2 + 0.2.
        expected = ((activation, (-0.15, -0.2)), (residual, (-0.05, 0.1)), (both, (-0.05, 0.0)))
        for effect, (first, second) in expected:
            mean, half = (first + second) / 2, T_ONE * abs(first - second) / 2
            assert effect.mean == pytest.approx(mean)
            assert (effect.low, effect.high) == pytest.approx((mean - half, mean + half))
            assert effect.num_seeds == 2
        assert [one.p_value for one in (activation, residual, both)] == [0.5, 1.0, 1.0]
        assert [one.adjusted_p for one in (activation, residual, both)] == [1.0, 1.0, 1.0]
        assert both.factors == ("activation", "residual")

    def test_of_sums_that_cancel_are_zero(self):
        study = only(made(dict.fromkeys(range(6), (0.1, 0.3, 0.2, 0.4))))
        both = study.effects["test accuracy"][2]
        assert (both.mean, both.all_equal, both.is_clear, both.p_value) == (0, True, False, 1)

    def test_average_cells_that_differ_in_another_seed(self):
        cells = made(ACCURACY)
        for one in made({s: np.array(row) + 0.02 for s, row in ACCURACY.items()}):
            one.settings["metamers"]["seed"] = 1
            cells.append(one)
        study = only(cells)
        assert study.effects["test accuracy"][0].mean == pytest.approx(-0.175)
        accuracies = {row["test accuracy"] for row in grid_rows(study.grid).rows}
        assert min(accuracies) == pytest.approx(0.61)

    def test_leave_out_what_too_few_seeds_have(self):
        def variables(activation, residual, seed):
            agreement = np.array([np.nan if activation == "elu" and seed == 1 else 0.5])
            return {"class_agreement": ("metamer", agreement)}

        study = only(made(ACCURACY, variables))
        assert study.without == {
            "class agreement": "6 of 8 cells hold a number, and 1 seed one in every cell"
        }
        assert "class agreement" not in study.effects

    def test_are_none_without_a_grid(self):
        found = summarize_effects(made({0: ACCURACY[0]}))
        assert (found.studies, found.refused) == ((), ())


class TestOutcomes:
    def test_are_means_over_those_that_match_and_strangers_alone(self):
        table = {"table": {"1": "CONVERGED", "3": "X"}}
        kappa = [[0.9, 0.2, 0.4, 0.8], [0.9, 0.4, 0.8, 0.8], [9.0, 9.0, 9.0, 9.0]]
        variables = {
            "status": ("metamer", [1, 1, 3], table),
            "success": ("metamer", [True, False, False]),
            "class_agreement": ("metamer", [1.0, 0.5, 0.0]),
            "measure": ("measure", ["features/cosine"]),
            "deviation": (("measure", "metamer"), [[0.2, 0.4, 9.0]]),
            "rank_post": ("target", [3, 9, 4]),
            # A judge of the maker's kind, two others, one of which shares its seed, and a gin.
            "judge_architecture": ("judge", ["gcn", "gat", "gat", "gin"]),
            "judge_seed": ("judge", [1000, 1000, 0, 1000]),
            "recognition_kappa": (("metamer", "judge"), kappa),
        }
        data = xr.Dataset(variables, attrs={"test_accuracy": 0.9})
        expected = {
            "test accuracy": 0.9, "rank": 4, "share that succeed": 1 / 3, "class agreement": 0.75,
            "judges' kappa": (0.2 + 0.4 + 0.8 + 0.8) / 4, "deviation features/cosine": 0.3,
        }  # fmt: skip
        assert cell_outcomes(settings_of(), data) == pytest.approx(expected)
        # Where gin makes metamers elsewhere in the grid, it reads none.
        found = cell_outcomes(settings_of(), data, {"gcn", "gin"})
        assert found["judges' kappa"] == pytest.approx(0.3)
        data["success_matches"] = ("metamer", [False, False, True])
        assert cell_outcomes(settings_of(), data)["class agreement"] == 0

    def test_have_limits_within_what_a_difference_of_kappas_can_be(self):
        def variables(activation, residual, seed):
            kappa = 1 - 0.5 * (activation == "elu") * seed
            judges = {"judge_architecture": ("judge", ["gat"]), "judge_seed": ("judge", [1000])}
            read = {
                "recognition_kappa": (("metamer", "judge"), [[kappa]]),
                "seed_id": ("metamer", [0]),
                "control_seed_id": ("sample", [0]),
                "control": ("control", ["displacement"]),
                "control_kappa": (("control", "sample", "judge"), [[[-kappa]]]),
                "status": ("metamer", [1], {"table": {"1": "CONVERGED"}}),
            }
            return judges | read

        effects = only(made(ACCURACY, variables)).effects
        for name, most in (
            ("judges' kappa", 2),
            ("judges' kappa less random change of the same length", 4),
        ):
            one = effects[name][0]
            assert (one.low, one.high) == (-most, most)

    def test_leave_out_copies_of_the_reference_though_they_match(self):
        variables = {
            "status": ("metamer", [4, 4, 1], {"table": {"1": "CONVERGED", "4": "UNCHANGED"}}),
            "success": ("metamer", [False, False, True]),
            "success_matches": ("metamer", [True, True, True]),
            "class_agreement": ("metamer", [1.0, 1.0, 0.9]),
            "measure": ("measure", ["features/cosine"]),
            "deviation": (("metamer", "measure"), [[0.0], [0.0], [0.8]]),
            "deviation_start": (("metamer", "measure"), [[0.5], [0.5], [1.0]]),
        }
        found = cell_outcomes(settings_of(), xr.Dataset(variables))
        assert found["share that succeed"] == pytest.approx(1 / 3)
        assert found["class agreement"] == pytest.approx(0.9)
        assert found["deviation features/cosine"] == pytest.approx(0.8)
        assert found["deviation features/cosine less the start's"] == pytest.approx(-0.2)

    def test_count_those_that_converged_where_no_success_is_stored(self):
        status = ("metamer", [1, 3, 3, 3], {"table": {"1": "CONVERGED", "3": "X"}})
        found = cell_outcomes(settings_of(), xr.Dataset({"status": status}))
        assert found["share that match"] == 0.25
        assert np.isnan(found["test accuracy"])


class TestMoreOutcomes:
    def test_are_differences_from_controls_and_the_start_and_means_over_nodes(self):
        variables = {
            "seed_id": ("metamer", [7, 8, 9]),
            "status": ("metamer", [1, 1, 3], {"table": {"1": "CONVERGED", "3": "X"}}),
            "success": ("metamer", [True, False, False]),
            # Before and after the activation, which counts.
            "map_nu": (("map_layer", "node"), [[0.9, 0.9], [0.2, 0.4]]),
            "geometry_layer": ("geometry_layer", ["conv1.pre", "conv1", "logits"]),
            "channel_information": (("target", "geometry_layer"), [[9.0, 1.0, 9.0], [9, 3, 9]]),
            # Of the one that succeeds one of three known nodes; of its displacement none.
            "harm_outcome": (("metamer", "harm_node"), [[1, 0, 2, -1], [1, 1, 1, 1], [1] * 4]),
            "harm_control": ("harm_control", ["displacement"]),
            "control_harm_outcome": (
                ("metamer", "harm_control", "harm_node"), [[[0, 0, 3, 0]], [[1] * 4], [[1] * 4]]
            ),
            "judge_architecture": ("judge", ["gat"]),
            "judge_seed": ("judge", [1000]),
            "recognition_kappa": (("metamer", "judge"), [[0.9], [0.5], [0.1]]),
            "control": ("control", ["identity", "displacement", "null_space"]),
            # Of metamers 9 and 8; the first does not match.
            "control_seed_id": ("sample", [9, 8]),
            "control_kappa": (
                ("control", "sample", "judge"), [[[1.0], [1.0]], [[0.0], [0.3]], [[0.0], [np.nan]]]
            ),
            "measure": ("measure", ["features/cosine"]),
            "deviation": (("metamer", "measure"), [[0.2], [0.4], [9.0]]),
            "deviation_start": (("metamer", "measure"), [[0.5], [0.5], [0.0]]),
        }  # fmt: skip
        found = cell_outcomes(settings_of(), xr.Dataset(variables))
        expected = {
            "blind fraction": 0.3,
            "channel information": 2.0,
            "harmful": 1 / 3,
            "harmful less random change of the same length": 1 / 3,
            "judges' kappa": 0.7,
            "judges' kappa less random change of the same length": 0.2,
            "judges' kappa less null-space replacement": np.nan,
            "deviation features/cosine": 0.3,
            "deviation features/cosine less the start's": -0.2,
        }
        assert {name: found[name] for name in expected} == pytest.approx(expected, nan_ok=True)
        variables["channel_information_post"] = ("target", [4.0, 6.0])
        found = cell_outcomes(settings_of(), xr.Dataset(variables))
        assert found["channel information"] == 5.0

    def test_that_a_run_does_not_hold_are_named_with_the_reason(self):
        study = only(made(ACCURACY))
        assert set(study.absent) == {
            "rank", "blind fraction", "channel information", "log-volume", "class agreement",
            "harmful", "judges' kappa", "deviation", "deviation less the start's",
        }  # fmt: skip
        told = said("effects_sentences", "without", study)
        assert "blind fraction (no maps: `geometry: {maps: true}`)" in told

    def test_end_where_no_larger_difference_of_shares_is_possible(self):
        study = only(made({0: (1, 0, 0, 0), 1: (1, 0, 1, 0)}))
        residual = study.effects["test accuracy"][1]
        assert residual.low == -1
        rows = [[1, 0, 0, 0], [1, 0, 1, 0]]
        assert residual.mean == pytest.approx(
            np.mean([(r[1] + r[3] - r[0] - r[2]) / 2 for r in rows])
        )


class TestLogVolume:
    def variables(self, activation, residual, seed):
        """Node 0 has one rank in all cells, node 1 loses one to ReLU, node 2 is drawn once."""
        elu = activation == "elu"
        nodes = [0, 1, 2 + elu]
        return {
            "geometry_node": ("target", nodes),
            "rank_post": ("target", [3, 4 if elu else 3, 3]),
            "num_inputs": ("target", [5, 5, 5]),
            "num_outputs": ("target", [4, 4, 4]),
            "log_volume_post": ("target", [1.0 + elu + seed, 50.0, 70.0]),
        }

    def test_is_compared_at_the_nodes_whose_ranks_agree(self):
        study = only(made(ACCURACY, self.variables))
        activation, residual, _ = study.effects["log-volume"]
        assert (activation.mean, residual.mean) == (1.0, 0.0)
        assert "the same in all cells of a seed, 2 of 6," in study.note

    def test_is_left_out_where_no_rank_agrees(self):
        def variables(*place):
            found = self.variables(*place)
            found["rank_post"] = ("target", [3 + (place[0] == "elu")] * 3)
            return found

        study = only(made(ACCURACY, variables))
        assert "log-volume" not in study.effects
        assert "different ranks have different units" in study.without["log-volume"]

    @pytest.mark.parametrize("key", ["metamers.layer", "dataset", "metamers.vary"])
    def test_is_left_out_where_units_differ(self, key):
        section, _, name = key.partition(".")
        cells = made(ACCURACY, self.variables)
        for one in cells:
            place = one.settings[section] if name else one.settings
            place[name or section] = {one.settings["model"]["gcn"].pop("activation"): {}}
        whole = summarize_effects(cells).studies[-1]
        assert key in {factor.key for factor in whole.grid.factors}
        assert f"not the same at every level of `{key}`" in whole.without["log-volume"]
        assert said("effects_sentences", "grid", whole).count(". ") >= 1


def test_effects_of_a_layer_are_told_beside_those_of_the_network():
    cells = made(ACCURACY)
    for one in made({seed: np.array(row) - 0.1 for seed, row in ACCURACY.items()}):
        one.settings["metamers"]["layer"] = "logits"
        cells.append(one)
    *each, whole = summarize_effects(cells).studies
    assert [study.grid.where for study in each] == ["layer conv1", "layer logits"]
    names = [one.factors for one in whole.effects["test accuracy"]]
    # What does not involve the layer is told layer by layer.
    assert names == [
        ("layer",), ("activation", "layer"), ("residual", "layer"),
        ("activation", "residual", "layer"),
    ]  # fmt: skip
    layer = whole.effects["test accuracy"][0]
    assert (layer.mean, layer.levels) == (pytest.approx(-0.1), (("conv1", "logits"),))
    assert layer.adjusted_p == min(1.0, 4 * layer.p_value)
    assert said("effects_sentences", "main", whole).startswith(
        "Layer logits instead of conv1 changes "
    )
    assert "are means over activation and residual" in said("effects_sentences", "grid", whole)


def effect(mean, half):
    return Effect(("activation",), mean, mean - half, mean + half, 0.03, 0.2, 0.03, 6)


def fit(mean, half, low, high):
    return AdjustedEffect(mean, mean - half, mean + half, 0.1, 1.0, 6, mean, low, high, 17.0)


@pytest.fixture(scope="module")
def through_rank():
    """ELU raises the rank by 6, on which kappa hangs, and costs accuracy by itself."""

    def variables(activation, residual, seed):
        draw = np.random.default_rng([seed, activation == "elu", residual])
        rank = 20 + 6 * (activation == "elu") + seed + draw.integers(0, 4)
        kappa = 0.01 * rank + 0.001 * draw.normal(size=(2, 1))
        return {
            "rank_post": ("target", [rank]),
            "judge_architecture": ("judge", ["gat"]),
            "recognition_kappa": (("metamer", "judge"), kappa),
            "class_agreement": ("metamer", draw.normal(0.5, 0.1, 2)),
        }

    rows = {seed: (0.8, 0.8, 0.7, 0.7) + 0.01 * np.random.default_rng(seed).normal(size=4)
            for seed in range(6)}  # fmt: skip
    return only(made(rows, variables))


class TestRankAlone:
    @pytest.mark.parametrize(
        ("direct", "verdict"),
        [
            (fit(0.1, 0.15, -0.05, 0.24), "rank alone explains it"),
            (fit(0.1, 0.15, -0.05, 0.26), "no direct part found"),
            (fit(-0.1, 0.15, -0.26, 0.05), "no direct part found"),
            (fit(0.0, 0.5, -np.inf, np.inf), "no direct part found"),
            (fit(0.1, 0.05, 0.06, 0.14), "a part is left at equal rank"),
            (fit(0.8, 0.2, 0.6, 1.0), "a part is left at equal rank"),
            (None, "not determined"),
        ],
    )
    def test_explains_what_is_small_at_equal_rank(self, direct, verdict):
        assert EqualRank("y", effect(1.0, 0.5), direct, "").verdict == verdict
        assert EqualRank("y", effect(0.2, 0.5), direct, "").verdict == "no effect found"

    def test_is_told_outcome_by_outcome(self, through_rank):
        verdicts = {one.outcome: one.verdict for one in through_rank.at_equal_rank}
        assert verdicts == {
            "test accuracy": "a part is left at equal rank",
            "judges' kappa": "rank alone explains it",
            "class agreement": "no effect found",
            "share that match": "no effect found",
        }
        (question,) = paragraphs("effects_sentences", "at_equal_rank", through_rank)
        start = "Does counting rank alone explain what activation elu instead of relu does?"
        assert question.startswith(start)
        (kappa,) = (one for one in through_rank.at_equal_rank if one.outcome == "judges' kappa")
        told = f"{100 * kappa.direct.share:.1f}%, 90% limits {100 * kappa.direct.share_low:.1f}%"
        assert f"to within 25% of the effect, of judges' kappa ({told} to " in question
        assert "left at an equal median rank of test accuracy (" in question
        assert "none was found to explain, of share that match and class agreement." in question

    def test_is_not_said_where_the_interval_is_wide_but_the_seeds_for_it_are(self):
        # The rank differs by 2 and hardly spreads, so that the line is drawn far beyond it.
        def variables(activation, residual, seed):
            draw = np.random.default_rng([seed, activation == "elu", residual])
            rank = 20 + 2 * (activation == "elu") + draw.integers(0, 2)
            agreement = 0.01 * rank + 0.01 * draw.normal()
            return {"rank_post": ("target", [rank]), "class_agreement": ("metamer", [agreement])}

        study = only(made(dict.fromkeys(range(6), (0.8, 0.8, 0.7, 0.7)), variables))
        (agreement,) = (one for one in study.at_equal_rank if one.outcome == "class agreement")
        assert agreement.verdict == "no direct part found"
        (question,) = paragraphs("effects_sentences", "at_equal_rank", study)
        needed = f"without a direct part {agreement.direct.seeds_needed:,.0f} seeds would do"
        assert needed in question
        assert "Rank alone explains" not in question

    def test_is_not_asked_without_ranks_or_activation(self):
        assert paragraphs("effects_sentences", "at_equal_rank", only(made(ACCURACY))) == []
        cells = made(ACCURACY, lambda *place: {"rank_post": ("target", [place[2]])})
        for one in cells:
            model = one.settings["model"]["gcn"]
            model["normalization"] = model.pop("activation")
        assert only(cells).at_equal_rank == ()

    def test_is_not_determined_by_two_seeds(self):
        study = only(made(ACCURACY, lambda *place: {"rank_post": ("target", [place[2]])}))
        assert all(one.direct is None for one in study.at_equal_rank)
        assert "need at least 3" in paragraphs("effects_sentences", "at_equal_rank", study)[-1]


class TestSentences:
    def test_name_what_leaves_zero_out(self):
        numbers = {seed: (0.8, 0.8 + d, 0.7, 0.7 - d) for seed, d in enumerate((0.01, 0.02, 0.03))}
        study = only(made(numbers))
        assert said("effects_sentences", "grid", study) == (
            "Every combination of activation (relu, elu) and residual (false, true) at each of 3 "
            "seeds."
        )
        # The effect of ELU is -0.1 - d at each seed; t of two degrees of freedom is 4.3027.
        told = (
            "Test accuracy changes by -0.12 (-0.145 to -0.0952) with activation elu and by 0 (all "
            "3 equal) with residual true."
        )
        nothing = "changes no outcome so that its interval leaves 0 out"
        assert said("effects_sentences", "main", study) == (
            f"Activation elu instead of relu {nothing}; residual true instead of false {nothing}. "
            f"{told}"
        )
        cells = made(numbers, lambda name, _, seed: {
            "rank_post": ("target", [8 * (name == "elu") + seed * (name == "elu")])
        })  # fmt: skip
        start = "Activation elu instead of relu changes rank by +9 (+6.52 to +11.5); residual "
        assert said("effects_sentences", "main", only(cells)).startswith(start)

    def test_of_what_is_equal_at_all_seeds_claim_no_interval(self):
        cells = made(dict.fromkeys(range(3), (0.1, 0.3, 0.2, 0.4)), lambda name, _, seed: {
            "rank_post": ("target", [8 * (name == "elu") + seed])
        })  # fmt: skip
        study = only(cells)
        start = "Activation elu instead of relu changes rank by +8 (all 3 equal); residual "
        assert said("effects_sentences", "main", study).startswith(start)
        counted = said("effects_sentences", "certainty", study)
        assert counted.startswith("Of 0 intervals, 0 leave 0 out")
        assert "6 effects more: equal at all seeds" in counted
        assert "No interaction" in said("effects_sentences", "interactions", study)

    def test_name_interactions(self):
        numbers = {seed: (0.8, 0.8 + d, 0.8, 0.8 - d) for seed, d in enumerate((0.1, 0.11, 0.12))}
        study = only(made(numbers))
        expected = "activation × residual on test accuracy (-0.11; -0.135 to -0.0852)."
        assert said("effects_sentences", "interactions", study).endswith(expected)

    def test_say_what_so_few_seeds_cannot_do(self):
        text = said("effects_sentences", "certainty", only(made(ACCURACY)))
        assert text.startswith("Of 3 intervals, 0 leave 0 out; if nothing had an effect, about 0.2")
        # 3 x 2^(1 - m) is at most 0.05 from m = 7.
        assert text.endswith("correction for the 3 effects on one outcome none can reach 0.05; 7 "
                             "seeds could.")  # fmt: skip

    def test_count_what_is_left_after_the_correction(self):
        draw = np.random.default_rng(0)
        rows = {s: (0.8, 0.8, 0.7, 0.7) + 0.001 * draw.normal(size=4) for s in range(8)}
        text = said("effects_sentences", "certainty", only(made(rows)))
        assert "1 of the sign-flip p-values is at most 0.05." in text
