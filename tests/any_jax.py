"""What a user does, in small, for a process with other settings of JAX: prints numbers as JSON.

python tests/any_jax.py; the settings come from the environment, as `JAX_ENABLE_X64=1`.
"""

import json
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jmetamer as jm
from jmetamer.sweep import command as sweep

DATA = jm.load_dataset("karate")
MODELS = {"gcn": jm.GCN(hidden=4), "gat": jm.GAT(hidden=4, heads=2)}
SEARCHES = {
    "features": {},
    "optax": {"layer": "logits", "optimizer": optax.adam(0.1)},
    "gat": {"model": "gat", "layer": "logits", "optimizer": jm.Optimizer("adam", 0.05)},
    "binary features": {"vary": jm.BinaryFeatures(), "nodes": [0, 33]},
    "edges": {"vary": jm.BinaryEdges(), "nodes": [0, 33]},
    "edge weights": {"vary": jm.EdgeWeights(), "nodes": [0, 33]},
    "both": {"vary": (jm.ContinuousFeatures(), jm.BinaryEdges()), "nodes": [0, 33]},
    "target": {"target": np.ones((34, 4))},
    "repelled": {"method": jm.Repel(0.5, jm.Optimize(steps=10))},
    "gauss_newton": {"method": "gauss_newton"},
    "replace": {"method": "replace"},
}
SWEEP = """
name: small
dataset: karate
model: {gcn: {hidden: 4}}
training: {epochs: 5}
metamers: {count: 2, method: {optimize: {steps: 5}}}
geometry: {nodes: 1, ledger: 1}
report: false
"""


def search(models, model="gcn", **given):
    """Return the losses of two metamers; the features are of the type that JAX gives them."""
    graph = DATA.graph._replace(nodes=jnp.asarray(DATA.graph.nodes, float))
    own = ("vary", "layer", "nodes", "target")
    of_problem = {"layer": "conv1"} | {name: given.pop(name) for name in own if name in given}
    problem = jm.Problem(models[model], graph, **of_problem)
    given |= {} if "method" in given else {"steps": 10}
    found = jm.generate(problem, 2, **given)
    return [*found.loss_hardened.tolist(), *found.loss_initial.tolist()]


def geometry(models):
    """Return singular values, dimensions and measures."""
    problem = jm.Problem(models["gcn"], DATA.graph, layer="conv1")
    rows = DATA.graph.nodes
    measured = jm.deviations(rows, rows[None, ::-1], "continuous")
    return {
        "spectrum": jm.jacobian_spectrum(problem, [0, 33]).singular_values.ravel().tolist(),
        "dimensions": jm.node_maps(problem, nodes=[0, 33]).after.dimension.tolist(),
        "measures": measured.values.ravel().tolist(),
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
        run = jm.open_run(out)
        return run.dataset(run.cells[0])["loss_hardened"].values.tolist()


def main():
    """Print the numbers of everything, and the type that JAX gives to a float."""
    settings = jm.TrainSettings(epochs=8)
    models = {name: jm.train(model, DATA, settings=settings) for name, model in MODELS.items()}
    numbers = {name: search(models, **given) for name, given in SEARCHES.items()}
    numbers |= geometry(models)
    numbers["scores"] = [score for model in models.values() for score in model.scores.values()]
    numbers["sweep"] = swept()
    print(json.dumps({"numbers": numbers, "float": str(jax.dtypes.canonicalize_dtype(float))}))


if __name__ == "__main__":
    main()
