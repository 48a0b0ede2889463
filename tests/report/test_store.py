"""The report of a run that was written and read by the real store."""

import numpy as np
import pytest

from jmetamer.report import write_report
from jmetamer.report.__main__ import main
from jmetamer.results import Record, RunStore, Variable, hash_settings, make_reference, open_run


@pytest.fixture
def stored(tmp_path, cell, words):
    made = cell(words)
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
    store = RunStore(tmp_path / "run")
    store.register(["good", "bad"])
    store.write_reference(reference)
    store.write("good", record)
    store.write_failure("bad", made["settings"], "Traceback:\nValueError: boom")
    return store.folder


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
