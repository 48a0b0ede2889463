"""What a sweep says on the terminal: greeting, progress bars, the table at the end."""

import contextlib
import importlib.metadata
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.table import Table

from jmetamer._base.interrupts import raise_if_interrupted
from jmetamer._base.known_regressions import untold_warnings
from jmetamer._base.terminal import listened
from jmetamer.results.record import Progress

Watcher = Callable[[Progress], None]
_PLAIN_WIDTH = 160
_DEVIATIONS = 3  # of one cell in the final table
_TABLE_WIDTH, _BESIDE_CELL = 120, 85  # columns that the final table needs, and all but its first
_TITLES = (
    "cell", "success (95% over metamers)", "most often missed", "ends of the search", "median loss",
    "test accuracy", "mean deviation (start; chance)",
    "median rank of ceiling; blind",
)  # fmt: skip


class _Console(Console):
    """A console whose end does not end the work: what it cannot print is lost, and that is said."""

    def __exit__(self, *error: Any) -> None:
        """Write what was printed, while somebody listens."""
        with listened():
            super().__exit__(*error)
            return
        self.quiet = True

    def on_broken_pipe(self) -> None:
        """Treat a reader who has gone, as after `| head`, as any other loss."""
        raise


class Terminal:
    """Standard output, with bars where somebody watches and plain lines where nobody does.

    Args:
      smoke: say once that the searches are cut short, and advise nothing.

    Example:
      >>> terminal = Terminal()
      >>> with terminal.cell("cell-a") as watcher:
      ...     watcher(Progress("metamers", 16, 64, 1e-3))
      cell-a
        metamers: 16/64, loss 0.001
    """

    def __init__(self, *, smoke: bool = False) -> None:
        self._smoke = smoke
        file = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, the process began without one
        self._console = _Console(file=file)
        if not self._console.is_terminal:
            self._console = _Console(file=file, width=_PLAIN_WIDTH, force_terminal=False)
        self._reasons: dict[str, str] = {}

    def line(self, text: str) -> None:
        """Print one line as it is."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def failure(self, cell: str, reason: str) -> None:
        """Print why a cell fails; in a few words where another failed for the same reason.

        Args:
          cell: id.
          reason: text, such as the message of an error.
        """
        first = self._reasons.setdefault(reason, cell)
        same = f" for the same reason as {first}"
        self.line(f"{cell} failed" + (f": {reason}" if first == cell else same))

    def greet(self, folder: Path) -> None:
        """Print devices, versions, precision and the run folder; known defects of the release."""
        import jax

        self.line(greeting(folder))
        if self._smoke:
            self.line(
                "--smoke makes everything small, to see that it works: searches are cut short and "
                "are not meant to converge, so rates and losses say nothing"
            )
        for warning in untold_warnings(jax.default_backend()):
            self.line(warning)

    @contextlib.contextmanager
    def cell(self, title: str) -> Iterator[Watcher]:
        """Show the progress of one cell while the context is open.

        Args:
          title: what the cell is called.

        Yields:
          A function to be called with every `Progress`.
        """
        if not self._console.is_terminal:
            self.line(title)
            yield _PlainWatcher(self.line)
            return
        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("loss {task.fields[loss]}"),
            bars.TimeRemainingColumn(),
        )
        with bars.Progress(*columns, console=self._console, transient=True) as display:
            yield _BarWatcher(display, title)

    def finished(self, row: Mapping[str, Any]) -> None:
        """Print how many metamers of a cell that has just ended succeed.

        Args:
          row: from `Run.row`.
        """
        texts = dict(zip(_TITLES, summary_texts(row), strict=True))
        missed = f", most often missed: {row['missed']}" if row["missed"] else ""
        ends = texts["ends of the search"]
        self.line(f"{row['cell']}: success {texts['success (95% over metamers)']}{missed}; {ends}")

    def summary(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Print the headline numbers of finished cells, success first, and what to change.

        Args:
          rows: from `Run.summary`; where the terminal is narrow, each is a block of lines.
        """
        if not rows:
            return
        longest = max(len(row["cell"]) for row in rows)  # a cell id is there to be copied whole
        if self._console.width < max(_TABLE_WIDTH, _BESIDE_CELL + longest):
            for row in rows:
                self._block(*summary_texts(row))
        else:
            table = Table(show_lines=any(len(row["deviations"]) > 1 for row in rows))
            for title in _TITLES:
                table.add_column(title, overflow="fold", no_wrap=title == "cell")
            for row in rows:
                table.add_row(*summary_texts(row))
            self._console.print(table, markup=False)
        for change, cells in ({} if self._smoke else _changes(rows)).items():
            self._console.print(f"{cells}: {change}", markup=False, highlight=False)

    def _block(self, cell: str, *texts: str) -> None:
        """Print one row of the final table below its cell, a line a column."""
        self.line(cell)
        lines = Table.grid(padding=(0, 1))
        for title, text in zip(_TITLES[1:], texts, strict=True):
            lines.add_row(" ", title, text)
        self._console.print(lines, markup=False)

    def estimates(self, rows: Sequence[tuple[str, Any]]) -> None:
        """Print shapes and memory of cells that have not been computed.

        Args:
          rows: (cell id, estimate with `num_nodes`, `num_features`, `num_edges`, `lanes`,
            `bytes` of one device, `host_bytes` of the metamers kept).
        """
        table = Table()
        for title in ("cell", "nodes", "features", "edges", "lanes", "memory", "kept"):
            table.add_column(title, overflow="fold")
        for cell, needs in rows:
            shapes = (needs.num_nodes, needs.num_features, needs.num_edges, needs.lanes)
            texts = [f"{number:,}" for number in shapes]
            texts += [memory_text(needs.bytes), memory_text(needs.host_bytes)]
            table.add_row(cell, *texts)
        self._console.print(table, markup=False)


class _PlainWatcher:
    """A line at the start and at every quarter of a stage."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._stage, self._quarter, self._start = "", -1, 0.0

    def __call__(self, now: Progress) -> None:
        raise_if_interrupted()
        if now.stage != self._stage:
            self._stage, self._quarter, self._start = now.stage, -1, time.monotonic()
        quarter = 4 * now.done // max(1, now.total)
        if quarter == self._quarter:
            return
        self._quarter = quarter
        seconds = time.monotonic() - self._start
        left = seconds * (now.total - now.done) / now.done if now.done else math.nan
        loss = "" if math.isnan(now.loss) else f", loss {now.loss:.2g}"
        remaining = f", about {left:.0f} s left" if left > 0.5 else ""
        self._line(f"  {now.stage}: {now.done}/{now.total}{loss}{remaining}")


class _BarWatcher:
    """One bar, started again at every stage."""

    def __init__(self, display: bars.Progress, title: str) -> None:
        self._display, self._title, self._stage = display, title, ""
        self._task = display.add_task(title, total=None, loss="-")

    def __call__(self, now: Progress) -> None:
        raise_if_interrupted()
        if now.stage != self._stage:
            self._stage = now.stage
            self._display.reset(self._task, description=f"{self._title} · {now.stage}")
        loss = "-" if math.isnan(now.loss) else f"{now.loss:.2g}"
        self._display.update(self._task, completed=now.done, total=now.total, loss=loss)


def greeting(folder: Path) -> str:
    """Return the line that says where a sweep runs and where its results go.

    Args:
      folder: the run folder.

    Example:
      >>> greeting(Path("runs/quickstart")).split(" | ")[-1]
      'run folder runs/quickstart'
    """
    import jax

    devices = jax.devices()
    kinds = sorted({device.device_kind for device in devices})
    flags: Any = jax.config  # type checkers do not know all of its attributes
    precision = flags.jax_default_matmul_precision or "default"
    dtype = "float64" if flags.jax_enable_x64 else "float32"
    return " | ".join(
        [
            f"jmetamer {_version('jmetamer')}",
            f"{len(devices)} x {', '.join(kinds)} ({devices[0].platform})",
            f"jax {_version('jax')}, jaxlib {_version('jaxlib')}, flax {_version('flax')}",
            f"{dtype}, matmul precision {precision} (final numbers: highest)",
            f"run folder {folder}",
        ]
    )


def summary_texts(row: Mapping[str, Any]) -> list[str]:
    """Return one row of `Run.summary` as the texts of the final table.

    Args:
      row: from `Run.summary`.

    Returns:
      One text per column; "-" where the cell does not hold the number.
    """
    counts = ", ".join(f"{n} {name.lower()}" for name, n in row["status_counts"].items() if n)
    success = "n/a, not stored"
    if not math.isnan(row["success_count"]):
        interval = f"{row['success_low']:.1%} to {row['success_high']:.1%}"
        success = f"{row['success_count']} of {row['count']} ({interval})"
        success += f"; {row['planted']}" if row["planted"] else ""
    references = row["deviations_start"], row["deviations_chance"]
    deviations = [
        f"{name.removeprefix('features/')} {number_text(value)} "
        f"({'; '.join(number_text(one.get(name, math.nan)) for one in references)})"
        for name, value in row["deviations"].items()
    ]
    more = len(deviations) - _DEVIATIONS
    if more > 0:
        deviations[_DEVIATIONS:] = [f"and {more} more"]
    accuracy = row["test_accuracy"]
    geometry = "-"
    if not math.isnan(row["rank"]):
        blind = row.get("blind_fraction", math.nan)
        share = "n/a" if math.isnan(blind) else f"{blind:.0%}"
        geometry = f"{row['rank']:g} of {row['rank_ceiling']:g}; {share}"
    return [
        row["cell"],
        success if row["count"] else "-",
        f"{row['missed']} ({row['missed_count']} of {row['count']})" if row["missed"] else "-",
        counts or "-",
        number_text(row["loss_median"]),
        "-" if math.isnan(accuracy) else f"{accuracy:.1%}",
        "\n".join(deviations) or "-",
        geometry,
    ]


def _changes(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what is missed and what helps, or is not verified -> the cells of which it holds."""
    cells: dict[str, list[str]] = {}
    for row in rows:
        missed = f"“{row['missed']}” is missed most often; remedy: {row['change']}"
        for text in (missed if row["change"] else "", row.get("unverified")):
            if text:
                cells.setdefault(text, []).append(row["cell"])
    return {
        text: names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        for text, names in cells.items()
    }


def number_text(value: float) -> str:
    """Return a number with three digits, or "-" for NaN.

    Example:
      >>> number_text(0.00123456), number_text(float("nan"))
      ('0.00123', '-')
    """
    return "-" if math.isnan(value) else f"{value:.3g}"


def memory_text(num_bytes: float) -> str:
    """Return a number of bytes for people.

    Example:
      >>> memory_text(213e6), memory_text(5e9)
      ('213 MB', '5.0 GB')
    """
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(from source)"
