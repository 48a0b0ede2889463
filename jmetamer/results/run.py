"""`Run`: the reading side of a run folder; nothing here computes or starts an accelerator."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import xarray as xr
import zarr

from jmetamer._base.errors import StoreError, unknown_name
from jmetamer.results.reference import Reference
from jmetamer.results.store import read_failures, read_order
from jmetamer.results.summary import summary_row
from jmetamer.results.zarr_group import GROUP, checksum, read_group, text_variables

if TYPE_CHECKING:
    import jraph


class Run:
    """Finished cells of a run folder, read when asked for.

    Args:
      folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._documents: dict[str, dict[str, Any]] = {}

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, cells={len(self.cells)}, failures={len(self.failures)})"

    @property
    def cells(self) -> tuple[str, ...]:
        """Ids of the finished cells, in the order in which they were asked for."""
        path = self.folder / "cells.json"
        order = read_order(path)
        finished = {found.parent.name for found in self.folder.glob("cells/[!.]*/record.json")}
        return (*(cell for cell in order if cell in finished), *sorted(finished - set(order)))

    @property
    def failures(self) -> dict[str, dict[str, Any]]:
        """Cell id -> {"cell", "settings", "traceback"} of the cells that failed."""
        return read_failures(self.folder)

    def settings(self, cell: str) -> dict[str, Any]:
        """Return the resolved settings of a cell, every default written out."""
        return self._document(cell)["settings"]

    def scalars(self, cell: str) -> dict[str, Any]:
        """Return the named numbers and texts of a cell; NaN where a number does not exist."""
        stored = self._document(cell)["scalars"]
        return {name: np.nan if value is None else value for name, value in stored.items()}

    def status_counts(self, cell: str) -> dict[str, int]:
        """Return status name -> number of metamers."""
        return self._document(cell)["status_counts"]

    def provenance(self, cell: str) -> dict[str, Any]:
        """Return versions, device, precision and seconds of a cell."""
        return self._document(cell)["provenance"]

    def dataset(self, cell: str) -> xr.Dataset:
        """Return the arrays of a cell; values are read from disk when they are used.

        Args:
          cell: one of `cells`.

        Returns:
          Variables by name with labelled axes; scalars are the attributes.

        Raises:
          InputError: no such cell.
          StoreError: the files cannot be read.
        """
        folder = self._folder(cell) / GROUP
        try:
            data = xr.open_zarr(folder, chunks=None, consolidated=False, zarr_format=3)
        except Exception as error:
            raise StoreError(f"cell `{cell}` in `{self.folder}` is damaged: {error}") from error
        texts = text_variables(data.attrs)
        data = data.assign({name: (v.dims, v.values, v.attrs) for name, v in texts.items()})
        coordinates = [name for name in data.variables if name in data.dims]
        data.attrs = self.scalars(cell)
        return data.set_coords(coordinates)

    def reference(self, cell: str) -> "jraph.GraphsTuple":
        """Return the reference graph of a cell, NumPy arrays inside."""
        return _graph(self.reference_data(cell))

    def reference_data(self, cell: str) -> Reference:
        """Return the reference graph of a cell with labels and notes, as plain arrays."""
        digest = self._document(cell)["reference"]
        folder = self.folder / "references" / digest
        try:
            attrs = json.loads((folder / "reference.json").read_text())["attrs"]
            arrays = {name: v.values for name, v in read_group(folder / GROUP).items()}
        except Exception as error:
            raise StoreError(
                f"the reference graph of cell `{cell}` should be in `{folder}` but cannot be read: "
                f"{error}; copy the run folder again, with references/"
            ) from error
        return Reference(digest, attrs=attrs, **arrays)

    def metamers(self, cell: str) -> "StoredMetamers":
        """Return the stored metamers of a cell as graphs, each read when it is asked for.

        Args:
          cell: one of `cells`.

        Returns:
          A sequence of `jraph.GraphsTuple` with NumPy arrays; 0/1 features are unpacked.
        """
        return StoredMetamers(self._array(cell, "features"), self.reference_data(cell))

    def verify(self, cell: str) -> bool:
        """Return whether the arrays on disk still have the checksum they were written with."""
        expected = self._document(cell)["checksum"]
        try:
            return checksum(read_group(self._folder(cell) / GROUP)) == expected
        except Exception:  # a flipped byte can make any decoder raise anything
            return False

    def summary(self) -> list[dict[str, Any]]:
        """Return one row of headline numbers per finished cell; see `summary_row`."""
        return [
            summary_row(
                cell,
                self.settings(cell),
                self.scalars(cell),
                self.status_counts(cell),
                self.dataset(cell),
            )
            for cell in self.cells
        ]

    def _document(self, cell: str) -> dict[str, Any]:
        if cell not in self._documents:
            path = self._folder(cell) / "record.json"
            try:
                self._documents[cell] = json.loads(path.read_text())
            except (OSError, ValueError) as error:
                raise StoreError(f"`{path}` cannot be read: {error}") from error
        return self._documents[cell]

    def _folder(self, cell: str) -> Path:
        if cell not in self.cells:
            raise unknown_name(f"cell in `{self.folder}`:", cell, self.cells)
        return self.folder / "cells" / cell

    def _array(self, cell: str, name: str) -> Any:
        group = zarr.open_group(store=str(self._folder(cell) / GROUP), mode="r", zarr_format=3)
        return group[name]


class StoredMetamers(Sequence["jraph.GraphsTuple"]):
    """Metamers on disk as a sequence of graphs.

    Args:
      features: Zarr array [stored, n, d], or packed bits along the last axis with the attribute
        `packed_bits` = d.
      reference: the graph whose edges the metamers share.
    """

    def __init__(self, features: Any, reference: Reference) -> None:
        self._features = features
        self._reference = reference

    def __len__(self) -> int:
        return int(self._features.shape[0])

    @overload
    def __getitem__(self, index: int) -> "jraph.GraphsTuple": ...
    @overload
    def __getitem__(self, index: slice) -> list["jraph.GraphsTuple"]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Return one graph, or a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"metamer {index} was asked for, {len(self)} are stored")
        features = np.asarray(self._features[index % len(self)])
        return _graph(self._reference._replace(nodes=unpack_features(features, self._features)))

    def __iter__(self) -> Iterator["jraph.GraphsTuple"]:
        return (self[i] for i in range(len(self)))


def unpack_features(stored: np.ndarray, array: Any) -> np.ndarray:
    """Return features as float32, whether they were stored so or as packed bits.

    Args:
      stored: [..., d] float32, or [..., ceil(d / 8)] uint8 as from `numpy.packbits`.
      array: what carries the attributes (`attrs`); `packed_bits` = d marks packed bits.

    Returns:
      [..., d] float32.

    Example:
      >>> import types
      >>> packed = np.packbits(np.array([[1, 0, 1]]), axis=-1)
      >>> unpack_features(packed, types.SimpleNamespace(attrs={"packed_bits": 3}))
      array([[1., 0., 1.]], dtype=float32)
    """
    width = array.attrs.get("packed_bits")
    if width is None:
        return stored.astype(np.float32, copy=False)
    return np.unpackbits(stored, axis=-1, count=int(width)).astype(np.float32)


def open_run(folder: str | os.PathLike[str]) -> Run:
    """Open a run folder for reading; it may still be growing.

    Args:
      folder: what a sweep wrote, as "runs/quickstart".

    Returns:
      The run.

    Raises:
      StoreError: not a run folder.

    Example:
      >>> open_run("no/such/folder")
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.StoreError: `no/such/folder` is not a run folder: it does not exist;
      give the folder that `python -m jmetamer.sweep` named as its run folder
    """
    path = Path(folder)
    if (path / "cells").is_dir() or (path / "cells.json").is_file():
        return Run(path)
    found = "there is no cells/ and no cells.json in it" if path.exists() else "it does not exist"
    raise StoreError(
        f"`{folder}` is not a run folder: {found}; "
        "give the folder that `python -m jmetamer.sweep` named as its run folder"
    )


def _graph(reference: Reference) -> "jraph.GraphsTuple":
    import jraph  # imports jax, which opening a run must not wait for

    from jmetamer.graphs.graph import Edges

    return jraph.GraphsTuple(
        nodes=reference.nodes,
        edges=Edges(reference.weight),
        senders=reference.senders,
        receivers=reference.receivers,
        n_node=np.array([len(reference.nodes)], np.int32),
        n_edge=np.array([len(reference.senders)], np.int32),
        globals=None,
    )
