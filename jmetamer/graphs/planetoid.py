"""Planetoid raw files: Cora, CiteSeer and PubMed with their public split."""

import os
from collections.abc import Mapping

import numpy as np

from jmetamer._base.arguments import AnArray, checked
from jmetamer._base.errors import DataError
from jmetamer.graphs.data_files import DataFile, digest_of, read_data_files
from jmetamer.graphs.dataset import Dataset, Provenance, infer_feature_kind, sealed
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.restricted_pickle import load_restricted
from jmetamer.graphs.symmetry import simple_undirected

PLANETOID_URL = (
    "https://github.com/kimiyoung/planetoid/raw/af6abf468a772cc055bec88c52e4d6f51b7c37e3/data"
)
PLANETOID_PARTS = ("tx", "allx", "y", "ty", "ally", "graph", "test.index")
_NUM_VAL = 500


@checked
def load_planetoid(name: str, *, root: str | os.PathLike[str] | None = None) -> Dataset:
    """Read one citation graph from the files `ind.<name>.<part>`, public split.

    Features stay as stored (0/1 for Cora and CiteSeer, TF-IDF for PubMed). Edges are undirected
    and stored in both directions; self loops and repeated edges are dropped. The training nodes
    are the first ones (20 a class), the next 500 are for validation, `test.index` lists the test
    nodes. A node that `test.index` skips (15 in CiteSeer) is in no file: it keeps its edges, gets
    all-zero features and label 0, and is in no mask, as in PyTorch Geometric.

    Args:
      name: "cora", "citeseer" or "pubmed".
      root: folder to look in first; see `jmetamer.graphs.data_files` for the others.

    Raises:
      DataError: a file is missing, damaged or tampered with.
    """
    files = [
        DataFile("planetoid", name, f"ind.{name}.{part}", PLANETOID_URL) for part in PLANETOID_PARTS
    ]
    contents = read_data_files(files, root)
    parts = {part: _read_part(name, part, contents) for part in PLANETOID_PARTS}
    _check_parts(name, parts)
    nodes, labels = _stack(parts, "allx", "tx"), _stack(parts, "ally", "ty").argmax(axis=1)
    total, num_train = nodes.shape[0], parts["y"].shape[0]
    index = np.arange(total)
    end_val = min(num_train + _NUM_VAL, parts["allx"].shape[0])
    test_mask = np.zeros(total, bool)
    test_mask[parts["test.index"]] = True
    kind = infer_feature_kind(nodes)
    return sealed(
        Dataset(
            name=name,
            graph=make_graph(nodes, *_edges(name, parts["graph"], total)),
            labels=labels.astype(np.int32),
            train_mask=index < num_train,
            val_mask=(index >= num_train) & (index < end_val),
            test_mask=test_mask,
            num_classes=parts["ally"].shape[1],
            feature_kind=kind,
            provenance=Provenance(
                source=PLANETOID_URL,
                sha256=digest_of(contents),
                licence="MIT (the repository kimiyoung/planetoid)",
                citation="Z. Yang, W. W. Cohen and R. Salakhutdinov (2016), Revisiting "
                "Semi-Supervised Learning with Graph Embeddings, arXiv:1603.08861",
            ),
            feature_range=None if kind == "continuous" else (0.0, 1.0),
        )
    )


def _read_part(name: str, part: str, contents: dict[str, bytes]) -> AnArray:
    file = f"ind.{name}.{part}"
    if part != "test.index":
        return load_restricted(contents[file], file)
    try:
        return np.array([int(line) for line in contents[file].split()], np.int64)
    except ValueError as error:
        raise DataError(f"{file!r} must hold one node number a line: {error}.") from None


def _check_parts(name: str, parts: Mapping[str, AnArray]) -> None:
    """Check that the parts fit together, so that damage is reported by file."""
    for part in ("allx", "tx", "ally", "ty", "y"):
        if not isinstance(parts[part], np.ndarray) or parts[part].ndim != 2:
            raise DataError(f"'ind.{name}.{part}' must hold a matrix of numbers; it does not.")
    if not isinstance(parts["graph"], dict):
        raise DataError(f"'ind.{name}.graph' must hold a dict of neighbor lists; it does not.")
    index = parts["test.index"]
    num_rest = parts["allx"].shape[0]
    rows = {part: parts[part].shape[0] for part in ("allx", "ally", "tx", "ty")}
    if rows["allx"] != rows["ally"] or not rows["tx"] == rows["ty"] == index.size:
        raise DataError(
            f"the files of {name!r} do not belong together: allx and ally have {rows['allx']} and "
            f"{rows['ally']} rows, tx, ty and test.index {rows['tx']}, {rows['ty']}, {index.size}."
        )
    if index.size == 0 or index.min() < num_rest or np.unique(index).size != index.size:
        raise DataError(
            f"'ind.{name}.test.index' must list different nodes from {num_rest} on, after the "
            "nodes of allx."
        )


def _stack(parts: Mapping[str, np.ndarray], first: str, tests: str) -> np.ndarray:
    """Put the test rows where `test.index` says; skipped rows stay zero."""
    index = parts["test.index"]
    rows = np.zeros((int(index.max()) + 1, parts[first].shape[1]), np.float32)
    rows[: parts[first].shape[0]] = parts[first]
    rows[index] = parts[tests]
    return rows


def _edges(name: str, graph: dict[int, list[int]], total: int) -> tuple[np.ndarray, np.ndarray]:
    file = f"ind.{name}.graph"
    try:
        senders = np.repeat(np.array(list(graph)), [len(near) for near in graph.values()])
        receivers = np.array([node for near in graph.values() for node in near])
        ends = np.concatenate([senders, receivers])
    except (TypeError, ValueError) as error:
        raise DataError(f"{file!r} must hold lists of node numbers: {error}.") from None
    if ends.ndim != 1 or ends.dtype.kind != "i":
        raise DataError(f"{file!r} must hold lists of node numbers; it holds {ends.dtype}.")
    outside = ends[(ends < 0) | (ends >= total)]
    if outside.size:
        raise DataError(
            f"{file!r} names node {outside[0]}; allowed: 0 to {total - 1}, as there are {total} "
            "nodes."
        )
    return simple_undirected(senders, receivers, total)
