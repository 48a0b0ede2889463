"""`export_metamers`: the metamers of a cell in one file, for people who do not have jmetamer.

A `.npz` file holds plain arrays; nothing in it is unpickled:

    about              [] text, JSON: format, cell, settings (all of them), model (architecture and
                       options), matched (of each matched layer its name, target nodes, channels)
    seed_id            [b] int, seeds of the stored metamers
    loss_hardened      [b] L_act = |h' - h|^2 / |h|^2 of the matched layers over the target nodes
    class_agreement    [b] share of target nodes whose predicted class is the reference's
    status             [b] text
    activation         [b, q] float32, activations of the matched layers at the target nodes as
                       the network of the run gave them, highest precision; layer by layer, rows
                       of channels
    predicted_class    [b, n] int16, of every node; -1 where logits are not finite
    reference_activation, reference_predicted_class   [q], [n], likewise
    reference_nodes    [n, d] float32, features of the reference
    reference_senders, reference_receivers   [e] int32, its edges, both directions where undirected
    reference_weight   [e] float32
    labels             [n] int32
    nodes              [b, n, d] float32, features of the metamers; only where features vary
    edge_start         [b + 1] int64; metamer i has the edges from edge_start[i] up to, and without,
                       edge_start[i + 1]; only where edges vary
    senders, receivers, weight               [all edges], of the metamers one after the other
    weights/...        parameters of the network, as "weights/params/conv1/kernel"

A `.pt` file is a list of PyTorch Geometric `Data`, the reference first: `x`, `edge_index`,
`edge_weight`, `y`, and of metamers `seed_id` and `loss`. Read it with `torch.load(path,
weights_only=False)`.
"""

import importlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from jmetamer._base.errors import InputError, StoreError
from jmetamer._base.paths import user_path
from jmetamer.results.criteria import status_names
from jmetamer.results.verification import read_network

if TYPE_CHECKING:
    import jraph

    from jmetamer.results.run import Run

FORMAT = "jmetamer metamers, version 1"
_SUFFIXES = (".npz", ".pt")


def export_metamers(run: "Run", cell: str, path: str | os.PathLike[str]) -> Path:
    """Write the stored metamers of a cell, their reference and their network into one file.

    Args:
      run: where the cell is.
      cell: one of `run.cells`.
      path: file to write, ending in `.npz` (layout at the top of this file) or in `.pt` (a list of
        PyTorch Geometric `Data`, which needs torch_geometric); an existing one is replaced.

    Returns:
      The path.

    Raises:
      InputError: another ending, no such cell, or torch_geometric is missing.
      StoreError: the cell cannot be read, or the file cannot be written.
    """
    target = user_path(path)
    if target.suffix not in _SUFFIXES:
        raise InputError(
            f"`path` is {str(path)!r}; allowed endings are {' and '.join(_SUFFIXES)}: NumPy "
            "arrays, or a list of PyTorch Geometric graphs"
        )
    write = _write_npz if target.suffix == ".npz" else _write_pyg
    draft = target.with_name(f".{target.name}.draft-{os.getpid()}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(run, cell, draft)
        os.replace(draft, target)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"`{target}` cannot be written: {error}; choose a folder that is writable and has space"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def _write_npz(run: "Run", cell: str, path: Path) -> None:
    reference, metamers = run.reference_data(cell), run.metamers(cell)
    results = run.dataset(cell)
    if "stored_activation" not in results:
        raise StoreError(
            f"cell `{cell}` holds no activations, because an earlier version made it; make it "
            "again in another run folder (--out), or write a `.pt` file, which needs none"
        )
    places = _stored_places(results)
    ours = ("seed_id", "loss_hardened", "class_agreement")
    arrays = {name: results[name].values[places] for name in ours} | {
        "status": _status_names(results)[places],
        "activation": results["stored_activation"].values,
        "predicted_class": results["stored_class"].values,
        "reference_activation": results["reference_activation"].values,
        "reference_predicted_class": results["reference_class"].values,
        "labels": reference.labels,
    }
    for name in ("nodes", "senders", "receivers", "weight"):
        arrays[f"reference_{name}"] = getattr(reference, name)
    arrays |= _varying(results, list(metamers))
    model, weights = _network(run, cell)
    arrays |= {f"weights/{name}": array for name, array in weights.items()}
    about = {
        "format": FORMAT,
        "cell": cell,
        "settings": run.settings(cell),
        "model": model,
        "matched": results["stored_activation"].attrs["layers"],
    }
    arrays["about"] = np.array(json.dumps(about))
    np.savez_compressed(path, **arrays)


def _varying(results: xr.Dataset, graphs: list["jraph.GraphsTuple"]) -> dict[str, np.ndarray]:
    """Return features and edges of the metamers, as far as they vary."""
    arrays = {}
    if "features" in results:
        arrays["nodes"] = np.stack([graph.nodes for graph in graphs])
    if "flip_seed_id" in results or "edge_weight" in results:
        arrays["edge_start"] = np.cumsum([0, *(len(graph.senders) for graph in graphs)])
        for name in ("senders", "receivers"):
            arrays[name] = np.concatenate([getattr(graph, name) for graph in graphs])
        arrays["weight"] = np.concatenate([graph.edges.weight for graph in graphs])
    return arrays


def _write_pyg(run: "Run", cell: str, path: Path) -> None:
    try:
        torch = importlib.import_module("torch")
        data = importlib.import_module("torch_geometric.data")
    except ImportError as error:
        raise InputError(
            f"a `.pt` file needs PyTorch Geometric, which cannot be imported ({error}); install "
            "torch and torch_geometric, or write a `.npz` file, which needs neither"
        ) from error
    results, labels = run.dataset(cell), run.reference_data(cell).labels

    def as_data(graph: "jraph.GraphsTuple", **own: Any) -> Any:
        ends = np.stack([graph.senders, graph.receivers]).astype(np.int64)
        return data.Data(
            x=torch.tensor(np.array(graph.nodes)),
            edge_index=torch.tensor(ends),
            edge_weight=torch.tensor(np.array(graph.edges.weight)),
            y=torch.tensor(labels.astype(np.int64)),
            **own,
        )

    graphs = [as_data(run.reference(cell))]
    for place, graph in zip(_stored_places(results), run.metamers(cell), strict=True):
        seed, loss = (results[name].values[place].item() for name in ("seed_id", "loss_hardened"))
        graphs.append(as_data(graph, seed_id=seed, loss=loss))
    torch.save(graphs, path)


def _stored_places(results: xr.Dataset) -> np.ndarray:
    """Return where the stored metamers stand among all."""
    place_of = {seed: place for place, seed in enumerate(results["seed_id"].values.tolist())}
    return np.array([place_of[seed] for seed in results["stored_seed_id"].values.tolist()], int)


def _status_names(results: xr.Dataset) -> np.ndarray:
    names = status_names(results["status"].attrs)
    return np.array([names[int(code)] for code in results["status"].values])


def _network(run: "Run", cell: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the architecture with its options, and its parameters by name."""
    provenance = run.provenance(cell)
    if not provenance.get("model_folder"):
        raise StoreError(
            f"cell `{cell}` does not name its network (`model_folder` in its provenance), so its "
            "network cannot be written; make it again in another run folder (--out), or write a "
            "`.pt` file, which needs none"
        )
    network = run.folder / "models" / str(provenance["model_folder"])
    record, weights = read_network(network, provenance.get("params_sha256"))
    return {"architecture": record["model"], "options": record["options"]}, weights
