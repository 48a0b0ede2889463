"""The real pipeline through `python -m jmetamer.sweep`, in processes that are stopped and killed.

What the sweep does with cells is tested with cells that cost nothing in test_sweep.py; here the
numbers are real: a trained network, metamers, geometry, store and report.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jmetamer as jm
from jmetamer.measures import relative_squared_error
from jmetamer.results.manifest import read_manifest
from jmetamer.results.zarr_group import GROUP, read_group

# Forty seeds make four blocks of ten; a tolerance out of reach makes every seed take all steps.
CONFIG = """
name: tiny
dataset: karate
model: {gcn: {hidden: 4}}
training: {epochs: 5}
metamers:
  layer: [conv1, logits]
  count: 40
  lanes: 1
  method: {optimize: {optimizer: adam, steps: 300, patience: 300}}
  tolerance: 1e-12
geometry: {nodes: 1}
"""
# Drawn features are real numbers, so that they cannot be zeros and ones.
FAILING = """
name: failing
report: false
dataset: {csbm: {num_nodes: 24}}
model: {gcn: {hidden: 4}}
training: {epochs: 0}
metamers:
  vary: [binary_features, continuous_features]
  method: {optimize: {steps: 5}}
  count: 1
geometry: null
"""
UNKNOWN = """
runs:
  - metamers: {layer: conv1}
  - metamers: {layer: logits, toleranse: 1e-3}
"""
SECONDS = 240
# Most of the time of a process this small is compilation; the processes share its results.
COMPILED_ONCE = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def start(folder, *arguments):
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **COMPILED_ONCE}
    environment["JAX_COMPILATION_CACHE_DIR"] = str(folder.parent / "compiled")
    root = str(Path(jm.__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join([root, environment.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "jmetamer.sweep", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )


def finish(process):
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def stop(process, number, when):
    """Send a signal as soon as something holds, and return how the process ended."""
    deadline = time.monotonic() + SECONDS
    while not when():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
    process.send_signal(number)
    return finish(process)


def arrays(run, cell):
    """Return name -> bytes of every stored array of a cell."""
    group = read_group(read_manifest(run.folder / "cells" / cell).open_group(GROUP))
    return {name: np.ascontiguousarray(v.values).tobytes() for name, v in group.items()}


def domain_of(settings):
    return settings["metamers"]["vary"]["continuous_features"]["domain"]


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    (folder / "tiny.yaml").write_text(CONFIG)
    (folder / "failing.yaml").write_text(FAILING)
    (folder / "unknown.yaml").write_text(UNKNOWN)
    return folder


@pytest.fixture(scope="module")
def whole(desk):
    """A sweep that was left alone: its folder, and what it printed."""
    code, out, err = finish(start(desk, "tiny.yaml", "--out", "whole"))
    assert code == 0, err
    return jm.open_run(desk / "whole"), out


@pytest.fixture(scope="module")
def stopped(desk):
    """A sweep that is interrupted in its first cell, killed in its second, and then continued."""
    folder, seen = desk / "stopped", {}
    command = ("tiny.yaml", "--out", "stopped")

    def block_of_cell(finished):
        cells = list(folder.glob("cells/[!.]*/record.json"))
        return len(cells) == finished and list(folder.glob("partial/*/seeds-10-19.npz"))

    seen["interrupted"] = stop(start(desk, *command), signal.SIGINT, lambda: block_of_cell(0))
    seen["after_interrupt"] = jm.open_run(folder).cells
    seen["killed"] = stop(start(desk, *command), signal.SIGKILL, lambda: block_of_cell(1))
    seen["after_kill"] = jm.open_run(folder).cells
    seen["blocks_after_kill"] = len(list(folder.glob("partial/*/*.npz")))
    first = folder / "cells" / seen["after_kill"][0]
    seen["first_cell_then"] = times(first)
    seen["continued"] = finish(start(desk, *command, "--set", "report=false"))
    seen["first_cell_now"] = times(first)
    return jm.open_run(folder), seen


class TestASweepThatIsLeftAlone:
    def test_computes_both_cells_and_prints_their_table(self, whole):
        run, printed = whole
        assert len(run.cells) == 2
        assert all(run.verify(cell) for cell in run.cells)
        assert run.failures == {}
        assert printed.splitlines()[0].startswith("jmetamer ")
        assert all(printed.count(cell) >= 3 for cell in run.cells)  # progress, end, and table
        assert "40 steps_exhausted" in printed

    def test_writes_a_report_that_mentions_every_cell(self, whole):
        run, printed = whole
        page = (run.folder / "report.html").read_text()
        assert all(cell in page for cell in run.cells)
        assert "report.html" in printed

    def test_stores_metamers_that_still_hold_when_they_are_judged_again(self, whole):
        run, _ = whole
        (folder,) = (run.folder / "models").iterdir()
        trained = jm.load_model(folder)
        for cell in run.cells:
            layer = run.settings(cell)["metamers"]["layer"]
            target = trained.activations(run.reference(cell))[layer]
            stored = run.dataset(cell)
            for index, graph in enumerate(run.metamers(cell)[:3]):
                found = trained.activations(graph)[layer]
                again = float(relative_squared_error(target, found))
                told = float(stored["loss_hardened"][index])
                assert again == pytest.approx(told, rel=1e-4)
                assert told < float(stored["loss_initial"][index])
                assert not np.allclose(graph.nodes, run.reference(cell).nodes, atol=0.1)

    def test_stores_metamers_that_one_call_makes_again(self, whole):
        run, _ = whole
        cell = run.cells[0]
        settings = run.settings(cell)["metamers"]
        method = settings["method"]["optimize"]
        (folder,) = (run.folder / "models").iterdir()
        trained = jm.load_model(folder)
        problem = jm.Problem(trained, run.reference(cell), layer=settings["layer"])
        again = jm.generate(
            problem,
            seeds=[17],
            seed=settings["seed"],
            method=jm.Optimize(
                jm.Optimizer("adam", **method["optimizer"]["adam"]),
                steps=method["steps"],
                patience=method["patience"],
            ),
            tolerance=settings["tolerance"],
        )
        made = jm.metamer_graph(problem, again, 0)
        # Other tests of this process compile the same program with fewer optimizations, which
        # rounds otherwise; equal bits in one setting are tested in tests/metamers.
        np.testing.assert_allclose(made.nodes, run.metamers(cell)[17].nodes, rtol=0, atol=1e-5)
        stored = float(run.dataset(cell)["loss_hardened"][17])
        assert float(again.loss_hardened[0]) == pytest.approx(stored, rel=1e-2)

    def test_is_not_repeated_by_the_same_command(self, whole, desk):
        run, _ = whole
        before = times(run.folder / "cells")
        command = ("tiny.yaml", "--out", "whole", "--set", "report=false")
        code, out, _ = finish(start(desk, *command))
        assert code == 0
        assert "2 of 2 cells are finished already" in out
        assert times(run.folder / "cells") == before


class TestASweepThatIsStopped:
    def test_by_ctrl_c_ends_with_code_130_and_says_how_to_continue(self, stopped):
        code, _, err = stopped[1]["interrupted"]
        assert code == 130
        last = err.strip().splitlines()[-1]
        assert last.endswith("continue with: python -m jmetamer.sweep tiny.yaml --out stopped")
        assert "Traceback" not in err
        assert stopped[1]["after_interrupt"] == ()

    def test_by_kill_9_leaves_finished_cells_and_blocks(self, stopped):
        _, seen = stopped
        assert seen["killed"][0] == -signal.SIGKILL
        assert len(seen["after_kill"]) == 1
        assert 2 <= seen["blocks_after_kill"] < 5

    def test_continues_without_computing_finished_cells_again(self, stopped):
        _, seen = stopped
        code, out, err = seen["continued"]
        assert code == 0, err
        assert "1 of 2 cells are finished already" in out
        assert seen["first_cell_now"] == seen["first_cell_then"]

    def test_ends_with_the_same_bits_as_one_that_was_left_alone(self, stopped, whole):
        run, _ = stopped
        alone, _ = whole
        assert run.cells == alone.cells
        for cell in alone.cells:
            assert run.verify(cell)
            expected, found = arrays(alone, cell), arrays(run, cell)
            assert expected.keys() == found.keys()
            assert [name for name in expected if expected[name] != found[name]] == []

    def test_leaves_no_blocks_behind(self, stopped):
        assert not list(stopped[0].folder.glob("partial/*/*"))


def test_a_cell_that_fails_is_recorded_and_the_others_go_on(desk):
    code, out, _ = finish(start(desk, "failing.yaml"))
    assert code == 1
    run = jm.open_run(desk / "runs/failing")
    ((cell, failure),) = run.failures.items()
    assert f"{cell} failed: InputError: `BinaryFeatures` needs a reference of zeros and ones" in out
    assert "1 cell failed; tracebacks are in runs/failing/failures" in out
    assert "Traceback (most recent call last)" in failure["traceback"]
    assert "use `ContinuousFeatures`" in failure["traceback"]
    assert "binary_features" in failure["settings"]["metamers"]["vary"]
    (finished,) = run.cells
    assert "continuous_features" in run.settings(finished)["metamers"]["vary"]


def test_an_unknown_key_ends_with_code_2_and_nothing_written(desk):
    before = sorted(desk.rglob("*"))
    code, out, err = finish(start(desk, "unknown.yaml"))
    assert code == 2
    assert out == ""
    assert err.startswith(
        "error: unknown setting `runs[1].metamers.toleranse`; "
        "did you mean `runs[1].metamers.tolerance`? Allowed in `runs[1].metamers`: vary, "
    )
    assert err.count("\n") == 1
    assert sorted(desk.rglob("*")) == before
