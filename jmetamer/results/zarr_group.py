"""Variables to a Zarr group and back: arrays of known size, each written whole.

Nothing is ever appended to, because appended Zarr arrays do not survive a killed process.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from jmetamer.results.record import Variable, arrays_digest

GROUP = "arrays.zarr"  # name of the group's folder beside its JSON document
# A reader of one metamer decompresses one chunk, so chunks are kept smaller than they need to be.
CHUNK_BYTES = 16 * 2**20


def write_group(folder: Path, variables: Mapping[str, Variable]) -> None:
    """Write variables as one Zarr v3 group.

    Text arrays (names of layers or measures) are kept as JSON attributes of the group, since
    Zarr v3 has no settled format for text.

    Example:
      >>> import tempfile
      >>> losses = {"loss": Variable(("metamer",), np.arange(3.0))}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_group(Path(folder) / "cell", losses)
      ...     read_group(zarr.open_group(f"{folder}/cell", mode="r"))["loss"].values.tolist()
      [0.0, 1.0, 2.0]
    """
    group = zarr.create_group(store=str(folder), zarr_format=3)
    texts = {}
    for name, variable in variables.items():
        values = np.asarray(variable.values)
        attrs = json_safe(variable.attrs)
        if values.dtype.kind in "OUST":
            texts[name] = {"dims": variable.dims, "values": values.tolist(), "attrs": attrs}
            continue
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=_chunks(values.shape, values.dtype.itemsize),
            dimension_names=variable.dims,
            attributes=attrs,
        )
        array[...] = values
    group.attrs.update({"texts": texts})


def read_group(group: zarr.Group) -> dict[str, Variable]:
    """Read a whole group into memory.

    Returns:
      Name -> `Variable`, text arrays included.

    Example:
      >>> import tempfile
      >>> layers = Variable(("layer",), np.array(["conv1", "logits"]))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_group(Path(folder) / "cell", {"layer": layers})
      ...     read_group(zarr.open_group(f"{folder}/cell", mode="r"))["layer"].values.tolist()
      ['conv1', 'logits']
    """
    variables = {
        name: Variable(_dims(array), np.asarray(array[...]), dict(array.attrs))
        for name, array in group.arrays()
    }
    return {**variables, **text_variables(group.attrs.asdict())}


def text_variables(group_attrs: Mapping[str, Any]) -> dict[str, Variable]:
    """Return the text arrays that `write_group` keeps in a group's attributes.

    Example:
      >>> stored = {"texts": {"layer": {"dims": ["layer"], "values": ["conv1"], "attrs": {}}}}
      >>> text_variables(stored)["layer"].dims
      ('layer',)
    """
    return {
        name: Variable(tuple(entry["dims"]), np.asarray(entry["values"], str), entry["attrs"])
        for name, entry in group_attrs.get("texts", {}).items()
    }


def checksum(variables: Mapping[str, Variable]) -> str:
    """Return the sha256 of all arrays: names, axes, dtypes, shapes and bytes.

    Cells that were written before there were manifests carry it.

    Returns:
      64 hexadecimal digits.

    Example:
      >>> x = Variable(("node",), np.zeros(2))
      >>> checksum({"x": x}) == checksum({"x": Variable(("node",), np.array([0.0, 1e-300]))})
      False
    """
    pairs = []
    for name in sorted(variables):
        values = np.asarray(variables[name].values)
        if values.dtype.kind in "OUST":
            values = np.frombuffer(json.dumps(values.tolist()).encode(), np.uint8)
        pairs.append((f"{name}({','.join(variables[name].dims)})", values))
    return arrays_digest(pairs)


def json_safe(value: object) -> Any:
    """Return `value` as standard JSON can hold it: NaN becomes null, infinity becomes text.

    Args:
      value: nested mappings, sequences, arrays, numbers, text; anything else becomes its text.

    Returns:
      The same structure of dict, list, str, int, float, bool and None.

    Example:
      >>> json_safe({"chance": np.float32(0.5), "range": (0, float("nan"))})
      {'chance': 0.5, 'range': [0, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return json_safe(value.tolist())
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Whole array where it fits, else slices along the leading axes."""
    chunks = [max(1, length) for length in shape]
    for axis in range(len(shape)):
        rest = math.prod(chunks[axis + 1 :]) * itemsize
        if chunks[axis] * rest <= CHUNK_BYTES:
            break
        chunks[axis] = max(1, CHUNK_BYTES // rest)
    return tuple(chunks)


def _dims(array: zarr.Array) -> tuple[str, ...]:
    return tuple(getattr(array.metadata, "dimension_names", None) or ())
