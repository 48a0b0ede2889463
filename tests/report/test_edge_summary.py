"""Numbers and words about edges are those of the store, on the page and before it."""

import numpy as np
import pytest

from jmetamer.report import write_report
from jmetamer.report.cells import name_cells
from jmetamer.report.distance_summary import summarize_edges
from jmetamer.report.prose import paragraphs
from jmetamer.report.sentences import cell_sentences
from jmetamer.report.summary import summarize
from jmetamer.report.wording import number

METAMERS = [([(0, 5), (3, 8)], [(2, 3), (7, 8)]), ([(1, 4)], [(0, 1)])]


@pytest.fixture
def made(edge_cell, ring):
    return edge_cell(ring(), METAMERS)


def summary_of(made):
    name = name_cells({"a": made["settings"]})["a"]
    return summarize(name, made["settings"], made["data"], made["status_counts"])


def test_medians_and_chance_are_those_of_the_variables(made):
    edges = summarize_edges(made["data"])
    for name, shown in edges.numbers.items():
        values = made["data"][name].values
        assert shown.median == pytest.approx(np.median(values))
        assert (shown.low, shown.high) == pytest.approx(tuple(np.quantile(values, [0.1, 0.9])))
    assert edges.numbers["edge_jaccard"].chance == 0.9
    assert np.isnan(edges.numbers["num_flips"].chance)
    assert edges.features_stay
    assert not edges.are_weights


def test_sentences_say_how_edges_became_hard_and_how_far_they_are(made):
    hardening, distance = paragraphs("edge_sentences", "edges", summarize_edges(made["data"]))
    medians = {n: number(float(np.median(made["data"][n].values))) for n in made["data"].data_vars
               if made["data"][n].dims == ("metamer",)}  # fmt: skip
    assert f"loss {medians['loss_relaxed']} relaxed" in hardening
    assert f"{medians['loss_rounded']} after rounding" in hardening
    assert f"{medians['loss_flipped']} after flips of single pairs (2.5 of them)" in hardening
    assert f"distance of the edge sets is {medians['edge_jaccard']} (chance level 0.9)" in distance
    assert cell_sentences(summary_of(made))[1:3] == [hardening, distance]


def test_edges_that_are_only_drawn_have_no_relaxation_to_tell_of(made):
    drawn = made["data"].drop_vars(["loss_relaxed", "loss_rounded", "loss_flipped", "num_flips"])
    (distance,) = paragraphs("edge_sentences", "edges", summarize_edges(drawn))
    assert "Jaccard distance" in distance
    searched = drawn.assign(num_moves=("metamer", np.arange(6)))
    assert "made 2.5 moves" in paragraphs("edge_sentences", "edges", summarize_edges(searched))[0]


def test_exact_swaps_are_told_with_the_number_available(made):
    drawn = made["data"].drop_vars(["loss_relaxed", "loss_rounded", "loss_flipped", "num_flips"])
    numbers = {"num_moves": 40, "num_proposed": 61, "num_available": 139_437_290}
    told = {name: ("metamer", np.full(6, value)) for name, value in numbers.items()}
    text = paragraphs("edge_sentences", "edges", summarize_edges(drawn.assign(told)))[0]
    assert "139,437,290 graphs are one swap away" in text
    assert "40 swaps out of 61 proposed" in text
    none = {name: ("metamer", np.zeros(6, int)) for name in numbers}
    text = paragraphs("edge_sentences", "edges", summarize_edges(drawn.assign(none)))[0]
    assert "0 are available" in text
    assert "no structure metamer of the matched layers exists by this construction" in text
    assert "no success" in text
    assert paragraphs("edge_sentences", "edges", summarize_edges(drawn.assign(none))) == [text]


def test_the_page_draws_neither_loss_nor_edges_where_every_graph_is_the_reference(
    make_run, edge_cell, ring
):
    cell = edge_cell(ring(), [([], []), ([], [])])
    told = {name: ("metamer", np.zeros(6, int)) for name in ("num_available", "num_moves")}
    cell["data"] = cell["data"].assign(told)
    text, titles = page(make_run, a=cell)
    assert "No drawing of edges: every graph is the reference itself." in text
    assert "No loss curve: swaps are made at random" in text
    assert "No metamer: 6 searches gave the reference itself." in text
    assert not {"Edges beside those of the reference", "Loss during the optimization"} & {*titles}


def test_cells_whose_edges_stay_say_nothing_of_edges(cell, digits):
    made = cell(digits)
    assert summarize_edges(made["data"]) is None
    assert not any("edge" in text for text in cell_sentences(summary_of(made)))


def test_ranks_are_said_to_be_those_of_features_where_features_stay(edge_cell, ring, cell, digits):
    with_ranks = cell(digits)["data"]
    for features in (False, True):
        made = edge_cell(ring(), METAMERS, features=features)
        names = [name for name in with_ranks.variables if "target" in with_ranks[name].dims]
        made["data"] = made["data"].assign({name: with_ranks[name] for name in names})
        told = any("features stay" in text for text in cell_sentences(summary_of(made)))
        assert told == (not features)


def test_names_say_what_varies_and_where_edges_start():
    def vary(**metamers):
        return name_cells({"a": {"metamers": metamers}})["a"].vary

    edges = {"binary_edges": {"start": "noise"}}
    weights = {"edge_weights": {"domain": {"non_negative": {}}}}
    rewired = [{"binary_features": {"ones": "row"}}, {"random_edges": {"start": "rewired"}}]
    assert vary(vary=edges, layer="conv1") == "binary edges, from random edges"
    assert vary(vary=edges, method={"color_swaps": {}}) == "binary edges"  # it has no start
    assert vary(vary=weights, layer="conv1") == "edge weights, non negative"
    assert vary(vary={"together": rewired}) == (
        "binary features and random edges, from rewired edges"
    )


def page(make_run, **cells):
    text = write_report(make_run(cells)).read_text()
    return text, [part.split("</h3>")[0] for part in text.split("<h3>")[1:]]


def test_the_page_shows_edges_where_edges_vary_and_features_where_they_do(
    make_run, edge_cell, ring, made
):
    both = edge_cell(ring(), METAMERS, features=True)
    text, titles = page(make_run, a=made)
    assert titles.count("Edges beside those of the reference") == 1
    assert "Reference against metamers" not in text.replace("<h3>", "")
    assert "Edges in numbers" in text
    assert "metamer 0 removes 2 of them and adds 2" in text
    assert "No examples" not in text
    text, titles = page(make_run, a=both)
    assert {"Reference against metamers", "Edges beside those of the reference"} <= set(titles)
    first = page(make_run, a=made)[0]
    assert page(make_run, a=made)[0] == first


def test_the_page_says_why_edges_are_not_drawn(make_run, edge_cell, ring):
    text, titles = page(make_run, a=edge_cell(ring(), []))
    assert "No drawing of edges: no metamers of this cell were stored." in text
    assert "Edges beside those of the reference" not in titles


def test_the_page_draws_a_part_of_a_large_graph(make_run, edge_cell, ring):
    made = edge_cell(ring(100), [([(0, 50)], [])])
    text, _ = page(make_run, a=made)
    assert "reference around node 0: 0 of 0 edges removed" in text
    assert "metamer 0 around node 0: 1 of 1 edges added" in text
    assert "too large to be shown whole" in text
