"""Graphs of networkx and `Data` objects of PyTorch Geometric as datasets; torch is not imported."""

from typing import TYPE_CHECKING

import numpy as np

from jmetamer._base.arguments import AnArray, Natural, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.dataset import Dataset, Provenance, dataset_of
from jmetamer.graphs.graph import as_float32, dense, is_sparse, make_graph
from jmetamer.graphs.labels import Split, class_numbers, select_split

if TYPE_CHECKING:
    from networkx import Graph


def is_networkx(source: object) -> bool:
    """Whether an object looks like a networkx graph, without importing networkx."""
    return all(hasattr(source, name) for name in ("adj", "nodes", "edges", "is_directed"))


@checked
def load_networkx(
    source: "Graph",
    *,
    seed: Seed = 0,
    split: Natural = 0,
    features: str = "x",
    label: str = "y",
    weight: str | None = None,
    name: str | None = None,
) -> Dataset:
    """Read a networkx graph; nodes keep the order of `source.nodes`.

    An undirected edge is stored in both directions, a self loop once; parallel edges are kept.

    Args:
      source: any kind of networkx graph.
      seed: draws a split (`labels.per_class_split`) if the nodes have no masks.
      split: 0; a networkx graph holds one split.
      features: node attribute with a number or a list of numbers, the same length everywhere. If
        no node has it, the features are the rows of the identity matrix (one-hot).
      label: node attribute with the class: integers or texts (`labels.class_numbers`).
        The optional boolean node attributes "train_mask", "val_mask" and "test_mask" hold the
        split.
      weight: edge attribute with the weight; all 1 if None.
      name: the dataset's name; that of the graph, or "networkx", if None.

    Raises:
      InputError: an attribute is missing at a node or cannot be used; names the node.

    Example:
      >>> import networkx
      >>> graph = networkx.path_graph(4)
      >>> networkx.set_node_attributes(graph, {0: "a", 1: "a", 2: "b", 3: "b"}, name="y")
      >>> load_networkx(graph).labels
      array([0, 0, 1, 1], dtype=int32)
    """
    if source.number_of_nodes() == 0:
        raise InputError("`source` is a networkx graph with 0 nodes; at least 1 is needed.")
    nodes = _features(source, features)
    values = _attribute(source, label, required=True)
    classes = class_numbers(label, values, source.number_of_nodes())
    masks = {field: _attribute(source, field, required=False) for field in Split._fields}
    graph = make_graph(nodes, *_edges(source, weight))
    split_masks = select_split(masks, split, classes.labels, seed)
    name = name or source.name or "networkx"
    return dataset_of(name, graph, classes, split_masks, Provenance("a networkx graph"))


def _attribute(source: "Graph", attribute: str, *, required: bool) -> list[object] | None:
    """Return the attribute of every node in order, or None if no node has it."""
    values = [data for _, data in source.nodes(data=attribute)]
    absent = [node for node, value in zip(source.nodes, values, strict=True) if value is None]
    if len(absent) == len(values) and not required:
        return None
    if absent:
        raise InputError(
            f"node {absent[0]!r} has no attribute {attribute!r}; every node needs it "
            f"({len(absent)} of {len(values)} lack it). Set it with "
            "networkx.set_node_attributes, or name another attribute."
        )
    return values


def _features(source: "Graph", attribute: str) -> np.ndarray:
    values = _attribute(source, attribute, required=False)
    if values is None:
        return np.eye(source.number_of_nodes(), dtype=np.float32)
    rows: list[np.ndarray] = []
    for node, value in zip(source.nodes, values, strict=True):
        row = _numbers(attribute, value, f"node {node!r}")
        if row.shape[0] == 1 and is_sparse(value):
            row = row.reshape(-1)
        if row.ndim != 1 or (rows and row.size != rows[0].size):
            raise InputError(
                f"attribute {attribute!r} of node {node!r} has shape {row.shape}; allowed: "
                f"{rows[0].shape if rows else '(d,)'}, as at the nodes before it."
            )
        rows.append(row)
    return np.stack(rows)


def _edges(source: "Graph", weight: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    number = {node: index for index, node in enumerate(source.nodes)}
    ends = [(number[a], number[b]) for a, b in source.edges()]
    senders, receivers = np.array(ends, np.int64).reshape(-1, 2).T
    weights = None if weight is None else _weights(source, weight)
    if not source.is_directed():
        back = senders != receivers
        turned = receivers[back], senders[back]
        senders = np.concatenate([senders, turned[0]])
        receivers = np.concatenate([receivers, turned[1]])
        weights = None if weights is None else np.concatenate([weights, weights[back]])
    order = np.lexsort((senders, receivers))
    return senders[order], receivers[order], None if weights is None else weights[order]


def _weights(source: "Graph", attribute: str) -> np.ndarray:
    weights = (
        _numbers(attribute, value, f"edge ({first!r}, {second!r})", one=True)
        for first, second, value in source.edges(data=attribute)
    )
    return np.concatenate([np.zeros(0, np.float32), *weights])


def _numbers(attribute: str, value: AnArray, where: str, *, one: bool = False) -> np.ndarray:
    """Return one attribute as float32 with at least one axis."""
    allowed = "a number, 0 or more, at every edge" if one else "a number or a list of numbers"
    try:
        if one and (np.ndim(value) > 0 or isinstance(value, bool | np.bool_)):
            raise InputError(f"it is a {type(value).__name__}")
        return as_float32(attribute, value)
    except InputError as error:
        raise InputError(
            f"attribute {attribute!r} of {where} is {value!r}; allowed: {allowed} ({error})"
        ) from None


def is_pyg(source: object) -> bool:
    """Whether an object looks like a PyTorch Geometric `Data`: it has `edge_index` and `x`."""
    return hasattr(source, "edge_index") and hasattr(source, "x")


@checked
def load_pyg(source: object, *, split: Natural = 0, seed: Seed = 0, name: str = "pyg") -> Dataset:
    """Read `x`, `edge_index`, `y`, and, where present, `edge_weight`, `edge_attr` and the masks.

    Edges keep their order; none is added or removed, so a directed `edge_index` stays directed.
    `edge_attr` becomes the edge features.

    Args:
      source: an object with `x` [n, d], `edge_index` [2, e] (source, then target) and `y` [n] or
        [n, 1]; `train_mask`, `val_mask` and `test_mask` [n] or [n, k].
      split: which column of the masks.
      seed: draws a split (`labels.per_class_split`) if there are no masks.
      name: the dataset's name.

    Raises:
      InputError: an attribute is missing or cannot be used; names it.

    Example:
      >>> import types
      >>> data = types.SimpleNamespace(
      ...     x=np.eye(4), edge_index=np.array([[0, 1], [1, 0]]), y=np.array([0, 1, 0, 1]))
      >>> load_pyg(data).num_classes
      2
    """
    arrays = {
        field: _to_numpy(field, getattr(source, field, None))
        for field in ("x", "edge_index", "y", "edge_weight", "edge_attr", *Split._fields)
    }
    for field, meaning in (("x", "features"), ("edge_index", "edges"), ("y", "labels")):
        if arrays[field] is None:
            raise InputError(
                f"`{field}` of the PyTorch Geometric object is None; it needs {meaning}."
            )
    index = arrays["edge_index"]
    if index.ndim != 2 or index.shape[0] != 2:
        raise InputError(f"`edge_index` has shape {index.shape}; allowed: (2, e).")
    attributes = arrays["edge_attr"]
    if attributes is not None and attributes.ndim == 1:
        attributes = attributes[:, None]
    graph = make_graph(arrays["x"], index[0], index[1], arrays["edge_weight"], attributes)
    classes = class_numbers("y", arrays["y"], graph.nodes.shape[0])
    masks = {field: None if arrays[field] is None else arrays[field].T for field in Split._fields}
    split_masks = select_split(masks, split, classes.labels, seed)
    provenance = Provenance("a PyTorch Geometric Data object")
    return dataset_of(name, graph, classes, split_masks, provenance)


def _to_numpy(field: str, value: AnArray | None) -> AnArray:
    """Copy a tensor to the host; dense, detached from any gradient."""
    if value is None:
        return None
    value = dense(field, value)
    if hasattr(value, "detach"):
        try:
            value = value.detach().cpu().numpy()
        except TypeError as error:  # of bfloat16 and the like
            raise InputError(
                f"`{field}` has dtype {getattr(value, 'dtype', 'unknown')}, which NumPy lacks "
                f"({error}); convert it by `.float()`."
            ) from None
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise InputError(f"`{field}` has dtype {array.dtype}; allowed: a tensor of numbers.")
    return array
