"""Tables of numbers in text and `.npz` files; what is wrong in them is named by file and line.

Text files have one row a line, columns apart by commas, no header; they may be packed with gzip.
"""

import gzip
import hashlib
import pathlib
import warnings
import zlib
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from jmetamer._base.errors import DataError
from jmetamer.graphs.npz_archive import MAX_BYTES, read_npz

# Above this, float64 does not hold every integer.
_LARGEST_EXACT = 2.0**53
_DAMAGED = (OSError, EOFError, zlib.error)


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
