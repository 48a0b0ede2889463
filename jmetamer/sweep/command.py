"""`python -m jmetamer.sweep`: compute every cell of a configuration, once."""

import argparse
import contextlib
import functools
import importlib
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jmetamer._base.compilation_cache import keep_compiled_programs
from jmetamer._base.errors import ConfigError, InputError, JmetamerError, StoreError
from jmetamer._base.interrupts import interrupts_remembered
from jmetamer._base.precision import usual_types
from jmetamer._base.terminal import INTERRUPTED, complain, complain_of
from jmetamer.config import (
    CellSettings,
    RunSettings,
    cells,
    dump_yaml,
    find_config,
    packaged_configs,
    read_config,
    take_shard,
)
from jmetamer.results import RunStore, open_run
from jmetamer.sweep import grouping, pipeline
from jmetamer.sweep.attempts import Attempts, Outcome, RunCell
from jmetamer.sweep.distributed import Company, Meeting, MeetingError, join, meeting_of
from jmetamer.sweep.options import parser
from jmetamer.sweep.progress import Terminal
from jmetamer.sweep.verifying import verify_run

_POLL_SECONDS = 1.0


@usual_types()
def main(argv: Sequence[str] | None = None, *, run_cell: RunCell | None = None) -> int:
    """Run the command line.

    Args:
      argv: arguments; None takes those of the process.
      run_cell: what computes a cell; None takes `pipeline.run_cell`.

    Returns:
      The exit code.

    Example:
      >>> main(["no_such_config.yaml"])  # and one line on standard error
      2
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    options = parser().parse_args(argv)
    if options.verify is not None:
        return _verify(options.verify)
    try:
        plan = _plan(options)
    except InputError as error:
        complain_of(error)
        return 2
    command = _command(*argv)
    try:
        return _run(plan, options, command, run_cell)
    except InputError as error:
        complain_of(error)
        return 2
    except OSError as error:  # of the run folder, or of a machine that has run out of something
        complain_of(error)
        return 1
    except MeetingError as error:
        complain(f"error: {error}; finished cells are kept, continue with: {command}")
        return 1
    except KeyboardInterrupt:
        complain(f"\ninterrupted; finished cells are kept, continue with: {command}")
        return INTERRUPTED


class _Plan(NamedTuple):
    """What a command asks for: all cells of a run, those of its shard, and with whom and where."""

    config: Path
    run: RunSettings
    cells: Sequence[CellSettings]
    grid: Sequence[CellSettings]
    meeting: Meeting | None
    store: RunStore


def _plan(options: argparse.Namespace) -> _Plan:
    """Read the configuration, before anything is written."""
    _import_all(options.imports)
    path = find_config(options.config, packaged_configs())
    run = read_config(path, options.set, smoke=options.smoke)
    everything = cells(run)
    grid = take_shard(everything, options.shard)
    meeting = meeting_of(
        options.distributed,
        options.coordinator,
        options.num_processes,
        options.process_id,
        options.distributed_timeout,
    )
    store = RunStore(options.out or Path("runs") / run.name)
    return _Plan(path, run, everything, grid, meeting, store)


def _run(plan: _Plan, options: argparse.Namespace, command: str, run_cell: RunCell | None) -> int:
    """Compute what is not finished, and write the report; return the exit code."""
    _, run, everything, grid, meeting, store = plan
    terminal = Terminal(smoke=options.smoke)
    if options.dry_run:
        terminal.greet(store.folder)
        return _dry_run(grid, terminal)
    attempts = Attempts(
        store,
        terminal,
        run_cell or pipeline.run_cell,
        _origins(plan, options),
        tried_by_others=meeting is not None,
    )
    ids = [cell.id for cell in everything]
    forget = grid if meeting else ()
    prepare = functools.partial(_prepare, store, run, ids, command, forget=forget)
    with interrupts_remembered(), join(meeting, store, prepare) as company:
        terminal.greet(store.folder)
        if company.count > 1:
            terminal.line(f"process {company.index} of {company.count}; cells are shared")
        if warning := keep_compiled_programs().warning:
            terminal.line(warning)
        share = -(-len(grid) // company.count)  # a group takes no more: others work too
        most = share if run_cell is None and grouping.lanes_are_shared() else 1
        if run_cell is None:
            _train_again(grid, store, terminal)
        failed = _sweep(company.in_turn(grid), store, terminal, attempts, most)
        if company.index > 0:
            company.await_first(options.distributed_timeout or Meeting.timeout)
            return int(failed > 0)
        return max(int(failed > 0), _conclude(store, run, terminal, failed, company))


def _import_all(names: Sequence[str]) -> None:
    """Import modules that add lines to the tables of names."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # of code that is not ours
            raise ConfigError(
                f"--import {name}: {type(error).__name__}: {error}; give the name of a module that "
                "Python finds from here, as my_parts for my_parts.py"
            ) from error


def _verify(folder: str) -> int:
    """Verify a run: 0 where all is as it was written, 1 where something is damaged."""
    try:
        return int(verify_run(open_run(folder), Terminal().line) > 0)
    except (JmetamerError, OSError) as error:
        complain_of(error)
        return 1


def _command(*arguments: str) -> str:
    return shlex.join(["python", "-m", "jmetamer.sweep", *arguments])


def _origins(plan: _Plan, options: argparse.Namespace) -> dict[str, str]:
    """Return the command that computes each cell alone."""
    changes = [word for text in options.set for word in ("--set", text)]
    imports = [word for name in options.imports for word in ("--import", name)]
    smoke = ["--smoke"] * options.smoke
    arguments = (str(plan.config), *imports, *smoke, *changes, "--shard")
    return {
        cell.id: _command(*arguments, f"{place}/{len(plan.cells)}")
        for place, cell in enumerate(plan.cells)
    }


def _dry_run(grid: Sequence[CellSettings], terminal: Terminal) -> int:
    rows, code = [], 0
    estimates: dict[str, pipeline.Estimate] = {}  # cells that differ in seeds alone need the same
    for cell in grid:
        program = grouping.program_settings(cell)
        try:
            estimates[program] = estimates.get(program) or pipeline.estimate(cell)
            rows.append((cell.id, estimates[program]))
        except InputError as error:
            terminal.failure(cell.id, str(error))
            code = 1
    terminal.estimates(rows)
    terminal.line(f"{len(grid)} cells; nothing was computed or written")
    return code


def _prepare(
    store: RunStore,
    run: RunSettings,
    ids: Sequence[str],
    command: str,
    *,
    forget: Sequence[CellSettings],
) -> None:
    """Name all cells of the run, leave its configuration behind and clear old temporaries."""
    for cell in forget:  # so that a failure seen later is one of these processes
        store.clear_failure(cell.id)
    store.register(ids)
    store.write_text("config.yaml", f"# {command}\n{dump_yaml(run.tree())}")
    store.clean()


def _sweep(
    grid: Sequence[CellSettings], store: RunStore, terminal: Terminal, attempts: Attempts, most: int
) -> int:
    """Compute what is not finished, up to `most` cells at once; those held by others come last."""
    waiting = [cell for cell in grid if not store.is_finished(cell.id)]
    if len(waiting) < len(grid):
        terminal.line(f"{len(grid) - len(waiting)} of {len(grid)} cells are finished already")
    failed: set[str] = set()
    announced = False
    computed = [cell.id for cell in waiting]
    while waiting:
        outcomes: dict[str, Outcome] = {}
        for alike in grouping.alike(waiting, most) if most > 1 else [[cell] for cell in waiting]:
            if len(alike) == 1:
                outcomes[alike[0].id] = attempts.alone(alike[0])
            else:
                outcomes |= attempts.together(alike)
        failed |= {cell for cell, outcome in outcomes.items() if outcome is Outcome.FAILED}
        locked = [cell for cell in waiting if outcomes[cell.id] is Outcome.LOCKED]
        if locked and not announced:
            names = ", ".join(cell.id for cell in locked)
            terminal.line(f"another sweep computes {names}; waiting for it")
            announced = True
        if len(locked) == len(waiting):
            time.sleep(_POLL_SECONDS)
        waiting = locked
    gone = [cell.id for cell in grid if cell.id not in failed and not store.is_finished(cell.id)]
    gone = gone or _lost_networks(store, [one for one in computed if one not in failed])
    if gone or not (store.folder / "cells.json").is_file():
        raise StoreError(
            f"a part of the run folder `{store.folder}` was removed while the sweep ran: "
            f"{', '.join(gone) or 'cells.json'}; start the same command again"
        )
    return len(failed)


def _train_again(grid: Sequence[CellSettings], store: RunStore, terminal: Terminal) -> None:
    """Train the networks that finished cells name and that were removed since."""
    for cell in grid:
        if store.is_finished(cell.id) and _lost_networks(store, [cell.id]):
            terminal.line(f"the network of {cell.id} is gone; it is trained again")
            pipeline.network(cell, store.folder / "models")


def _lost_networks(store: RunStore, computed: Sequence[str]) -> list[str]:
    """Return the folders of networks that finished cells name and that are not there any more."""
    if not (store.folder / "cells.json").is_file():
        return []
    run, names = open_run(store.folder), set()
    for cell in computed:
        with contextlib.suppress(StoreError):  # a cell that cannot be read is said later
            names.add(str(run.provenance(cell).get("model_folder") or ""))
    places = [f"models/{name}" for name in sorted(names - {""})]
    return [place for place in places if not (store.folder / place).is_dir()]


def _conclude(
    store: RunStore, run: RunSettings, terminal: Terminal, failed: int, company: Company
) -> int:
    """Print the table and write the report; 1 if that fails."""
    for lost in company.ended_early():
        terminal.line(f"process {lost} ended early; the others have computed its cells")
    results = open_run(store.folder)
    readable, damaged = results.readable()
    terminal.summary([results.row(cell) for cell in readable])
    for cell, reason in damaged.items():
        terminal.line(f"{cell} cannot be read: {reason}")
    if failed:
        terminal.line(
            f"{failed} cell{'s' * (failed > 1)} failed; tracebacks are in "
            f"{store.folder / 'failures'}; the same command tries again"
        )
    if not run.report:
        return int(bool(damaged))
    try:
        from jmetamer.report import write_report  # the plotting library, only where it is wanted

        terminal.line(f"report: {write_report(results)}")
        (store.folder / "report-error.txt").unlink(missing_ok=True)
    except StoreError:
        raise
    except Exception as error:  # the numbers are safe; say it and keep the trace
        store.write_text("report-error.txt", traceback.format_exc())
        terminal.line(f"the report failed: {type(error).__name__}: {error}; see report-error.txt")
        return 1
    return int(bool(damaged))
