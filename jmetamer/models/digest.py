"""Content digests: whether two sets of arrays are the same, byte for byte."""

import hashlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jmetamer.graphs.dataset import Dataset


def array_digest(arrays: Mapping[str, Any]) -> str:
    """Return the SHA-256 over names, dtypes, shapes and bytes of all arrays, sorted by name.

    Args:
      arrays: name -> array of any shape and dtype.

    Returns:
      64 hexadecimal digits.

    Example:
      >>> array_digest({"a": np.zeros(2)}) == array_digest({"a": np.zeros(2, np.float32)})
      False
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def tree_digest(tree: Any) -> str:
    """Return the digest of a pytree of arrays, its leaves named by their path.

    Args:
      tree: pytree of arrays.

    Example:
      >>> tree_digest({"a": np.zeros(2)}) == tree_digest({"b": np.zeros(2)})
      False
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return array_digest({jax.tree_util.keystr(path): leaf for path, leaf in leaves})


def dataset_digest(data: Dataset) -> str:
    """Return the digest of what training sees: graph, labels and the split.

    Args:
      data: the dataset.
    """
    masks = {name: getattr(data, name) for name in ("train_mask", "val_mask", "test_mask")}
    return tree_digest({"graph": data.graph, "labels": data.labels, **masks})
