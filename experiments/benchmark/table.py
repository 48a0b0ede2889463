"""The table of the benchmark and that of the comparison, for people."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from jmetamer.sweep.progress import memory_text

_WIDTH = 175


def print_entries(report: dict[str, Any]) -> None:
    """Print one row an entry, then why what is missing is missing.

    Args:
      report: what the JSON file holds.
    """
    bandwidth = report["bandwidth"]["best"] / 1e9
    title = (
        f"{report['settings']['dataset']} on {report['provenance']['device']}, "
        f"memory {bandwidth:.1f} GB/s; seconds are of all seeds, warm, to a verified metamer"
    )
    table = Table(title=title)
    for name in ("model", "layer", "vary"):
        table.add_column(name)
    for name in _HEADINGS:
        table.add_column(name, justify="right")
    notes = []
    for entry in report["entries"]:
        table.add_row(*_row(entry))
        notes += _notes(entry)
    console = _console()
    console.print(table, markup=False)
    for note in notes:
        console.print(f"  {note}", markup=False, highlight=False, soft_wrap=True)


_HEADINGS = (
    "seeds",
    "steps/s",
    "s to 1e-2",
    "s to 1e-4",
    "s to 1e-6",
    "metamers/s",
    "s/metamer",
    "useful",
    "MB/step",
    "bandwidth",
    "memory",
    "compile s",
)


def _row(entry: dict[str, Any]) -> list[str]:
    points = entry["tolerances"]
    rate = entry["metamers_per_second"]
    device = entry["peak_device_bytes"] or entry["peak_rss_bytes"]
    return [
        entry["model"],
        entry["layer"],
        entry["vary"],
        f"{entry['seeds']:,}",
        _number(entry["steps_per_second"]),
        *(_seconds(points.get(name)) for name in ("0.01", "0.0001", "1e-06")),
        _number(rate),
        _number(1 / rate if rate else None),
        _share(entry["useful_step_share"]),
        _number(entry["bytes_per_step"] / 1e6 if entry["bytes_per_step"] else None),
        _share(entry["bandwidth_share"]),
        memory_text(device) if device else "-",
        _number(entry["compile_seconds"]),
    ]


def _seconds(point: dict[str, Any] | None) -> str:
    if point is None or "seconds" not in point:
        return "-"
    share = point["success_share"]
    return _number(point["seconds"]) + ("" if share == 1 else f" ({share:.0%})")


def _notes(entry: dict[str, Any]) -> list[str]:
    name = f"{entry['model']} {entry['layer']} {entry['vary']} {entry['seeds']:,} seeds"
    if "skipped" in entry:
        return [f"{name} skipped: {entry['skipped']}"]
    points = entry["tolerances"].items()
    return [f"{name} at {at}: {point['reason']}" for at, point in points if "reason" in point]


def print_comparison(found: dict[str, Any]) -> None:
    """Print seconds a verified metamer of every method, and how much slower than jmetamer.

    Args:
      found: from `comparison.compare`.
    """
    table = Table(
        title=f"{found['model']} {found['layer']}, L_act <= {found['tolerance']:g}, "
        f"{found['rounds']} rounds in turn on {found['device']}"
    )
    for name in ("method", "setting"):
        table.add_column(name)
    headings = (
        "seeds",
        "verified",
        "steps",
        "s/metamer (median)",
        "(least)",
        "times jmetamer",
        "of least",
        "others",
    )
    for name in headings:
        table.add_column(name, justify="right")
    for method, row in found["methods"].items():
        if "skipped" in row:
            table.add_row(method, f"skipped: {row['skipped']}", *[""] * len(headings))
            continue
        table.add_row(
            method,
            row["setting"],
            f"{row['seeds']}",
            f"{row['verified_share']:.0%}",
            _number(row["steps_median"]),
            _number(row["seconds_per_metamer_median"]),
            _number(row["seconds_per_metamer_least"]),
            _number(row["ratio_of_medians"]),
            _number(row["ratio_of_leasts"]),
            _number(max(row["cores_used_by_others"], key=lambda cores: cores or 0)),
        )
    console = _console()
    console.print(table, markup=False)
    console.print('  "others": cores that other programs kept busy; PyTorch suffers most from them')


def _console() -> Console:
    console = Console(file=sys.stdout)
    wide = console.is_terminal and console.width >= _WIDTH
    return console if wide else Console(file=sys.stdout, width=_WIDTH)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
