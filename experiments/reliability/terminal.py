"""Every command on terminals that are gone, full, narrow or know few letters; see README.md.

python experiments/reliability/terminal.py --out /tmp/terminal

Prints one line a case; exit code 1 where a case has a traceback, no message, another exit code, or
where a cell is lost.
"""

import argparse
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from processes import ended, keep_programs, started

from jmetamer._base.terminal import exit_code
from jmetamer.leaderboard import main as leaderboard
from jmetamer.report.__main__ import main as report
from jmetamer.results import open_run
from jmetamer.sweep.command import main as sweep

SETTINGS = {
    "dataset": "karate",
    "model": "{gcn: {hidden: 4, activation: relu}}",
    "training.epochs": "0",
    "metamers.count": "2",
    "metamers.vary": "continuous_features",
    "metamers.layer": "[conv1, logits]",
    "geometry": "null",
}
CHANGES = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
LOST = "standard output is closed"
WIDTHS = (40, 80, 120, 200)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    keep_programs(options.out)
    os.chdir(options.out)
    child = started(lambda: sweep(["quickstart", "--out", "run", *CHANGES]), Path("o"), Path("e"))
    if ended(child) != 0:
        raise SystemExit(Path("e").read_text())
    cells, faults, number = open_run("run").cells, 0, 0
    for number, (name, wrong) in enumerate(cases(cells), 1):
        faults += bool(wrong)
        print(f"{number:3} {name}: {wrong or 'as it should be'}", flush=True)
    print(f"{number} cases, {faults} with anything wrong")
    return int(faults > 0)


def cases(cells: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each case with what is wrong in it."""
    for folder in (b"run", b"of-no-\xff\xfe-utf8"):
        path = os.fsdecode(folder)
        if not os.path.exists(path):
            shutil.copytree("run", path)
        commands: dict[str, Callable[[], int]] = {
            "sweep": lambda path=path: sweep(["quickstart", "--out", path, *CHANGES]),
            "sweep --smoke": lambda: sweep(["quickstart", "--smoke", "--out", "smoke", *CHANGES]),
            "sweep --verify": lambda path=path: sweep(["--verify", path]),
            "report": lambda path=path: report([path]),
            "leaderboard": lambda path=path: leaderboard([path]),
        }
        for command, run in commands.items():
            for terminal in ("full", "closed", "left", "ascii", *map(str, WIDTHS)):
                name = f"{command} of {folder!r}, {terminal}"
                yield name, wrong(run, terminal, cells if command == "sweep" else ())
    for lost in ("full", "closed", "left"):
        shutil.rmtree("new", ignore_errors=True)
        fault = wrong(lambda: sweep(["quickstart", "--out", "new", *CHANGES]), lost, ())
        stored = open_run("new").cells == cells and all(
            check.verified for check in open_run("new").verify().values()
        )
        yield f"a sweep that computes, {lost}", fault or ("" if stored else "a cell is lost")


def wrong(run: Callable[[], int], terminal: str, cells: tuple[str, ...]) -> str:
    """Return what is wrong with a command on a terminal; "" where nothing is."""
    out, err = Path("out.txt"), Path("err.txt")
    for path in (out, err):
        path.unlink(missing_ok=True)
    lost = terminal in ("full", "closed", "left")
    code = ended(started(lambda: exit_code(lambda: on(terminal, run)), _stream(terminal, out), err))
    text, said = (path.read_text(errors="replace") if path.exists() else "" for path in (out, err))
    if code != 0:
        return f"exit code {code}: {said[-300:]}"
    if "Traceback" in text + said or "Exception ignored" in said:
        return f"a traceback: {(text + said)[-300:]}"
    if lost and said.count(LOST) != 1:
        return f"said {said.count(LOST)} times that nobody listens"
    if not lost and not text:
        return "nothing was printed"
    if terminal == "ascii" and not text.isascii():
        return "letters that the terminal does not know"
    plain = "".join(letter for letter in text if letter.isalnum() or letter in "-._")
    missing = [cell for cell in cells if not lost and cell not in plain]
    return f"not printed whole: {missing}" if missing else ""


def _stream(terminal: str, out: Path) -> Any:
    """Return where standard output goes."""
    if terminal == "full":
        return Path("/dev/full")
    if terminal == "closed":
        return -1
    if terminal == "left":  # as after `| head`
        reader, writer = os.pipe()
        os.close(reader)
        return writer
    return out


def on(terminal: str, run: Callable[[], int]) -> int:
    """Run a command where the terminal has some width, or knows ASCII alone."""
    if terminal == "ascii":
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(os.fdopen(number, "wb"), "ascii", "surrogateescape")
            for number in (1, 2)
        )
    elif terminal.isdecimal():
        os.environ |= {"COLUMNS": terminal, "FORCE_COLOR": "1", "TERM": "xterm"}
    return run()


if __name__ == "__main__":
    sys.exit(main())
