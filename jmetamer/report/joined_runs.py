"""Several runs read as one, so that one page can show them side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr


class JoinedRuns:
    """The cells of one run or several, under names that are unique on a page.

    Args:
      runs: opened runs, at least one.

    Attributes:
      failures: cells without numbers: those that failed, with settings and traceback, and those
        that are damaged, with the reason as their traceback.
      num_unfinished: cells that were asked for and have not ended.
    """

    def __init__(self, runs: Sequence[Any]) -> None:
        self.runs = tuple(runs)
        self.labels = run_labels([Path(run.folder) for run in self.runs])
        alone = len(self.runs) == 1
        self._place: dict[str, tuple[int, str]] = {}
        self.failures: dict[str, Mapping[str, Any]] = {}
        self.run_of: dict[str, str] = {}
        self.num_failed: tuple[int, ...] = ()
        self.num_unfinished = sum(len(run.unfinished) for run in self.runs)
        for place, (label, run) in enumerate(zip(self.labels, self.runs, strict=True)):
            readable, unreadable = run.readable()
            damaged = {cell: {"traceback": reason} for cell, reason in unreadable.items()}
            for cell in readable:
                self._place[cell if alone else f"{label}/{cell}"] = place, cell
            failures = run.failures | damaged
            for cell, entry in failures.items():
                self.failures[cell if alone else f"{label}/{cell}"] = entry
            if not alone:
                cells = (*readable, *failures)
                self.run_of |= {f"{label}/{cell}": label for cell in cells}
            self.num_failed += (len(failures),)

    @property
    def cells(self) -> tuple[str, ...]:
        """Ids of all finished cells; those of several runs begin with the name of the run."""
        return tuple(self._place)

    def settings(self, cell: str) -> dict[str, Any]:
        """Return the resolved settings of a cell."""
        return self._read("settings", cell)

    def dataset(self, cell: str) -> xr.Dataset:
        """Return the variables of a cell."""
        return self._read("dataset", cell)

    def provenance(self, cell: str) -> dict[str, Any]:
        """Return versions, device, precision and seconds of a cell."""
        return self._read("provenance", cell)

    def status_counts(self, cell: str) -> dict[str, int]:
        """Return status name -> number of metamers."""
        return self._read("status_counts", cell)

    def reference_data(self, cell: str) -> Any:
        """Return the reference of a cell as plain arrays."""
        return self._read("reference_data", cell)

    def metamers(self, cell: str) -> Any:
        """Return the stored metamers of a cell, lazily."""
        return self._read("metamers", cell)

    def _read(self, what: str, cell: str) -> Any:
        place, own = self._place[cell]
        return getattr(self.runs[place], what)(own)


def run_labels(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return a short name for each run: its folder's, with the folder above where two agree.

    Args:
      folders: of the runs.

    Example:
      >>> run_labels([Path("runs/cora"), Path("runs/digits")])
      ('cora', 'digits')
      >>> run_labels([Path("monday/cora"), Path("friday/cora"), Path("friday/cora")])
      ('monday/cora', 'friday/cora', 'friday/cora (2)')
    """
    names = [folder.name or str(folder) for folder in folders]
    if len(set(names)) < len(names):
        names = ["/".join(folder.parts[-2:]) for folder in folders]
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        names[place] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return tuple(names)
