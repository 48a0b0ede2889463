"""Does a change of the code leave every number as it was? Digests of all arrays; see README.md.

python experiments/unchanged/unchanged.py record before.json
python experiments/unchanged/unchanged.py compare before.json

Both compute everything anew, on this machine, and ought to run on the same one: other processors
and other versions of JAX round differently.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# What is run -> arguments of `python -m jmetamer.sweep`.
SWEEPS = {
    "quickstart": ("configs/quickstart.yaml",),
    "cora": ("configs/cora.yaml", "--set", "metamers.count=4"),
    "structure": ("configs/structure.yaml",),
    "recognition": ("configs/recognition.yaml", "--smoke"),
    "mitigations": ("configs/mitigations.yaml", "--smoke"),
}
PASSING = ("seconds",)  # arrays whose names begin so hold times
ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", nargs="+", choices=(*SWEEPS, "generate"))
    options = parser.parse_args()
    digests = {}
    for name in options.only or (*SWEEPS, "generate"):
        print(f"{name} ...", flush=True)
        arrays = of_generate() if name == "generate" else of_sweep(SWEEPS[name])
        digests |= {f"{name}/{place}": digest(array) for place, array in arrays}
    if options.action == "record":
        options.file.write_text(json.dumps(digests, indent=1, sort_keys=True))
        print(f"{len(digests)} arrays are recorded in {options.file}")
        return 0
    before = json.loads(options.file.read_text())
    if options.only:
        before = {name: d for name, d in before.items() if name.split("/")[0] in options.only}
    changes = list(differences(before, digests))
    print("\n".join(changes))
    print(f"{len(changes)} of {len(before | digests)} arrays changed")
    return 1 if changes else 0


def digest(array: np.ndarray) -> str:
    """Sum of shape, dtype and bytes; NaN of any payload are one."""
    array = np.array(array)  # a copy
    if array.dtype.kind == "f":
        array[np.isnan(array)] = np.nan
    head = f"{array.dtype.str} {array.shape}".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()[:16]


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """One line for every array that changed, went or came."""
    for name in sorted(before | after):
        if name not in after:
            yield f"- {name}"
        elif name not in before:
            yield f"+ {name}"
        elif before[name] != after[name]:
            yield f"! {name}"


def of_sweep(arguments: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays of every cell, its reference and its network; cells by their place in the run."""
    import jmetamer as jm

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "jmetamer.sweep", *arguments, "--out", str(out)]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        quiet = {"env": {**os.environ, "PYTHONPATH": path}, "stdout": subprocess.DEVNULL}
        subprocess.run(command, check=True, cwd=ROOT, **quiet)
        run = jm.open_run(out)
        for place, cell in enumerate(run.cells):
            for name, values in run.dataset(cell).variables.items():
                if not name.startswith(PASSING) and values.dtype.kind in "biufc":
                    yield f"{place}/{name}", values.values
            yield from leaves_of(f"{place}/reference", run.reference(cell))
            for number, graph in enumerate(run.metamers(cell)):
                yield from leaves_of(f"{place}/metamer{number}", graph)
        for path in sorted(out.glob("models/*/weights.npz")):
            with np.load(path) as weights:
                # Folders are named by settings, which may be written otherwise one day.
                shapes = " ".join(f"{name}{weights[name].shape}" for name in sorted(weights))
                whole = np.concatenate([weights[name].ravel() for name in sorted(weights)])
                yield f"weights {shapes} {digest(whole)}", whole


def leaves_of(place: str, tree: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Leaves of a tree of arrays, by their path."""
    import jax

    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield f"{place}{jax.tree_util.keystr(path)}", np.asarray(leaf)


def of_generate() -> Iterator[tuple[str, np.ndarray]]:
    """Arrays of `generate` for each pair of what varies and how it is found."""
    import jmetamer as jm

    data = jm.load_dataset("karate")
    options = {"settings": jm.TrainSettings(epochs=5)}
    networks = {
        name: jm.train(model, data, **options)
        for name, model in {"gcn": jm.GCN(hidden=4), "gin": jm.GIN(hidden=4)}.items()
    }
    for name, trained in networks.items():
        yield from leaves_of(f"{name}/weights", trained.params)
        for pair, make in pairs(jm).items():
            problem, arguments = make(trained, data.graph)
            try:
                made = jm.generate(problem, count=2, **arguments)
            except jm.InputError as error:  # some do not apply to some networks
                print(f"  {name}/{pair}: {str(error)[:90]}")
                continue
            # How they were made is told by the name of the pair.
            yield from leaves_of(f"{name}/{pair}", made._replace(method=()))


def pairs(jm: Any) -> dict[str, Callable[..., tuple[Any, dict[str, Any]]]]:
    """Name of a pair -> what makes its problem and the arguments of `generate`."""

    def pair(vary: Any, **arguments: Any) -> Callable[..., tuple[Any, dict[str, Any]]]:
        few = {"nodes": [0, 5, 33]} if arguments.pop("few", False) else {}
        return lambda trained, graph: (
            jm.Problem(trained, graph, layer="conv1", vary=vary, **few),
            arguments,
        )

    edges, features = jm.BinaryEdges(), jm.ContinuousFeatures()
    steps = {"steps": 20}
    relaxed = {"few": True, "method": jm.RelaxEdges(draws=2, flips=2, **steps)}
    found = {
        "continuous": pair(features, **steps),
        "continuous-adam": pair(features, optimizer=jm.Optimizer("adam", 0.1), **steps),
        "repelled": pair(
            features, method=jm.Repel(0.1, jm.Optimize(jm.Optimizer("adam", 0.1), **steps))
        ),
        "binary": pair(jm.BinaryFeatures(), few=True, **steps),
        "edges": pair(edges, **relaxed),
        "edges-rewired": pair(jm.BinaryEdges(start="rewired"), **relaxed),
        "edges-swap_search": pair(edges, few=True, method="swap_search"),
        "edge_weights": pair(jm.EdgeWeights(), few=True, **steps),
        "features_and_edges": pair((features, edges), **relaxed),
        "features_given_edges": pair((features, jm.RandomEdges()), few=True, **steps),
        "edges-color_swaps": pair(edges, method=jm.ColorSwaps()),
    }
    for method in ("gauss_newton", "null_space", "walk", "max_distance", "reflect", "replace"):
        found[f"free-{method}"] = pair(features, few=True, method=method)
    return found


if __name__ == "__main__":
    sys.exit(main())
