"""`--verify`: are the files of a run what was written, and the losses what the graphs give?"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.errors import JmetamerError
from jmetamer._base.precision import highest_precision
from jmetamer.measures import relative_squared_error
from jmetamer.models import load_model
from jmetamer.results import Run

SAMPLE = 4  # stored metamers of a cell whose loss is computed again
# Another device adds in another order: e_act may be off by some float32 round-off.
_RELATIVE, _ROUND_OFF = 1e-2, 1e-10


def verify_run(run: Run, line: Callable[[str], None]) -> int:
    """Compare every cell of a run with its sums, and compute a sample of its losses again.

    Args:
      run: an opened run.
      line: told one line a cell, and what is wrong below it.

    Returns:
      Number of cells in which something is wrong.
    """
    wrong = 0
    checks = run.verify()
    for cell, check in checks.items():
        problems = list(check.problems)
        notes = [] if check.verified or problems else ["written without sums, so not verified"]
        if not problems:
            try:
                recomputed = list(differing_losses(run, cell))
            except JmetamerError as error:
                problems.append(str(error))
            else:
                problems += [text for text in recomputed if text]
                notes.append(f"{len(recomputed)} losses computed again")
        wrong += bool(problems)
        line(f"{cell}: {'damaged' if problems else ', '.join(['as written', *notes])}")
        for problem in problems:
            line(f"  {problem}")
    if not checks:
        line(f"{run.folder} holds no cells")
    return wrong


def differing_losses(run: Run, cell: str) -> Iterator[str]:
    """Yield what is wrong with the loss of each of the first stored metamers; "" for nothing.

    The matched layers are computed from the stored graphs and parameters alone, at the highest
    precision: `L_act = max over layers |h' - h|^2 / |h|^2`.

    Args:
      run: an opened run.
      cell: one of its cells.

    Raises:
      StoreError: graphs or network cannot be read.
    """
    data = run.dataset(cell)
    name = run.provenance(cell).get("model_folder")
    if "stored_activation" not in data or not name:
        return
    trained = load_model(run.folder / "models" / str(name))
    layers = [layer for layer, *_ in data["stored_activation"].attrs["layers"]]
    nodes = run.settings(cell)["metamers"].get("nodes")
    reference = _activations(trained, run.reference(cell), layers, nodes)
    stored = dict(zip(data["seed_id"].values.tolist(), data["loss_hardened"].values, strict=True))
    seeds = data["stored_seed_id"].values.tolist()[:SAMPLE]
    for seed, graph in zip(seeds, run.metamers(cell), strict=False):
        rebuilt = _activations(trained, graph, layers, nodes)
        errors = [relative_squared_error(t, h) for t, h in zip(reference, rebuilt, strict=True)]
        loss, expected = float(jnp.max(jnp.stack(errors))), float(stored[seed])
        allowed = _RELATIVE * abs(expected) + _ROUND_OFF
        near = abs(loss - expected) <= allowed < np.inf
        same = near or loss == expected or np.isnan([loss, expected]).all()
        yield (
            ""
            if same
            else (
                f"metamer {seed}: its stored graph has the loss {loss:.3g}, and {expected:.3g} is "
                "stored; copy the run again from where it is whole, or compute the cell again"
            )
        )


def _activations(trained: Any, graph: Any, layers: list[str], nodes: Any) -> list[jax.Array]:
    with highest_precision():
        activations = trained.activations(jax.tree.map(jnp.asarray, graph))
    return [
        activations[name] if nodes is None else activations[name][jnp.asarray(nodes)]
        for name in layers
    ]
