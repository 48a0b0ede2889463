"""Success stands before all else on a page, and a run that does not store it is read."""

import re

import numpy as np
import pytest

from jmetamer.report import write_report
from jmetamer.report.cells import name_cells
from jmetamer.report.sentences import cell_sentences, run_sentences
from jmetamer.report.success_summary import summarize_success
from jmetamer.report.summary import shortfalls, summarize

REMEDY = "`metamers.method: replace`, exact by construction; or `metamers.layer: conv1.mlp`"


@pytest.fixture
def made(cell, digits, judged):
    made = judged(cell(digits, count=16, stored=1, with_geometry=False))
    made["data"].attrs["remedy"] = REMEDY
    return made


def summary_of(made):
    name = name_cells({"c": made["settings"]})["c"]
    return summarize(name, made["settings"], made["data"], made["status_counts"])


def heads(text, caption):
    table = text[text.index(f"<span>{caption}") :]
    return re.findall(r"<th scope=\"col\"[^>]*>([^<]*)", table[: table.index("</thead>")])


def test_success_is_the_first_number_of_the_table_and_of_the_words(made, make_run):
    text = write_report(make_run({"a": made, "b": made})).read_text()
    columns = heads(text, "Success of every cell")
    assert columns.index("Success") < columns.index("Missed") < columns.index("Converged")
    assert "(14 of 16 succeed)" in text
    assert "metamers that fulfill every criterion (%)" in text
    said = cell_sentences(summary_of(made))
    assert said[0].startswith("14 of 16 searches gave a metamer that fulfills every criterion")
    assert said[1] == f"What to change: {REMEDY}."
    whole = run_sentences([summary_of(made)] * 2, 0)
    assert whole[1].startswith("28 of 32 searches gave a metamer that fulfills every criterion")
    assert "reached the tolerance" in whole[2]


def test_what_is_missed_is_told_once_for_all_cells_with_the_keys_to_change(made, make_run):
    (one,) = shortfalls([summary_of(made)] * 3)
    assert (one.name, one.change, [number for number, _ in one.cells]) == (
        "matches, node by node", REMEDY, [1, 2, 3],
    )  # fmt: skip
    text = write_report(make_run({"a": made, "b": made})).read_text()
    assert "<code>metamers.method: replace</code>" in text
    assert "<b>matches, node by node</b>, missed most often in 2 cells" in text
    made["data"]["success"][:] = True
    assert shortfalls([summary_of(made)]) == []


def test_what_holds_at_all_nodes_stands_beside_the_share(made):
    error, agreement = np.linspace(0.01, 0.16, 16), np.linspace(0.985, 1, 16)
    made["data"]["worst_node_error"] = ("metamer", error)
    made["data"]["class_agreement"] = ("metamer", agreement)
    made["data"].attrs |= {"success_share": 0.99, "success_agreement": 0.99}
    made["settings"]["success"] |= {"share": None, "agreement": None}
    found = summarize_success(made["settings"], made["data"])
    nodes, classes = (found.of(f"success_{n}") for n in ("matches_everywhere", "same_classes"))
    assert nodes.bound == "error of a node at most 0.05 (at least 99% of them)"
    assert (nodes.everywhere, classes.everywhere) == (5, 1)
    assert "0.085" in nodes.extreme
    assert "98.5%" in classes.extreme
    assert classes.bound == "at least 99% of them"
    made["data"].attrs |= {"success_share": 1.0, "success_agreement": 1.0}
    found = summarize_success(made["settings"], made["data"])
    assert [one.everywhere for one in found.criteria] == [None] * 6


def test_a_run_that_does_not_store_success_says_so(cell, digits, make_run):
    old = cell(digits, count=16, stored=1, with_geometry=False)
    text = write_report(make_run({"a": old, "b": old})).read_text()
    assert 'n/a<br><span class="soft">not stored</span>' in text
    assert "Which metamers fulfill the criteria of success is not stored." in text
    assert "converged, success n/a)" in text
    assert "metamers that reached the tolerance (%)" in text
