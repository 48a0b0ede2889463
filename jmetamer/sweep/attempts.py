"""`Attempts`: each cell ends as a record on disk or a failure on disk, or stays untouched."""

import contextlib
import dataclasses
import enum
import traceback
from collections.abc import Callable, Mapping, Sequence

from jmetamer._base.compiled_programs import release_when_crowded
from jmetamer._base.errors import InputError, StoreError
from jmetamer.config import CellSettings
from jmetamer.results import Record, Reference, RunStore, open_run
from jmetamer.sweep import grouping, pipeline
from jmetamer.sweep.progress import Terminal

RunCell = Callable[..., tuple[Record, Reference]]


class Outcome(enum.Enum):
    """What came of a cell; LOCKED where another process computes it."""

    FINISHED, FAILED, LOCKED = range(3)


class Attempts:
    """Tries cells, alone or those that share lanes at once.

    Args:
      store: the run folder.
      terminal: told what happens.
      run_cell: what computes a cell that is alone.
      origins: cell id -> the command that computes it alone, for its record.
      tried_by_others: whether a failure on disk is one of processes that work beside this one.
    """

    def __init__(
        self,
        store: RunStore,
        terminal: Terminal,
        run_cell: RunCell,
        origins: Mapping[str, str],
        *,
        tried_by_others: bool,
    ) -> None:
        self.store, self.terminal, self.run_cell = store, terminal, run_cell
        self.origins, self.tried_by_others = origins, tried_by_others

    def alone(self, cell: CellSettings) -> Outcome:
        """Try one cell."""
        release_when_crowded()
        with self.store.lock(cell.id) as acquired:
            return self._settled(cell, acquired) or self._alone(cell)

    def together(self, cells: Sequence[CellSettings]) -> dict[str, Outcome]:
        """Try cells that may share lanes, group by group; return outcomes by cell id.

        A cell whose preparation fails is left out of its group. Where the metamers of a group
        fail, each of its cells is tried alone, and goes on after the blocks that are on its shelf.
        """
        outcomes: dict[str, Outcome] = {}
        waiting = list(cells)
        while waiting:
            release_when_crowded()
            with contextlib.ExitStack() as locks:
                group = self._gather(waiting, locks, outcomes)
                if len(group) == 1:
                    outcomes[group[0].cell.id] = self._alone(group[0].cell)
                elif group:
                    outcomes |= self._group(group)
        return outcomes

    def _settled(self, cell: CellSettings, acquired: bool) -> Outcome | None:
        """Return the outcome of a cell that is not to be tried."""
        if not acquired:
            return Outcome.LOCKED
        if self.store.is_finished(cell.id):  # by another process, a moment ago
            return Outcome.FINISHED
        if self.tried_by_others and cell.id in self.store.failures():
            return Outcome.FAILED
        return None

    def _alone(self, cell: CellSettings) -> Outcome:
        def compute() -> tuple[Record, Reference]:
            with self.terminal.cell(cell.id) as watcher:
                return self.run_cell(
                    cell,
                    models=self.store.folder / "models",
                    partial=self.store.partial(cell.id),
                    progress=watcher,
                )

        return self._write(cell, compute)

    def _write(
        self, cell: CellSettings, compute: Callable[[], tuple[Record, Reference]]
    ) -> Outcome:
        """Compute and store the record of a cell whose lock is held, or its failure."""
        try:
            record, reference = compute()
            if record.settings_hash != cell.hash:
                raise InputError("the record is that of other settings: pass `cell.settings` on")
            provenance = {**record.provenance, "command": self.origins[cell.id]}
            self.store.write_reference(reference)
            self.store.write(cell.id, dataclasses.replace(record, provenance=provenance))
        except StoreError:
            raise
        except Exception as error:  # whatever a cell raises must not stop the others
            return self._failed(cell, error)
        self.terminal.finished(open_run(self.store.folder).row(cell.id))
        return Outcome.FINISHED

    def _failed(self, cell: CellSettings, error: Exception) -> Outcome:
        text = "".join(traceback.format_exception(error))
        self.store.write_failure(cell.id, cell.settings, text)
        self.terminal.failure(cell.id, f"{type(error).__name__}: {error}")
        return Outcome.FAILED

    def _gather(
        self, waiting: list[CellSettings], locks: contextlib.ExitStack, outcomes: dict[str, Outcome]
    ) -> list[pipeline.PreparedCell]:
        """Take cells from the head of `waiting`, lock and prepare them until a group is full."""
        group: list[pipeline.PreparedCell] = []
        while waiting:
            cell = waiting[0]
            lock = contextlib.ExitStack()
            with lock:
                outcome = self._settled(cell, lock.enter_context(self.store.lock(cell.id)))
                if outcome is not None:
                    outcomes[cell.id] = outcome
                    waiting.pop(0)
                    continue
                try:
                    with self.terminal.cell(cell.id) as watcher:
                        models = self.store.folder / "models"
                        prepared = pipeline.prepare(cell, models=models, progress=watcher)
                    welcome = grouping.may_join(group, prepared)
                except StoreError:
                    raise
                except Exception as error:
                    outcomes[cell.id] = self._failed(cell, error)
                    waiting.pop(0)
                    continue
                if not welcome:  # its lock is given back: the next group begins with it
                    return group
                locks.enter_context(lock.pop_all())
                group.append(prepared)
                waiting.pop(0)
        return group

    def _group(self, group: Sequence[pipeline.PreparedCell]) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        shelves = [self.store.partial(one.cell.id) for one in group]
        title = f"{len(group)} cells together: {', '.join(one.cell.id for one in group)}"
        try:
            with self.terminal.cell(title) as watcher:
                for one, compute in grouping.run_together(group, shelves, watcher):
                    outcomes[one.cell.id] = self._write(one.cell, compute)
        except StoreError:
            raise
        except Exception as error:
            self.terminal.line(
                f"the cells together failed: {type(error).__name__}: {error}; trying each alone"
            )
        left = [one.cell for one in group if one.cell.id not in outcomes]
        return outcomes | {cell.id: self._alone(cell) for cell in left}
