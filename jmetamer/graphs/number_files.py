"""Numbers in text and `.npz` files from anywhere; what is wrong in them is named by its place.

Text files have one row a line, columns apart by commas, no header; they may be packed with gzip. Of
`.npz` files only the arrays that are asked for are read, after a look at what their headers claim:
nothing is unpickled, and no more memory is taken than the file's own directory says and the limit
allows.
"""

import gzip
import hashlib
import io
import math
import pathlib
import warnings
import zipfile
import zlib
from collections.abc import Collection
from typing import IO, NamedTuple

import numpy as np

from jmetamer._base.errors import DataError

# Above this, float64 does not hold every integer.
_LARGEST_EXACT = 2.0**53
_DAMAGED = (OSError, EOFError, zlib.error)
MAX_BYTES = 2**31  # of all arrays together, unpacked
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Table(NamedTuple):
    """Numbers and where they come from.

    Attributes:
      values: [rows, columns].
      source: the file, with the key in it if there is one, for messages.
      is_text: whether row r is line r + 1 of the file.
    """

    values: np.ndarray
    source: str
    is_text: bool = False

    def error(self, row: int, what: str) -> DataError:
        """Return the error for one row."""
        place = f"line {row + 1}" if self.is_text else f"row {row}"
        return DataError(f"{self.source}, {place}: {what}")

    def integers(self) -> np.ndarray:
        """Return the numbers as int64.

        Raises:
          DataError: a number is no integer, or none of 64 bits; names the row.
        """
        values = self.values
        if values.dtype.kind in "iub":
            wrong, what = values > np.iinfo(np.int64).max, "is too large; allowed: up to 2^63 - 1"
        else:
            with np.errstate(invalid="ignore"):
                wrong = (np.abs(values) > _LARGEST_EXACT) | (values != np.floor(values))
            what = "is no integer"
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            raise self.error(row, f"{values[row, column]} {what}")
        return values.astype(np.int64)

    def check_finite(self) -> None:
        """Refuse NaN and infinite values.

        Raises:
          DataError: names the row of the first.
        """
        wrong = ~np.isfinite(self.values)
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            what = f"column {column + 1} is {self.values[row, column]}; allowed: finite numbers"
            raise self.error(row, what)


def read_text_table(path: pathlib.Path, max_bytes: int = MAX_BYTES) -> Table:
    """Read a `.csv` or `.csv.gz` file of numbers.

    Args:
      path: the file.
      max_bytes: limit of what a packed file unpacks to.

    Returns:
      Table [rows, columns] of float64, which holds every node number; of an empty file [0, 0].

    Raises:
      DataError: the file cannot be read, its lines differ in length, or something in it is no
        number; names the line.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder, "edge.csv")
      ...     _ = file.write_text("0,1\\n1,2\\n")
      ...     read_text_table(file).integers().tolist()
      [[0, 1], [1, 2]]
    """
    try:
        if path.suffix == ".gz":
            _check_unpacked(path, max_bytes)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            values = np.loadtxt(str(path), comments=None, delimiter=",", ndmin=2, encoding="utf-8")
    except DataError:
        raise
    except _DAMAGED as error:
        raise _unreadable(path, error) from None
    except ValueError as error:
        raise DataError(f"{str(path)!r}, {_first_bad_line(path) or error}") from None
    return Table(values if values.size else np.zeros((0, 0)), repr(str(path)), True)


def read_npz_tables(
    path: pathlib.Path, names: Collection[str] | None = None, max_bytes: int = MAX_BYTES
) -> dict[str, Table]:
    """Read arrays of a `.npz` file by their keys; nothing is unpickled, vectors become columns.

    Args:
      path: the file.
      names: keys to read, where they are there; None for all.
      max_bytes: limit of what they take unpacked.

    Raises:
      DataError: the file cannot be read, or an array holds no numbers or has three axes.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     np.savez(folder + "/data.npz", num_nodes_list=np.array([3]))
      ...     read_npz_tables(pathlib.Path(folder, "data.npz"))["num_nodes_list"].values
      array([[3]])
    """
    tables = {}
    for key, array in read_npz(path, str(path), names, max_bytes).items():
        source = f"{str(path)!r}, {key!r}"
        if array.dtype.kind not in "iufb" or array.ndim > 2:
            raise DataError(
                f"{source} has shape {array.shape} and dtype {array.dtype}; allowed: numbers, at "
                "most two axes."
            )
        tables[key] = Table(array if array.ndim == 2 else array.reshape(-1, 1), source)
    return tables


def file_sha256(path: pathlib.Path) -> str:
    """Return the sha256 of a file as a hex string; the file is read in pieces.

    Raises:
      DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from None


def _check_unpacked(path: pathlib.Path, max_bytes: int) -> None:
    size = 0
    with gzip.open(path) as stream:
        while piece := stream.read(2**20):
            size += len(piece)
            if size > max_bytes:
                raise DataError(
                    f"{str(path)!r} unpacks to more than {max_bytes} bytes, so that a small file "
                    "cannot fill the memory. Raise `max_bytes` if you trust it."
                )


def _unreadable(path: pathlib.Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError(f"{str(path)!r} cannot be read ({reason}); it is damaged or something else.")


def _first_bad_line(path: pathlib.Path) -> str | None:
    """Say what is wrong with the first line that is not like the others."""
    opened = gzip.open if path.suffix == ".gz" else open
    width = 0
    with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            cells = line.strip().split(",")
            if not any(cells):
                continue
            width = width or len(cells)
            if len(cells) != width:
                return f"line {number}: {len(cells)} column(s), but the lines before have {width}."
            for column, cell in enumerate(cells, 1):
                if not is_number(cell):
                    return f"line {number}: column {column} is {cell!r}, which is no number."
    return None


def is_number(cell: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


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
