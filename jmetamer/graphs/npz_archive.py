"""Reading `.npz` files that may come from anywhere: what a header claims is checked first.

Only the arrays that are asked for are read, nothing is unpickled, and no more memory is taken than
the file's own directory says and the limit allows.
"""

import io
import math
import pathlib
import zipfile
from collections.abc import Collection
from typing import IO

import numpy as np

from jmetamer._base.errors import DataError

MAX_BYTES = 2**31  # of all arrays together, unpacked
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npz(
    content: bytes | pathlib.Path,
    source: str,
    names: Collection[str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> dict[str, np.ndarray]:
    """Read plain arrays of a `.npz` file by their names.

    Args:
      content: bytes of the file, or its path.
      source: its name, for messages.
      names: arrays to read, where they are there; None for all.
      max_bytes: limit of what they take unpacked.

    Raises:
      DataError: the file or one of these arrays is damaged, encrypted, packed in an unknown way,
        an array of objects, not as large as its header says, or all are larger than the limit.

    Example:
      >>> file = io.BytesIO()
      >>> np.savez(file, x=np.arange(3), y=np.zeros(2))
      >>> read_npz(file.getvalue(), "own.npz", ["x", "z"])
      {'x': array([0, 1, 2])}
    """
    try:
        file = io.BytesIO(content) if isinstance(content, bytes) else content
        with zipfile.ZipFile(file) as archive:
            members = _members(archive, source, names)
            _check_size(members, source, max_bytes)
            return {name: _read(archive, member, source) for name, member in members.items()}
    except DataError:
        raise
    except Exception as error:  # a damaged archive raises nearly anything
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise DataError(
            f"{source!r} is not a readable .npz file of plain arrays ({reason}); it is damaged or "
            "something else. Write it with numpy.savez or `save_graph_npz`."
        ) from None


def _members(
    archive: zipfile.ZipFile, source: str, names: Collection[str] | None
) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if not member.filename.endswith(".npy") or (names is not None and name not in names):
            continue
        if name in members:
            raise DataError(f"{source!r} holds {name!r} twice; it is damaged.")
        members[name] = member
    return members


def _check_size(members: dict[str, zipfile.ZipInfo], source: str, max_bytes: int) -> None:
    total = sum(member.file_size for member in members.values())
    if total > max_bytes:
        largest = max(members, key=lambda name: members[name].file_size)
        raise DataError(
            f"{source!r} unpacks to {total} bytes, the most of them in {largest!r}; allowed are "
            f"{max_bytes}, so that a small file cannot fill the memory. Raise `max_bytes` if you "
            "trust it."
        )


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: str) -> np.ndarray:
    where = f"{source!r}, {member.filename.removesuffix('.npy')!r}"
    if member.flag_bits & 1:
        raise DataError(f"{where} is encrypted; allowed: plain arrays. Write them without.")
    if member.compress_type not in _METHODS:
        raise DataError(
            f"{where} is packed by method {member.compress_type}; allowed: as numpy.savez or "
            "numpy.savez_compressed write."
        )
    try:
        with archive.open(member) as stream:
            _check_header(stream, member, where)
        with archive.open(member) as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
            stream.read(1)  # to the end, where the sum is compared
            return array
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{where} is not a readable array ({error}); it is damaged.") from None


def _check_header(stream: IO[bytes], member: zipfile.ZipInfo, where: str) -> None:
    """Refuse what is no plain array, or not as large as its header says."""
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise DataError(f"{where} has the array format {version}; allowed: {list(readers)}.")
    shape, _, dtype = readers[version](stream)
    if dtype.hasobject or dtype.names:
        raise DataError(
            f"{where} has dtype {dtype}; allowed: numbers, bools and texts, since objects would "
            "have to be unpickled, which may run code."
        )
    # Texts of no letters take no byte in the file, and one entry each in memory.
    claimed, there = math.prod(shape) * max(1, dtype.itemsize), member.file_size - stream.tell()
    if claimed != there:
        raise DataError(
            f"{where} claims shape {shape} of {dtype}, {claimed} bytes, but holds {there}; it is "
            "damaged."
        )
