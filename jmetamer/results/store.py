"""`RunStore`: the writing side of a run folder.

    run folder/
      cells.json             ids of all cells that were ever asked for, in order, and their sum
      cells/<cell>/          record.json, the group arrays.zarr and manifest.json of a finished cell
      references/<digest>/   reference.json, arrays.zarr and manifest.json of a reference graph
      failures/<cell>.json   settings and traceback of a cell that failed
      partial/<cell>/        finished blocks of seeds of a cell that is not finished yet
      locks/                 empty files; held by the process that computes a cell

Everything is written under a temporary name and renamed into place, so that a killed process
leaves either all of it or a temporary that nobody reads and a later sweep removes. What is there
and is not whole is moved beside, as `.aside-<digits>-<name>`, before it is written again.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import StoreError, StoreWarning
from jmetamer._base.paths import clear_store_errors, user_path, write_text
from jmetamer.results.former_settings import as_objects
from jmetamer.results.manifest import write_manifest
from jmetamer.results.partial import PartialCell
from jmetamer.results.record import SCHEMA_VERSION, Record, Reference, Variable, check_record
from jmetamer.results.setting_tree import Settings
from jmetamer.results.verification import read_reference
from jmetamer.results.zarr_group import GROUP, json_safe, write_group

_OF_RECORD = (
    "settings", "settings_hash", "scalars", "status_counts", "provenance", "reference",
)  # fmt: skip
_FAILURE = {"cell": str, "settings": dict, "traceback": str}
# Folder -> names of temporaries, with the process that wrote them.
_TEMPORARIES = {
    ".": r"\.tmp-(\d+)-(?:cells\.json|config\.yaml|report\.html|report-error\.txt)",
    "failures": r"\.tmp-(\d+)-.+\.json",
    "models": r"\..+\.(?:draft|retired)-(\d+)-[0-9a-f]{8}",
}
_SECONDS_AT_REST = 600.0  # a process of another machine may write, which cannot be asked from here


class StoredFailure(TypedDict):
    """A cell that failed, or that cannot be read: its settings, and what went wrong."""

    cell: str
    settings: Settings
    traceback: str


@checked
class RunStore:
    """Writes a run folder; nothing is created before the first write.

    Args:
      folder: the run folder; several processes may write into it at once.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     store = RunStore(folder)
      ...     with store.lock("cell-a") as mine, store.lock("cell-a") as again:
      ...         print(mine, again, store.is_finished("cell-a"))
      True False False
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = user_path(folder)

    def is_finished(self, cell_id: str) -> bool:
        """Return whether the cell is stored whole."""
        return (self._cell(cell_id) / "record.json").is_file()

    def register(self, cell_ids: Sequence[str]) -> None:
        """Append ids that are new to the order in which a run lists its cells."""
        path = self.folder / "cells.json"
        with clear_store_errors(self.folder), self._lock_file("cells.json", wait=True):
            registered = read_order(path)
            new = [cell for cell in dict.fromkeys(cell_ids) if cell not in registered]
            if new or not path.exists():
                order = registered + new
                _write_json(path, {"cells": order, "sha256": _order_sum(order)})

    def write(self, cell_id: str, record: Record) -> None:
        """Store a finished cell; the caller holds its lock.

        Args:
          cell_id: identifier of the cell.
          record: what to store.

        Raises:
          InputError: the record contradicts itself.
          StoreError: the folder cannot be written, or the cell is stored already.
        """
        check_record(record)
        if self.is_finished(cell_id):
            raise StoreError(
                f"cell `{cell_id}` is stored in `{self.folder}` already and finished cells are "
                "never replaced; remove its folder under cells/ to compute it again"
            )
        head = {"schema_version": record.schema_version, "cell": cell_id}
        document = head | {name: getattr(record, name) for name in _OF_RECORD}
        self._place(self._cell(cell_id), record.variables, "record.json", document)
        self.clear_failure(cell_id)
        self.partial(cell_id).remove()

    def write_reference(self, reference: Reference) -> None:
        """Store a reference graph, once per digest.

        Raises:
          StoreError: the folder cannot be written.
        """
        target = self.folder / "references" / reference.digest
        dims = {"nodes": ("node", "feature"), "labels": ("node",)}
        variables = {
            name: Variable(dims.get(name, ("edge",)), np.asarray(getattr(reference, name)))
            for name in ("nodes", "senders", "receivers", "weight", "labels")
        }
        document = {
            "schema_version": SCHEMA_VERSION,
            "digest": reference.digest,
            "attrs": reference.attrs,
        }
        name = f"reference-{reference.digest}"
        with clear_store_errors(self.folder), self._lock_file(name, wait=True):
            try:
                read_reference(target, reference.digest)
            except StoreError:
                self._place(target, variables, "reference.json", document)

    def write_failure(self, cell_id: str, settings: Settings, traceback_text: str) -> None:
        """Record that a cell failed; the next sweep tries it again.

        Raises:
          StoreError: the folder cannot be written.
        """
        with clear_store_errors(self.folder):
            document = {"cell": cell_id, "settings": settings, "traceback": traceback_text}
            _write_json(self._failure(cell_id), document)

    def failures(self) -> dict[str, StoredFailure]:
        """Return cell id -> {"cell", "settings", "traceback"} of the cells that failed."""
        return read_failures(self.folder)

    def clear_failure(self, cell_id: str) -> None:
        """Forget an earlier failure of the cell."""
        with clear_store_errors(self.folder):
            self._failure(cell_id).unlink(missing_ok=True)

    def partial(self, cell_id: str) -> PartialCell:
        """Return the shelf for finished blocks of a cell that is not finished yet."""
        return PartialCell(self.folder, cell_id)

    @contextlib.contextmanager
    def lock(self, cell_id: str) -> Iterator[bool]:
        """Hold the cell, if no other process does.

        The operating system releases the lock when the process ends, however it ends.

        Yields:
          Whether the lock was acquired; False means that another process computes the cell.
        """
        with self._lock_file(cell_id, wait=False) as acquired:
            yield acquired

    def clean(self) -> None:
        """Remove what killed processes left behind; cells being computed are left alone."""
        for place, lock in (("cells", ""), ("references", "reference-")):
            for stale in self.folder.glob(f"{place}/.tmp-*"):
                with self.lock(lock + stale.name.removeprefix(".tmp-")) as acquired:
                    if acquired:
                        shutil.rmtree(stale, ignore_errors=True)
        for shelf in self.folder.glob("partial/*"):
            with self.lock(shelf.name) as acquired:
                if acquired and self.is_finished(shelf.name):  # killed before it was tidied up
                    self.partial(shelf.name).remove()
                for stale in shelf.glob(".tmp-*.npz") if acquired else ():
                    remove(stale)
        remove_leftovers(self.folder)

    def write_text(self, name: str, text: str) -> None:
        """Write a small text file at the top of the run folder, in one step."""
        with clear_store_errors(self.folder):
            write_text(self.folder / name, text)

    def _cell(self, cell_id: str) -> Path:
        return self.folder / "cells" / cell_id

    def _failure(self, cell_id: str) -> Path:
        return self.folder / "failures" / f"{cell_id}.json"

    def _place(
        self,
        target: Path,
        variables: Mapping[str, Variable],
        document_name: str,
        document: Mapping[str, object],
    ) -> None:
        """Write a group and its JSON under a temporary name, then rename."""
        temporary = target.with_name(f".tmp-{target.name}")
        with clear_store_errors(self.folder):
            try:
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir(parents=True)
                write_group(temporary / GROUP, variables)
                _write_json(temporary / document_name, document)
                write_manifest(temporary)
                if target.exists():  # damaged, or copied halfway by somebody
                    aside = target.with_name(f".aside-{uuid.uuid4().hex[:8]}-{target.name}")
                    target.rename(aside)
                    message = f"what is left of `{target}` is not whole; it was moved to `{aside}`"
                    warnings.warn(message, StoreWarning, stacklevel=3)
                temporary.rename(target)
            except OSError:
                shutil.rmtree(temporary, ignore_errors=True)
                raise

    @contextlib.contextmanager
    def _lock_file(self, name: str, *, wait: bool) -> Iterator[bool]:
        import fcntl  # not on Windows, where runs can be read but not written

        path = self.folder / "locks" / f"{name}.lock"
        with clear_store_errors(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a")
        try:
            acquired = True
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                acquired = False
            yield acquired
        finally:
            handle.close()


def read_failures(folder: Path) -> dict[str, StoredFailure]:
    """Return cell id -> {"cell", "settings", "traceback"} of the failed cells in a run folder.

    That a cell failed is said by its file alone; where it cannot be read, the traceback says why.
    """
    failures = {}
    for path in sorted(folder.glob("failures/[!.]*.json")):
        try:
            document = json.loads(path.read_bytes())
            for name, kind in _FAILURE.items():
                if not isinstance(document[name], kind):
                    raise TypeError(f"`{name}` is no {kind.__name__}")
            settings, traceback = as_objects(document["settings"]), document["traceback"]
            if document["cell"] != path.stem:
                raise ValueError(f"it is that of cell {document['cell']!r}")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"`{path}` cannot be read ({error}); the next sweep tries the cell again"
            settings, traceback = {}, message
        failures[path.stem] = StoredFailure(cell=path.stem, settings=settings, traceback=traceback)
    return failures


def _write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(json_safe(value), indent=1, allow_nan=False) + "\n")


def read_order(path: Path) -> list[str]:
    """Return the cell ids of `cells.json`; none where it is damaged or lost, with a warning.

    It holds the order of cells, and which were asked for; without it they are listed by name.
    """
    try:
        document = json.loads(path.read_bytes())
        order = document if isinstance(document, list) else document["cells"]  # as once written
        if order is not document and document["sha256"] != _order_sum(order):
            raise ValueError("its content does not match its own sha256")
        if not all(isinstance(cell, str) for cell in order):
            raise ValueError("it holds something that is no name of a cell")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if not isinstance(error, FileNotFoundError) or (path.parent / "cells").is_dir():
            message = (
                f"`{path}` is damaged ({getattr(error, 'strerror', None) or error}): which cells "
                "are not finished is not known; the command that made the run writes it again"
            )
            warnings.warn(message, StoreWarning, stacklevel=2)
        return []
    return list(dict.fromkeys(order))


def _order_sum(order: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(order).encode()).hexdigest()


def remove_leftovers(run_folder: Path) -> None:
    """Remove temporaries of processes that ended, untouched for ten minutes.

    Files under other names are left alone, whoever wrote them.

    Args:
      run_folder: the run folder; temporaries that a lock guards are not looked at.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     old = Path(folder) / ".tmp-999999999-config.yaml"
      ...     _ = old.write_text("")
      ...     os.utime(old, (0, 0))
      ...     remove_leftovers(Path(folder))
      ...     old.exists()
      False
    """
    for place, pattern in _TEMPORARIES.items():
        for path in (run_folder / place).glob(".*"):
            match = re.fullmatch(pattern, path.name)
            if match and not _works(int(match[1])) and _at_rest(path):
                remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if that can be done."""
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        path.unlink()


def _works(process: int) -> bool:
    """Return whether another process of that number runs on this machine."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _at_rest(path: Path) -> bool:
    try:
        changed = [each.lstat().st_mtime for each in (path, *path.rglob("*"))]
    except OSError:
        return False
    return time.time() - max(changed) > _SECONDS_AT_REST
