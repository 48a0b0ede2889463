"""Moments of Adam in float32 against bfloat16: steps, final loss and seconds a step, in turn.

    python experiments/benchmark/precision.py [--datasets digits cora] [--count 4] [--out FILE]

Both kinds of features that Adam is used for: continuous ones within the dataset's range, and 0/1
features where the dataset has them. Matrix products are float32 on processors whatever
`Optimize.precision` says, so `--precisions default high highest` is for accelerators.
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np

import jmetamer as jm
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.optimize.memory import memory_of

COLUMNS = (
    "dataset",
    "features",
    "moments",
    "precision",
    "converged",
    "steps",
    "loss",
    "ms_per_step",
    "ratio",
    "bytes_per_lane",
)


def cases(names):
    """Yield (dataset, kind of features, problem, tolerance, learning rate)."""
    for name in names:
        data = jm.load_dataset(name)
        trained = jm.train(jm.GCN(hidden=64, layers=2), data, seed=0)
        low, high = data.feature_range or (0.0, 1.0)
        box = jm.ContinuousFeatures(domain=jm.Box(low, high))
        yield name, "box", jm.Problem(trained, data.graph, "conv1", box), 1e-4, 0.05
        if data.feature_kind != "continuous":
            binary = jm.BinaryFeatures()
            yield name, "binary", jm.Problem(trained, data.graph, "conv1", binary), 1e-2, 0.1


def measured(problem, method, tolerance, count, repeats, order):
    """Return {key: (metamers, best seconds a step)} of the methods, run in turn."""
    given = {"tolerance": tolerance, "keep_theta": False}
    for key in order:
        jm.generate(problem, 1, method=method(key), steps=2, **given)  # compiles
    found = {}
    for key in order * repeats:
        started = time.perf_counter()
        made = jm.generate(problem, count, method=method(key), **given)
        seconds = (time.perf_counter() - started) / made.steps_used.sum()
        found[key] = made, min(seconds, found.get(key, (None, np.inf))[1])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=["digits", "cora"])
    parser.add_argument("--precisions", nargs="+", default=["default"])
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    print("  ".join(f"{column:>14}" for column in COLUMNS))
    for name, kind, problem, tolerance, rate in cases(given.datasets):
        keys = list(itertools.product(("float32", "bfloat16"), given.precisions))

        def method(key, problem=problem, rate=rate):
            optimizer = jm.Optimizer("adam", rate, "cosine", moments=key[0])
            return jm.Optimize(optimizer, given.steps, precision=key[1]).for_problem(problem)

        found = measured(problem, method, tolerance, given.count, given.repeats, keys)
        first = found[keys[0]][1]
        for key, (made, seconds) in found.items():
            row = {
                "dataset": name,
                "features": kind,
                "moments": key[0],
                "precision": key[1],
                "converged": f"{np.mean(made.loss_hardened <= tolerance):.0%}",
                "steps": int(np.median(made.steps_used)),
                "loss": float(f"{np.median(made.loss_hardened):.3g}"),
                "ms_per_step": round(1e3 * seconds, 2),
                "ratio": round(seconds / first, 2),
                "bytes_per_lane": memory_of([Task(problem, 0, method(key), tolerance)]).per_lane,
            }
            rows.append(row)
            print("  ".join(f"{row[column]!s:>14}" for column in COLUMNS), flush=True)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
