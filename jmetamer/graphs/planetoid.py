"""Planetoid raw files: Cora, CiteSeer and PubMed with their public split.

The files are old pickles, which may come from anywhere, and `pickle.load` calls whatever function a
file names. Here a file may name only the few types that these files need, and a sparse matrix
becomes a plain record without any behavior.
"""

import collections
import io
import os
import pickle
import warnings
from collections.abc import Mapping

import numpy as np

from jmetamer._base.arguments import AnArray, checked
from jmetamer._base.errors import DataError
from jmetamer.graphs.data_files import DataFile, digest_of, read_data_files
from jmetamer.graphs.dataset import Dataset, Provenance, dataset_of
from jmetamer.graphs.edge_lists import simple_undirected
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.labels import Classes, Split

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
    return dataset_of(
        name,
        make_graph(nodes, *_edges(name, parts["graph"], total)),
        Classes(labels.astype(np.int32), parts["ally"].shape[1]),
        Split(index < num_train, (index >= num_train) & (index < end_val), test_mask),
        Provenance(
            source=PLANETOID_URL,
            sha256=digest_of(contents),
            licence="MIT (the repository kimiyoung/planetoid)",
            citation="Z. Yang, W. W. Cohen and R. Salakhutdinov (2016), Revisiting "
            "Semi-Supervised Learning with Graph Embeddings, arXiv:1603.08861",
        ),
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


class SparseRows:
    """What a pickled SciPy CSR matrix held, as plain attributes in `__dict__`."""


def load_restricted(content: bytes, source: str) -> AnArray:
    """Unpickle arrays, CSR matrices, dicts and lists; refuse everything else unexecuted.

    Args:
      content: the bytes of a pickle; strings of Python 2 are read as latin-1, as NumPy's are.
      source: the file's name, for messages.

    Returns:
      The object; CSR matrices as dense arrays.

    Raises:
      DataError: the pickle names another type or function, or is damaged.

    Example:
      >>> load_restricted(pickle.dumps({"a": [1, 2]}), "example")
      {'a': [1, 2]}
      >>> load_restricted(pickle.dumps(print), "example")
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.DataError: 'example' asks to load `builtins.print`, ...
    """
    try:
        with warnings.catch_warnings():
            # Python 2 stored alignment as an int; NumPy reads it and deprecates it.
            warnings.simplefilter("ignore")
            return _plain(_Unpickler(content, source).load(), source)
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise DataError(
            f"{source!r} is not a readable pickle ({type(error).__name__}: {error}); it is "
            "damaged or something else; move it away and fetch it again."
        ) from None


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, source: str) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._source = source
        # A class of its own for each load: a file that sets attributes on it changes nothing.
        self._sparse = type("SparseRows", (SparseRows,), {})

    def find_class(self, module: str, name: str) -> object:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and (
            name == "_reconstruct"
        ):
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if module in ("scipy.sparse.csr", "scipy.sparse._csr") and name == "csr_matrix":
            return self._sparse
        allowed = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("collections", "defaultdict"): collections.defaultdict,
            ("__builtin__", "list"): list,
            ("builtins", "list"): list,
        }
        if (module, name) not in allowed:
            raise DataError(
                f"{self._source!r} asks to load `{module}.{name}`, which no data file needs; "
                "allowed: NumPy arrays, SciPy CSR matrices, dicts and lists. Nothing was "
                "executed. The file has been tampered with or is something else; do not use it."
            )
        return allowed[module, name]


def _plain(value: object, source: str) -> object:
    if isinstance(value, SparseRows):
        return _dense(value.__dict__, source)
    if isinstance(value, np.ndarray) and value.dtype.kind not in "fiub":
        raise DataError(f"{source!r} holds an array of dtype {value.dtype}; allowed: numbers only.")
    return value


def _dense(state: Mapping[str, AnArray], source: str) -> np.ndarray:
    """Expand a CSR matrix; entries given twice add up, as in SciPy."""
    try:
        rows, columns = (int(size) for size in state["_shape"])
        data, indices, indptr = state["data"], state["indices"], state["indptr"]
        counts = np.diff(indptr)
        fits = indptr.shape == (rows + 1,) and indptr[0] == 0 and (counts >= 0).all()
        fits &= data.shape == indices.shape == (int(indptr[-1]),)
        if not fits or (indices.size and not 0 <= indices.min() <= indices.max() < columns):
            raise ValueError("its index arrays do not fit its shape")
        dense = np.zeros((rows, columns), np.float32)
        np.add.at(dense, (np.repeat(np.arange(rows), counts), indices), data)
        return dense
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, MemoryError) as error:
        raise DataError(
            f"{source!r} holds a sparse matrix that cannot be read ({error}); the file is "
            "damaged; move it away and fetch it again."
        ) from None
