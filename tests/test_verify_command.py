"""`--verify` says of each cell whether it is as it was written; a lost terminal ends no work."""

import io
import shutil

import numpy as np
import pytest
import zarr

from jmetamer.results import Progress, open_run
from jmetamer.results.manifest import MANIFEST, write_manifest
from jmetamer.sweep import verifying
from jmetamer.sweep.command import main
from jmetamer.sweep.progress import Terminal

SETTINGS = {
    "dataset": "karate",
    "model": "{gcn: {hidden: 4, activation: relu}}",
    "training.epochs": "0",
    "metamers.count": "2",
    "metamers.vary": "continuous_features",
    "metamers.layer": "conv1",
    "geometry": "null",
    "report": "false",
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify") / "run"
    changes = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    assert main(["quickstart", "--out", str(folder), *changes]) == 0
    return folder


@pytest.fixture
def run(stored, tmp_path):
    shutil.copytree(stored, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_as_it_was_written_ends_with_code_0_and_a_line_a_cell(run, capsys):
    assert main(["--verify", str(run)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(": as written, 2 losses computed again")


@pytest.mark.parametrize(
    "damaged", ["arrays.zarr/loss_hardened/c/0", "record.json", MANIFEST, "weights.npz", "nodes"]
)
def test_a_changed_file_ends_with_code_1_the_file_and_what_to_do(run, capsys, damaged):
    places = {"weights.npz": run / "models", "nodes": run / "references"}
    (path,) = (
        one
        for one in places.get(damaged, run / "cells").rglob("*")
        if one.is_file() and str(one).endswith(damaged if damaged != "nodes" else "nodes/c/0/0")
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    assert main(["--verify", str(run)]) == 1
    text = capsys.readouterr().out
    assert ": damaged" in text
    assert str(path) in text
    assert "Copy" in text


def test_a_loss_that_is_not_that_of_the_stored_graph_is_seen(run, capsys):
    (cell,) = (run / "cells").iterdir()
    losses = zarr.open_group(str(cell / "arrays.zarr"), mode="r+")["loss_hardened"]
    losses[...] = np.asarray(losses[...]) * 2
    (cell / MANIFEST).unlink()
    write_manifest(cell)  # as if it had been written so
    assert open_run(run).verify(cell.name)
    assert main(["--verify", str(run)]) == 1
    assert "its stored graph has the loss" in capsys.readouterr().out


def test_a_loss_without_bound_that_is_stored_so_is_as_written(run, monkeypatch):
    (cell,) = (run / "cells").iterdir()
    losses = zarr.open_group(str(cell / "arrays.zarr"), mode="r+")["loss_hardened"]
    losses[...] = np.full(2, np.inf)
    (cell / MANIFEST).unlink()
    write_manifest(cell)
    found = np.float32(np.inf)
    monkeypatch.setattr(verifying, "relative_squared_error", lambda *_: found)
    assert list(verifying.differing_losses(open_run(run), cell.name)) == ["", ""]
    found = np.float32(1.0)
    assert all(verifying.differing_losses(open_run(run), cell.name))


def test_no_run_is_one_line_on_standard_error(tmp_path, capsys):
    assert main(["--verify", str(tmp_path / "none")]) == 1
    assert "is not a run folder" in capsys.readouterr().err


class Gone(io.StringIO):
    """A terminal that is gone after some lines."""

    lines = 1

    def write(self, text):
        if not self.lines:
            raise OSError(28, "No space left on device")
        self.lines -= 1
        return super().write(text)


def test_a_terminal_that_is_gone_ends_no_work(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout", Gone())
    terminal = Terminal()
    for place in range(3):
        terminal.line(f"line {place}")
        with terminal.cell("cell") as watcher:
            watcher(Progress("metamers", place, 3, 0.1))
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert "No space left on device" in errors[0]
    assert "results are kept" in errors[0]


def test_a_process_that_began_without_standard_output_works(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    Terminal().line("nobody reads this")
