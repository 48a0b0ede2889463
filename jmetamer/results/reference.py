"""`Reference`: the graph that metamers are compared with, stored once per content."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import Numbers, Vector, checked


class Reference(NamedTuple):
    """A reference graph as plain arrays.

    Attributes:
      digest: hex digest of the content, from `arrays_digest`.
      nodes: [n, d] float32 features.
      senders: [e] int32.
      receivers: [e] int32; both directions of an undirected edge are present.
      weight: [e] float32 edge weights.
      labels: [n] int32 classes.
      attrs: JSON-able: name, feature_kind, feature_shape, feature_range, num_classes.
    """

    digest: str
    nodes: np.ndarray
    senders: np.ndarray
    receivers: np.ndarray
    weight: np.ndarray
    labels: np.ndarray
    attrs: Mapping[str, object]


@checked
def arrays_digest(named_arrays: Iterable[tuple[str, object]]) -> str:
    """Return the sha256 of names, dtypes, shapes and bytes of arrays.

    Args:
      named_arrays: (name, array) pairs; their order counts, the memory layout does not.

    Returns:
      64 hexadecimal digits.

    Example:
      >>> ones = np.ones((2, 3))
      >>> arrays_digest([("x", ones)]) == arrays_digest([("x", np.asfortranarray(ones))])
      True
      >>> arrays_digest([("x", ones)]) == arrays_digest([("x", ones.T)])
      False
    """
    digest = hashlib.sha256()
    for name, array in named_arrays:
        # Little-endian, so that the digest is the same on every machine.
        own = np.asarray(array)
        plain = np.ascontiguousarray(own, dtype=own.dtype.newbyteorder("<"))
        digest.update(f"{name}|{plain.dtype.str}|{own.shape}|".encode())
        digest.update(plain.view(np.uint8).reshape(-1).data if plain.size else b"")
    return digest.hexdigest()


@checked
def make_reference(
    nodes: Numbers,
    senders: Vector,
    receivers: Vector,
    weight: Vector,
    labels: Vector,
    attrs: Mapping[str, object],
) -> Reference:
    """Return a `Reference` with its digest; two equal graphs give the same digest.

    Args:
      nodes: [n, d].
      senders: [e].
      receivers: [e].
      weight: [e].
      labels: [n].
      attrs: JSON-able notes; not part of the digest.

    Returns:
      The reference, with arrays as float32 and int32.

    Example:
      >>> make_reference(np.eye(2), [0], [1], [1.0], [0, 1], {"name": "pair"}).nodes.dtype
      dtype('float32')
    """
    arrays = {
        "nodes": np.asarray(nodes, np.float32),
        "senders": np.asarray(senders, np.int32),
        "receivers": np.asarray(receivers, np.int32),
        "weight": np.asarray(weight, np.float32),
        "labels": np.asarray(labels, np.int32),
    }
    return Reference(arrays_digest(arrays.items()), attrs=dict(attrs), **arrays)
