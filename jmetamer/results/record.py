"""`Record`: everything one cell of a sweep leaves behind; `Reference`: the graph it is of."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from jmetamer._base.arguments import Numbers, Vector, checked
from jmetamer._base.errors import InputError
from jmetamer.results.setting_tree import Settings

SCHEMA_VERSION = 2  # since 2 a cell has a manifest


class Variable(NamedTuple):
    """One named array with labelled axes.

    Attributes:
      dims: one name per axis.
      values: array; NaN where a number does not exist.
      attrs: JSON-able notes: units, formula, table of codes.
    """

    dims: tuple[str, ...]
    values: np.ndarray
    attrs: Mapping[str, Any] = {}


@checked
@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """The result of one cell.

    Attributes:
      settings: resolved settings of the cell, JSON-able, every default written out.
      settings_hash: hex digest of `settings`; the cell's identity.
      variables: name -> `Variable`.
      scalars: name -> number or text (scores of the model, seconds, chance levels).
      status_counts: status name -> number of metamers.
      provenance: package versions, git revision, device, precision, dtype, seconds.
      reference: digest of the reference graph, stored once beside the cells.
      schema_version: version of this layout.
    """

    settings: Settings
    settings_hash: str
    variables: Mapping[str, Variable]
    scalars: Mapping[str, object]
    status_counts: Mapping[str, int]
    provenance: Mapping[str, object]
    reference: str
    schema_version: int = SCHEMA_VERSION


@checked
def hash_settings(settings: Settings) -> str:
    """Return the sha256 of settings, written as JSON with sorted keys and no spaces.

    Args:
      settings: JSON-able; the order of keys does not matter, NaN and infinity are refused.

    Returns:
      64 hexadecimal digits.

    Raises:
      InputError: a value that has no place in JSON.

    Example:
      >>> hash_settings({"b": 1, "a": 2}) == hash_settings({"a": 2, "b": 1})
      True
    """
    try:
        text = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"`settings` cannot be hashed ({error}): only numbers, text, true, false, null, lists "
            "and mappings of these are allowed, because settings are stored as JSON"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()


@checked
def check_record(record: Record) -> None:
    """Refuse a record whose parts contradict each other.

    Args:
      record: what is about to be stored.

    Raises:
      InputError: axes that do not fit their array, one axis with two lengths, a hash that is not
        that of the settings, or status counts that do not add up to the metamers.

    Example:
      >>> losses = Variable(("metamer",), np.zeros(2, np.float32))
      >>> check_record(Record({}, hash_settings({}), {"loss_final": losses}, {}, {}, {}, ""))
    """
    lengths = axis_lengths(record.variables)
    expected = hash_settings(record.settings)
    if record.settings_hash != expected:
        raise InputError(
            f"`settings_hash` is {record.settings_hash!r} but the settings hash to {expected!r}: "
            "take it from the cell's settings"
        )
    counted = sum(record.status_counts.values())
    if "status" in record.variables and counted != lengths["metamer"]:
        raise InputError(
            f"`status_counts` add up to {counted} but there are {lengths['metamer']} metamers: "
            "count the variable `status`"
        )


def axis_lengths(variables: Mapping[str, Variable]) -> dict[str, int]:
    """Return the length of every axis, or refuse variables that disagree.

    Returns:
      Axis name -> length.

    Raises:
      InputError: axes that do not fit their array, or one axis with two lengths.

    Example:
      >>> axis_lengths({"x": Variable(("node", "feature"), np.zeros((3, 2)))})
      {'node': 3, 'feature': 2}
    """
    lengths: dict[str, tuple[int, str]] = {}
    for name, variable in variables.items():
        shape = np.shape(variable.values)
        if len(variable.dims) != len(shape):
            raise InputError(
                f"variable `{name}` names {len(variable.dims)} axes {tuple(variable.dims)} but has "
                f"shape {shape}: name every axis once"
            )
        for dim, length in zip(variable.dims, shape, strict=True):
            first_length, owner = lengths.setdefault(dim, (length, name))
            if first_length != length:
                raise InputError(
                    f"axis `{dim}` has length {length} in variable `{name}` and {first_length} in "
                    f"`{owner}`: one axis has one length; rename one of them"
                )
    return {dim: length for dim, (length, _) in lengths.items()}


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


class Progress(NamedTuple):
    """One report from inside a cell.

    Attributes:
      stage: what is being done, as "training", "metamers" or "geometry".
      done: finished units of the stage, as metamers or epochs.
      total: units of the stage.
      loss: the latest loss, NaN where there is none.
    """

    stage: str
    done: int
    total: int
    loss: float = float("nan")
