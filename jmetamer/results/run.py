"""`Run`: the reading side of a run folder; nothing here computes or starts an accelerator."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import xarray as xr

from jmetamer._base.arguments import checked
from jmetamer._base.errors import StoreError, StoreWarning, unknown_name
from jmetamer._base.paths import user_path
from jmetamer.results.export import export_metamers
from jmetamer.results.manifest import MANIFEST, Manifest
from jmetamer.results.record import Reference
from jmetamer.results.store import StoredFailure, read_failures, read_order
from jmetamer.results.stored_metamers import StoredMetamers, as_graph
from jmetamer.results.summary import summary_row
from jmetamer.results.verification import (
    CellCheck,
    CellDocument,
    check_cell,
    old_problems,
    read_document,
    read_reference,
)
from jmetamer.results.zarr_group import CHUNK_BYTES, GROUP, text_variables

if TYPE_CHECKING:
    import jraph

_STORED = ("record.json", MANIFEST, GROUP)  # what makes a folder that of a cell
UNVERIFIED = (
    "unverified: written by a version that kept no sums of files; its arrays have their checksum, "
    "and nothing vouches for its settings and its other numbers"
)


@checked
class Run:
    """Finished cells of a run folder, read when asked for.

    What is read is compared with the manifest of its cell first: damaged or missing data raise
    `StoreError`, whatever is read. Cells written before there were manifests are read as they are;
    `verify` says which.

    Args:
      folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._documents: dict[str, tuple[Manifest, CellDocument]] = {}
        self._compared: set[str] = set()  # old cells, and digests of references, that are sound

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, cells={len(self.cells)}, failures={len(self.failures)})"

    @property
    def cells(self) -> tuple[str, ...]:
        """Ids of the finished cells, in the order in which they were asked for."""
        return self._in_order("record.json")

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Ids of the cells that were asked for and neither finished nor failed."""
        ended = {*self._in_order(*_STORED), *self.failures}
        return tuple(one for one in read_order(self.folder / "cells.json") if one not in ended)

    @property
    def failures(self) -> dict[str, StoredFailure]:
        """Cell id -> {"cell", "settings", "traceback"} of the cells that failed."""
        return read_failures(self.folder)

    def settings(self, cell: str) -> dict[str, Any]:
        """Return the resolved settings of a cell, every default written out."""
        return self._document(cell)["settings"]

    def scalars(self, cell: str) -> dict[str, Any]:
        """Return the named numbers and texts of a cell; NaN where a number does not exist."""
        stored = self._document(cell)["scalars"]
        old = self._documents[cell][0].files is None
        stored = stored | ({"unverified": UNVERIFIED} if old else {})
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
        manifest = self._manifest(cell)
        manifest.check_sizes()
        with manifest.decoding(GROUP):
            data = xr.open_zarr(
                manifest.group_store(GROUP), chunks=None, consolidated=False, zarr_format=3
            )
        texts = text_variables(data.attrs)
        data = data.assign({name: (v.dims, v.values, v.attrs) for name, v in texts.items()})
        coordinates = [name for name in data.variables if name in data.dims]
        data.attrs = self.scalars(cell)
        return data.set_coords(coordinates)

    def reference(self, cell: str) -> "jraph.GraphsTuple":
        """Return the reference graph of a cell, NumPy arrays inside."""
        return as_graph(self.reference_data(cell))

    def reference_digest(self, cell: str) -> str:
        """Return the digest of the reference graph of a cell; cells with the same share it."""
        return str(self._document(cell)["reference"])

    def reference_data(self, cell: str) -> Reference:
        """Return the reference graph of a cell with labels and notes, as plain arrays."""
        digest = self.reference_digest(cell)
        return read_reference(self.folder / "references" / digest, digest)

    def metamers(self, cell: str) -> "StoredMetamers":
        """Return the stored metamers of a cell as graphs, each read when it is asked for.

        What does not vary is the reference's: its features, its edges, or none of them.

        Args:
          cell: one of `cells`.

        Returns:
          A sequence of `jraph.GraphsTuple` with NumPy arrays; 0/1 features are unpacked, and edges
          that come and go are rebuilt as a simple graph. Reading a graph whose flips do not fit the
          reference raises `StoreError`.
        """
        manifest = self._manifest(cell)
        manifest.check_sizes()
        return StoredMetamers(manifest.open_group(GROUP), self.reference_data(cell))

    def export(self, cell: str, path: str | os.PathLike[str]) -> Path:
        """Write the stored metamers of a cell, their reference and their network into one file.

        Args:
          cell: one of `cells`.
          path: file to write; `.npz` for plain arrays (layout: `jmetamer/results/export.py`), `.pt`
            for a list of PyTorch Geometric `Data`, the reference first.

        Returns:
          The path.

        Raises:
          InputError: another ending, no such cell, or torch_geometric is missing for `.pt`.
          StoreError: the cell cannot be read, or the file cannot be written.
        """
        return export_metamers(self, cell, path)

    @overload
    def verify(self, cell: str) -> bool: ...
    @overload
    def verify(self, cell: None = None) -> dict[str, CellCheck]: ...
    def verify(self, cell: str | None = None) -> bool | dict[str, CellCheck]:
        """Compare all files of a cell, or of all cells, with the sums they were written with.

        Its reference graph and its network, where the run holds it, are compared too. Nothing is
        computed; `python -m jmetamer.sweep --verify RUN` also recomputes losses.

        Args:
          cell: one of `cells`; None for all.

        Returns:
          For one cell whether nothing is wrong. For all, cell id -> `CellCheck`, cells without
          a record among them.

        Raises:
          InputError: no such cell.
        """
        if cell is not None:
            self._folder(cell)
            return not check_cell(self.folder, cell).problems
        return {one: check_cell(self.folder, one) for one in self._in_order(*_STORED)}

    def damage(self, cell: str, up_to: int = 0) -> str:
        """Return why a cell cannot be read, and "" for one that can.

        Its record and its reference are read, and the sizes of its files are looked at. What is not
        compared here is when it is read, and by `verify`.

        Args:
          cell: one of `cells`.
          up_to: files of at most so many bytes are compared with their sums too.
        """
        try:
            manifest = self._manifest(cell)
            manifest.check_sizes()
            for name, (size, _) in (manifest.files or {}).items():
                if size <= up_to:
                    manifest.read(name)
            if (digest := self.reference_digest(cell)) not in self._compared:
                self.reference_data(cell)
                self._compared.add(digest)
        except StoreError as error:
            return str(error)
        return ""

    def readable(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the cells whose numbers can be read, and cell id -> why of the others.

        All chunks are compared with their sums. A cell that lost its record is among the others.
        """
        reasons = {one: self.damage(one, up_to=2 * CHUNK_BYTES) for one in self._in_order(*_STORED)}
        unreadable = {cell: why for cell, why in reasons.items() if why}
        return tuple(cell for cell in reasons if cell not in unreadable), unreadable

    def summary(self) -> list[dict[str, Any]]:
        """Return one row of headline numbers per finished cell; see `summary_row`.

        A cell that is damaged has none, and a `StoreWarning` says which it is and why.
        """
        rows = []
        for cell in self._in_order(*_STORED):
            try:
                rows.append(self.row(cell))
            except StoreError as error:
                warnings.warn(f"cell `{cell}` is left out: {error}", StoreWarning, stacklevel=2)
        return rows

    def row(self, cell: str) -> dict[str, Any]:
        """Return the headline numbers of one finished cell; see `summary_row`."""
        return summary_row(
            cell,
            self.settings(cell),
            self.scalars(cell),
            self.status_counts(cell),
            self.dataset(cell),
        )

    def _manifest(self, cell: str) -> Manifest:
        document = self._document(cell)
        manifest = self._documents[cell][0]
        if manifest.files is None and cell not in self._compared:
            for problem in old_problems(manifest, document):
                raise StoreError(problem)
            self._compared.add(cell)
        return manifest

    def _in_order(self, *names: str) -> tuple[str, ...]:
        """Return the folders of cells that hold one of these, as they were asked for."""
        order = read_order(self.folder / "cells.json")
        stored = {p.parent.name for name in names for p in self.folder.glob(f"cells/[!.]*/{name}")}
        return (*(cell for cell in order if cell in stored), *sorted(stored - set(order)))

    def _document(self, cell: str) -> CellDocument:
        if cell not in self._documents:
            self._documents[cell] = read_document(self._folder(cell))
        return self._documents[cell][1]

    def _folder(self, cell: str) -> Path:
        folder = self.folder / "cells" / str(cell)
        if Path(str(cell)).name != cell or not any((folder / name).exists() for name in _STORED):
            raise unknown_name(f"cell in `{self.folder}`:", cell, self.cells)
        return folder


@checked
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
    path = user_path(folder, "folder")
    if os.path.isdir(path / "cells") or os.path.isfile(path / "cells.json"):
        return Run(path)
    reason = (
        "there is no cells/ and no cells.json in it"
        if os.path.exists(path)
        else "it does not exist"
    )
    raise StoreError(
        f"`{folder}` is not a run folder: {reason}; "
        "give the folder that `python -m jmetamer.sweep` named as its run folder"
    )
