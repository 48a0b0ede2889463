"""The report of a run that was written and read by the real store."""

import numpy as np
import pytest

from jmetamer.report import write_report
from jmetamer.report.__main__ import main
from jmetamer.results import Record, RunStore, Variable, hash_settings, make_reference, open_run


def write(folder, made, words):
    """Put one cell into a run folder, beside one that failed."""
    data = made["data"]
    variables = {
        name: Variable(tuple(map(str, found.dims)), found.values, found.attrs)
        for name, found in data.variables.items()
    }
    features = np.stack([graph.nodes for graph in made["metamers"]]).astype(bool)
    variables["features"] = Variable(
        ("stored", "node", "byte"), np.packbits(features, axis=-1), {"packed_bits": 300}
    )
    edges = np.arange(5)
    reference = make_reference(
        words.nodes, edges, edges[::-1], np.ones(5), words.labels, words.attrs
    )
    record = Record(
        settings=made["settings"],
        settings_hash=hash_settings(made["settings"]),
        variables=variables,
        scalars=dict(data.attrs),
        status_counts=made["status_counts"],
        provenance=made["provenance"],
        reference=reference.digest,
    )
    store = RunStore(folder)
    store.register(["good", "bad"])
    store.write_reference(reference)
    store.write("good", record)
    store.write_failure("bad", made["settings"], "Traceback:\nValueError: boom")
    return store.folder


@pytest.fixture
def stored(tmp_path, cell, words):
    return write(tmp_path / "run", cell(words), words)


def test_a_stored_run_gives_the_whole_report(stored):
    text = write_report(stored).read_text()
    assert text.count("<svg") == 6
    assert "62 of 64 metamers reached the tolerance" in text
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


def test_two_stored_runs_with_judges_are_compared(tmp_path, cell, words, judged, capsys):
    folders = []
    for place, kappa in enumerate((0.2, 0.6)):
        made = judged(cell(words, count=8, with_geometry=False), seed=place, kappa=kappa)
        made["settings"]["training"]["shuffle_labels"] = bool(place)
        folders.append(str(write(tmp_path / f"run{place}", made, words)))
    assert main(folders) == 0
    target = tmp_path / "comparison.html"
    assert capsys.readouterr().out.strip() == str(target)
    text = target.read_text()
    for told in ("Transfer matrix", "Controls", "Runs side by side", "training.shuffle_labels"):
        assert told in text
    told = " ".join(text.split())
    assert "mean kappa of 0.20 to 0.60" in told
    assert "run0: 6 of 8 succeed in 1 cell" in told
    assert told.count("ValueError: boom") == 4  # in the headline and the traceback of each run
