"""Cells of a sweep that share lanes: which they are, and how several are computed as one.

Cells that differ in nothing but seeds, training and learning rate run the same compiled program.
Where lanes step together, one set of lanes takes the seeds of all of them, so that many small
cells keep an accelerator busy. Blocks of seeds are saved on the shelf of their own cell: a cell
alone goes on where a group stopped, and the other way round.
"""

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from jmetamer.config import CellSettings
from jmetamer.metamers.methods.optimize.devices import local_devices
from jmetamer.metamers.methods.optimize.program import steps_together
from jmetamer.results import PartialCell, Progress, Record, Reference
from jmetamer.sweep.block import can_join
from jmetamer.sweep.pipeline import PreparedCell, complete, geometry_beside, make_metamers

# Settings that end up in data, never in a program, wherever they stand.
_DATA = ("seed", "training", "learning_rate")


def lanes_are_shared() -> bool:
    """Return whether cells share lanes here: where lanes step together.

    A processor runs a lane on each core, whichever cell it belongs to; there is nothing to gain.

    Example:
      >>> lanes_are_shared()
      False
    """
    return steps_together(local_devices())


def alike(cells: Sequence[CellSettings], most: int) -> list[list[CellSettings]]:
    """Return the cells in lists whose settings promise one program, in order of the first of each.

    Args:
      cells: in the order in which they would be computed one by one.
      most: cells of a list; more than that go into another one.

    Example:
      >>> from jmetamer.config import cells, find_config, packaged_configs, read_config
      >>> changes = ["seed=[0, 1]", "metamers.layer=[conv1, logits]", "model=gcn"]
      >>> path = find_config(None, packaged_configs())
      >>> grid = cells(read_config(path, changes, smoke=False))
      >>> [[one.metamers.layer for one in found] for found in alike(grid, most=8)]
      [['conv1', 'conv1'], ['logits', 'logits']]
    """
    by_program: dict[str, list[CellSettings]] = {}
    for cell in cells:
        by_program.setdefault(program_settings(cell), []).append(cell)
    return [
        same[first : first + most]
        for same in by_program.values()
        for first in range(0, len(same), most)
    ]


def may_join(group: Sequence[PreparedCell], newcomer: PreparedCell) -> bool:
    """Return whether a prepared cell takes part in a group; an empty one welcomes any.

    Args:
      group: cells that share lanes.
      newcomer: would be next; its real program and shapes decide, and the memory.
    """
    return not group or can_join(
        [one.blocks for one in group], newcomer.blocks, together=lanes_are_shared() or None
    )


def run_together(
    group: Sequence[PreparedCell],
    shelves: Sequence[PartialCell | None],
    progress: Callable[[Progress], None],
) -> Iterator[tuple[PreparedCell, Callable[[], tuple[Record, Reference]]]]:
    """Make the metamers of a group, then yield each cell with what completes its record.

    Args:
      group: prepared cells that may share lanes.
      shelves: of each.
      progress: told of the metamers of all cells, then of each geometry.
    """
    together = lanes_are_shared() or None
    with geometry_beside(group) as waiting:
        blocks, seconds = make_metamers(group, shelves, progress, together=together)
        for number, (one, block, geometry) in enumerate(zip(group, blocks, waiting, strict=True)):
            progress(Progress("geometry", number, len(group)))
            # A cell whose geometry fails fails alone, when its record is completed.
            yield one, functools.partial(complete, one, block, geometry, seconds)


def program_settings(cell: CellSettings) -> str:
    """Return what a cell's programs and shapes depend on, as text: not seeds, not training.

    Args:
      cell: resolved settings.

    Example:
      >>> from jmetamer.config.settings import TrainingSettings
      >>> other = CellSettings(training=TrainingSettings(seed=1))
      >>> program_settings(CellSettings()) == program_settings(other)
      True
    """
    return json.dumps([_program(cell.settings), cell.metamers.lanes], sort_keys=True)


def _program(tree: object) -> object:
    if isinstance(tree, Mapping):
        return {key: _program(value) for key, value in tree.items() if key not in _DATA}
    return [_program(one) for one in tree] if isinstance(tree, list) else tree
