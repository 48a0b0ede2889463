"""Damage every kind of file of a run folder and read it in every way; see README.md.

python experiments/reliability/corruptions.py --each 20 --out /tmp/corruptions

A reader must return what was written or raise an error of jmetamer. Prints a line for each kind
of file; exit code 1 where a reader returns another number, raises anything else, or hangs.
"""

import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kills
import numpy as np
from processes import ended, keep_programs

from jmetamer._base.errors import JmetamerError, StoreWarning
from jmetamer.results import RunStore

CONFIG = """
name: corruptions
report: false
dataset: {csbm: {num_nodes: 24}}
model: {gcn: {hidden: 4, activation: [relu, elu, tanh]}}
training: {epochs: 5}
metamers: {layer: conv1, count: 6, lanes: 1, method: {optimize: {steps: 20}}}
success: {null_test: {pairs: 9, others: 2}}
geometry: {nodes: 1, ledger: 1}
"""
# Kind of file -> pattern in the run folder, where {cell} is the first cell.
KINDS = {
    "chunk of a cell": "cells/{cell}/arrays.zarr/**/c/**/*",
    "metadata of an array of a cell": "cells/{cell}/arrays.zarr/*/zarr.json",
    "metadata of the group of a cell": "cells/{cell}/arrays.zarr/zarr.json",
    "record": "cells/{cell}/record.json",
    "manifest of a cell": "cells/{cell}/manifest.json",
    "chunk of a reference": "references/*/arrays.zarr/**/c/**/*",
    "metadata of a reference": "references/*/arrays.zarr/**/zarr.json",
    "document of a reference": "references/*/reference.json",
    "manifest of a reference": "references/*/manifest.json",
    "weights": "models/*/weights.npz",
    "record of a network": "models/*/model.json",
    "manifest of a network": "models/*/manifest.json",
    "checkpoint of orbax": "models/*/params/**/*",
    "partial block": "partial/*/*.npz",
    "list of cells": "cells.json",
    "failure": "failures/*.json",
    "lock": "locks/*",
    "configuration left behind": "config.yaml",
}
SECONDS_AT_MOST = 120


class HangError(Exception):
    """A reader took too long."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=20, help="corruptions of each kind of file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="this alone")
    parser.add_argument("--report-every", type=int, default=10, help="cases between two reports")
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    options = parser.parse_args()
    run, whole = make_run(options.out)
    chance, done, faults = random.Random(options.seed), 0, 0
    watched = Watched(run, whole)
    for kind in options.kind or KINDS:
        seen: Counter[str] = Counter()
        files = sorted(p for p in run.glob(KINDS[kind].format(cell=watched.cell)) if p.is_file())
        for number in range(options.each):
            path = chance.choice(files)
            report = number % options.report_every == 0
            with damaged(path, files, chance) as how:
                wrong = watched.wrong(path, report=report)
            done, faults = done + 1, faults + bool(wrong)
            seen["wrong" if wrong else "as it should be"] += 1
            for line in wrong:
                print(f"    {path.relative_to(run)}, {how}: {line}", flush=True)
        print(f"{kind} ({len(files)} files): {dict(seen)}", flush=True)
    print(f"{done} corruptions, {faults} with anything wrong")
    return int(faults > 0)


def make_run(out: Path) -> tuple[Path, Path]:
    """Make a run with two finished cells, one failed and one half done; and one that is whole."""
    out.mkdir(parents=True, exist_ok=True)
    keep_programs(out)
    config, run, whole = out / "corruptions.yaml", out / "run", out / "whole"
    config.write_text(CONFIG)
    for folder in (run, whole):
        shutil.rmtree(folder, ignore_errors=True)
    kills.import_everything()
    if ended(kills.sweeping(config, whole, out / "whole.txt")) != 0:
        raise SystemExit((out / "whole.txt").read_text())
    half = kills.Kill("jmetamer.sweep.block:make_blocks", 6, 5000, signal.SIGKILL)
    ended(kills.sweeping(config, run, out / "run.txt", half))
    for folder in (run, whole):
        RunStore(folder).register(["other"])
    (run / "failures").mkdir(exist_ok=True)
    entry = {"cell": "other", "settings": {}, "traceback": "ValueError: none"}
    (run / "failures/other.json").write_text(json.dumps(entry))
    if len(list(run.glob("partial/*/*.npz"))) != 1 or len(list(run.glob("cells/[!.]*"))) != 2:
        raise SystemExit(f"the half run in {run} is not half")
    return run, whole


class Watched:
    """A run that is read in every way, and what it says while it is whole."""

    def __init__(self, run: Path, whole: Path) -> None:
        from jmetamer.results import open_run

        self.run, self.config = run, run.parent / "corruptions.yaml"
        opened = open_run(run)
        self.cells = opened.cells
        self.cell = self.cells[0]
        self.readers = {
            f"{name} of {cell}": (read, cell)
            for cell in self.cells
            for name, read in READERS.items()
        }
        network = [opened.provenance(cell)["model_folder"] for cell in self.cells]
        self.vouched = [run / "cells", run / "references", *(run / "models" / n for n in network)]
        self.sound = {name: read(run, cell) for name, (read, cell) in self.readers.items()}
        self.board, self.page = leaderboard(run), page(run)
        self.finished = kills.stored(whole)

    def wrong(self, path: Path, *, report: bool) -> list[str]:
        """Return what any reader does that it should not."""
        steps: dict[str, Callable[[], str]] = {
            name: lambda read=read, cell=cell, name=name: (
                "" if read(self.run, cell) == self.sound[name] else "another answer"
            )
            for name, (read, cell) in self.readers.items()
        }
        steps["list of cells"] = lambda: self._listed(path)
        steps["verify"] = lambda: self._verified(path)
        steps["leaderboard"] = lambda: (
            "" if leaderboard(self.run) in (self.board, "left out") else "another leaderboard"
        )
        if report:
            steps["report"] = lambda: "" if page(self.run) in (self.page, "left out") else "another"
        steps["resume"] = lambda: self._resumed(path)
        return [text for name, step in steps.items() if (text := attempt(name, step, path))]

    def _listed(self, path: Path) -> str:
        from jmetamer.results import open_run

        run = open_run(self.run)
        lost = set(self.cells) - set(run.cells) - {path.parent.name}
        told = "other" in {*run.failures, *run.unfinished}
        return "" if told and not lost else f"lost: {sorted(lost)}, or the one that failed"

    def _verified(self, path: Path) -> str:
        """A file of a finished cell, of its reference and of its network must be seen."""
        from jmetamer.results import open_run

        checks = open_run(self.run).verify()
        vouched = any(path.is_relative_to(folder) for folder in self.vouched)
        seen = not all(check.verified for check in checks.values())
        return "verify sees nothing" if vouched and not seen else ""

    def _resumed(self, path: Path) -> str:
        folder = self.run.parent / "resumed"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.run, folder, symlinks=True)
        shutil.rmtree(folder / "failures")  # of a cell that is not in the configuration
        log = self.run.parent / "resumed.txt"
        log.unlink(missing_ok=True)
        code, text = quietly(self.config, folder)
        if code not in (0, 1) or "Traceback" in text:
            return f"exit code {code}: {text[-300:]}"
        if code == 1:  # then it must say which file, or whose
            place = "/".join(path.relative_to(self.run).parts[:2])
            return "" if place in text else f"ends with 1, and not a word of {place}: {text}"
        # Networks of finished cells are not made again, what was not whole is kept aside, and a
        # list that was lost names the cells of this configuration alone.
        passing = r"models/|.*/\.aside-" + "|cells.json" * (path.name == "cells.json")
        found, expected = (
            {name: one for name, one in sums.items() if not re.match(passing, name)}
            for sums in (kills.stored(folder), self.finished)
        )
        return kills.difference(expected, found)


def quietly(config: Path, folder: Path) -> tuple[int, str]:
    from jmetamer.sweep.command import main as sweep

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        code = sweep([str(config), "--out", str(folder)])
    return code, text.getvalue()


def attempt(name: str, step: Callable[[], str], path: Path) -> str:
    """Return what is wrong; an error of jmetamer is an answer, as is a warning of that file."""

    def late(number: int, frame: Any) -> None:
        raise HangError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS_AT_MOST)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            text = step()
    except JmetamerError:
        return ""
    except Exception as error:
        return f"{name}: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    if any(isinstance(one.message, StoreWarning) and str(path) in str(one.message) for one in said):
        return ""
    return text and f"{name}: {text}"


def arrays(run: Path, cell: str) -> str:
    from jmetamer.results import open_run

    data = open_run(run).dataset(cell)
    return repr(
        [
            (str(name), data[name].dims, data[name].values.tobytes(), str(data[name].attrs))
            for name in sorted(data.variables, key=str)
        ]
    ) + str(sorted(data.attrs.items()))


def documents(run: Path, cell: str) -> str:
    from jmetamer.results import open_run

    opened = open_run(run)
    return repr([opened.settings(cell), opened.provenance(cell), opened.status_counts(cell)])


def row(run: Path, cell: str) -> str:
    from jmetamer.results import open_run

    return repr(open_run(run).row(cell))


def graphs(run: Path, cell: str) -> str:
    from jmetamer.results import open_run

    opened = open_run(run)
    every = [opened.reference(cell), *opened.metamers(cell)]
    parts = [[graph.nodes, graph.senders, graph.receivers, graph.edges.weight] for graph in every]
    return repr([[np.asarray(part).tobytes() for part in each] for each in parts]) + repr(
        [opened.reference_data(cell).labels.tobytes(), opened.reference_data(cell).attrs]
    )


def export(run: Path, cell: str) -> str:
    from jmetamer.results import open_run

    path = open_run(run).export(cell, run.parent / "exported.npz")
    with np.load(path) as stored:
        return repr({name: (stored[name].dtype, stored[name].tobytes()) for name in stored.files})


READERS = {
    "arrays": arrays,
    "documents": documents,
    "row": row,
    "graphs": graphs,
    "export": export,
}


def leaderboard(run: Path) -> str:
    from jmetamer.report.leaderboard.document import document
    from jmetamer.results import open_run

    found = document([open_run(run)])
    one = found["runs"][0]
    one["not finished"] = one.pop("failures") + one.pop("unfinished")  # a lost failure is neither
    told = one["unreadable"] or one["cells"] < 2
    return "left out" if told else json.dumps(found, sort_keys=True, default=str)


def page(run: Path) -> str:
    from jmetamer.report.page import render
    from jmetamer.results import open_run

    opened = open_run(run)
    told = len(opened.readable()[0]) < 2
    text = render([opened])
    return "left out" if told else " ".join(word for word in text.split() if "." in word[:3])


@contextlib.contextmanager
def damaged(path: Path, alike: list[Path], chance: random.Random) -> Iterator[str]:
    """Damage a file while the context is open; yields how."""
    content = path.read_bytes()
    kinds = ("flip", "flip", "flip", "cut", "empty", "removed", "zeros", "noise", "longer")
    how = chance.choice((*kinds, "other", "folder", "dangling link"))
    other = content
    if how == "other":
        other = chance.choice(alike).read_bytes()
    path.unlink()
    try:
        if how == "folder":
            path.mkdir()
        elif how == "dangling link":
            path.symlink_to("nowhere")
        elif how != "removed":
            new = other if how == "other" else changed(content, how, chance)
            path.write_bytes(new if new != content else new + b"\0")
        yield how
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(content)


def changed(content: bytes, how: str, chance: random.Random) -> bytes:
    """Return damaged bytes."""
    size = len(content)
    if how == "empty" or not content:
        return b""
    if how == "cut":
        return content[: chance.randrange(size)]
    if how == "longer":
        return content + chance.randbytes(chance.randint(1, 64))
    start = chance.randrange(size)
    length = min(chance.randint(1, 64), size - start)
    if how == "flip":
        flipped = bytearray(content)
        flipped[start] ^= 1 << chance.randrange(8)
        return bytes(flipped)
    middle = bytes(length) if how == "zeros" else chance.randbytes(length)
    return content[:start] + middle + content[start + length :]


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    sys.exit(main())
