import dataclasses

import numpy as np
import pytest
import xarray as xr

from jmetamer.report.cells import name_cells
from jmetamer.report.distance_summary import Deviation, what_chance_is
from jmetamer.report.prose import said
from jmetamer.report.sentences import cell_sentences, run_sentences
from jmetamer.report.summary import status_totals, summarize
from jmetamer.report.wording import number


@pytest.fixture
def summary(cell, digits):
    def build(**changes):
        made = cell(digits, **changes)
        name = name_cells({"c": made["settings"]})["c"]
        return summarize(name, made["settings"], made["data"], made["status_counts"]), made

    return build


def test_sentences_carry_the_counts_and_the_interval(summary):
    found, _ = summary(count=64, num_stalled=1)
    text = " ".join(cell_sentences(found))
    over = "95% interval over metamers of one network 91.7% to 99.7%"
    assert f"63 of 64 searches reached the tolerance (98.4%; {over})" in text
    assert "tolerance 10⁻⁴" in text


def test_medians_are_those_of_the_variables(summary):
    found, made = summary()
    data = made["data"]
    assert found.loss == pytest.approx(float(np.median(data["loss_hardened"])))
    assert found.agreement == pytest.approx(float(data["class_agreement"].mean()))
    for column, deviation in enumerate(found.deviations):
        stored = data["deviation"].values[:, column]
        assert deviation.median == pytest.approx(float(np.median(stored)))
        assert deviation.low == pytest.approx(float(np.quantile(stored, 0.1)))
        assert deviation.chance == data["deviation_chance"].values[column]


def test_geometry_sentence_counts_the_free_directions(summary):
    found, _ = summary(activation="elu")
    text = " ".join(cell_sentences(found))
    assert "rank 16 before the activation and 16 after it, of at most 16" in text
    assert "816 of 832 input directions" in text
    assert "by a node's own features is n/a" in text  # a run made before it was stored
    assert "change of log-volume is -" in text


def test_nodes_whose_rank_falls_are_counted_beside_the_information(summary):
    found, _ = summary(activation="relu")
    assert found.ranks.num_compared == 0
    ranks = dataclasses.replace(
        found.ranks, node_rank=4.0, node_dimension=60.0, node_inputs=64.0, information=(9.0, 5.0)
    )
    text = " ".join(cell_sentences(dataclasses.replace(found, ranks=ranks)))
    assert "change of log-volume is undefined at 8 of the 8 nodes whose spectra were taken." in text
    assert text.index("60 of the 64 directions") < text.index("832")
    assert "9 nats before the activation and 5 after it" in text


def test_nodes_with_an_uncertain_rank_are_counted(cell, digits):
    made = cell(digits)
    name = name_cells({"c": made["settings"]})["c"]
    for num_pre, num_post in ((0, 0), (1, 3)):  # the first of them is one node
        for where, count in (("pre", num_pre), ("post", num_post)):
            certified = ("target", np.arange(8) >= count)
            made["data"] = made["data"].assign({f"rank_certified_{where}": certified})
        found = summarize(name, made["settings"], made["data"], made["status_counts"])
        told = "At 3 nodes the rank is not certain." in said(
            "geometry_sentences", "rank", found.ranks
        )
        assert (found.ranks.num_uncertain, told) == (num_post, bool(num_post))


class TestDeviationsHaveThreeReferences:
    """0, the search's own start, and chance."""

    def of_cosine(self, cell, digits, starts, reason=""):
        made = cell(digits, count=4)
        made["data"]["deviation"][:, 0] = [0.2, 0.3, 0.4, -0.1]
        made["data"]["deviation_start"][:, 0] = starts
        made["data"]["deviation_start"].attrs["reason"] = reason
        name = name_cells({"c": made["settings"]})["c"]
        return summarize(name, made["settings"], made["data"], made["status_counts"])

    def test_the_difference_is_paired_with_the_metamers_own_start(self, cell, digits):
        found = self.of_cosine(cell, digits, [0.5, 0.25, 0.6, -0.3])
        first = found.deviations[0]
        assert (first.median, first.start) == (pytest.approx(0.25), pytest.approx(0.375))
        assert first.less_start == pytest.approx((0.05 - 0.2) / 2)  # of -0.3, 0.05, -0.2, 0.2
        assert (first.nearer, first.paired) == (3, 4)  # a deviation with a sign is near at 0
        told = (
            "features/cosine 0.25 (start of the search 0.375, metamer less its own start -0.075, "
            "chance 0.38)"
        )
        text = " ".join(cell_sentences(found))
        assert f"{told}, nearer than its start in 3 of 4" in text
        assert told in " ".join(run_sentences([found], 0))
        equal = self.of_cosine(cell, digits, [0.2, 0.3, 0.6, 0.1])
        assert "nearer than its start in 1 of 4 (as near in 3)" in " ".join(cell_sentences(equal))
        equal = self.of_cosine(cell, digits, [0.2, 0.3, 0.4, 0.1])
        assert "as its start in all 4" in " ".join(cell_sentences(equal))
        assert "chance level" not in text[text.index(told) : text.index("The network gives")]

    def test_without_a_start_the_reason_is_said(self, cell, digits):
        nothing = self.of_cosine(cell, digits, np.nan, "the method walk begins at x")
        first = nothing.deviations[0]
        assert np.isnan([first.start, first.less_start]).all()
        assert "There is no start to compare with: the method walk begins at x." in " ".join(
            cell_sentences(nothing)
        )

    def test_what_chance_is_is_said_of_each_kind_of_measure(self):
        def of(*names):
            return what_chance_is([Deviation(0, 0, 0, name, 0) for name in names])

        rows = "the reference with its rows in random order"
        assert of("features/cosine", "features/probe") == rows
        both = of("structure/edge_f1", "features/cosine")
        assert "at random (structure) and" in both
        assert both.endswith(f"{rows} (features)")

    def test_a_run_from_before_is_read(self, cell, digits):
        made = cell(digits, count=4)
        data = made["data"].drop_vars("deviation_start")
        name = name_cells({"c": made["settings"]})["c"]
        found = summarize(name, made["settings"], data, made["status_counts"])
        assert found.deviations[0].no_start == "its deviation is not stored"
        assert "its deviation is not stored" in " ".join(cell_sentences(found))


def test_run_sentences_pool_the_cells_and_name_best_and_worst(summary):
    good, _ = summary(num_stalled=0, layer="conv1")
    bad, _ = summary(num_stalled=32, layer="logits")
    text = " ".join(run_sentences([good, bad], 0, {"digits": "1,797 nodes"}))
    assert "96 of 128 searches reached the tolerance of their cell (75%" in text
    assert "from 50% (layer logits) to 100%" in text
    assert "as digits (1,797 nodes)?" in text


def test_cells_that_have_not_ended_are_told(summary):
    (done, _) = summary()
    told = run_sentences([done], 1, num_unfinished=3)
    assert "3 of 5 cells are not finished." in told
    assert not any("not finished" in text for text in run_sentences([done], 1))
    assert "2 of 2 cells are not finished." in run_sentences([], 0, num_unfinished=2)


def test_the_round_off_of_a_deviation_is_no_difference_from_its_start(summary, cell, digits):
    made = cell(digits)
    found = made["data"]["deviation"].transpose("metamer", "measure").values
    made["data"]["deviation_start"] = (("metamer", "measure"), found * (1 + 1e-7))
    name = name_cells({"c": made["settings"]})["c"]
    for one in summarize(name, made["settings"], made["data"], made["status_counts"]).deviations:
        assert one.less_start == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(10185.5, "10,185.5"), (184775.0, "184,775"), (32.5, "32.5"), (1.25, "1.25")],
)
def test_medians_of_counts_are_written_in_full(value, text):
    assert number(value) == text


def test_a_loose_stored_loss_is_said_aloud(summary, cell, digits):
    made = cell(digits, num_stalled=0)
    made["data"]["loss_hardened"][5] = 0.3
    name = name_cells({"c": made["settings"]})["c"]
    found = summarize(name, made["settings"], made["data"], made["status_counts"])
    assert found.num_loose == 1
    assert "Careful: 1 metamer marked as converged has a loss above" in cell_sentences(found)[1]


def test_remedies_of_all_cells_are_added_up(summary):
    cells = [summary(num_stalled=n)[0] for n in (2, 0, 3)]
    (total,) = status_totals(cells)
    assert (total.name, total.count, total.remedy) == ("STALLED", 5, "lower the learning rate")


def test_no_cells_and_failures_only_are_said():
    assert run_sentences([], 0) == ["No cell of this run has finished yet."]
    assert run_sentences([], 2)[1] == (
        "2 cells failed or cannot be read; why is listed under Failures."
    )


def test_an_empty_cell_is_summarized_without_inventing_numbers():
    name = name_cells({"c": {}})["c"]
    found = summarize(name, {}, xr.Dataset(), {})
    assert np.isnan([found.loss, found.share, found.tolerance, found.agreement]).all()
    assert cell_sentences(found)[0].startswith("The cell holds no metamers.")


@pytest.mark.parametrize("copies", [1, 3, 4])
def test_medians_leave_out_copies_of_the_reference(cell, digits, copies):
    made = cell(digits, count=4, num_stalled=0)
    data = made["data"].copy(deep=True)
    data["status"].attrs["table"] = {"1": "CONVERGED", "6": "UNCHANGED"}
    data["status"][:copies] = 6
    for name in ("deviation", "loss_hardened", "class_agreement"):
        data[name][:copies] = 0
    name = name_cells({"c": made["settings"]})["c"]
    counts = {"CONVERGED": 4 - copies, "UNCHANGED": copies}
    found = summarize(name, made["settings"], data, counts)
    rest = data.isel(metamer=slice(copies, None))
    text = " ".join(cell_sentences(found))
    assert found.unchanged == copies
    assert f"{copies} {'is' if copies == 1 else 'are'} the reference itself" in text
    if copies == 4:
        assert not found.deviations
        assert np.isnan([found.agreement, found.loss]).all()  # not those of the reference
        assert not found.layers
        assert "median loss" not in text
        return
    assert found.loss == pytest.approx(float(rest["loss_hardened"].median()))
    assert found.agreement == pytest.approx(float(rest["class_agreement"].mean()))
    expected = rest["deviation"].transpose("metamer", "measure").median("metamer").values
    assert [one.median for one in found.deviations] == pytest.approx(expected.tolist(), rel=1e-5)


def test_a_question_names_how_many_nodes_must_match_and_ends_how_many_are_best(summary):
    cells = [summary(num_stalled=n, layer=f"conv{n}")[0] for n in (0, 0, 4)]
    text = " ".join(run_sentences([dataclasses.replace(one, targets=2) for one in cells], 0))
    assert "as digits, at 2 target nodes?" in text
    assert "; also 1 other cell)" in text


def test_measures_that_are_asked_for_and_not_held_are_named(summary, cell, digits):
    assert summary()[0].not_measured == ()
    made = cell(digits)
    held = made["data"]["measure"].values.tolist()
    made["settings"]["measures"] = [*held, "structure/tree_mover"]
    name = name_cells({"c": made["settings"]})["c"]
    found = summarize(name, made["settings"], made["data"], made["status_counts"])
    assert found.not_measured == ("structure/tree_mover",)


def test_makers_of_one_name_are_told_apart_by_their_settings(cell, digits):
    made = {str(epochs): cell(digits) for epochs in (True, False)}
    for shuffled, one in made.items():
        one["settings"]["training"] = {
            **one["settings"].get("training", {}), "shuffle_labels": shuffled == "True",
        }  # fmt: skip
    names = name_cells({place: one["settings"] for place, one in made.items()})
    cells = [
        dataclasses.replace(
            summarize(names[place], one["settings"], one["data"], one["status_counts"]),
            test_accuracy=0.2 if place == "True" else 0.8,
        )
        for place, one in made.items()
    ]
    question = run_sentences(cells, 0)[0]
    model = cells[1].name.model
    assert f"{model} shuffled labels (test accuracy 20%) and {model} (test acc" in question


def test_trained_networks_and_controls_are_told_apart(made_of):
    """Of two trained networks and one control, 2 of 4, 3 of 4 and 4 of 4 succeed."""
    cells = [made_of(2), made_of(3, seed=1), made_of(4, epochs=0)]
    text = " ".join(run_sentences(cells, 0))
    assert "5 of 8 searches of trained networks gave a metamer that fulfills every" in text
    assert text.count("Of controls: untrained 4 of 4 (100%).") == 2  # success and tolerance
    assert "of trained networks" not in " ".join(run_sentences(cells[2:], 0))
    assert "controls" not in " ".join(run_sentences(cells[:2], 0))


def test_layers_are_those_of_the_networks_that_have_them(made_of):
    cells = [made_of(4, layer=layer) for layer in ("conv1", "logits")]
    cells += [made_of(4, model="gin", layer=layer) for layer in ("conv1.mlp", "logits")]
    cells += [made_of(4, model="gat", layer=layer) for layer in ("conv1", "logits")]
    question = run_sentences(cells, 0)[0]
    assert ", at conv1 or logits (gin relu at conv1.mlp or logits), to the same" in question


def test_the_accuracies_of_networks_that_differ_by_seed_alone_are_a_range_of_so_many(cell, digits):
    made = cell(digits)
    one = summarize(
        name_cells({"c": made["settings"]})["c"],
        made["settings"], made["data"], made["status_counts"],
    )  # fmt: skip
    # Two cells of the first network; the accuracy of the third is unknown.
    scores = (("a", 0.5), ("a", 0.5), ("b", 0.75), ("c", float("nan")))
    cells = [dataclasses.replace(one, network=name, test_accuracy=score) for name, score in scores]
    assert "(test accuracy 50% to 75% of 2 networks)" in run_sentences(cells, 0)[0]
    assert "(test accuracy 50%)" in run_sentences(cells[:2], 0)[0]


@pytest.fixture
def made_of(cell, digits, judged):
    """Make summaries of cells with four metamers, of which so many succeed."""

    def make(succeed, model="gcn", layer="conv1", seed=0, epochs=200):
        made = judged(cell(digits, count=4, stored=1, with_geometry=False))
        bits = np.arange(4) < succeed
        made["data"]["success"][:] = bits
        settings = made["settings"] | {"model": {model: {"activation": "relu"}}}
        settings["metamers"] = settings["metamers"] | {"layer": layer}
        settings["training"] = {"seed": seed, "epochs": epochs}
        name = name_cells({"c": settings})["c"]
        return summarize(
            name, settings, made["data"], {"CONVERGED": succeed, "STALLED": 4 - succeed}
        )

    return make
