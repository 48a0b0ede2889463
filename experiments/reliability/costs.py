"""What checked reading costs, against a checkout from before there were checksums; see README.md.

python experiments/reliability/costs.py --other /tmp/before --out /tmp/costs

Both versions write a run of 96 equal cells and read it in processes that take turns, so that a
crowded machine slows both. Prints processor time, and the ratio with its spread over the rounds.
"""

import argparse
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

CELLS, REPEATS = 96, 2
HERE = Path(__file__).resolve()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other", type=Path, required=True, help="checkout to compare with")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    options = parser.parse_args()
    checkouts = {"other": options.other.resolve(), "this": HERE.parents[2]}
    for name, checkout in checkouts.items():
        work("write", checkout, options.out / name)
    seconds: dict[str, list[list[float]]] = {name: [] for name in checkouts}
    for _ in range(options.rounds):
        for name, checkout in checkouts.items():
            seconds[name].append(work("read", checkout, options.out / name))
    for place, what in enumerate(("open, list cells", "scalars of a cell", "summary row")):
        before, now = ([one[place] for one in seconds[name]] for name in checkouts)
        ratios = sorted(b / a for a, b in zip(before, now, strict=True))
        print(
            f"{what}: {1e3 * median(before):.3f} ms before, {1e3 * median(now):.3f} ms now; ratio "
            f"{median(ratios):.2f} ({ratios[len(ratios) // 4]:.2f} to "
            f"{ratios[3 * len(ratios) // 4]:.2f}, quartiles of {options.rounds} rounds)"
        )
    return 0


def work(what: str, checkout: Path, folder: Path) -> list[float]:
    """Write or read a run with the package of a checkout; return seconds."""
    code = f"import costs; costs.{what}({str(folder)!r})"
    paths = os.pathsep.join([str(checkout), str(HERE.parent)])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return [float(word) for word in done.stdout.split()]


def write(folder: str) -> None:
    """Write cells of the size that a sweep of 64 metamers on a small graph leaves."""
    import numpy as np

    from jmetamer.results import Record, RunStore, Variable, hash_settings, make_reference

    draw = np.random.default_rng(0)
    store = RunStore(Path(folder))
    reference = make_reference(np.eye(34), [0, 1], [1, 0], [1, 1], [0, 1] * 17, {"name": "tiny"})
    store.write_reference(reference)
    names = [f"cell-{number:02}" for number in range(CELLS)]
    store.register(names)
    variables = {f"v{n}": Variable(("metamer",), draw.random(64, np.float32)) for n in range(55)}
    variables["loss_hardened"] = Variable(("metamer",), draw.random(64, np.float32))
    scalars = {f"number_{n}": float(n) for n in range(40)}
    for number, name in enumerate(names):
        settings = {"seed": number, "dataset": {"tiny": {}}, "metamers": {"layer": "conv1"}}
        hashed, counts = hash_settings(settings), {"CONVERGED": 64}
        record = Record(settings, hashed, variables, scalars, counts, {}, reference.digest)
        store.write(name, record)


def read(folder: str) -> None:
    """Print the seconds of opening, of the scalars of one cell and of one row of the summary."""
    from jmetamer.results import open_run

    best = [9e9] * 3
    for _ in range(REPEATS):
        times = [time.process_time()]
        run = open_run(folder)
        cells = run.cells
        times.append(time.process_time())
        for cell in cells:
            run.scalars(cell)
        times.append(time.process_time())
        run.summary()
        times.append(time.process_time())
        spent = [after - before for before, after in pairwise(times)]
        spent[1:] = [one / len(cells) for one in spent[1:]]
        best = list(map(min, best, spent))
    print(*best)


if __name__ == "__main__":
    sys.exit(main())
