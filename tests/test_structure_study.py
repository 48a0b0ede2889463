"""The study of structure metamers on Cora: its script ends in small, and its intervals hold."""

import importlib
import json
import pathlib
import sys

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parents[1] / "experiments" / "structure"


@pytest.fixture
def script(monkeypatch):
    """Return the study's main file, imported as a script would."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("cora")
    for name in ("cora", "straight_through"):
        sys.modules.pop(name, None)


def test_ends_with_a_row_for_every_problem_and_goes_on_where_it_stopped(
    script, monkeypatch, tmp_path, capsys
):
    out = tmp_path / "cora.json"
    small = "--dataset karate --epochs 1 --hidden 4 --models gcn --targets 3 --steps 30"
    tuning = "--rates 0.1 --refills none near"
    for seeds in ("2", "3"):
        line = f"cora.py {small} {tuning} --seeds {seeds} --out {out}"
        monkeypatch.setattr(sys, "argv", line.split())
        script.main()
        report = json.loads(out.read_text())
        assert [run["seed"] for run in report["runs"]] == list(range(int(seeds)))
    (row,) = report["rows"]
    assert row["seeds"] == 3
    assert len(report["tuning"]) == 2
    assert row["best"] <= row["median"][0]
    assert 0 <= row["jaccard"][0] <= 1
    for run in report["runs"]:
        # Flips never make a graph worse.
        assert run["loss"]["with_flips"] <= run["loss"]["baseline"] * (1 + 1e-4) + 1e-9
        assert run["loss"]["ours"] <= run["details"]["loss_rounded"] * (1 + 1e-4) + 1e-9
    assert "| gcn | 3 |" in capsys.readouterr().out


def test_few_seeds_have_a_median_without_limits(script):
    assert script._median([3.0, 1.0, 2.0]) == [2.0, None, None]
    assert script._median([3.0, 1.0, 2.0, 5.0, 4.0, 6.0]) == [3.5, 1.0, 6.0]


def test_interval_of_a_ratio_holds_the_ratio(script):
    rng = np.random.default_rng(0)
    below = rng.lognormal(size=30)
    ratio, low, high = script.ratio_interval(10 * below, below)
    assert [ratio, low, high] == pytest.approx([10, 10, 10])
    ratio, low, high = script.ratio_interval(10 * rng.permutation(below), below)
    assert low < ratio < high
