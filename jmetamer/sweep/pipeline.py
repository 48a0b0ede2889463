"""One cell from settings to record: the order in which everything happens.

`prepare`, `make_metamers` and `complete` are the three parts; several cells may share the second.
"""

import concurrent.futures
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jmetamer._base.provenance import provenance
from jmetamer.config import CellSettings, build_applying_measures, build_problem
from jmetamer.evaluation.remedies import remedy
from jmetamer.geometry.of_problem.survey import GeometrySurvey
from jmetamer.graphs import Dataset, content_digest
from jmetamer.measures import Measure
from jmetamer.metamers import Problem
from jmetamer.metamers.methods import Execution, Task
from jmetamer.metamers.methods import Progress as SearchProgress
from jmetamer.metamers.vary.together import parts_of
from jmetamer.models import TrainedModel, model_folder, train
from jmetamer.models.digest import tree_digest
from jmetamer.oracles.planted_search import search_planted
from jmetamer.results import PartialCell, Progress, Record, Reference, make_reference
from jmetamer.results.absence import planted_scalars
from jmetamer.results.partial import Saving
from jmetamer.results.record import SCHEMA_VERSION
from jmetamer.sweep.block import Block, Blocks, make_blocks
from jmetamer.sweep.examining import examination, judged_variables
from jmetamer.sweep.surveying import cell_geometry, geometry_nodes
from jmetamer.sweep.variables import metamer_variables, survey_variables

# What a record says of seeds that depend on each other.
ONE_GROUP = "one group: each metamer depends on all others, and none can be made again alone"


class Estimate(NamedTuple):
    """What a cell will need.

    Attributes:
      num_nodes, num_features, num_edges: size of the reference graph.
      lanes: metamers optimized at once.
      bytes: memory of the graph, the lanes' states and the arrays of one step, on one device.
      host_bytes: memory of what varies, kept until the cell is written.
    """

    num_nodes: int
    num_features: int
    num_edges: int
    lanes: int
    bytes: int
    host_bytes: int


@dataclasses.dataclass(frozen=True, eq=False)
class PreparedCell:
    """A cell that is ready for the lanes. Made by `prepare`.

    Attributes:
      cell: resolved settings.
      data: the dataset.
      trained: the network.
      problem: what must match.
      measures: deviations to take.
      geometry_nodes: target nodes of the geometry, or None where none is wanted.
      blocks: makes its metamers.
      seconds: that the preparation took.
    """

    cell: CellSettings
    data: Dataset
    trained: TrainedModel
    problem: Problem
    measures: tuple[Measure, ...]
    geometry_nodes: list[int] | None
    blocks: Blocks
    seconds: float


def run_cell(
    cell: CellSettings,
    *,
    models: Path | None = None,
    partial: PartialCell | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[Record, Reference]:
    """Compute one cell: train, make metamers, check and measure them, take the local geometry.

    Args:
      cell: resolved settings.
      models: folder in which trained models are kept for later cells.
      partial: shelf for finished blocks of seeds; an interrupted cell continues after the last.
      progress: told what is being done.

    Returns:
      The record, and the reference graph that it belongs to.

    Raises:
      InputError: settings that fit no problem.

    Example:
      >>> from jmetamer.config import cells, read_config, find_config, packaged_configs
      >>> run = read_config(find_config(None, packaged_configs()), ["dataset=karate", "model=gcn",
      ...     "training.epochs=0", "metamers={count: 2, layer: conv1}",
      ...     "metamers.vary=continuous_features", "geometry.nodes=1"], smoke=False)
      >>> record, reference = run_cell(cells(run)[0])
      >>> record.status_counts
      {'CONVERGED': 2}
    """
    prepared = prepare(cell, models=models, progress=progress)
    with geometry_beside([prepared]) as (waiting,):

        def watched(state: Progress) -> None:
            if waiting.done():
                waiting.result()  # a failure there ends the cell now, not hours later
            progress(state)

        (block,), seconds = make_metamers([prepared], [partial], watched)
        progress(Progress("geometry", 0, 1))
        return complete(prepared, block, waiting, seconds)


def prepare(
    cell: CellSettings,
    *,
    models: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> PreparedCell:
    """Train a cell's network and build its problem; refuse what cannot work before hours of work.

    Args:
      cell: resolved settings.
      models: folder in which trained models are kept for later cells.
      progress: told what is being done.

    Raises:
      InputError: settings that fit no problem, or no memory.
    """
    started = time.perf_counter()
    data = cell.dataset.load()
    for part in parts_of(cell.metamers.vary):
        part.check(data.graph)
    progress(Progress("training", 0, 1))
    trained = network(cell, models, data)
    problem = build_problem(cell, trained, data)
    measures = build_applying_measures(cell, trained, data)
    nodes = geometry_nodes(cell, problem)
    task = _task(cell, problem)
    examined = examination(cell, data, trained, problem, models, progress)
    settings = cell.metamers
    kept, lanes = _kept(cell), settings.lanes
    blocks = Blocks(
        task, measures, count=settings.count, keep=kept, examination=examined, lanes=lanes
    )
    seconds = time.perf_counter() - started
    return PreparedCell(cell, data, trained, problem, measures, nodes, blocks, seconds)


def _task(cell: CellSettings, problem: Problem) -> Task:
    settings = cell.metamers
    assert settings.method is not None
    assert settings.tolerance is not None
    return Task(
        problem, settings.seed or 0, settings.method.for_problem(problem), settings.tolerance
    )


_Geometry = concurrent.futures.Future[tuple[GeometrySurvey | None, float]]


@contextlib.contextmanager
def geometry_beside(cells: Sequence[PreparedCell]) -> Iterator[list[_Geometry]]:
    """Take the geometry on the host in float64, beside the metamers on the device.

    Args:
      cells: one after the other.

    Yields:
      For each, what will be its geometry; `complete` waits for it.
    """
    with concurrent.futures.ThreadPoolExecutor(1, "geometry") as beside:
        waiting = [
            beside.submit(cell_geometry, one.cell, one.data, one.problem, one.geometry_nodes)
            for one in cells
        ]
        try:
            yield waiting
        except BaseException:
            for one in waiting:  # the first is under way and cannot be stopped
                one.cancel()
            raise


def complete(
    prepared: PreparedCell, block: Block, waiting: _Geometry, seconds_metamers: float
) -> tuple[Record, Reference]:
    """Return the record of a cell whose metamers are made, and its reference graph.

    Args:
      prepared: the cell.
      block: all of its metamers.
      waiting: its geometry.
      seconds_metamers: its share of the time that the lanes took.
    """
    started = time.perf_counter()
    cell, data, measures = prepared.cell, prepared.data, prepared.measures
    geometry, geometry_seconds = waiting.result()
    reference = _reference(data)
    chance = np.array([measure.chance_at(data.graph) for measure in measures])
    no_start, task = prepared.blocks.no_start, prepared.blocks.task
    variables, status_counts, scalars = metamer_variables(
        block, prepared.problem, measures, chance, task.tolerance, no_start
    )
    judged, numbers = judged_variables(cell, block, prepared.blocks.examination)
    variables |= judged
    if geometry is not None:
        variables |= survey_variables(geometry)
    scalars |= _planted(prepared)
    scores = prepared.trained.scores.items()
    scalars |= numbers | {f"{name}_accuracy": float(score) for name, score in scores}
    seconds = {
        "seconds": prepared.seconds + seconds_metamers + time.perf_counter() - started,
        "seconds_training": prepared.seconds,
        "seconds_metamers": seconds_metamers,
        "seconds_geometry": geometry_seconds,
    }
    advice = remedy(prepared.problem, block["status"], tolerance=task.tolerance)
    record = Record(
        settings=cell.settings,
        settings_hash=cell.hash,
        variables=variables,
        scalars=scalars | seconds | ({"remedy": advice} if advice else {}),
        status_counts=status_counts,
        provenance=provenance(getattr(task.method, "precision", "default"))
        | {
            "dataset": vars(data.provenance),
            "solver": _solver(prepared.blocks),
            "model_folder": model_folder(prepared.trained),
            "params_sha256": tree_digest(prepared.trained.params),
        },
        reference=reference.digest,
    )
    return record, reference


def _planted(prepared: PreparedCell) -> dict[str, Any]:
    """Return how many planted problems the search of a cell solves, where any are asked for."""
    cell = prepared.cell
    if not cell.planted.problems:
        return {}
    searches = search_planted(
        prepared.blocks.task, problems=cell.planted.problems, count=cell.metamers.count
    )
    return planted_scalars(searches.solved, len(searches.names)) if searches.names else {}


def estimate(cell: CellSettings) -> Estimate:
    """Return shapes and memory of a cell without training or optimizing anything.

    Args:
      cell: resolved settings.

    Raises:
      InputError: settings that fit no problem, or no memory.
    """
    data = cell.dataset.load()
    untrained = dataclasses.replace(cell.training.of_network(), epochs=0)
    problem = build_problem(cell, train(cell.model, data, 0, untrained), data)
    task, execution = _task(cell, problem), Execution(lanes=cell.metamers.lanes, keep_theta=False)
    lanes, needed = task.method.memory([task], cell.metamers.count, execution)
    num_nodes, num_features = data.graph.nodes.shape
    return Estimate(
        num_nodes,
        num_features,
        num_edges=len(data.graph.senders),
        lanes=lanes,
        bytes=needed,
        host_bytes=_kept(cell) * Blocks.bytes_of_metamer(problem),
    )


def _solver(blocks: Blocks) -> dict[str, Any]:
    """Return how metamers were found as JSON-able values, for the record."""
    method = blocks.task.method
    fields = dataclasses.fields(method)  # type: ignore[arg-type]
    settings = {field.name: getattr(method, field.name) for field in fields}
    plain = {
        k: v if isinstance(v, str | int | float | None) else repr(v) for k, v in settings.items()
    }
    limits = {"tolerance": blocks.task.tolerance, "lanes": blocks.lanes}
    group = {"seeds": ONE_GROUP} if method.coupled else {}
    return {"method": method.name, "settings": plain} | limits | group


def network(cell: CellSettings, models: Path | None, data: Dataset | None = None) -> TrainedModel:
    """Return the trained network of a cell, from its folder in `models` where it is there."""
    settings, seed = cell.training.of_network(), cell.training.seed or 0
    return train(cell.model, data or cell.dataset.load(), seed, settings, cache=models)


def make_metamers(
    cells: Sequence[PreparedCell],
    shelves: Sequence[PartialCell | None],
    progress: Callable[[Progress], None],
    *,
    together: bool | None = None,
) -> tuple[list[Block], float]:
    """Make all metamers of cells that share lanes, a block of seeds of each at a time.

    Args:
      cells: one, or several whose problems share a program and whose blocks have one size.
      shelves: of each; a block that is there is not made again, whoever made it.
      progress: told of the metamers of all cells.
      together: whether lanes step together; None asks the devices.

    Returns:
      The metamers of each cell, and the seconds that one cell took on average.
    """
    started = time.perf_counter()
    count, size = cells[0].cell.metamers.count, cells[0].blocks.size
    contents = [_content(one) for one in cells]
    done: list[list[Block]] = [[] for _ in cells]
    with contextlib.ExitStack() as stack:
        saving = [
            stack.enter_context(Saving(shelf if count > size else None, content))
            for shelf, content in zip(shelves, contents, strict=True)
        ]

        def watched(state: Progress) -> None:
            for each in saving:
                each.check()
            progress(state)

        for first in range(0, count, size):
            last = min(first + size, count)
            name = f"seeds-{first}-{last - 1}"
            parts = [_stored(*each, name) for each in zip(shelves, contents, strict=True)]
            missing = [place for place, block in enumerate(parts) if block is None]
            before = len(cells) * first + (len(cells) - len(missing)) * (last - first)
            if missing:
                computed = make_blocks(
                    [cells[place].blocks for place in missing],
                    range(first, last),
                    _of_all(watched, before, len(cells) * count),
                    together=together,
                )
                for place, block in zip(missing, computed, strict=True):
                    saving[place].save(name, block)
                    parts[place] = block
            for blocks, part in zip(done, parts, strict=True):
                assert part is not None
                blocks.append(part)
            progress(Progress("metamers", len(cells) * last, len(cells) * count))
    return [_joined(blocks) for blocks in done], (time.perf_counter() - started) / len(cells)


def _content(cell: PreparedCell) -> str:
    """Name what a block is of: one of another version lacks columns, an edited file changes all."""
    digests = content_digest(cell.data), tree_digest(cell.trained.params)
    return "-".join((str(SCHEMA_VERSION), cell.cell.hash, *digests))


def _stored(shelf: PartialCell | None, content: str, name: str) -> Block | None:
    """Return a block from the shelf, where it is what this cell would compute."""
    block = shelf.load(name) if shelf is not None else None
    named = f"{content}-{name}"
    return block if block is not None and str(block.pop("content", "")) == named else None


def _kept(cell: CellSettings) -> int:
    """Return how many metamers are stored."""
    wanted = cell.store.metamers
    return cell.metamers.count if wanted == "all" else min(int(wanted), cell.metamers.count)


def _joined(blocks: list[Block]) -> Block:
    whole = {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}
    return whole | {"trace_step": blocks[0]["trace_step"]}


def _of_all(
    progress: Callable[[Progress], None], first: int, total: int
) -> Callable[[SearchProgress], None]:
    """Return what passes progress on as that of all blocks, `first` metamers into `total`."""
    return lambda one: progress(Progress("metamers", first + one.done, total, one.loss))


def _reference(data: Dataset) -> Reference:
    nodes, edges, receivers, senders, *_ = jax.tree.map(np.asarray, data.graph)
    names = ("name", "feature_kind", "feature_shape", "feature_range", "num_classes")
    attrs = {name: getattr(data, name) for name in names}
    return make_reference(nodes, senders, receivers, edges.weight, data.labels, attrs)
