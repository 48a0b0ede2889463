import dataclasses
import itertools
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console

from jmetamer._base.errors import StoreError
from jmetamer.config import cells, packaged_configs, read_config
from jmetamer.results import Progress, open_run
from jmetamer.results import store as store_module
from jmetamer.results.summary import summary_row
from jmetamer.sweep import command as sweep
from jmetamer.sweep.progress import Terminal, greeting, summary_texts

CONFIG = """
name: tiny
report: false
dataset: karate
metamers: {layer: [conv1, logits], count: 3}
seed: [0, 1]
smoke: {seed: 0}
"""

# A cell that costs nothing, as a module that child processes import too.
FAKE = """
import os, sys, time
import numpy as np
from jmetamer.results import Progress, Record, Variable, make_reference
from jmetamer.sweep import command as sweep

def run_cell(cell, *, models, partial, progress):
    with open(os.environ["CELL_LOG"], "a") as log:
        log.write(cell.id + "\\n")
    losses = []
    for block in range(3):
        progress(Progress("metamers", block, 3, 0.5))
        done = partial.load(f"block-{block}")
        if done is None:
            draw = np.random.default_rng([cell.metamers.seed, block])
            done = {"loss": draw.random(1, np.float32)}
            time.sleep(float(os.environ.get("CELL_SECONDS", 0)) / 3)
            partial.save(f"block-{block}", done)
        losses.append(done["loss"])
    reference = make_reference(np.eye(2), [0], [1], [1], [0, 1], {"name": "pair"})
    variables = {
        "status": Variable(("metamer",), np.ones(3, np.int8)),
        "loss_hardened": Variable(("metamer",), np.concatenate(losses)),
    }
    record = Record(cell.settings, cell.hash, variables, {}, {"CONVERGED": 3}, {}, reference.digest)
    return record, reference

if __name__ == "__main__":
    sys.exit(sweep.main(sys.argv[1:], run_cell=run_cell))
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a config and a fake cell, and what was computed so far."""
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CELL_LOG", str(tmp_path / "log"))
    root = str(Path(sweep.__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
    namespace = {"__name__": "fake"}
    exec(compile(FAKE, "fake.py", "exec"), namespace)
    return namespace["run_cell"]


def ids():
    return [cell.id for cell in cells(read_config(Path("tiny.yaml")))]


def computed():
    return Path("log").read_text().split() if Path("log").exists() else []


def losses(folder):
    run = open_run(folder)
    return {cell: run.dataset(cell)["loss_hardened"].values.tobytes() for cell in run.cells}


def start(*arguments, seconds):
    environment = {**os.environ, "CELL_SECONDS": str(seconds)}
    command = [sys.executable, "fake.py", "tiny.yaml", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class TestASweep:
    def test_computes_every_cell_once_and_says_where(self, desk, capsys):
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 0
        printed = capsys.readouterr().out
        assert printed.splitlines()[0].endswith("run folder runs/tiny")
        assert all(f"{cell}" in printed for cell in ids())
        assert "metamers: 1/3, loss 0.5" in printed
        run = open_run("runs/tiny")
        assert run.cells == tuple(ids())
        assert all(run.verify(cell) for cell in run.cells)
        assert (
            run.provenance(run.cells[0])["command"]
            == "python -m jmetamer.sweep tiny.yaml --shard 0/4"
        )
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 0
        assert "4 of 4 cells are finished already" in capsys.readouterr().out
        assert computed() == ids()

    def test_leaves_a_config_that_gives_the_same_cells(self, desk):
        sweep.main(["tiny.yaml", "--set", "metamers.count=3"], run_cell=desk)
        text = Path("runs/tiny/config.yaml").read_text()
        assert text.startswith("# python -m jmetamer.sweep tiny.yaml --set metamers.count=3\n")
        assert [c.id for c in cells(read_config(Path("runs/tiny/config.yaml")))] == ids()

    def test_writes_smoke_runs_and_chosen_folders_elsewhere(self, desk):
        assert sweep.main(["tiny.yaml", "--smoke"], run_cell=desk) == 0
        assert len(open_run("runs/tiny-smoke").cells) == 2
        assert sweep.main(["tiny.yaml", "--smoke", "--out", "else/where"], run_cell=desk) == 0
        assert len(open_run("else/where").cells) == 2
        assert not Path("runs/tiny").exists()

    def test_of_another_config_shares_a_folder_without_harm(self, desk):
        sweep.main(["tiny.yaml", "--out", "x"], run_cell=desk)
        sweep.main(["tiny.yaml", "--out", "x", "--set", "seed=2"], run_cell=desk)
        assert open_run("x").cells[:4] == tuple(ids())
        assert len(open_run("x").cells) == 6

    def test_in_shards_computes_every_cell_once(self, desk):
        for index in range(3):
            assert sweep.main(["tiny.yaml", "--shard", f"{index}/3"], run_cell=desk) == 0
        assert sorted(computed()) == sorted(ids())
        assert open_run("runs/tiny").cells == tuple(ids())

    def test_says_a_reason_that_many_cells_share_once(self, desk, capsys):
        def never(cell, **rest):
            raise ValueError("no such file")

        assert sweep.main(["tiny.yaml"], run_cell=never) == 1
        printed = capsys.readouterr().out
        assert printed.count("failed: ValueError: no such file") == 1
        first, *rest = ids()
        assert all(f"{cell} failed for the same reason as {first}" in printed for cell in rest)
        traces = [found["traceback"] for found in open_run("runs/tiny").failures.values()]
        assert len(traces) == 4
        assert all("no such file" in trace for trace in traces)

    def test_goes_on_after_a_failing_cell_and_tries_it_again_next_time(self, desk, capsys):
        def sometimes(cell, **rest):
            if cell.metamers.seed == 1 and cell.metamers.layer == "conv1":
                raise ValueError("the moon is in the wrong house")
            return desk(cell, **rest)

        assert sweep.main(["tiny.yaml"], run_cell=sometimes) == 1
        printed = capsys.readouterr().out
        assert "failed: ValueError: the moon is in the wrong house" in printed
        assert "1 cell failed; tracebacks are in runs/tiny/failures" in printed
        run = open_run("runs/tiny")
        assert len(run.cells) == 3
        (failure,) = run.failures.values()
        assert "in sometimes" in failure["traceback"]
        assert failure["settings"]["metamers"]["seed"] == 1
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 0
        assert open_run("runs/tiny").failures == {}
        assert len(open_run("runs/tiny").cells) == 4

    def test_that_is_interrupted_says_how_to_continue(self, desk, capsys):
        def interrupted(cell, **rest):
            if len(computed()) == 2:
                raise KeyboardInterrupt
            return desk(cell, **rest)

        assert sweep.main(["tiny.yaml"], run_cell=interrupted) == 130
        said = capsys.readouterr().err.strip()
        assert said.endswith("continue with: python -m jmetamer.sweep tiny.yaml")
        assert len(open_run("runs/tiny").cells) == 2
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 0
        assert len(computed()) == 4

    def test_whose_report_fails_keeps_the_numbers(self, desk, capsys, monkeypatch):
        from jmetamer import report

        def fail(_):
            raise RuntimeError("no ink")

        monkeypatch.setattr(report, "write_report", fail, raising=False)
        assert sweep.main(["tiny.yaml", "--set", "report=true"], run_cell=desk) == 1
        assert "the report failed: RuntimeError: no ink" in capsys.readouterr().out
        assert "no ink" in Path("runs/tiny/report-error.txt").read_text()
        assert len(open_run("runs/tiny").cells) == 4

    def test_whose_cells_were_removed_meanwhile_does_not_end_well(self, desk, capsys):
        def careless(cell, **rest):
            if cell.id == ids()[2]:
                shutil.rmtree("runs/tiny/cells")
            return desk(cell, **rest)

        assert sweep.main(["tiny.yaml"], run_cell=careless) == 1
        gone = f"was removed while the sweep ran: {ids()[0]}, {ids()[1]};"
        assert gone in capsys.readouterr().err
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 0
        assert open_run("runs/tiny").cells == tuple(ids())

    def test_whose_networks_were_removed_meanwhile_does_not_end_well(self, desk, capsys):
        def careless(cell, *, models, **rest):
            (models / "net").mkdir(parents=True, exist_ok=True)
            if cell.id == ids()[3]:
                shutil.rmtree(models)
            record, reference = desk(cell, models=models, **rest)
            return dataclasses.replace(record, provenance={"model_folder": "net"}), reference

        assert sweep.main(["tiny.yaml"], run_cell=careless) == 1
        assert "was removed while the sweep ran: models/net;" in capsys.readouterr().err
        assert len(open_run("runs/tiny").cells) == 4

    def test_with_a_bad_reference_ends_with_code_1_until_its_cells_are_moved_away(
        self, desk, capsys
    ):
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 0
        shutil.rmtree("runs/tiny/references")
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 1
        assert "it and the cells that need it away" in capsys.readouterr().out.replace("\n", " ")
        Path("runs/tiny/cells").rename("away")
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 0


class TestAProcessThatIsKilled:
    def test_loses_nothing_that_was_finished_and_the_next_one_gets_equal_results(self, desk):
        assert sweep.main(["tiny.yaml", "--out", "whole"], run_cell=desk) == 0
        Path("log").unlink()
        child = start("--out", "killed", seconds=1.5)
        try:
            # One cell is finished, and one block of the next.
            wait_until(lambda: len(list(Path("killed").glob("cells/*/record.json"))) == 1)
            wait_until(lambda: list(Path("killed").glob("partial/*/block-0.npz")))
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        finished = open_run("killed").cells
        assert finished == tuple(ids()[:1])
        before = losses("killed")
        assert sweep.main(["tiny.yaml", "--out", "killed"], run_cell=desk) == 0
        assert losses("killed") == losses("whole")
        assert before.items() <= losses("killed").items()
        assert computed().count(finished[0]) == 1
        assert all(map(open_run("killed").verify, open_run("killed").cells))
        assert not list(Path("killed/partial").iterdir())

    @pytest.mark.parametrize("moment", ["arrays", "rename"])
    def test_while_it_writes_a_cell_leaves_a_folder_that_reads_and_resumes(self, desk, moment):
        killer = textwrap.dedent(
            """
            import os, pathlib, signal, sys
            import fake
            from jmetamer.sweep import command as sweep
            from jmetamer.results import store
            def die(*_):
                os.kill(os.getpid(), signal.SIGKILL)
            def die_at_the_second(function, wanted):
                seen = []
                def wrapped(path, *rest):
                    result = function(path, *rest)
                    if wanted in str(path):
                        seen.append(path)
                        len(seen) > 1 and die()
                    return result
                return wrapped
            moment = sys.argv[1]
            if moment == "arrays":
                store.write_group = die_at_the_second(store.write_group, "cells")
            else:
                pathlib.Path.rename = die_at_the_second(pathlib.Path.rename, ".tmp-karate")
            sys.exit(sweep.main(["tiny.yaml", "--out", "killed"], run_cell=fake.run_cell))
            """
        )
        command = [sys.executable, "-c", killer, moment]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".", os.environ["PYTHONPATH"]])}
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert done.returncode == -signal.SIGKILL
        run = open_run("killed")
        assert len(run.cells) == (2 if moment == "rename" else 1)
        assert all(map(run.verify, run.cells))
        assert sweep.main(["tiny.yaml", "--out", "killed"], run_cell=desk) == 0
        assert sweep.main(["tiny.yaml", "--out", "whole"], run_cell=desk) == 0
        assert losses("killed") == losses("whole")
        assert not list(Path("killed").glob("**/.tmp*"))


def test_two_sweeps_on_one_folder_share_the_cells_and_corrupt_nothing(desk, capsys):
    other = start("--out", "shared", seconds=4)
    wait_until(computed)  # the other process holds its first cell from now on
    assert sweep.main(["tiny.yaml", "--out", "shared"], run_cell=desk) == 0
    _, complaints = other.communicate(timeout=120)
    assert other.returncode == 0, complaints
    assert f"another sweep computes {ids()[0]}; waiting for it" in capsys.readouterr().out
    assert sorted(computed()) == sorted(ids())
    assert sweep.main(["tiny.yaml", "--out", "alone"], run_cell=desk) == 0
    assert losses("shared") == losses("alone")
    assert open_run("shared").cells == tuple(ids())


def test_a_cell_that_another_sweep_gives_up_is_taken_over(desk, monkeypatch):
    monkeypatch.setattr(sweep, "_POLL_SECONDS", 0.01)
    held = sweep.RunStore("runs/tiny").lock(ids()[1])
    held.__enter__()
    rounds = itertools.count()

    def release(_):
        if next(rounds) == 3:
            held.__exit__(None, None, None)

    monkeypatch.setattr(sweep.time, "sleep", release)
    assert sweep.main(["tiny.yaml"], run_cell=desk) == 0
    assert computed()[-1] == ids()[1]
    assert len(computed()) == 4


class TestWhatCannotBeUsed:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["missing.yaml"], "there is no config `missing.yaml` here"),
            (
                ["tiny.yaml", "--set", "model.gcn.hiden=3"],
                "unknown setting `model.gcn.hiden`; did you mean",
            ),
            (["tiny.yaml", "--set", "model.gcn.residual='false'"], "allowed: true or false"),
            (["tiny.yaml", "--set", "metamers.layer=conv9"], "unknown layer 'conv9'"),
            (["tiny.yaml", "--shard", "4/4"], "--shard got '4/4'; allowed is i/n with i from 0"),
            (
                ["tiny.yaml", "--set", "name=../up"],
                "`name` is '../up'; allowed: text of up to 100 letters",
            ),
        ],
    )
    def test_ends_with_code_2_one_line_and_nothing_written(self, desk, capsys, arguments, words):
        before = sorted(Path().rglob("*"))
        assert sweep.main(arguments, run_cell=desk) == 2
        captured = capsys.readouterr()
        assert words in captured.err
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        assert captured.out == ""
        assert sorted(Path().rglob("*")) == before

    def test_on_the_command_line_itself_ends_with_code_2(self, desk, capsys):
        with pytest.raises(SystemExit) as caught:
            sweep.main(["--no-such-option"])
        assert caught.value.code == 2
        assert "no-such-option" in capsys.readouterr().err

    def test_as_a_folder_ends_with_code_1_and_one_line(self, desk, capsys):
        Path("file").write_text("")
        assert sweep.main(["tiny.yaml", "--out", "file/run"], run_cell=desk) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: cannot write to the run folder `file/run`: ")
        assert error.count("\n") == 1

    def test_as_a_disk_ends_the_sweep_and_keeps_finished_cells_readable(
        self, desk, capsys, monkeypatch
    ):
        write = store_module.write_group

        def full(folder, variables):
            if len(list(Path("runs/tiny/cells").glob("[!.]*"))) == 2:
                raise OSError(28, "No space left on device")
            return write(folder, variables)

        monkeypatch.setattr(store_module, "write_group", full)
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 1
        error = capsys.readouterr().err
        assert "No space left on device; finished cells in it stay readable; free some" in error
        assert error.count("\n") == 1
        run = open_run("runs/tiny")
        assert run.cells == tuple(ids()[:2])
        assert all(map(run.verify, run.cells))
        assert run.failures == {}
        monkeypatch.setattr(store_module, "write_group", write)
        assert sweep.main(["tiny.yaml"], run_cell=desk) == 0

    def test_as_a_disk_inside_a_cell_ends_the_sweep_too(self, desk, capsys):
        def full(*_, **__):
            raise StoreError("cannot write to the run folder `x`: No space left on device")

        assert sweep.main(["tiny.yaml"], run_cell=full) == 1
        assert capsys.readouterr().err.count("\n") == 1


def test_a_record_of_other_settings_is_a_failure(desk, capsys):
    first = cells(read_config(Path("tiny.yaml")))[0]

    def confused(cell, **rest):
        return desk(first, **rest)

    assert sweep.main(["tiny.yaml"], run_cell=confused) == 1
    assert "the record is that of other settings" in capsys.readouterr().out
    assert open_run("runs/tiny").cells == (first.id,)


def test_a_dry_run_lists_cells_and_writes_nothing(desk, capsys, monkeypatch):
    class Estimate:
        num_nodes, num_features, num_edges, lanes, bytes = 34, 34, 156, 3, 2_500_000_000
        host_bytes = 71_000_000

    before = sorted(Path().rglob("*"))
    monkeypatch.setattr(sweep.pipeline, "estimate", lambda cell: Estimate)
    assert sweep.main(["tiny.yaml", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert all(cell in printed for cell in ids())
    assert "2.5 GB" in printed
    assert "71 MB" in printed
    assert "156" in printed
    assert sorted(Path().rglob("*")) == before


def test_without_a_config_the_quickstart_is_meant(desk, monkeypatch):
    seen = []

    def note(cell, **rest):
        seen.append(cell)
        return desk(cell, **rest)

    assert sweep.main(["--set", "report=false", "--set", "metamers.count=3"], run_cell=note) == 0
    assert {cell.dataset.name for cell in seen} == {"digits"}
    assert len(open_run("runs/quickstart").cells) == 4


def test_the_quickstart_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "quickstart" in [path.stem for path in packaged_configs()]


def test_the_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        sweep.main(["--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    for option in ("--out", "--set", "--smoke", "--dry-run", "--shard"):
        assert option in printed


def test_the_greeting_names_devices_versions_precision_and_folder():
    import jax

    text = greeting(Path("runs/x"))
    for word in ("cpu", jax.__version__, "float32", "precision", "run folder runs/x"):
        assert word in text
    assert "\n" not in text


def test_a_terminal_shows_a_bar_with_loss_and_metamers_done(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with Terminal().cell("cell-a") as watcher:
        watcher(Progress("training", 1, 1))
        watcher(Progress("metamers", 16, 64, 1.5e-3))
    printed = capsys.readouterr().out
    for word in ("cell-a · metamers", "16/64", "loss 0.0015"):
        assert word in printed


def test_the_table_shows_every_number_beside_its_error_or_chance():
    row = {
        "cell": "c", "count": 4, "status_counts": {"CONVERGED": 3, "STALLED": 1, "NON_FINITE": 0},
        "success": 0.5, "success_count": 2, "success_low": 0.15, "success_high": 0.85,
        "missed": "distinct", "missed_count": 2, "change": "a key", "loss_median": 1.234e-5,
        "test_accuracy": float("nan"), "deviations": {"features/cosine": 0.5},
        "planted": "", "deviations_start": {"features/cosine": 0.6},
        "deviations_chance": {"features/cosine": 0.9}, "rank": 8.0, "rank_ceiling": 16.0,
        "blind_fraction": 0.25,
    }  # fmt: skip
    assert summary_texts(row) == [
        "c",
        "2 of 4 (15.0% to 85.0%)",
        "distinct (2 of 4)",
        "3 converged, 1 stalled",
        "1.23e-05",
        "-",
        "cosine 0.5 (0.6; 0.9)",
        "8 of 16; 25%",
    ]
    row |= {
        "deviations": dict.fromkeys("abcde", 0.5),
        "deviations_start": dict.fromkeys("abcde", float("nan")),
        "deviations_chance": dict.fromkeys("abcde", 1.0),
    }
    assert summary_texts(row)[6].splitlines() == [
        "a 0.5 (-; 1)",
        "b 0.5 (-; 1)",
        "c 0.5 (-; 1)",
        "and 2 more",
    ]
    assert summary_texts(row | {"success_count": float("nan")})[1] == "n/a, not stored"


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_table_leads_with_success_at_every_width(monkeypatch, capsys, width):
    data = xr.Dataset(
        {"success": ("metamer", [True, False]), "success_matches": ("metamer", [True, False])}
    )
    scalars = {"remedy": "`metamers.method: replace`"}
    ends = {"CONVERGED": 1, "STALLED": 1}
    rows = [
        summary_row(f"cora-gin-relu-conv1-{number}", {}, scalars, ends, data) for number in "ab"
    ]
    terminal = Terminal()
    terminal._console = Console(file=sys.stdout, width=width)
    terminal.summary(rows)
    terminal.finished(rows[0])
    *printed, last = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) <= width
    text = " ".join(" ".join(printed).split())
    assert text.index("success") < text.index("matches") < text.index("1 converged")
    assert (
        "a and 1 more: “matches” is missed most often; remedy: `metamers.method: replace`" in text
    )
    assert "success 1 of 2 (9.5% to 90.5%), most often missed: matches; 1 converged" in last
