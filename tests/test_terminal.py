"""A terminal that is gone, full, narrow or knows few letters ends no command and hides no cell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from jmetamer._base import terminal as terminal_module
from jmetamer._base.errors import InputError, StoreError
from jmetamer._base.paths import user_path, write_text
from jmetamer._base.terminal import exit_code, say
from jmetamer.config import cells, places, read_config
from jmetamer.leaderboard import main as leaderboard
from jmetamer.report.__main__ import main as report
from jmetamer.results import open_run
from jmetamer.results.summary import summary_row
from jmetamer.sweep.command import main as sweep
from jmetamer.sweep.progress import Terminal

SETTINGS = {
    "dataset": "karate",
    "model": "{gcn: {hidden: 4, activation: relu}}",
    "training.epochs": "0",
    "metamers.count": "2",
    "metamers.method.optimize.steps": "5",
    "metamers.vary": "continuous_features",
    "metamers.layer": "conv1",
    "geometry": "null",
    "report": "false",
}
CHANGES = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
LOST = "standard output is closed"
OF_NO_UTF8 = os.fsdecode(b"run-\xff\xfe")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run in a folder whose name is no UTF-8."""
    folder = tmp_path_factory.mktemp("terminal") / OF_NO_UTF8
    assert sweep(["quickstart", "--out", str(folder), *CHANGES]) == 0
    return folder


COMMANDS = {
    "sweep": lambda run: sweep(["quickstart", "--out", str(run), *CHANGES]),
    "sweep --verify": lambda run: sweep(["--verify", str(run)]),
    "report": lambda run: report([str(run), "--out", str(run / "r.html")]),
    "leaderboard": lambda run: leaderboard(
        [str(run), "--out", str(run / "l.html"), "--json", str(run / "l.json")]
    ),
}


def lost_stream(kind):
    if kind == "full":
        return open("/dev/full", "w")
    if kind == "left":
        reader, writer = os.pipe()
        os.close(reader)
        return os.fdopen(writer, "w")
    file = open(os.devnull, "w")  # noqa: SIM115
    if kind == "closed":
        file.close()
    return None if kind == "none" else file


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["full", "left", "closed", "none"])
def test_a_command_ends_as_ever_and_says_once_that_nobody_listens(
    run, monkeypatch, capsys, command, kind
):
    monkeypatch.setattr("sys.stdout", lost_stream(kind))
    assert exit_code(lambda: COMMANDS[command](run)) == 0
    sys.stdout.flush()  # as Python does on its way out
    assert capsys.readouterr().err.count(LOST) == 1
    assert open_run(run).verify()[open_run(run).cells[0]].verified


@pytest.mark.parametrize("command", COMMANDS)
def test_letters_that_an_encoding_does_not_know_are_printed_as_numbers(
    run, monkeypatch, tmp_path, command
):
    path = tmp_path / "out"
    with path.open("w", encoding="ascii", errors="strict") as file:
        monkeypatch.setattr("sys.stdout", file)
        assert exit_code(lambda: COMMANDS[command](run)) == 0
    text = path.read_text("ascii")
    if command != "sweep --verify":  # which names cells alone
        assert r"run-\udcff\udcfe" in text
    assert "closed" not in text


def test_pages_of_a_run_with_such_a_name_are_utf8(run):
    for command in ("report", "leaderboard"):
        assert COMMANDS[command](run) == 0
    for name in ("r.html", "l.html", "l.json", "config.yaml"):
        assert (run / name).read_bytes().decode("utf-8")


@pytest.mark.parametrize(
    ("redirection", "arguments"),
    [(">/dev/full", ["--help"]), (">&-", ["--verify", "RUN"]), (">&- 2>&-", ["--verify", "RUN"])],
)
def test_a_process_ends_as_ever_without_its_streams(run, redirection, arguments):
    words = " ".join("$RUN" if word == "RUN" else word for word in arguments)
    environment = {**os.environ, "RUN": str(run), "LC_ALL": "C", "PYTHONUTF8": "0"}
    environment |= {"PYTHONCOERCECLOCALE": "0", "P": sys.executable}
    ended = subprocess.run(
        ["sh", "-c", f'"$P" -m jmetamer.sweep {words} {redirection}'.replace("$RUN", '"$RUN"')],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert ended.stderr.count(LOST) == ("2>&-" not in redirection)


@pytest.mark.parametrize("main", [sweep, report, leaderboard])
def test_help_that_nobody_reads_is_said(monkeypatch, capsys, main):
    monkeypatch.setattr("sys.stdout", lost_stream("full"))
    assert exit_code(lambda: main(["--help"])) == 0
    assert capsys.readouterr().err.count(LOST) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreError("x"), 1),
        (OSError(24, "Too many open files"), 1),
        (MemoryError(), 1),
        (KeyboardInterrupt(), 130),
        (SystemExit(2), 2),
        (SystemExit(None), 0),
    ],
)
def test_what_ends_a_command_is_one_line_and_a_code(capsys, error, code):
    def command():
        raise error

    assert exit_code(command) == code
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_standard_error_that_is_gone_ends_nothing(monkeypatch):
    monkeypatch.setattr("sys.stderr", lost_stream("left"))
    monkeypatch.setattr("sys.stdout", lost_stream("full"))
    say("nobody", "reads this")
    terminal_module.complain("nor this")


def test_a_missing_stream_is_not_taken_by_the_next_file(tmp_path):
    code = (
        "import os; from jmetamer._base.terminal import exit_code; "
        "exit_code(lambda: 0); print(os.open('x', os.O_CREAT | os.O_WRONLY), file=open('n', 'w'))"
    )
    line = f'"{sys.executable}" -c "{code}" <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, check=False).returncode == 0
    assert int((tmp_path / "n").read_text()) > 2


LONG = "a-dataset-whose-name-is-very-long-" + "x" * 60 + "-gcn-relu-conv1-01234567"


@pytest.mark.parametrize("width", [40, 60, 119, 120, 200])
@pytest.mark.parametrize("cell", ["karate-gcn-relu-conv1-01234567", LONG])
def test_no_cell_is_lost_at_any_width(capsys, width, cell):
    shown = Terminal()
    shown._console = Console(file=sys.stdout, width=width)
    import xarray as xr

    data = xr.Dataset({"success": ("metamer", [True, False])})
    rows = [summary_row(f"{cell}{end}", {}, {}, {"STALLED": 2}, data) for end in "ab"]
    shown.summary(rows)
    estimate = type("E", (), {"num_nodes": 1234, "num_features": 2, "num_edges": 3, "lanes": 4})
    estimate.bytes = estimate.host_bytes = 5e6
    shown.estimates([(row["cell"], estimate) for row in rows])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= max(width, len(cell) + 1)
    assert "…" not in printed
    plain = "".join(letter for letter in printed if letter.isalnum() or letter in "-.")
    for end in "ab":
        assert plain.count(f"{cell}{end}") >= 1


def test_smoke_says_once_that_nothing_is_meant_to_converge_and_advises_nothing(tmp_path, capsys):
    from jmetamer.results import Progress, Record, Variable, make_reference

    def run_cell(cell, *, progress, **rest):
        import numpy as np

        progress(Progress("metamers", 1, 1, 0.5))
        reference = make_reference(np.eye(2), [0], [1], [1], [0, 1], {"name": "pair"})
        variables = {
            "loss_hardened": Variable(("metamer",), np.ones(2, np.float32)),
            "success": Variable(("metamer",), np.zeros(2, bool)),
            "success_matches": Variable(("metamer",), np.zeros(2, bool)),
        }
        scalars, ends = {"remedy": "`metamers.method: replace`"}, {"STALLED": 2}
        digest = reference.digest
        return Record(cell.settings, cell.hash, variables, scalars, ends, {}, digest), reference

    for smoke in (True, False):
        arguments = ["quickstart", "--out", str(tmp_path / str(smoke)), *CHANGES]
        assert sweep([*arguments, *["--smoke"] * smoke], run_cell=run_cell) == 0
        printed = capsys.readouterr().out
        assert printed.count("not meant to converge") == smoke
        assert ("remedy" not in printed) == smoke
        assert "0 of 2" in printed


def test_a_run_folder_that_is_removed_while_the_sweep_runs_is_an_error(tmp_path, capsys):
    folder = tmp_path / "run"

    def run_cell(cell, **rest):
        shutil.rmtree(folder)
        raise InputError("a cell that fails")

    assert sweep(["quickstart", "--out", str(folder), *CHANGES], run_cell=run_cell) == 1
    assert "was removed while the sweep ran" in capsys.readouterr().err


def test_networks_that_are_gone_are_trained_again_by_the_same_command(run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (weights,) = folder.glob("models/*/weights.npz")
    before = weights.read_bytes()
    shutil.rmtree(folder / "models")
    assert sweep(["quickstart", "--out", str(folder), *CHANGES]) == 0
    assert "is gone" in capsys.readouterr().out
    assert weights.read_bytes() == before
    assert all(check.verified for check in open_run(folder).verify().values())


def test_too_few_open_files_are_one_line(monkeypatch, capsys):
    limits = {"getrlimit": lambda _: (20, 1024), "RLIMIT_NOFILE": 7}
    monkeypatch.setattr(terminal_module, "resource", SimpleNamespace(**limits))
    assert exit_code(lambda: 0) == 1
    assert "32" in capsys.readouterr().err
    limits["getrlimit"] = lambda _: (-1, -1)  # no limit
    monkeypatch.setattr(terminal_module, "resource", SimpleNamespace(**limits))
    assert exit_code(lambda: 0) == 0


def test_annotations_are_read_once_and_not_in_every_cell_of_a_grid(tmp_path):
    def misses(count):
        path = tmp_path / "large.yaml"
        path.write_text(f"seed: {list(range(count))}\nmetamers: {{tolerance: 1, count: 3}}\n")
        places.fields_of.cache_clear()
        places.place_of.cache_clear()
        grid = cells(read_config(path))
        assert len(grid) == count
        assert [type(grid[0].metamers.tolerance), type(grid[0].metamers.count)] == [float, int]
        return places.fields_of.cache_info().misses + places.place_of.cache_info().misses

    assert misses(1) == misses(300)


@pytest.mark.parametrize(
    "place",
    [
        "config.reading.parse_yaml",
        "config.places.Section.check",
        "config.places.Objects.value",
        "config.grid.resolve",
        "config.resolving.measures_for",
        "results.RunStore.register",
        "sweep.command._import_all",
    ],
)
def test_a_sweep_that_finds_no_memory_anywhere_ends_in_one_line(
    tmp_path, monkeypatch, capsys, place
):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(f"jmetamer.{place}", full)
    arguments = ["quickstart", "--out", str(tmp_path / "run"), *CHANGES]
    assert exit_code(lambda: sweep(arguments)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no memory is left" in line


def test_an_imported_module_that_finds_no_memory_is_named_with_what_it_was(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "my_large_parts.py").write_text("raise MemoryError")
    monkeypatch.syspath_prepend(tmp_path)
    assert exit_code(lambda: sweep(["quickstart", "--import", "my_large_parts"])) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--import my_large_parts: MemoryError" in line


@pytest.mark.parametrize("given", ["a\0b", "~nobody-of-this-name/x"])
def test_a_path_that_names_no_file_is_refused_by_its_name(given):
    with pytest.raises(InputError, match=r"`out`"):
        user_path(given, "out")


@pytest.mark.parametrize("main", [report, leaderboard])
def test_a_home_folder_is_written_to_by_every_command(run, tmp_path, monkeypatch, capsys, main):
    monkeypatch.setenv("HOME", str(tmp_path))
    extra = ["--json", "~/new/l.json"] if main is leaderboard else []
    assert main([str(run), "--out", "~/new/page.html", *extra]) == 0
    assert (tmp_path / "new/page.html").is_file()


def test_a_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "a/b.txt"
    write_text(target, "first \udcff")
    assert target.read_text() == r"first \udcff"
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        write_text(target, "second")
    assert [path.name for path in target.parent.iterdir()] == ["b.txt"]
    assert target.read_text() == r"first \udcff"


def test_a_process_without_memory_ends_in_one_line(capsys):
    class Callback:
        def __del__(self):
            raise MemoryError

    def work():
        Callback()
        raise MemoryError

    hook = sys.unraisablehook
    assert exit_code(work) == 1
    assert sys.unraisablehook is hook
    (line,) = capsys.readouterr().err.splitlines()
    assert "no memory is left" in line
    assert "metamers.lanes" in line
