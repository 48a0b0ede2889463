"""Steps and seconds to a tolerance in each of the coordinates, in turn: why "entry" is the default.

python experiments/benchmark/coordinates.py [--dataset cora] [--layers conv1 logits]
    [--tolerance 1e-4] [--count 4] [--out FILE.json]
"""

import argparse
import json
import time

import numpy as np

import jmetamer as jm
from jmetamer._base.provenance import provenance

SETTINGS = (
    ("entry", "lane_lbfgs", None),
    ("row_space", "lane_lbfgs", None),
    ("features", "lane_lbfgs", None),
    ("features", "adam", 0.02),
)
ROUNDS = 2


def main() -> None:
    """Print one line a setting and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="cora")
    parser.add_argument("--layers", nargs="+", default=["conv1", "logits"])
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--out")
    given = parser.parse_args()
    data = jm.load_dataset(given.dataset)
    trained = jm.train(jm.GCN(hidden=64), data, seed=0)
    rows = []
    for layer in given.layers:
        problem = jm.Problem(trained, data.graph, layer)
        for coordinates, optimizer, rate in SETTINGS * ROUNDS:
            method = jm.Optimize(jm.Optimizer(optimizer, rate), coordinates=coordinates)
            settings = {"method": method, "tolerance": given.tolerance}
            jm.generate(problem, 1, **settings, steps=2)  # compiles
            started = time.perf_counter()
            made = jm.generate(problem, given.count, **settings, steps=given.steps)
            row = {
                "layer": layer,
                "coordinates": coordinates,
                "optimizer": optimizer,
                "steps": float(np.mean(made.steps_used)),
                "converged": float(np.mean(made.status == jm.Status.CONVERGED)),
                "loss": float(np.median(made.loss_hardened)),
                "seconds_per_metamer": (time.perf_counter() - started) / given.count,
            }
            rows.append(row)
            print(row, flush=True)
    if given.out:
        with open(given.out, "w") as file:
            json.dump({"provenance": provenance(), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
