"""`Saving`: blocks of seeds go to the shelf while the next one is computed."""

import concurrent.futures
from collections.abc import Mapping

import numpy as np

from jmetamer.results.partial import PartialCell


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
