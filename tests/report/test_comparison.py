"""Several runs on one page."""

import re

import numpy as np
import pytest

from jmetamer.report import write_report
from jmetamer.report.__main__ import main
from jmetamer.report.stored_cell import JoinedRuns


@pytest.fixture(scope="module", autouse=True)
def no_figures():
    """Draw no cell: what is tested here are tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jmetamer.report.page.MAX_CELLS_DRAWN", 0)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def build(folder, run_of, cell, digits, judged):
    """A run of two layers and some seeds, whose training differs by one setting."""

    def made(name, perturbation, seeds=2, layers=("conv1", "logits"), stalled=2, failures=()):
        cells = {}
        for layer in layers:
            for seed in range(seeds):
                plain = cell(digits, layer=layer, seed=seed, count=8, stored=0,
                             num_stalled=stalled, with_geometry=False)  # fmt: skip
                one = judged(plain, seed=seed, passed=np.arange(8) >= stalled,
                             kappa=0.6 if perturbation else 0.2)  # fmt: skip
                one["settings"]["training"]["perturbation"] = (
                    {perturbation: {}} if perturbation else None
                )
                cells[f"{layer}-{seed}"] = one
        return run_of(folder / name, cells, dict(failures))

    return made


def table(text, label):
    start = text.index(f'aria-label="{label}"')
    body = text[text.index("<tbody>", start) : text.index("</tbody>", start)]
    rows = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)
    ]
    return [[" ".join(re.sub(r"<[^>]*>", " ", c).split()) for c in row] for row in rows]


@pytest.fixture(scope="module")
def text(build, folder):
    runs = [build("plain", None, 3), build("hard", "adversarial", 2, stalled=4)]
    return write_report(runs, folder / "text.html").read_text()


def test_settings_that_differ_stand_side_by_side(text):
    assert table(text, "Settings that differ between the runs") == [
        ["finished cells", "6", "4"],
        ["training.seed", "0, 1 and 2", "0 and 1"],
        ["training.perturbation", "null", "adversarial"],
    ]


def test_cells_match_by_their_settings_without_seeds_and_what_tells_runs_apart(text):
    rows = table(text, "Runs side by side")
    assert [row[1:3] for row in rows] == [
        ["layer conv1", "plain"], ["layer conv1", "hard"],
        ["layer logits", "plain"], ["layer logits", "hard"],
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["1 , 2 , 3", "7 , 8", "4 , 5 , 6", "9 , 10"]
    assert rows[0][3].startswith("75% ")  # 18 of 24
    assert rows[1][4].startswith("50% ")  # 8 of 16
    # Random changes have 0.55; those that succeed in the second run have no controls.
    assert [row[5].split()[0] for row in rows] == ["-0.35", "–", "-0.35", "–"]
    assert [row[6].split()[0] for row in rows] == ["0.20", "0.60", "0.20", "0.60"]


def test_every_table_over_cells_names_the_run(text):
    for label in ("Success table", "Transfer matrix", "Controls"):
        assert {"plain", "hard"} <= {word for row in table(text, label) for word in row}
    assert "By run: plain: 36 of 48 succeed in 6 cells (75%)" in text
    assert "hard: 16 of 32 succeed in 4 cells (50%)" in text


def test_too_few_seeds_for_a_test_are_told(text):
    told = " ".join(text.split())
    assert "needs at least 6 training seeds that both have" in told
    assert "here two makers share 2 at most, so none was made." in told


def test_holm_corrects_over_the_cells_of_each_run_alone(text):
    rows = table(text, "Criteria of success of every cell")
    # All p-values are 0.001, of 6 cells in one run and 4 in the other.
    assert [row[-1] for row in rows] == ["0.006"] * 6 + ["0.004"] * 4


def test_cells_without_a_counterpart_are_kept_and_marked(build, tmp_path):
    runs = [build("plain", None, 1), build("hard", "adversarial", 1, ("conv1",))]
    text = write_report(runs, tmp_path / "page.html").read_text()
    rows = table(text, "Runs side by side")
    assert [row[1] for row in rows] == [
        "layer conv1", "layer conv1", "layer logits (this run only)",
    ]  # fmt: skip


def test_names_are_unique_and_cells_read_from_their_own_run(build):
    joined = JoinedRuns([build("a", None, 1), build("b", "adversarial", 1)])
    assert [one.cell for one in joined.cells] == [
        "a/conv1-0",
        "a/logits-0",
        "b/conv1-0",
        "b/logits-0",
    ]
    assert joined.cells[2].settings["training"]["perturbation"] == {"adversarial": {}}
    assert [one.run for one in joined.cells] == ["a", "a", "b", "b"]
    one = JoinedRuns([build("a", None, 1)])
    assert [(cell.cell, cell.run) for cell in one.cells] == [("conv1-0", ""), ("logits-0", "")]


def test_runs_without_criteria_and_judges_have_no_such_columns(tmp_path, run_of, cell, digits):
    plain = {"c": cell(digits, count=4, stored=0, with_geometry=False)}
    runs = [run_of(tmp_path / name, plain) for name in ("a", "b")]
    text = write_report(runs, tmp_path / "page.html").read_text()
    assert "No setting differs between the runs." in text
    assert "All criteria" not in text
    rows = table(text, "Runs side by side")
    assert [len(row) for row in rows] == [6 + 3, 6 + 3]
    assert [row[2] for row in rows] == ["a", "b"]


def test_failed_cells_of_all_runs_are_told(build, tmp_path):
    entry = {"settings": {}, "traceback": "ValueError: boom"}
    runs = [build("a", None, 1, failures={"bad": entry}), build("b", None, 1)]
    text = write_report(runs, tmp_path / "page.html").read_text()
    assert "Cell a/bad" in text
    assert table(text, "Settings that differ between the runs")[0] == [
        "finished cells", "2 (1 failed)", "2",
    ]  # fmt: skip


def test_the_page_of_several_runs_goes_beside_the_first(build, folder):
    runs = [build("a", None, 1), build("b", None, 1)]
    assert write_report(runs) == folder / "comparison.html"


def test_one_run_in_a_list_is_the_page_of_that_run(build, tmp_path):
    run = build("a", None, 1)
    one = write_report([run], tmp_path / "one.html").read_text()
    assert one == write_report(run, tmp_path / "two.html").read_text()
    assert "Comparison of the runs" not in one


def test_the_command_line_names_the_run_that_is_none(tmp_path, capsys):
    (tmp_path / "empty" / "cells").mkdir(parents=True)
    assert main([str(tmp_path / "empty"), str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_two_empty_runs_have_a_page(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "cells").mkdir(parents=True)
    assert main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "No cell of this run has finished yet." in (tmp_path / "comparison.html").read_text()
