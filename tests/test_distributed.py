"""Processes that share a sweep: how they meet, who does what, and what a death leaves behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jmetamer._base.errors import InputError, StoreError
from jmetamer.config import cells, read_config
from jmetamer.results import RunStore, open_run
from jmetamer.sweep import command as sweep
from jmetamer.sweep.distributed import Company, Meeting, MeetingError, meeting_of

CONFIG = """
name: tiny
report: false
dataset: karate
model: {gcn: {hidden: 4}}
training: {epochs: 2}
metamers: {layer: conv1, count: 5}
geometry: null
seed: [0, 1]
"""

# A cell that costs nothing but time, as a module that child processes run.
FAKE = """
import os, sys, time
from pathlib import Path
import numpy as np
from jmetamer.results import Record, Variable, make_reference
from jmetamer.sweep import command as sweep

def run_cell(cell, *, models, partial, progress):
    with open("log", "a") as log:
        log.write(f"{os.getpid()} {cell.id}\\n")
    while os.environ.get("CELL_MEETS") and len({line.split()[0] for line in open("log")}) < 2:
        time.sleep(0.02)  # or the quicker process takes the cells of both
    if os.environ.get("CELL_FAILS") and cell.metamers.seed == 1:
        raise ValueError("the moon is in the wrong house")
    if cell.metamers.seed == int(os.environ.get("CELL_WAITS", -1)):
        time.sleep(600)  # until it is killed
    reference = make_reference(np.eye(2), [0], [1], [1], [0, 1], {"name": "pair"})
    variables = {
        "status": Variable(("metamer",), np.ones(3, np.int8)),
        "loss_hardened": Variable(("metamer",), np.full(3, 1e-5, np.float32)),
    }
    record = Record(cell.settings, cell.hash, variables, {}, {"CONVERGED": 3}, {}, reference.digest)
    return record, reference

if __name__ == "__main__":
    sys.exit(sweep.main(sys.argv[1:], run_cell=run_cell))
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(sweep.__file__).parents[2]))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    return tmp_path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(*arguments, program=("fake.py",), **environment):
    return subprocess.Popen(
        [sys.executable, *program, "tiny.yaml", *arguments, "--distributed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def start(index, port, *arguments, timeout=60, **rest):
    options = ["--coordinator", f"127.0.0.1:{port}", "--num-processes", "2"]
    options += ["--process-id", str(index), "--distributed-timeout", str(timeout)]
    return launch(*arguments, *options, **rest)


def ends(process):
    """(exit code, standard output, standard error)."""
    try:
        out, error = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, error


def said(error):
    """What was said to the user, without the lines of C++ libraries."""
    return [line for line in error.splitlines() if line.startswith("error: ")]


def log():
    """(process, cell) in the order in which cells were begun."""
    path = Path("log")
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def wait_until(condition, seconds=180):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_two_processes_of_four_devices_each_leave_the_folder_of_a_single_process(desk):
    port = free_port()
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    flags |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # most of the time is compiling
    program = ("-m", "jmetamer.sweep")
    both = [start(i, port, "--out", "shared", program=program, **flags) for i in range(2)]
    (code, out, error), (other_code, other_out, other_error) = map(ends, both)
    assert (code, other_code) == (0, 0), error + other_error
    assert "4 x cpu (cpu)" in out
    assert "process 0 of 2; cells are shared" in out
    assert "process 1 of 2; cells are shared" in other_out
    assert "median loss" in out  # the table
    assert "median loss" not in other_out
    # The single process has one device, so its lanes are compiled for one core each.
    assert sweep.main(["tiny.yaml", "--out", "alone"]) == 0
    shared, alone = open_run("shared"), open_run("alone")
    assert shared.cells == alone.cells
    assert len(shared.cells) == 2
    for cell in shared.cells:
        assert shared.verify(cell)
        ours, theirs = shared.dataset(cell), alone.dataset(cell)
        assert set(ours) == set(theirs)
        for name in ("seed_id", "status", "steps_used", "trace_step"):
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
        for name in ("features", "loss_hardened", "deviation", "layer_match"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_slurm_says_who_takes_part_and_every_cell_is_tried_once(desk):
    job = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2"}
    job |= {"JAX_COORDINATOR_PORT": str(free_port()), "CELL_FAILS": "yes"}
    seeds = ("--set", "seed=[0,1,2,3,4,5]")
    # A failure of an earlier run is forgotten; one of this run is not tried by the other process.
    earlier = cells(read_config(Path("tiny.yaml")))[0].id
    RunStore("runs/tiny").write_failure(earlier, {}, "long ago")
    both = [
        launch(*seeds, SLURM_PROCID=str(index), SLURM_LOCALID=str(index), **job)
        for index in range(2)
    ]
    found = list(map(ends, both))
    assert [code for code, *_ in found] == [1, 1], found
    assert "process 1 of 2; cells are shared" in found[1][1]
    assert len(log()) == 6
    assert len({cell for _, cell in log()}) == 6
    run = open_run("runs/tiny")
    assert len(run.cells) == 5
    (failure,) = run.failures.values()
    assert "the moon is in the wrong house" in failure["traceback"]


class TestAProcessThatIsKilled:
    def start_both(self, waits):
        """Two processes; the one that meets the seed `waits` stays in its cell."""
        port = free_port()
        return [
            start(i, port, CELL_MEETS="yes", CELL_WAITS=str(waits if i == waits else -1))
            for i in range(2)
        ]

    def test_leaves_its_cell_to_the_other_one(self, desk):
        first, second = self.start_both(waits=1)
        wait_until(lambda: str(second.pid) in {pid for pid, _ in log()})
        second.send_signal(signal.SIGKILL)
        code, out, error = ends(first)
        ends(second)
        assert code == 0, error
        assert "process 1 ended early; the others have computed its cells" in out
        assert len(open_run("runs/tiny").cells) == 2

    def test_as_the_first_leaves_every_cell_and_a_message(self, desk):
        first, second = self.start_both(waits=0)
        wait_until(lambda: str(first.pid) in {pid for pid, _ in log()})
        wait_until(lambda: list(Path("runs/tiny/cells").glob("*/record.json")))
        finished = open_run("runs/tiny").cells
        first.send_signal(signal.SIGKILL)
        code, _, error = ends(second)
        ends(first)
        assert code == 1
        (message,) = said(error)
        assert message.startswith("error: process 0 ended before it had written the summary; ")
        assert "finished cells are kept, continue with: python -m jmetamer.sweep tiny" in message
        run = open_run("runs/tiny")
        assert set(finished) < set(run.cells)
        assert len(run.cells) == 2
        assert all(map(run.verify, run.cells))


@pytest.mark.parametrize("index", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_process_that_nobody_meets_ends_with_a_message(desk, index):
    port = free_port()
    code, _, error = ends(start(index, port, timeout=2))
    assert code == 1
    (message,) = said(error)
    assert f"did not all meet at 127.0.0.1:{port} within 2 s (--distributed-timeout)" in message
    assert "kept, continue with: python -m jmetamer.sweep tiny.yaml --coordinator" in message
    assert not Path("runs/tiny/cells").exists()


def test_a_port_that_is_taken_ends_with_a_message(desk):
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", 0))
        taken.listen()
        code, _, error = ends(start(0, taken.getsockname()[1]))
    assert code == 1
    (message,) = said(error)
    assert "the processes could not meet at 127.0.0.1:" in message
    assert "choose another port with --coordinator" in message


class TestWhatCannotBeUsed:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ("--coordinator a:1", "add --distributed, or leave them out"),
            ("--distributed-timeout 3", "add --distributed, or leave them out"),
            (
                "--distributed --num-processes 2",
                "--distributed got --num-processes 2; give all of --coordinator HOST:PORT, ",
            ),
            (
                "--distributed --num-processes 2 --process-id 0",
                "--distributed got --num-processes 2 and --process-id 0; give all of",
            ),
            (
                "--distributed --coordinator a:1 --process-id 0",
                "--distributed got --coordinator a:1 and --process-id 0; give all of",
            ),
            (
                "--distributed --coordinator there --num-processes 2 --process-id 0",
                "--coordinator got 'there'; allowed is HOST:PORT with a port from 1 to 65535",
            ),
            (
                "--distributed --coordinator a:70000 --num-processes 2 --process-id 0",
                "--coordinator got 'a:70000'",
            ),
            (
                "--distributed --coordinator a:1 --num-processes 2 --process-id 2",
                "--process-id is 2; allowed are 0 to 1, because --num-processes is 2",
            ),
            (
                "--distributed --coordinator a:1 --num-processes 0 --process-id 0",
                "--num-processes is 0; it must be at least 1",
            ),
            ("--distributed --distributed-timeout 0", "--distributed-timeout is 0; it must be"),
        ],
    )
    def test_ends_with_code_2_and_one_line(self, desk, capsys, options, words):
        assert sweep.main(["tiny.yaml", *options.split()]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert words in error
        assert error.count("\n") == 1
        assert not Path("runs").exists()

    @pytest.mark.parametrize(
        "more", [("--coordinator", "127.0.0.1:1"), pytest.param((), marks=pytest.mark.slow)]
    )
    def test_is_detection_where_there_is_no_cluster(self, desk, more):
        command = [sys.executable, "-m", "jmetamer.sweep", "tiny.yaml", "--distributed", *more]
        hidden = ("SLURM_", "OMPI_", "JAX_COORDINATOR", "KUBERNETES_", "TPU_")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
        done = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
        assert done.returncode == 2, done.stderr
        (message,) = said(done.stderr)
        assert "--distributed found no cluster around this process" in message
        assert "give all of --coordinator HOST:PORT, --num-processes N and --pro" in message
        assert not Path("runs").exists()


class TestACompany:
    def test_begins_with_different_cells(self):
        everything = list("abcdefg")
        orders = [Company(RunStore("x"), index, 3).in_turn(everything) for index in range(3)]
        assert [order[:3] for order in orders] == [
            ["a", "d", "g"],
            ["b", "e", "c"],
            ["c", "f", "a"],
        ]
        assert all(sorted(order) == everything for order in orders)
        assert Company(RunStore("x")).in_turn(everything) == everything

    def test_whose_other_died_right_after_the_meeting_goes_on(self, tmp_path):
        first, second = (Company(RunStore(tmp_path), index, 2) for index in range(2))

        def meet():
            """The other one comes, sees this one, and is killed in its first cell."""
            with pytest.raises(InterruptedError), second.present(lambda: None):
                raise InterruptedError

        with first.present(meet):
            assert first.ended_early() == [1]

    def test_that_shares_no_folder_is_told_so(self, tmp_path):
        company = Company(RunStore(tmp_path), 0, 3)
        words = "process 0 does not see processes 1, 2 in"
        with pytest.raises(StoreError, match=words), company.present(lambda: None):
            pass

    def test_refuses_the_same_process_twice(self, tmp_path):
        company = Company(RunStore(tmp_path), 0, 1)
        again = company.present(lambda: None)
        with (
            company.present(lambda: None),
            pytest.raises(StoreError, match="give every process its own --process-id"),
            again,
        ):
            pass

    def test_waits_for_the_first_no_longer_than_told(self, tmp_path):
        store = RunStore(tmp_path)
        with (
            Company(store, 0, 1).present(lambda: None),
            pytest.raises(MeetingError, match="not written the summary within 0 s"),
        ):
            Company(store, 1, 1).await_first(0)
        Company(store, 1, 1).await_first(0)  # it has ended by now


def test_a_coordinator_alone_leaves_the_rest_to_the_cluster():
    assert meeting_of(True, "10.0.0.1:8476", None, None, None) == Meeting("10.0.0.1:8476")
    with pytest.raises(InputError):
        Meeting(num_processes=1, process_id=0)
