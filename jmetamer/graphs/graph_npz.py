"""One graph in one `.npz` file: the layout for a user's own data, and of heterophilous-graphs.

    node_features  [n, d]  real numbers                                         required
    node_labels    [n]     integers from 0, or texts (`labels.class_numbers`)   required
    edges          [e, 2]  integers: (sender, receiver)                         required
    train_masks, val_masks, test_masks  [k, n] or [n] bool: k splits   all three or none
    edge_weight    [e]     finite, 0 or more (default: all 1)                   optional
    edge_features  [e, f]  real numbers                                         optional
    directed       bool; false (default): each undirected edge is listed once and stored in both
                   directions, repeats dropped; true: edges are taken as they are listed
    num_classes    integer; labels lie below it (default: as many as there are) optional
    class_names    [num_classes] texts, in the order of the numbers             optional
    oracle_labels  [n]     the classes as `node_labels` call them               optional
    feature_kind   "binary", "one_hot" or "continuous" (default: seen from the values)
    feature_range  [2]     lowest and highest legal value (default: 0 and 1 unless continuous)
    feature_shape  shape in which a feature row is a picture, as [8, 8]         optional
    source, licence, citation   texts                                           optional

Nothing in the file is unpickled. `save_graph_npz` writes this layout.
"""

import hashlib
import os

import jraph
import numpy as np

from jmetamer._base.arguments import AnArray, Count, Natural, Seed, checked
from jmetamer._base.errors import DataError, InputError
from jmetamer._base.paths import read_regular, user_path
from jmetamer.graphs.data_files import DataFile, digest_of, read_data_files
from jmetamer.graphs.dataset import Dataset, Provenance, dataset_of, validate_dataset
from jmetamer.graphs.edge_lists import symmetrize
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.labels import Classes, Split, class_numbers, numbered_alike, select_split
from jmetamer.graphs.number_files import MAX_BYTES, read_npz

_REQUIRED = ("node_features", "node_labels", "edges")
_OPTIONAL = (
    *(f"{field}{plural}" for field in Split._fields for plural in ("", "s")),
    *("edge_weight", "edge_features", "directed", "num_classes", "class_names", "oracle_labels"),
    *("feature_kind", "feature_range", "feature_shape", "source", "licence", "citation"),
)
_KINDS = {"U": "a text", "iu": "a whole number", "biu": "a bool"}
HETEROPHILOUS_URL = (
    "https://github.com/yandex-research/heterophilous-graphs/raw/"
    "a431395582e929d88271309716bea4fe24ce6318/data"
)
# Chameleon and Squirrel without the duplicated nodes that leak test labels into training.
HETEROPHILOUS_FILES = {
    "chameleon": "chameleon_filtered.npz",
    "squirrel": "squirrel_filtered.npz",
    **{
        name: f"{name}.npz"
        for name in (
            *("actor", "texas", "texas_4_classes", "cornell", "wisconsin", "roman_empire"),
            *("amazon_ratings", "minesweeper", "tolokers", "questions"),
        )
    },
}


@checked
def load_graph_npz(
    path: str | os.PathLike[str],
    *,
    split: Natural = 0,
    seed: Seed = 0,
    max_bytes: Count = MAX_BYTES,
) -> Dataset:
    """Read a graph of your own; the layout is at the top of this file.

    Args:
      path: the `.npz` file; its stem becomes the dataset's name.
      split: which of the stored splits.
      seed: draws a split where the file has none (`labels.per_class_split`).
      max_bytes: limit of what the arrays take unpacked.

    Raises:
      DataError: the file is missing, damaged or does not follow the layout; names the key.
    """
    file = user_path(path)
    try:
        content = read_regular(file)
    except OSError as error:
        raise DataError(
            f"{str(file)!r} cannot be read: {error.strerror}. Give the path of a .npz file that "
            "`save_graph_npz` could have written, or a dataset name without folder or suffix."
        ) from None
    return parse_graph_npz(
        content, str(file), file.stem, split=split, seed=seed, max_bytes=max_bytes
    )


@checked
def save_graph_npz(path: str | os.PathLike[str], dataset: Dataset) -> None:
    """Write a dataset such that `load_graph_npz` gives equal arrays back, edges in their order.

    Args:
      path: file to write, ending in `.npz`; an existing one is replaced.
      dataset: what to write.

    Raises:
      InputError: the dataset is not valid, or `path` does not end in `.npz`.

    Example:
      >>> import tempfile
      >>> from jmetamer.graphs.load import load_dataset
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     save_graph_npz(folder + "/own.npz", load_dataset("karate"))
      ...     print(load_dataset(folder + "/own.npz").graph.nodes.shape)
      (34, 34)
    """
    file = user_path(path)
    if file.suffix != ".npz":
        raise InputError(f"`path` is {str(path)!r}; allowed: a name that ends in '.npz'.")
    validate_dataset(dataset)
    graph, origin = dataset.graph, dataset.provenance
    arrays: dict[str, AnArray] = {
        "node_features": graph.nodes,
        "node_labels": dataset.labels,
        "edges": np.stack([np.asarray(graph.senders), np.asarray(graph.receivers)], axis=1),
        "edge_weight": graph.edges.weight,
        "edge_features": graph.edges.features,
        "directed": True,
        "train_masks": dataset.train_mask,
        "val_masks": dataset.val_mask,
        "test_masks": dataset.test_mask,
        "num_classes": dataset.num_classes,
        "class_names": dataset.class_names,
        "oracle_labels": dataset.oracle_labels,
        "feature_kind": dataset.feature_kind,
        "feature_range": dataset.feature_range,
        "feature_shape": dataset.feature_shape,
        "source": origin.source,
        "licence": origin.licence,
        "citation": origin.citation,
    }
    np.savez_compressed(file, **{key: v for key, v in arrays.items() if v is not None})


def parse_graph_npz(
    content: bytes,
    source: str,
    name: str,
    *,
    split: int = 0,
    seed: int = 0,
    provenance: Provenance | None = None,
    max_bytes: int = MAX_BYTES,
) -> Dataset:
    """Build a dataset from the bytes of a `.npz` file.

    Args:
      content: the bytes.
      source: the file's name, for messages.
      name: the dataset's name.
      split: which of the stored splits.
      seed: draws a split where the file has none.
      provenance: where the file came from; taken from the file if None.
      max_bytes: limit of what the arrays take unpacked.

    Raises:
      DataError: the content does not follow the layout.
    """
    arrays = _read_arrays(content, source, max_bytes)
    try:
        return _build(arrays, name, split, seed, provenance or _provenance(arrays, source, content))
    except DataError:
        raise
    except InputError as error:
        raise DataError(f"{source!r}: {error}") from None


def _read_arrays(content: bytes, source: str, max_bytes: int) -> dict[str, np.ndarray]:
    arrays = read_npz(content, source, _REQUIRED + _OPTIONAL, max_bytes)
    missing = [key for key in _REQUIRED if key not in arrays]
    if missing:
        raise DataError(
            f"{source!r} lacks {', '.join(map(repr, missing))}; it holds "
            f"{', '.join(map(repr, sorted(arrays))) or 'nothing'}. Required: "
            f"{', '.join(map(repr, _REQUIRED))}."
        )
    return arrays


def _build(
    arrays: dict[str, np.ndarray], name: str, split: int, seed: int, provenance: Provenance
) -> Dataset:
    graph = _graph(arrays)
    total = graph.nodes.shape[0]
    stated = _scalar(arrays, "num_classes", None, "iu")
    labels, names = arrays["node_labels"], None
    if "class_names" in arrays:
        names = tuple(_texts("class_names", arrays["class_names"]))
    if names is not None and labels.dtype.kind == "U":
        classes = Classes(labels, stated or len(names), names)
        classes = classes._replace(labels=numbered_alike("node_labels", labels, total, classes))
    else:
        classes = class_numbers("node_labels", labels, total, stated)
    described: dict[str, AnArray] = {}
    if "oracle_labels" in arrays:
        oracle = numbered_alike("oracle_labels", arrays["oracle_labels"], total, classes)
        described["oracle_labels"] = oracle
    if names is not None:
        classes = classes._replace(class_names=names)
    masks = {field: arrays.get(f"{field}s", arrays.get(field)) for field in Split._fields}
    if "feature_kind" in arrays:
        described["feature_kind"] = _scalar(arrays, "feature_kind", None, "U")
    if "feature_range" in arrays:
        described["feature_range"] = _pair(arrays["feature_range"])
    if "feature_shape" in arrays:
        described["feature_shape"] = tuple(arrays["feature_shape"].ravel().tolist())
    chosen = select_split(masks, split, classes.labels, seed)
    return dataset_of(name, graph, classes, chosen, provenance, **described)


def _graph(arrays: dict[str, np.ndarray]) -> jraph.GraphsTuple:
    edges = arrays["edges"]
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise InputError(
            f"`edges` has shape {edges.shape}; allowed: (e, 2), a sender and a receiver an edge."
        )
    graph = make_graph(
        arrays["node_features"],
        edges[:, 0],
        edges[:, 1],
        arrays.get("edge_weight"),
        arrays.get("edge_features"),
    )
    directed = _scalar(arrays, "directed", False, "biu")
    if directed not in (0, 1):
        raise InputError(f"`directed` is {directed!r}; allowed: true or false, 1 or 0.")
    return graph if directed else symmetrize(graph)


def _scalar(arrays: dict[str, np.ndarray], key: str, default: object, kinds: str) -> AnArray:
    value = arrays.get(key)
    if value is None:
        return default
    if value.size != 1 or value.dtype.kind not in kinds:
        text = repr(value.reshape(()).item()) if value.size == 1 else f"of shape {value.shape}"
        raise InputError(
            f"`{key}` is {text}, dtype {value.dtype}; allowed: one value, {_KINDS[kinds]}."
        )
    return value.reshape(()).item()


def _texts(key: str, values: np.ndarray) -> list[str]:
    if values.ndim != 1 or values.dtype.kind != "U":
        raise InputError(
            f"`{key}` has shape {values.shape} and dtype {values.dtype}; allowed: a list of texts."
        )
    return list(values.tolist())


def _pair(bounds: np.ndarray) -> tuple[float, float]:
    if bounds.shape != (2,):
        raise InputError(f"`feature_range` has shape {bounds.shape}; allowed: (2,), low and high.")
    return bounds[0].item(), bounds[1].item()


def _provenance(arrays: dict[str, np.ndarray], source: str, content: bytes) -> Provenance:
    return Provenance(
        source=_scalar(arrays, "source", source, "U"),
        sha256=hashlib.sha256(content).hexdigest(),
        licence=_scalar(arrays, "licence", "not stated", "U"),
        citation=_scalar(arrays, "citation", "not stated", "U"),
    )


@checked
def load_heterophilous(
    name: str, *, split: Natural = 0, root: str | os.PathLike[str] | None = None
) -> Dataset:
    """Read one graph of Platonov et al., each undirected edge stored in both directions.

    "chameleon" and "squirrel" are the filtered versions, from which duplicate nodes are removed.
    Other files of the collection are read by path: `load_dataset("folder/chameleon.npz")`.

    Args:
      name: a key of `HETEROPHILOUS_FILES`.
      split: which of the ten stored splits, 0 to 9.
      root: folder to look in first; see `jmetamer.graphs.data_files` for the others.

    Raises:
      DataError: the file is missing, damaged or tampered with.
    """
    file = DataFile("heterophilous", name, HETEROPHILOUS_FILES[name], HETEROPHILOUS_URL)
    contents = read_data_files([file], root)
    provenance = Provenance(
        source=f"{HETEROPHILOUS_URL}/{file.name}",
        sha256=digest_of(contents),
        licence="MIT (the repository yandex-research/heterophilous-graphs)",
        citation="O. Platonov, D. Kuznedelev, M. Diskin, A. Babenko and L. Prokhorenkova (2023), A "
        "Critical Look at the Evaluation of GNNs under Heterophily, arXiv:2302.11640",
    )
    return parse_graph_npz(contents[file.name], file.name, name, split=split, provenance=provenance)
