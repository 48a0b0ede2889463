"""Reading of old pickles that may come from anywhere: only arrays and containers get in.

`pickle.load` calls whatever function a file names. Here a file may name only the few types that
the Planetoid files need, and a sparse matrix becomes a plain record without any behavior.
"""

import collections
import io
import pickle
import warnings
from collections.abc import Mapping

import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import DataError


class SparseRows:
    """What a pickled SciPy CSR matrix held, as plain attributes in `__dict__`."""


def load_restricted(content: bytes, source: str) -> AnArray:
    """Unpickle arrays, CSR matrices, dicts and lists; refuse everything else unexecuted.

    Args:
      content: the bytes of a pickle; strings of Python 2 are read as latin-1, as NumPy's are.
      source: the file's name, for messages.

    Returns:
      The object; CSR matrices as dense arrays.

    Raises:
      DataError: the pickle names another type or function, or is damaged.

    Example:
      >>> load_restricted(pickle.dumps({"a": [1, 2]}), "example")
      {'a': [1, 2]}
      >>> load_restricted(pickle.dumps(print), "example")
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.DataError: 'example' asks to load `builtins.print`, ...
    """
    try:
        with warnings.catch_warnings():
            # Python 2 stored alignment as an int; NumPy reads it and deprecates it.
            warnings.simplefilter("ignore")
            return _plain(_Unpickler(content, source).load(), source)
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise DataError(
            f"{source!r} is not a readable pickle ({type(error).__name__}: {error}); it is "
            "damaged or something else; move it away and fetch it again."
        ) from None


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, source: str) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._source = source
        # A class of its own for each load: a file that sets attributes on it changes nothing.
        self._sparse = type("SparseRows", (SparseRows,), {})

    def find_class(self, module: str, name: str) -> object:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and (
            name == "_reconstruct"
        ):
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if module in ("scipy.sparse.csr", "scipy.sparse._csr") and name == "csr_matrix":
            return self._sparse
        allowed = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("collections", "defaultdict"): collections.defaultdict,
            ("__builtin__", "list"): list,
            ("builtins", "list"): list,
        }
        if (module, name) not in allowed:
            raise DataError(
                f"{self._source!r} asks to load `{module}.{name}`, which no data file needs; "
                "allowed: NumPy arrays, SciPy CSR matrices, dicts and lists. Nothing was "
                "executed. The file has been tampered with or is something else; do not use it."
            )
        return allowed[module, name]


def _plain(value: object, source: str) -> object:
    if isinstance(value, SparseRows):
        return _dense(value.__dict__, source)
    if isinstance(value, np.ndarray) and value.dtype.kind not in "fiub":
        raise DataError(f"{source!r} holds an array of dtype {value.dtype}; allowed: numbers only.")
    return value


def _dense(state: Mapping[str, AnArray], source: str) -> np.ndarray:
    """Expand a CSR matrix; entries given twice add up, as in SciPy."""
    try:
        rows, columns = (int(size) for size in state["_shape"])
        data, indices, indptr = state["data"], state["indices"], state["indptr"]
        counts = np.diff(indptr)
        fits = indptr.shape == (rows + 1,) and indptr[0] == 0 and (counts >= 0).all()
        fits &= data.shape == indices.shape == (int(indptr[-1]),)
        if not fits or (indices.size and not 0 <= indices.min() <= indices.max() < columns):
            raise ValueError("its index arrays do not fit its shape")
        dense = np.zeros((rows, columns), np.float32)
        np.add.at(dense, (np.repeat(np.arange(rows), counts), indices), data)
        return dense
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, MemoryError) as error:
        raise DataError(
            f"{source!r} holds a sparse matrix that cannot be read ({error}); the file is "
            "damaged; move it away and fetch it again."
        ) from None
