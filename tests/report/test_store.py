"""The report of a run that was written and read by the real store."""

import pytest

from jmetamer.report import write_report
from jmetamer.report.__main__ import main
from jmetamer.results import open_run


@pytest.fixture
def stored(tmp_path, write_stored, cell, words):
    return write_stored(tmp_path / "run", cell(words), words)


def test_a_stored_run_gives_the_whole_report(stored):
    text = write_report(stored).read_text()
    assert text.count("<svg") == 6
    assert "62 of 64 searches reached the tolerance" in text
    assert "as words (60 nodes, 300 features each)?" in text
    assert "test accuracy 95.7%" in text
    assert "48 of 300 feature columns are shown" in text
    assert "ValueError: boom" in text
    assert "Remedy: lower the learning rate." in text


def test_the_command_line_writes_the_same_page_and_says_where(stored, tmp_path, capsys):
    target = tmp_path / "x.html"
    assert main([str(stored), "--out", str(target)]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    assert target.read_text() == write_report(open_run(stored)).read_text()
    assert (stored / "report.html").is_file()


def test_two_stored_runs_with_judges_are_compared(
    tmp_path, write_stored, cell, words, judged, capsys
):
    folders = []
    for place, kappa in enumerate((0.2, 0.6)):
        made = judged(cell(words, count=8, with_geometry=False), seed=place, kappa=kappa)
        made["settings"]["training"]["shuffle_labels"] = bool(place)
        folders.append(str(write_stored(tmp_path / f"run{place}", made, words)))
    assert main(folders) == 0
    target = tmp_path / "comparison.html"
    assert capsys.readouterr().out.strip() == str(target)
    text = target.read_text()
    for told in ("Transfer matrix", "Controls", "Runs side by side", "training.shuffle_labels"):
        assert told in text
    told = " ".join(text.split())
    assert "metamers of trained networks with a mean kappa of 0.20" in told
    assert "Of controls: shuffled labels 0.60" in told
    assert "run0: 6 of 8 succeed in 1 cell" in told
    assert told.count("ValueError: boom") == 4  # in the headline and the traceback of each run
