"""networkx graphs as datasets."""

from typing import TYPE_CHECKING

import numpy as np

from jmetamer._base.arguments import AnArray, Natural, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.dataset import Dataset, Provenance, dataset_as_read
from jmetamer.graphs.graph import as_float32, is_sparse, make_graph
from jmetamer.graphs.labels import class_numbers
from jmetamer.graphs.split import Split, select_split

if TYPE_CHECKING:
    from networkx import Graph

_PROVENANCE = Provenance(
    source="a networkx graph", sha256="", licence="not stated", citation="not stated"
)


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
      seed: draws a split (`split.per_class_split`) if the nodes have no masks.
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
    return dataset_as_read(name, graph, classes, split_masks, _PROVENANCE)


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
