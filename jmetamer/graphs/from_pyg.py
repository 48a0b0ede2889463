"""PyTorch Geometric `Data` objects as datasets, read by their attributes; torch is not imported."""

import numpy as np

from jmetamer._base.arguments import AnArray, Natural, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.dataset import Dataset, Provenance, dataset_as_read
from jmetamer.graphs.graph import dense, make_graph
from jmetamer.graphs.labels import class_numbers
from jmetamer.graphs.split import Split, select_split

_PROVENANCE = Provenance(
    source="a PyTorch Geometric Data object",
    sha256="",
    licence="not stated",
    citation="not stated",
)


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
      seed: draws a split (`split.per_class_split`) if there are no masks.
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
    return dataset_as_read(name, graph, classes, split_masks, _PROVENANCE)


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
