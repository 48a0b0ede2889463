"""`PartialCell`: finished blocks of seeds inside a cell that is not finished yet; `Saving` them."""

import concurrent.futures
import contextlib
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer._base.paths import clear_store_errors
from jmetamer.results.record import arrays_digest

_CHECKSUM = "__checksum__"


@checked
class PartialCell:
    """A shelf of named blocks of arrays, removed when the cell is written.

    Args:
      run_folder: the run folder.
      cell_id: identifier of the cell.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     shelf = PartialCell(Path(folder), "cell-a")
      ...     shelf.save("seeds-0-63", {"loss": np.zeros(64)})
      ...     shelf.load("seeds-0-63")["loss"].shape, shelf.load("seeds-64-127")
      ((64,), None)
    """

    def __init__(self, run_folder: Path, cell_id: str) -> None:
        self._run_folder = run_folder
        self.folder = run_folder / "partial" / cell_id

    def save(self, name: str, arrays: Mapping[str, object]) -> None:
        """Put a block on the shelf, in one step and with a checksum.

        Args:
          name: file name without ending.
          arrays: name -> array.

        Raises:
          StoreError: the folder cannot be written.
        """
        path = self._path(name)
        plain = {key: np.asarray(value) for key, value in arrays.items()}
        digest = np.array(arrays_digest(sorted(plain.items())))
        temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
        with clear_store_errors(self._run_folder):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with temporary.open("wb") as file:
                    np.savez(file, **{_CHECKSUM: digest}, **plain)  # type: ignore[arg-type]
                temporary.replace(path)
            except OSError:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """Take a block from the shelf.

        Args:
          name: as given to `save`.

        Returns:
          Name -> array, or None where there is no such block or it is damaged (with a warning).
        """
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
            sound = str(arrays.pop(_CHECKSUM)) == arrays_digest(sorted(arrays.items()))
        except Exception:  # whatever a damaged archive makes the readers raise
            sound = False
        if not sound:
            warnings.warn(f"`{path}` is damaged and is computed again", stacklevel=2)
            return None
        return arrays

    def remove(self) -> None:
        """Clear the shelf."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        if Path(name).name != name or name.startswith("."):
            raise InputError(
                f"`name`={name!r} must be a plain file name, because a block is one file; "
                "leave out slashes and leading dots"
            )
        return self.folder / f"{name}.npz"


class Saving:
    """Puts blocks on the shelf while the next one is computed; at most one is under way.

    Args:
      partial: the shelf, or None.
      content: what decides the blocks, stored with every one beside its name.

    Example:
      >>> import pathlib, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     shelf = PartialCell(pathlib.Path(folder), "cell-a")
      ...     with Saving(shelf, content="abc") as saving:
      ...         saving.save("seeds-0-1", {"loss": np.zeros(2)})
      ...     sorted(shelf.load("seeds-0-1"))
      ['content', 'loss']
    """

    def __init__(self, partial: PartialCell | None, content: str) -> None:
        self._partial, self._content = partial, content
        self._writer = concurrent.futures.ThreadPoolExecutor(1, "saving")
        self._waiting: concurrent.futures.Future[None] | None = None

    def __enter__(self) -> "Saving":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.shutdown()  # an interrupted run keeps the block that was being written
        if kind is None and self._waiting is not None:
            self._waiting.result()

    def save(self, name: str, block: Mapping[str, np.ndarray]) -> None:
        """Begin to save a block, once the one before is safe."""
        if self._partial is None:
            return
        if self._waiting is not None:
            self._waiting.result()
        arrays = {**block, "content": np.array(f"{self._content}-{name}")}
        self._waiting = self._writer.submit(self._partial.save, name, arrays)

    def check(self) -> None:
        """Raise now what kept a block from being written."""
        if self._waiting is not None and self._waiting.done():
            self._waiting.result()
