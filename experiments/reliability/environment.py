"""A sweep where the machine lacks something; see README.md.

python experiments/reliability/environment.py --out /tmp/environment

Full disks and read-only folders are small tmpfs mounts, so that this needs the right to mount; what
cannot be mounted is said and left out. After each case the lack is mended, the same command is
given again, and the store must be that of a sweep that lacked nothing. Prints one line a case; exit
code 1 where there is a traceback, a wrong exit code, or another store.
"""

import argparse
import fcntl
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import kills
from processes import ended, keep_programs, started

from jmetamer._base.terminal import exit_code
from jmetamer.leaderboard import main as leaderboard
from jmetamer.report.__main__ import main as report
from jmetamer.sweep.command import main as sweep

CONFIG = """
name: environment
report: false
dataset: karate
model: {gcn: {hidden: 4, activation: [relu, elu]}}
training: {epochs: 2}
metamers: {layer: conv1, count: 6, lanes: 1, method: {optimize: {steps: 10}}}
success: {null_test: {pairs: 9, others: 2}}
geometry: null
"""
DISKS_KB = (16, 64, 300, 500, 700)  # of a run of a megabyte
FILES = (8, 12, 20, 40)
MEMORY_MB = (900, 1500, 2500)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    keep_programs(out)
    os.chdir(out)
    Path("c.yaml").write_text(CONFIG)
    code, text = swept(out / "whole")
    if code != 0:
        raise SystemExit(text)
    number = faults = 0
    for name, case in cases(out):
        if options.only not in name:
            continue
        wrong = case()
        number, faults = number + 1, faults + bool(wrong)
        print(f"{number:3} {name}: {wrong or 'as it should be'}", flush=True)
    print(f"{number} cases, {faults} with anything wrong")
    return int(faults > 0)


def cases(out: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    for size in DISKS_KB:
        yield f"a disk of {size} kB", lambda size=size: full_disk(out, size)
    for when in ("before the sweep", "after it began"):
        yield f"a folder that is read-only {when}", lambda when=when: read_only(out, when)
    yield "a lock file that nobody holds", lambda: stale_lock(out)
    yield "a lock that another process holds", lambda: foreign_lock(out)
    yield "a clock that goes backwards", lambda: lacking(out, clock_backwards, (0,))
    for home in (None, "/nowhere", "/proc/self"):
        yield f"HOME={home}", lambda home=home: lacking(out, lambda: no_home(home), (0,))
    yield (
        "no folder for temporary files",
        lambda: lacking(out, lambda: os.environ.update(TMPDIR="/nowhere"), (0,)),
    )
    for files in FILES:
        yield f"{files} open files at most", lambda files=files: few_files(out, files)
    for size in MEMORY_MB:
        yield f"{size} MB of memory at most", lambda size=size: little_memory(out, size)
    for place in (
        "jmetamer.models.training:_fit",
        "jmetamer.sweep.block:make_blocks",
        "jmetamer.results.store:RunStore.write",
        "jmetamer.sweep.command:_conclude",
    ):
        yield f"the run folder removed in {place}", lambda place=place: removed(out, place)
    yield "~ in paths", lambda: home_in_paths(out)


def swept(folder: Path, lack: Callable[[], object] | None = None, seconds: float = 900):
    """Run the sweep in a process that lacks something; return its exit code and what it says."""
    log = Path("log.txt").resolve()
    log.unlink(missing_ok=True)

    def command() -> int:
        if lack is not None:
            lack()
        return exit_code(lambda: sweep(["c.yaml", "--out", str(folder)]))

    return ended(started(command, log, log), seconds), log.read_text(errors="replace")


def judged(out: Path, folder: Path, code: int, text: str, allowed: tuple[int, ...]) -> str:
    """Return what is wrong with a sweep that lacked something, and with the one after it."""
    if code not in allowed:
        return f"exit code {code}: {text[-400:]}"
    if "Traceback" in text:
        return f"a traceback: {text[-800:]}"
    if code == 1 and "error: " not in text and "failed: " not in text:
        return f"no message: {text[-400:]}"
    again, told = swept(folder)
    if again != 0:
        return f"the same command ends with {again} afterwards: {told[-400:]}"
    return kills.difference(kills.stored(out / "whole"), kills.stored(folder))


def fresh(out: Path) -> Path:
    folder = out / "lacking"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def lacking(out: Path, lack: Callable[[], object], allowed: tuple[int, ...]) -> str:
    folder = fresh(out)
    return judged(out, folder, *swept(folder, lack), allowed)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def full_disk(out: Path, size: int) -> str:
    folder = out / "disk"
    folder.mkdir(exist_ok=True)
    try:
        mount("-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        return f"not tried: {error}"
    try:
        code, text = swept(folder / "run")
        if code == 1 and "No space left on device" not in text:
            return f"no word of the disk: {text[-300:]}"
        mount("-o", "remount,size=50m", str(folder))
        return judged(out, folder / "run", code, text, (1,))
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def read_only(out: Path, when: str) -> str:
    folder = out / "disk"
    folder.mkdir(exist_ok=True)
    try:
        mount("-t", "tmpfs", "-o", "size=50m", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        return f"not tried: {error}"
    try:
        if when == "before the sweep":
            mount("-o", "remount,ro", str(folder))
            code, text = swept(folder / "run")
        else:
            places = kills.Kill("jmetamer.sweep.command:_prepare", 1, 0, 0)

            def lack() -> None:
                kills.wrap(
                    places.place, lambda call: (call(), mount("-o", "remount,ro", str(folder)))[0]
                )

            code, text = swept(folder / "run", lack)
        if "Read-only file system" not in text:
            return f"no word of it: {text[-300:]}"
        mount("-o", "remount,rw", str(folder))
        return judged(out, folder / "run", code, text, (1,))
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def locks(folder: Path) -> list[Path]:
    return list((folder / "locks").glob("karate-*.lock"))


def stale_lock(out: Path) -> str:
    folder = fresh(out)
    (folder / "locks").mkdir(parents=True)
    for lock in locks(out / "whole"):
        (folder / "locks" / lock.name).write_text("4711 another-machine\n")
    return judged(out, folder, *swept(folder), (0,))


def foreign_lock(out: Path) -> str:
    folder = fresh(out)
    (folder / "locks").mkdir(parents=True)
    name, log = locks(out / "whole")[0].name, Path("log.txt").resolve()
    with (folder / "locks" / name).open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        log.unlink(missing_ok=True)
        child = started(lambda: sweep(["c.yaml", "--out", str(folder)]), log, log)
        deadline = time.monotonic() + 600
        while "another sweep computes" not in (log.read_text() if log.exists() else ""):
            if time.monotonic() > deadline:
                return "it does not say that it waits"
            time.sleep(0.5)
        finished = sorted(path.name for path in (folder / "cells").glob("[!.]*"))
        fcntl.flock(handle, fcntl.LOCK_UN)  # closing is not enough: the fork has the handle too
        if len(finished) != 1:
            return f"finished before: {finished}"
    return judged(out, folder, ended(child), log.read_text(), (0,))


def clock_backwards() -> None:
    hours = iter(range(10**9))
    time.time = lambda: 2e9 - 3600.0 * next(hours)
    steps = iter(range(10**9))
    real = time.perf_counter
    time.perf_counter = lambda: real() - 10.0 * next(steps)


def no_home(home: str | None) -> None:
    for name in ("XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR", "HOME"):
        os.environ.pop(name, None)
    if home is not None:
        os.environ["HOME"] = home


def few_files(out: Path, files: int) -> str:
    def lack() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    return lacking(out, lack, (0, 1))


def little_memory(out: Path, size: int) -> str:
    """XLA ends a process that gets no memory by itself: then the store is what counts."""

    def lack() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size * 2**20,) * 2)

    folder = fresh(out)
    code, text = swept(folder, lack)
    return judged(out, folder, *(1, f"error: {code}") if code < 0 else (code, text), (0, 1))


def removed(out: Path, place: str) -> str:
    folder = fresh(out)
    gone = []

    def entered(call: Callable[[], object]) -> object:
        if not gone:
            gone.append(shutil.rmtree(folder))
        return call()

    return judged(out, folder, *swept(folder, lambda: kills.wrap(place, entered)), (1,))


def home_in_paths(out: Path) -> str:
    home = out / "home"
    home.mkdir(exist_ok=True)

    def command() -> int:
        os.environ["HOME"] = str(home)
        os.chdir(home)
        first = sweep([str(out / "c.yaml"), "--out", "~/run"])
        others = sweep(["--verify", "~/run"]) + report(["~/run", "--out", "~/new/r.html"])
        return first + others + leaderboard(["~/run", "--out", "~/l.html", "--json", "~/l.json"])

    log = Path("log.txt").resolve()
    log.unlink(missing_ok=True)
    code = ended(started(command, log, log))
    written = [name for name in ("new/r.html", "l.html", "l.json") if (home / name).is_file()]
    if code != 0 or len(written) != 3 or (home / "~").exists():
        return f"exit code {code}, written {written}: {log.read_text()[-300:]}"
    return kills.difference(kills.stored(out / "whole"), kills.stored(home / "run"))


if __name__ == "__main__":
    sys.exit(main())
