"""A long sweep of many small cells, sampled from outside; see README.md.

python experiments/reliability/endurance.py --minutes 120 --out /tmp/endurance

Resident memory, open files, memory maps, threads and finished cells go to `samples.csv` every
`--every` seconds. The sweep is ended by an interrupt, as a user would end it.
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# Twelve programs, of what varies, by which method and on which network, take turns.
SHARED = """
name: endurance
dataset: karate
model: [{gcn: {hidden: 4}}, {gin: {hidden: 4}}]
training: {epochs: 10}
metamers: {count: 4}
geometry: {nodes: 1, ledger: 1}
report: false
runs:
"""
BLOCKS = (
    "metamers: {method: {optimize: {steps: 30}}}",
    "metamers: {layer: logits, method: {optimize: {optimizer: adam, steps: 30}}}",
    "metamers: {method: {gauss_newton: {steps: 30}}}",
    "metamers: {vary: binary_features, nodes: [0, 33], method: {optimize: {steps: 30}}}",
    "metamers: {vary: binary_edges, nodes: [0, 33], method: {relax_edges: {steps: 30}}}\n"
    "    geometry: null",
    "metamers: {vary: edge_weights, nodes: [0, 33], method: {optimize: {steps: 30}}}\n"
    "    geometry: null",
)


class Sample(NamedTuple):
    """What a process holds at one moment."""

    seconds: float
    cells: int
    resident_mb: float
    files: int
    maps: int
    threads: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--every", type=float, default=30, help="seconds between samples")
    parser.add_argument("--seeds", type=int, default=300, help="twelve cells each")
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    code, samples = endure(options.out, options.minutes, options.every, options.seeds)
    print(f"exit code {code}; {verdict(samples)}")
    return 0


def endure(out: Path, minutes: float, every: float, seeds: int) -> tuple[int, list[Sample]]:
    """Run the sweep and return its exit code with what was sampled."""
    config = out / "endurance.yaml"
    rounds = [f"  - seed: {seed}\n    {block}\n" for seed in range(seeds) for block in BLOCKS]
    config.write_text(SHARED + "".join(rounds))
    command = [sys.executable, "-m", "jmetamer.sweep", str(config), "--out", str(out / "run")]
    samples = []
    with (out / "output.txt").open("w") as output, (out / "samples.csv").open("w") as file:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        rows = csv.writer(file)
        rows.writerow(Sample._fields)
        for sample in sampled(child, out / "run", minutes, every):
            samples.append(sample)
            rows.writerow(sample)
            file.flush()
        child.send_signal(signal.SIGINT)
        return child.wait(120), samples


def sampled(
    child: "subprocess.Popen[bytes]", run: Path, minutes: float, every: float
) -> Iterator[Sample]:
    """Yield samples until the time is over or the process has ended."""
    started = time.monotonic()
    process = Path("/proc") / str(child.pid)
    while child.poll() is None and time.monotonic() - started < 60 * minutes:
        time.sleep(every)
        try:
            status = dict(
                line.split(":", 1) for line in (process / "status").read_text().splitlines()
            )
            yield Sample(
                round(time.monotonic() - started, 1),
                sum(1 for _ in (run / "cells").glob("[!.]*")),
                int(status["VmRSS"].split()[0]) / 1024,
                len(os.listdir(process / "fd")),
                len((process / "maps").read_text().splitlines()),
                int(status["Threads"]),
            )
        except (OSError, KeyError):
            return  # it has ended


def verdict(samples: Sequence[Sample]) -> str:
    """Return what grew between the second and the last quarter of a run."""
    quarter = len(samples) // 4
    parts = [
        f"{samples[-1].seconds / 60:.0f} minutes, {samples[-1].cells} cells, {len(samples)} samples"
    ]
    for name in ("resident_mb", "files", "maps", "threads"):
        values = [getattr(sample, name) for sample in samples]
        before, after = values[quarter : 2 * quarter], values[-quarter:]
        if before and after:
            means = sum(before) / len(before), sum(after) / len(after)
            parts.append(f"{name} {means[0]:.0f} -> {means[1]:.0f}")
    return "; ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
