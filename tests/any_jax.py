"""What a user does in small, for a process with other settings of JAX: prints numbers as JSON.

python tests/any_jax.py; the settings come from the environment, as `JAX_ENABLE_X64=1`.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import optax

import jmetamer as jm
from jmetamer import sweep

DATA = jm.load_dataset("karate")
SETTINGS = jm.TrainSettings(epochs=8)
MODELS = {"gcn": jm.GCN(hidden=4), "gat": jm.GAT(hidden=4, heads=2)}
SEARCHES = {
    "features": {},
    "optax": {"layer": "logits", "optimizer": optax.adam(0.1)},
    "gat": {"model": "gat", "layer": "logits", "optimizer": jm.Optimizer("adam", 0.05)},
    "binary features": {"vary": jm.BinaryFeatures(), "nodes": [0, 33]},
    "edges": {"vary": jm.BinaryEdges(), "nodes": [0, 33]},
    "edge weights": {"vary": jm.EdgeWeights(), "nodes": [0, 33]},
    "both": {"vary": jm.FeaturesAndEdges(), "nodes": [0, 33]},
    "repelled": {"repulsion": 0.5},
    "gauss_newton": {"method": "gauss_newton"},
    "replace": {"method": "replace"},
}
SWEEP = """
name: small
dataset: {name: karate}
model: {architecture: gcn, hidden: 4}
training: {epochs: 5}
metamers: {count: 2, steps: 5}
geometry: {nodes: 1, ledger: 1}
report: false
"""


def search(models, model="gcn", steps=10, **given):
    """Return the losses of two metamers, and their deviations."""
    ours = {name: given.pop(name) for name in ("vary", "layer", "nodes") if name in given}
    problem = jm.Problem(models[model], DATA.graph, **{"layer": "conv1", **ours})
    given |= {} if "method" in given else {"steps": steps}
    found = jm.generate(problem, 2, **given)
    initial = [] if found.loss_initial is None else np.ravel(found.loss_initial)
    return [*map(float, np.ravel(found.loss_hardened)), *map(float, initial)]


def geometry(models):
    """Return singular values, node maps, and measures."""
    problem = jm.Problem(models["gcn"], DATA.graph, layer="conv1")
    spectrum = jm.jacobian_spectrum(problem, [0, 33])
    maps = jm.node_maps(problem, nodes=[0, 33])
    rows = DATA.graph.nodes
    measured = jm.deviations(rows, rows[None, ::-1], "continuous")
    return {
        "spectrum": np.ravel(spectrum.singular_values).tolist(),
        "maps": np.ravel(maps.after.dimension).tolist(),
        "measures": np.ravel(measured.values).tolist(),
    }


def swept():
    """Return the losses of a small sweep."""
    with tempfile.TemporaryDirectory() as folder:
        config, out = Path(folder) / "small.yaml", Path(folder) / "run"
        config.write_text(SWEEP)
        sys.stdout, stdout = sys.stderr, sys.stdout
        code = sweep.main([str(config), "--out", str(out)])
        sys.stdout = stdout
        assert code == 0
        (cell,) = jm.open_run(out).cells
        return np.ravel(jm.open_run(out).dataset(cell)["loss_hardened"]).tolist()


def main():
    """Print the numbers of everything."""
    models = {name: jm.train(model, DATA, settings=SETTINGS) for name, model in MODELS.items()}
    numbers = {name: search(models, **given) for name, given in SEARCHES.items()}
    numbers |= geometry(models)
    numbers["scores"] = [score for model in models.values() for score in model.scores.values()]
    numbers["sweep"] = swept()
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
