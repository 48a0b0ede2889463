"""Structure metamers near 100 nodes of a graph of 170,000 nodes; see README.md.

python experiments/structure/large.py job --model gcn --out job_gcn.json
python experiments/structure/large.py sweep --model gcn --out cost_gcn.json
python experiments/structure/large.py plot cost_gcn.json --out large.png
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jmetamer as jm
from jmetamer.graphs.drawn import ARXIV_SIZE
from jmetamer.graphs.ego import hop_distances
from jmetamer.graphs.pairs import flips_between
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.relax_edges import programs
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis
from jmetamer.metamers.problem import reference_activations

NODES, EDGES = ARXIV_SIZE["num_nodes"], ARXIV_SIZE["num_edges"]
SWEEPS = {
    "nodes": [21_250, 42_500, 85_000, NODES],
    "edges": [150_000, 300_000, 600_000, EDGES],
    "block": [25_000, 50_000, 100_000, 200_000],
}
LABELS = {"nodes": "nodes n", "edges": "edges E", "block": "candidate pairs B"}


class Network(NamedTuple):
    """All that a problem needs of a trained network."""

    model: Any
    params: Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("job", "cost", "sweep", "plot"))
    parser.add_argument("files", nargs="*", help="of plot: results of sweep")
    parser.add_argument("--model", choices=("gcn", "graphsage"), default="gcn")
    parser.add_argument("--way", choices=("folded", "local", "whole"), default=None)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--edges", type=int, default=EDGES)
    parser.add_argument("--block", type=int, default=None)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--flips", type=int, default=5)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--targets", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--out", default=None)
    given = parser.parse_args()
    if given.what == "plot":
        _plot(given)
        return
    found = {"job": _job, "cost": _cost, "sweep": _sweep}[given.what](given)
    text = json.dumps(found, indent=1)
    print(text, flush=True)
    if given.out:
        Path(given.out).write_text(text + "\n")


def _job(given: argparse.Namespace) -> dict[str, Any]:
    """Make one metamer, from the graph to the check on the whole graph."""
    clock = _Clock()
    whole = _problem(given)
    clock.lap("make the graph")
    near = _part(whole, given.way or "folded")
    clock.lap("cut out the part")
    steps = given.steps or 200

    def told(progress: Any) -> None:
        if progress.executed > steps and not progress.done:  # the last look is no step
            clock.lap("relaxation, compilation included")

    method = _method(given, steps, block=10_000)
    metamers = jm.generate(near.problem, count=1, method=method, progress=told)
    graph = jm.metamer_graph(near.problem, metamers, 0)
    clock.lap("hardening, compilation included")
    lifted = near.lift(graph)
    flips = flips_between(whole.graph, lifted, directed=False)
    difference, loss = _on_the_whole_graph(near, graph, lifted)
    clock.lap("check on the whole graph")
    details = {name: float(value[0]) for name, value in metamers.details.items()}
    return {
        **_circumstances(given),
        **_sizes(near.problem),
        "seconds": clock.laps,
        "seconds_in_all": sum(clock.laps.values()),
        "processor_seconds_in_all": time.process_time(),
        "load_at_the_end": os.getloadavg()[0],
        "peak_gigabytes": _peak(),
        "steps": int(metamers.steps_used[0]),
        "loss_start": float(metamers.loss_initial[0]),
        **details,
        "loss": float(metamers.loss_hardened[0]),
        "loss_on_the_whole_graph": loss,
        "largest_relative_difference": difference,
        "edges_added": int(flips.added.sum()),
        "edges_removed": int((~flips.added).sum()),
    }


def _on_the_whole_graph(near: Any, graph: Any, lifted: Any) -> tuple[float, float]:
    """Return how far the targets' activations differ, relative to the largest, and L_act there."""
    model, params = near.whole.trained.model, near.whole.trained.params
    (layer,) = near.problem.layers
    here = np.asarray(reference_activations(model, params, graph)[layer])[near.problem.nodes]
    nodes = np.asarray(near.whole.nodes)
    there = np.asarray(reference_activations(model, params, lifted)[layer])[nodes]
    before = np.asarray(reference_activations(model, params, near.whole.graph)[layer])[nodes]
    difference = np.abs(here - there).max() / np.abs(there).max()
    return float(difference), float(np.sum((there - before) ** 2) / np.sum(before**2))


def _cost(given: argparse.Namespace) -> dict[str, Any]:
    """Measure a few steps of the relaxation."""
    clock = _Clock()
    near = _part(_problem(given), given.way or "whole")
    clock.lap("make the graph")
    steps = given.steps or 3
    method = _method(given, steps, block=100_000).for_problem(near.problem)
    synthesis = EdgeSynthesis(Task(near.problem, 0, method, near.problem.tolerance))
    data, numbers = synthesis.data, synthesis.numbers
    before = _peak()
    state = programs.begin(synthesis.plan, np.zeros(1, np.int32), data, numbers)
    taken, processor = [], []
    for _ in range(steps + 1):
        start, busy = time.perf_counter(), time.process_time()
        state, losses = programs.advance(synthesis.plan, state, np.int32(1), data, numbers)
        np.asarray(losses)
        taken.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    return {
        **_circumstances(given),
        **_sizes(near.problem),
        "way": given.way or "whole",
        "block": synthesis.plan.num_block,
        "seconds_with_compilation": taken[0],
        "seconds_a_step": statistics.median(taken[1:]),
        "processor_seconds_a_step": statistics.median(processor[1:]),
        "gigabytes_before": before,
        "peak_gigabytes": _peak(),
    }


def _sweep(given: argparse.Namespace) -> dict[str, Any]:
    """Measure sizes, each in a process of its own."""
    found: dict[str, Any] = {}
    measured: dict[tuple[Any, ...], Any] = {}
    for name, sizes in SWEEPS.items():
        for size in sizes:
            options = {"nodes": NODES, "edges": EDGES, "block": 100_000} | {name: size}
            key = tuple(options.values())
            if key not in measured:
                measured[key] = _apart(given, options)
            found.setdefault(name, []).append(measured[key])
            if given.out:
                Path(given.out).write_text(json.dumps(found, indent=1) + "\n")
    return found


def _apart(given: argparse.Namespace, options: dict[str, int]) -> Any:
    words = [
        sys.executable,
        __file__,
        "cost",
        "--model",
        given.model,
        "--way",
        given.way or "whole",
    ]
    words += [str(word) for name, size in options.items() for word in (f"--{name}", size)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    print(options, done.stdout, flush=True)
    return json.loads(done.stdout)


def _method(given: argparse.Namespace, steps: int, block: int) -> jm.RelaxEdges:
    block = given.block or block
    return jm.RelaxEdges(steps=steps, block=block, draws=given.draws, flips=given.flips)


def _problem(given: argparse.Namespace) -> jm.Problem:
    """Return random targets in the logits of a network of three layers with random parameters."""
    size = dict(ARXIV_SIZE) | {"num_nodes": given.nodes, "num_edges": given.edges}
    graph = jm.load_dataset("dcsbm", **size).graph
    model = jm.MODELS[given.model](
        hidden=given.hidden, layers=3, num_outputs=ARXIV_SIZE["num_classes"]
    )
    params = model.init(jax.random.key(0), jm.make_graph(graph.nodes[:2], [], []))
    rng = np.random.default_rng(0)
    targets = rng.choice(given.nodes, given.targets, replace=False).tolist()
    return jm.Problem(Network(model, params), graph, "logits", jm.BinaryEdges(), nodes=targets)


class Whole(NamedTuple):
    """The whole graph as its own part; edges move between the targets and their neighbors."""

    whole: jm.Problem
    problem: jm.Problem

    def lift(self, graph: Any) -> Any:
        """Return the graph."""
        return graph


def _part(whole: jm.Problem, way: str) -> Any:
    if way == "folded":
        return jm.folded_problem(whole)
    if way == "local":
        return jm.local_problem(whole)
    inner = np.flatnonzero(hop_distances(whole.graph, np.asarray(whole.nodes), 1) <= 1)
    vary = jm.BinaryEdges(nodes=inner)
    return Whole(whole, jm.Problem(whole.trained, whole.graph, "logits", vary, nodes=whole.nodes))


def _sizes(problem: jm.Problem) -> dict[str, int]:
    return {
        "part_nodes": len(problem.graph.nodes),
        "part_entries": len(problem.graph.senders),
        "inner_nodes": len(problem.simple_edges.nodes or ()),
    }


class _Clock:
    """Seconds since the last lap."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.start = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(self.laps.get(name, 0) + now - self.start, 2)
        self.start = now


def _peak() -> float:
    """Return the largest resident memory of this process so far, in gigabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _circumstances(given: argparse.Namespace) -> dict[str, Any]:
    processor = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line]
    return {
        "model": given.model,
        "nodes": given.nodes,
        "edges": given.edges,
        "hidden": given.hidden,
        "targets": given.targets,
        "processor": processor[0].split(": ")[-1],
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "jax": jax.__version__,
    }


def _plot(given: argparse.Namespace) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(8, 4.4), sharey="row", layout="constrained")
    for path in given.files:
        found = json.loads(Path(path).read_text())
        for column, name in enumerate(SWEEPS):
            rows = found[name]
            sizes = [row[name] / 1000 for row in rows]
            for row, quantity in enumerate(("processor_seconds_a_step", "peak_gigabytes")):
                values = [one[quantity] for one in rows]
                axes[row, column].plot(sizes, values, "o-", label=rows[0]["model"])
    for column, name in enumerate(SWEEPS):
        axes[1, column].set_xlabel(f"{LABELS[name]} / 1,000")
    axes[0, 0].set_ylabel("processor seconds a step")
    axes[1, 0].set_ylabel("peak memory / GB")
    for axis in axes.flat:
        axis.set_ylim(bottom=0)
        axis.set_xlim(left=0)
    axes[0, 0].legend()
    figure.savefig(given.out or "large.png", dpi=110)


if __name__ == "__main__":
    main()
