"""Content digests: whether two sets of arrays are the same, byte for byte."""

import jax
import numpy as np

from jmetamer.graphs.dataset import Dataset
from jmetamer.results.record import arrays_digest


def tree_digest(tree: object) -> str:
    """Return the digest of a pytree of arrays, its leaves named by their path.

    Args:
      tree: pytree of arrays.

    Example:
      >>> tree_digest({"a": np.zeros(2)}) == tree_digest({"b": np.zeros(2)})
      False
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    named = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    return arrays_digest(sorted(named.items(), key=lambda pair: pair[0]))


def dataset_digest(data: Dataset) -> str:
    """Return the digest of what training sees: graph, labels and the split.

    Args:
      data: the dataset.
    """
    masks = {name: getattr(data, name) for name in ("train_mask", "val_mask", "test_mask")}
    return tree_digest({"graph": data.graph, "labels": data.labels, **masks})
