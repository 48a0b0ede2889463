"""`Dataset`: a graph with labels, masks and the record of where it came from."""

import dataclasses
import hashlib
import math
from typing import Literal

import jraph
import numpy as np

from jmetamer._base.arguments import AnArray, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.block_model import BlockModel
from jmetamer.graphs.graph import num_nodes, require_numbers, validate_graph
from jmetamer.graphs.labels import Classes, Split

MAX_CLASSES = 10_000  # of a graph with fewer nodes, which lacks most of them
FeatureKind = Literal["binary", "continuous", "one_hot"]


@checked
@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a dataset came from.

    Attributes:
      source: address of the files, or a sentence for embedded and generated data.
      sha256: hex digest of the content that was read: of the file; where there are several, of
        their sorted `sha256sum` lines; of the arrays (`content_digest`) where there is no file.
      licence: terms of use as far as known.
      citation: what to cite.
    """

    source: str
    sha256: str = ""
    licence: str = "not stated"
    citation: str = "not stated"


@checked
@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """One graph with node labels and a split; arrays are NumPy and live on the host.

    Attributes:
      name: table name or file stem.
      graph: `jraph.GraphsTuple` of one graph; nodes [n, d] float32, both directions stored.
      labels: [n] int32 in [0, num_classes).
      train_mask, val_mask, test_mask: [n] bool, pairwise disjoint.
      num_classes: number of classes, at most 10,000 or the number of nodes, if that is larger.
      feature_kind: "binary" (0/1), "one_hot" or "continuous".
      provenance: where the data came from.
      feature_range: (low, high) of legal feature values, or None where there is no bound.
      feature_shape: shape in which a feature row is a picture, as (8, 8), else None.
      oracle_labels: [n] int32 Bayes-optimal labels where the generating model is known, else None.
      block_model: the model that generated the graph, to ask for the Bayes-optimal labels of a
        graph that was changed (`measures.bayes_labels`); None where no block model did.
      class_names: what each class was called where it came from, else None.
      task: "node".
    """

    name: str
    graph: jraph.GraphsTuple
    labels: AnArray
    train_mask: AnArray
    val_mask: AnArray
    test_mask: AnArray
    num_classes: int
    feature_kind: FeatureKind
    provenance: Provenance
    feature_range: tuple[float, float] | None = None
    feature_shape: tuple[int, ...] | None = None
    oracle_labels: AnArray | None = None
    block_model: BlockModel | None = None
    class_names: tuple[str, ...] | None = None
    task: Literal["node"] = "node"


@checked
def validate_dataset(dataset: Dataset) -> None:
    """Check a dataset's graph, labels, masks and description against each other.

    Args:
      dataset: what a loader built.

    Raises:
      InputError: names the field and the first offending node.

    Example:
      >>> from jmetamer.graphs.load import load_dataset
      >>> karate = load_dataset("karate")
      >>> validate_dataset(dataclasses.replace(karate, labels=karate.labels[:30]))
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.InputError: `labels` has shape (30,); allowed: (34,)...
    """
    validate_graph(dataset.graph)
    total = num_nodes(dataset.graph)
    most = max(total, MAX_CLASSES)
    if not 1 <= dataset.num_classes <= most:
        raise InputError(
            f"`num_classes` is {dataset.num_classes!r}; allowed: a whole number from 1 to {most}, "
            "as a network has an output for each."
        )
    _check_labels("labels", dataset.labels, total, dataset.num_classes)
    if dataset.oracle_labels is not None:
        _check_labels("oracle_labels", dataset.oracle_labels, total, dataset.num_classes)
    _check_masks(dataset, total)
    _check_description(dataset)


@checked
def content_digest(dataset: Dataset) -> str:
    """Return the sha256 of a dataset's graph, labels and masks, as a hex string.

    Two datasets with equal arrays (value, shape and dtype) have equal digests, whatever their
    names and whichever file they came from.

    Example:
      >>> from jmetamer.graphs.load import load_dataset
      >>> content_digest(load_dataset("karate")) == content_digest(load_dataset("karate"))
      True
    """
    graph = dataset.graph
    nodes = graph.nodes if isinstance(graph.nodes, dict) else {"nodes": graph.nodes}
    arrays = {f"nodes/{name}": array for name, array in sorted(nodes.items())} | {
        "senders": graph.senders,
        "receivers": graph.receivers,
        "weight": graph.edges.weight,
        "edge_features": graph.edges.features,
        "labels": dataset.labels,
        "train_mask": dataset.train_mask,
        "val_mask": dataset.val_mask,
        "test_mask": dataset.test_mask,
    }
    digest = hashlib.sha256()
    for name, values in arrays.items():
        if values is not None:
            array = np.ascontiguousarray(values)
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def sealed(dataset: Dataset) -> Dataset:
    """Validate a freshly built dataset; an empty `provenance.sha256` becomes its content digest.

    Raises:
      InputError: see `validate_dataset`.
    """
    validate_dataset(dataset)
    if dataset.provenance.sha256:
        return dataset
    provenance = dataclasses.replace(dataset.provenance, sha256=content_digest(dataset))
    return dataclasses.replace(dataset, provenance=provenance)


def dataset_of(
    name: str,
    graph: jraph.GraphsTuple,
    classes: Classes,
    split: Split,
    provenance: Provenance,
    **described: AnArray,
) -> Dataset:
    """Return a valid dataset; what is not described of its features is what their values show."""
    described.setdefault("feature_kind", infer_feature_kind(graph.nodes))
    unbounded = described["feature_kind"] == "continuous"
    described.setdefault("feature_range", None if unbounded else (0.0, 1.0))
    labeled = {**classes._asdict(), **split._asdict(), **described}
    return sealed(Dataset(name=name, graph=graph, provenance=provenance, **labeled))


def infer_feature_kind(nodes: np.ndarray) -> FeatureKind:
    """Say what the features are: "one_hot" (0/1, one 1 a row), "binary" (0/1) or "continuous".

    Args:
      nodes: [n, d] features.

    Example:
      >>> infer_feature_kind(np.eye(3)), infer_feature_kind(np.ones((2, 2)))
      ('one_hot', 'binary')
    """
    if not ((nodes == 0) | (nodes == 1)).all():
        return "continuous"
    return "one_hot" if (nodes.sum(axis=1) == 1).all() else "binary"


def _check_labels(field: str, values: np.ndarray, total: int, num_classes: int) -> None:
    labels = np.asarray(values)
    if labels.shape != (total,):
        raise InputError(
            f"`{field}` has shape {labels.shape}; allowed: ({total},), one label for each of the "
            f"graph's {total} nodes."
        )
    require_numbers(field, labels, num_classes, "class")


def _check_masks(dataset: Dataset, total: int) -> None:
    names = ("train_mask", "val_mask", "test_mask")
    masks = {name: np.asarray(getattr(dataset, name)) for name in names}
    for name, mask in masks.items():
        if mask.shape != (total,) or mask.dtype != np.bool_:
            raise InputError(
                f"`{name}` has shape {mask.shape} and dtype {mask.dtype}; allowed: ({total},) and "
                "bool, one entry a node."
            )
    for first, second in (names[:2], names[::2], names[1:]):
        both = np.flatnonzero(masks[first] & masks[second])
        if both.size:
            raise InputError(
                f"`{first}` and `{second}` overlap: node {both[0]} is in both ({both.size} such "
                "nodes); the masks must be disjoint, or test scores would count training nodes."
            )
    if not masks["train_mask"].any():
        raise InputError(
            f"`train_mask` selects 0 of {total} nodes; at least 1 is needed to train on."
        )


def _check_description(dataset: Dataset) -> None:
    names = dataset.class_names
    if names is not None and len(names) != dataset.num_classes:
        raise InputError(
            f"`class_names` holds {len(names)} names; allowed: {dataset.num_classes}, one a class."
        )
    low, high = dataset.feature_range or (-math.inf, math.inf)
    if not low <= high:
        raise InputError(
            f"`feature_range` is {(low, high)!r}; allowed: two numbers, low and high, low not "
            "above high; infinite ones where there is no bound."
        )
    nodes = dataset.graph.nodes
    if isinstance(nodes, dict):
        return
    nodes = np.asarray(nodes)
    if dataset.feature_kind != "continuous":
        _check_entries(nodes, (nodes != 0) & (nodes != 1), "0 or 1", dataset.feature_kind)
    outside = (nodes < low) | (nodes > high)
    _check_entries(nodes, outside, f"{low} to {high}", "feature_range")
    if dataset.feature_shape is not None:
        _check_shape(dataset.feature_shape, nodes.shape[1])


def _check_shape(shape: tuple[int, ...], width: int) -> None:
    sizes = np.asarray(shape)
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (sizes < 1).any():
        raise InputError(f"`feature_shape` is {shape!r}; allowed: whole numbers from 1 on.")
    if math.prod(sizes.tolist()) != width:
        raise InputError(
            f"`feature_shape` {shape} holds {math.prod(sizes.tolist())} features; the nodes have "
            f"{width}."
        )


def _check_entries(nodes: np.ndarray, bad: np.ndarray, allowed: str, why: str) -> None:
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"`nodes[{row}, {column}]` is {nodes[row, column]}; allowed: {allowed} (declared by "
            f"{why!r}; {int(bad.sum())} such entries)."
        )
