"""The JSON document: it fits its schema, whatever the runs hold; and the command line."""

import importlib.resources
import json

import jsonschema
import numpy as np
import pytest

from jmetamer.leaderboard import main
from jmetamer.report.leaderboard import document
from jmetamer.results import RunStore, open_run

SCHEMA = json.loads(
    importlib.resources.files("jmetamer.report.leaderboard").joinpath("schema.json").read_text()
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_a_schema_and_refuses_what_is_not_a_board(write_run, two_seeds):
    VALIDATOR.check_schema(SCHEMA)
    found = document([open_run(write_run(*two_seeds))])
    VALIDATOR.validate(found)
    row = found["boards"][0]["rows"][0]
    for place, broken in (
        (row, {"score": 0.5}),
        (row["nu"], {"value": None}),
        (row["nu"], {"reason": "but there is one"}),
        (row["success"], {"value": 1.5}),
        (row["above_length"], {"value": None}),
        (row, {"control": "something else"}),
    ):
        before = dict(place)
        place.update(broken)
        assert not VALIDATOR.is_valid(found), broken
        place.clear()
        place.update(before)
    assert VALIDATOR.is_valid(found)


def test_every_property_of_a_row_is_in_the_schema_and_no_other(write_run, two_seeds):
    found = document([open_run(write_run(*two_seeds))])
    assert found["boards"][0]["rows"][0].keys() == SCHEMA["$defs"]["row"]["properties"].keys()


def test_stores_with_holes_fit_the_schema(write_run, cell):
    unread = {"gat/1000": (np.nan, np.nan), "gin/1000": (0.9, 0.1)}
    cells = [
        cell(success=None),
        cell(success=(False, False), training__seed=1),
        cell(kappa=unread, model__hidden=16),
        cell(kappa={"gcn/1000": (0.5, 0.5)}, model__hidden=32),
        cell(training__epochs=0, metamers__layer="logits", scalars={"test_accuracy": np.nan}),
        cell(metamers__nodes=[1, 2], success=()),
        cell(kappa={"gcn/1000": (0.5, 0.5), "gat/1000": (0.5, 0.5)}, judges=None, p_values=(1, 0)),
    ]
    found = document([open_run(write_run(*cells))])
    VALIDATOR.validate(json.loads(json.dumps(found, allow_nan=False)))
    VALIDATOR.validate(document([]))


def test_the_command_writes_page_and_data_of_several_runs(tmp_path, write_run, two_seeds, capsys):
    runs = [str(write_run(one, name=name)) for one, name in zip(two_seeds, "ab", strict=True)]
    page, data = tmp_path / "deep" / "board.html", tmp_path / "board.json"
    assert main([*runs, "--out", str(page), "--json", str(data)]) == 0
    assert capsys.readouterr().out.split() == [str(page), str(data)]
    found = json.loads(data.read_text())
    VALIDATOR.validate(found)
    assert found == document([open_run(run) for run in runs])
    assert [run["name"] for run in found["runs"]] == ["a", "b"]
    assert found["boards"][0]["rows"][0]["recognition"]["value"] == pytest.approx(0.55)
    assert str(tmp_path) not in data.read_text() + page.read_text()
    assert [file.name for file in page.parent.iterdir()] == ["board.html"]


def test_a_run_with_failures_only_has_no_board(tmp_path, cell):
    record, _ = cell()
    store = RunStore(tmp_path / "run")
    store.register(["c0"])
    store.write_failure("c0", record.settings, "Traceback:\nValueError: boom")
    found = document([open_run(store.folder)])
    VALIDATOR.validate(found)
    assert (found["runs"][0]["failures"], found["boards"]) == (1, [])


def test_what_is_no_run_folder_is_one_line_and_exit_code_2(tmp_path, write_run, cell, capsys):
    good, out = str(write_run(cell())), str(tmp_path / "x.html")
    assert main([good, str(tmp_path / "nowhere"), "--out", out]) == 2
    error = capsys.readouterr().err
    assert "is not a run folder" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.html").exists()
    (tmp_path / "file").write_text("")
    assert main([good, "--out", str(tmp_path / "file" / "x.html")]) == 2
    assert "cannot write" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
