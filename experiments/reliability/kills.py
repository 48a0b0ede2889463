"""Kill a sweep in every phase, resume it, and compare with one that nobody killed; see README.md.

python experiments/reliability/kills.py --each 5 --out /tmp/kills

A process is killed inside of a function of its phase, after a number of Python calls that is drawn
between the first and the last: in the middle of writing as well as before and after. The package
is not changed. Prints one line a kill; exit code 1 where anything differs.
"""

import argparse
import functools
import hashlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from processes import ended, keep_programs, started

CONFIG = """
name: kills
report: {report}
dataset: {{csbm: {{num_nodes: 24}}}}
model: {{gcn: {{hidden: 4, activation: {activations}}}}}
training: {{epochs: 10}}
metamers: {{layer: conv1, count: 6, lanes: 1, method: {{optimize: {{steps: 20}}}}}}
recognition: {recognition}
success: {{null_test: {{pairs: 9, others: 2}}}}
geometry: {{nodes: 1, ledger: 1}}
"""
JUDGES = "{judges: [gin], seeds: 1, hidden: 4, epochs: 5, controls: 1}"
# The kinds of sweep: each is compared with its own uninterrupted run.
KINDS = {
    "plain": {"report": "false", "activations": "relu", "recognition": "null"},
    "two": {"report": "false", "activations": "[relu, elu]", "recognition": "null"},
    "judged": {"report": "false", "activations": "relu", "recognition": JUDGES},
    "reported": {"report": "true", "activations": "relu", "recognition": "null"},
}
# Phase -> kind of sweep, and functions inside of which the process is killed.
PHASES = {
    "start": ("plain", ("jmetamer.sweep.command:_prepare", "jmetamer.config.grid:cells")),
    "training": ("plain", ("jmetamer.models.training:_fit",)),
    "write of a network": ("plain", ("jmetamer.models.storage:save_model",)),
    "synthesis": ("plain", ("jmetamer.sweep.block:make_blocks",)),
    "write of a partial block": ("plain", ("jmetamer.results.partial:PartialCell.save",)),
    "geometry": ("plain", ("jmetamer.sweep.surveying:cell_geometry",)),
    "write of a cell": ("plain", ("jmetamer.results.store:RunStore.write",)),
    "recognition": (
        "judged",
        ("jmetamer.sweep.examining:examination", "jmetamer.sweep.examining:judged_variables"),
    ),
    "report": ("reported", ("jmetamer.report.page:write_report",)),
    "during resume": (
        "plain",
        ("jmetamer.sweep.block:make_blocks", "jmetamer.results.store:RunStore.write"),
    ),
    "one of two processes": (
        "two",
        (
            "jmetamer.sweep.block:make_blocks",
            "jmetamer.results.partial:PartialCell.save",
            "jmetamer.results.store:RunStore.write",
            "jmetamer.models.storage:save_model",
        ),
    ),
}
PLACES = sorted({place for _, places in PHASES.values() for place in places})
# What differs from run to run: seconds, the command, the time.
_PASSING = ("command", "time", "host", "started", "finished")


class Kill(NamedTuple):
    """Where a process is killed.

    Attributes:
      place: "module:function".
      entry: which call of it, from 1.
      calls: Python calls after its beginning.
      signal: what is sent.
    """

    place: str
    entry: int
    calls: int
    signal: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=5, help="kills in each phase")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phase", action="append", choices=list(PHASES), help="this alone")
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    options = parser.parse_args()
    faults = campaign(options.out, options.phase or list(PHASES), options.each, options.seed)
    return int(faults > 0)


def campaign(out: Path, phases: Sequence[str], each: int, seed: int) -> int:
    """Kill `each` times in every phase and return in how many cases anything was wrong."""
    out.mkdir(parents=True, exist_ok=True)
    keep_programs(out)
    import_everything()
    whole: dict[str, tuple[dict[str, str], dict[str, list[int]]]] = {}
    chance, faults, done = random.Random(seed), 0, 0
    for phase in phases:
        kind, places = PHASES[phase]
        if kind not in whole:
            whole[kind] = uninterrupted(out, kind)
        for number in range(each):
            place = places[number % len(places)]
            counts = whole[kind][1][place]
            # A resume reaches what comes last; of two processes, each reaches what comes first.
            last = {"during resume": len(counts) - 1, "one of two processes": 0}
            entry = last.get(phase, chance.randrange(len(counts)))
            how = chance.choice([signal.SIGKILL] * 3 + [signal.SIGINT, signal.SIGTERM])
            kill = Kill(place, entry + 1, chance.randint(0, max(1, counts[entry])), how)
            folder = out / "killed"
            shutil.rmtree(folder, ignore_errors=True)
            wrong = case(phase, kind, kill, out, folder, whole[kind])
            done, faults = done + 1, faults + bool(wrong)
            say = f"{done:3} {phase}: {signal.Signals(how).name} in {place.split(':')[1]}"
            print(f"{say}, entry {entry + 1}, call {kill.calls}: {wrong or 'equal'}", flush=True)
            if wrong:
                shutil.copytree(folder, out / f"fault-{done}")
    print(f"{done} kills, {faults} with anything wrong")
    return faults


def case(
    phase: str, kind: str, kill: Kill, out: Path, folder: Path, whole: tuple[dict[str, str], Any]
) -> str:
    """Kill, resume, compare; return what is wrong, "" where nothing is."""
    log = out / "killed.txt"
    log.unlink(missing_ok=True)
    start = functools.partial(sweeping, out / f"{kind}.yaml", folder, log)
    first = start(kill)
    if phase == "one of two processes":
        until_it_says("csbm-gcn", log)  # the first has a cell, so that it is killed in it
        second = start(None)
        codes = [ended(first), ended(second)]
        if codes[1] != 0:
            return f"the process that was left ended with {codes[1]}"
    else:
        codes = [ended(first)]
    if phase == "during resume":  # a first kill in an early block, a second one in the resume
        codes.append(ended(start(kill._replace(entry=1, calls=kill.calls % 5000))))
    if kill.signal == signal.SIGINT and codes[0] not in (130, 0):
        return f"the interrupted process ended with {codes[0]}"
    if codes[0] == 0 and kill.signal != signal.SIGINT:
        return "the process was not killed"
    if (code := ended(start(None))) != 0:
        return f"the resumed sweep ended with {code}, see {log}"
    text = log.read_text(errors="replace")
    if "Traceback" in text:
        return f"a traceback, see {log}"
    return difference(whole[0], stored(folder))


def until_it_says(word: str, log: Path, seconds: float = 120) -> None:
    """Wait until a process prints a word."""
    deadline = time.monotonic() + seconds
    while not (log.exists() and word in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)


def uninterrupted(out: Path, kind: str) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Return what a whole run stores, and the number of calls inside of each place by entry."""
    (out / f"{kind}.yaml").write_text(CONFIG.format(**KINDS[kind]))
    folder, counts = out / f"whole-{kind}", out / f"calls-{kind}.json"
    shutil.rmtree(folder, ignore_errors=True)
    log = out / f"whole-{kind}.txt"
    code = ended(sweeping(out / f"{kind}.yaml", folder, log, counts=counts))
    if code != 0:
        raise SystemExit(f"the uninterrupted run ended with {code}, see {log}")
    return stored(folder), json.loads(counts.read_text())


def stored(folder: Path) -> dict[str, str]:
    """Return file -> sum of all that a sweep must leave behind, whatever happened on the way."""
    sums = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        if re.match(r"models/\..+\.(draft|retired)-", name):
            continue  # of a killed writer: nobody reads it; a sweep after ten minutes removes it
        if name.startswith(("locks/", "models/")) and path.name != "weights.npz":
            continue  # orbax names its files at random; weights.npz holds the same numbers
        if name == "report.html" or name == "config.yaml" or path.name == "manifest.json":
            content = b"there"
        elif path.name == "record.json":
            content = json.dumps(lasting(json.loads(path.read_text())), sort_keys=True).encode()
        else:
            content = path.read_bytes()
        sums[name] = hashlib.sha256(content).hexdigest()
    return sums


def lasting(value: Any) -> Any:
    """Return a document without what passes: times and the command."""
    if not isinstance(value, dict):
        return value
    passing = {key for key in value if key in _PASSING or key.startswith("seconds")}
    return {key: lasting(one) for key, one in value.items() if key not in passing}


def difference(expected: dict[str, str], found: dict[str, str]) -> str:
    """Return the first files that differ; "" where none does."""
    names = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    return f"{len(names)} files differ: {', '.join(names[:4])}" if names else ""


def sweeping(
    config: Path, folder: Path, log: Path, kill: Kill | None = None, *, counts: Path | None = None
) -> int:
    """Start a sweep in a process of its own, which is killed at a place; return its id."""

    def command() -> int:
        numbers = count_calls() if counts else {}
        if kill is not None:
            arm(kill)
        from jmetamer.sweep.command import main as sweep

        code = sweep([str(config), "--out", str(folder)])
        if counts:
            counts.write_text(json.dumps(numbers))
        return code

    return started(command, log, log)


def import_everything() -> None:
    """Import the package without starting a device, so that processes begin at once."""
    for place in PLACES:
        importlib.import_module(place.split(":")[0])


def arm(kill: Kill) -> None:
    """Kill this process at a place."""
    entries = 0

    def entered(call: Callable[[], Any]) -> Any:
        nonlocal entries
        entries += 1
        if entries == kill.entry:
            sys.setprofile(_countdown(kill))
        return call()

    wrap(kill.place, entered)


def _countdown(kill: Kill) -> Callable[..., None]:
    left = kill.calls

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            sys.setprofile(None)
            os.kill(os.getpid(), kill.signal)

    return profile


def count_calls() -> dict[str, list[int]]:
    """Count the Python calls inside of every place; returns what will hold the numbers."""
    numbers: dict[str, list[int]] = {place: [] for place in PLACES}

    def watch(place: str) -> None:
        def entered(call: Callable[[], Any]) -> Any:
            before, calls = sys.getprofile(), 0

            def profile(frame: Any, event: str, argument: Any) -> None:
                nonlocal calls
                calls += 1

            sys.setprofile(profile)
            try:
                return call()
            finally:
                sys.setprofile(before)
                numbers[place].append(calls)

        wrap(place, entered)

    for place in PLACES:
        watch(place)
    return numbers


def wrap(place: str, entered: Callable[[Callable[[], Any]], Any]) -> None:
    """Let a function or method of the package pass through `entered`, wherever it is bound."""
    module, _, name = place.partition(":")
    *owners, last = name.split(".")
    owner: Any = functools.reduce(getattr, owners, importlib.import_module(module))
    original = getattr(owner, last)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        return entered(lambda: original(*arguments, **options))

    for each in [owner, *sys.modules.values()]:
        if getattr(each, "__name__", "").startswith("jmetamer") or each is owner:
            for key, value in list(vars(each).items()):
                if value is original:
                    setattr(each, key, wrapped)


if __name__ == "__main__":
    sys.exit(main())
