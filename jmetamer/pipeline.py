"""One cell from settings to record: the order in which everything happens."""

import concurrent.futures
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jmetamer._base.provenance import provenance
from jmetamer.config import (
    CellSettings,
    build_dataset,
    build_measures,
    build_model,
    build_problem,
    build_solver,
    build_train_settings,
)
from jmetamer.graphs import Dataset, content_digest
from jmetamer.measures import Measure
from jmetamer.metamers import Problem, local_geometry
from jmetamer.metamers.block import Block, Blocks
from jmetamer.metamers.local_geometry import LocalGeometry
from jmetamer.metamers.memory import fit, memory_of
from jmetamer.metamers.solver import Solver
from jmetamer.models import TrainedModel, train
from jmetamer.results import PartialCell, Progress, Record, Reference, make_reference
from jmetamer.variables import geometry_variables, metamer_variables


class Estimate(NamedTuple):
    """What a cell will need.

    Attributes:
      num_nodes, num_features, num_edges: size of the reference graph.
      lanes: metamers optimized at once.
      bytes: memory of the graph, the lanes' states and the arrays of one step, on one device.
      host_bytes: memory of the features that are kept until the cell is written.
    """

    num_nodes: int
    num_features: int
    num_edges: int
    lanes: int
    bytes: int
    host_bytes: int


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
      >>> run = read_config(find_config(None, packaged_configs()), ["dataset.name=karate",
      ...     "training.epochs=0", "metamers.count=2", "metamers.layer=conv1",
      ...     "metamers.domain=free", "model.activation=relu", "geometry.nodes=1"], smoke=False)
      >>> record, reference = run_cell(cells(run)[0])
      >>> record.status_counts
      {'CONVERGED': 2}
    """
    started = time.perf_counter()
    data = build_dataset(cell)
    trained = _train(cell, data, models, progress)
    problem = build_problem(cell, trained, data)
    trained_at = time.perf_counter()
    measures = build_measures(cell)
    targets = _geometry_nodes(cell, problem)  # refused before hours of work, not after
    solver = build_solver(cell, problem)
    solver = fit(problem, solver, cell.metamers.count, keep_theta=False)
    # The geometry runs on the host in float64, beside the metamers on the device.
    with concurrent.futures.ThreadPoolExecutor(1, "geometry") as beside:
        waiting = beside.submit(_geometry, cell, problem, targets)

        def watched(seen: Progress) -> None:
            if waiting.done():
                waiting.result()  # a failure there ends the cell now, not hours later
            progress(seen)

        block = _metamers(cell, problem, solver, measures, partial, watched, content_digest(data))
        made_at = time.perf_counter()
        progress(Progress("geometry", 0, 1))
        geometry, geometry_seconds = waiting.result()
    reference = _reference(data)
    chance = np.array([measure.chance(np.asarray(data.graph.nodes)) for measure in measures])
    variables, status_counts, scalars = metamer_variables(block, problem, measures, chance)
    if geometry is not None:
        variables |= geometry_variables(geometry)
    scalars |= {f"{name}_accuracy": float(score) for name, score in trained.scores.items()}
    seconds = {
        "seconds": time.perf_counter() - started,
        "seconds_training": trained_at - started,
        "seconds_metamers": made_at - trained_at,
        "seconds_geometry": geometry_seconds,
    }
    record = Record(
        settings=cell.settings,
        settings_hash=cell.hash,
        variables=variables,
        scalars=scalars | seconds,
        status_counts=status_counts,
        provenance=provenance(solver.precision)
        | {"dataset": vars(data.provenance), "solver": solver.described()},
        reference=reference.digest,
    )
    return record, reference


def estimate(cell: CellSettings) -> Estimate:
    """Return shapes and memory of a cell without training or optimizing anything.

    Args:
      cell: resolved settings.

    Raises:
      InputError: settings that fit no problem, or no memory.
    """
    data = build_dataset(cell)
    untrained = dataclasses.replace(build_train_settings(cell), epochs=0)
    problem = build_problem(cell, train(build_model(cell), data, 0, untrained), data)
    solver = build_solver(cell, problem)
    lanes = fit(problem, solver, cell.metamers.count, keep_theta=False).lanes or 1
    each = -(-lanes // jax.local_device_count())
    num_nodes, num_features = data.graph.nodes.shape
    return Estimate(
        num_nodes,
        num_features,
        num_edges=len(data.graph.senders),
        lanes=lanes,
        bytes=memory_of(problem, solver, lanes=each).on_device(each),
        host_bytes=_kept(cell) * Blocks.bytes_of_features(problem),
    )


def _train(
    cell: CellSettings, data: Dataset, models: Path | None, progress: Callable[[Progress], None]
) -> TrainedModel:
    settings = build_train_settings(cell)
    progress(Progress("training", 0, 1))
    return train(build_model(cell), data, cell.training.seed or 0, settings, cache=models)


def _metamers(
    cell: CellSettings,
    problem: Problem,
    solver: Solver,
    measures: tuple[Measure, ...],
    partial: PartialCell | None,
    progress: Callable[[Progress], None],
    content: str,
) -> Block:
    """Make all metamers, a block of seeds at a time; blocks on the shelf are taken from there."""
    count, seed = cell.metamers.count, cell.metamers.seed or 0
    blocks = Blocks(problem, solver, seed, measures, count=count, keep=_kept(cell))
    done: list[Block] = []
    with _Saving(partial if count > blocks.size else None, content, progress) as saving:
        for first in range(0, count, blocks.size):
            last = min(first + blocks.size, count)
            name = f"seeds-{first}-{last - 1}"
            stored = partial.load(name) if partial is not None else None
            # A file that was edited since the interruption is another reference.
            if stored is None or str(stored.pop("content", "")) != content:
                stored = blocks.make(range(first, last), _told(saving.watched, first, count))
                saving.save(name, stored)
            done.append(stored)
            progress(Progress("metamers", last, count))
    return {key: _joined(key, [block[key] for block in done]) for key in done[0]}


class _Saving:
    """Puts blocks on the shelf while the next one is computed; at most one is under way.

    Args:
      partial: the shelf, or None.
      content: digest of the reference, stored with every block.
      progress: told what is being done.
    """

    def __init__(
        self, partial: PartialCell | None, content: str, progress: Callable[[Progress], None]
    ) -> None:
        self._partial, self._content, self._progress = partial, np.array(content), progress
        self._writer = concurrent.futures.ThreadPoolExecutor(1, "saving")
        self._waiting: concurrent.futures.Future[None] | None = None

    def __enter__(self) -> "_Saving":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.shutdown()  # an interrupted run keeps the block that was being written
        if kind is None and self._waiting is not None:
            self._waiting.result()

    def save(self, name: str, block: Block) -> None:
        """Begin to save a block, once the one before is safe."""
        if self._partial is None:
            return
        if self._waiting is not None:
            self._waiting.result()
        arrays = {**block, "content": self._content}
        self._waiting = self._writer.submit(self._partial.save, name, arrays)

    def watched(self, seen: Progress) -> None:
        """Pass on progress; a block that could not be written ends the cell now."""
        if self._waiting is not None and self._waiting.done():
            self._waiting.result()
        self._progress(seen)


def _kept(cell: CellSettings) -> int:
    """Return of how many metamers the features are stored."""
    wanted = cell.store.metamers
    return cell.metamers.count if wanted == "all" else min(int(wanted), cell.metamers.count)


def _joined(key: str, arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if key == "trace_step" else np.concatenate(arrays)


def _told(progress: Callable[[Progress], None], first: int, total: int) -> Callable[[Any], None]:
    return lambda seen: progress(Progress("metamers", first + seen.done, total, seen.loss))


def _geometry_nodes(cell: CellSettings, problem: Problem) -> list[int] | None:
    """Return the target nodes of the geometry, or None where none is wanted."""
    given = cell.geometry
    if not given.enabled or given.nodes is None or given.inputs is None:
        return None
    if not isinstance(given.nodes, int):
        checked = Problem(problem.trained, problem.graph, problem.layer, nodes=given.nodes)
        return list(checked.nodes or ())
    n = len(problem.graph.nodes)
    candidates = np.arange(n) if problem.nodes is None else np.asarray(problem.nodes)
    size = min(given.nodes, len(candidates))
    drawn = np.random.default_rng(cell.metamers.seed).choice(candidates, size, replace=False)
    return sorted(int(node) for node in drawn)


def _geometry(
    cell: CellSettings,
    problem: Problem,
    nodes: list[int] | None,
) -> tuple[LocalGeometry | None, float]:
    """Return the geometry at the target nodes and the seconds that it took."""
    if nodes is None or cell.geometry.inputs is None:
        return None, 0.0
    started = time.perf_counter()
    found = local_geometry(problem, nodes, cell.geometry.inputs)
    return found, time.perf_counter() - started


def _reference(data: Dataset) -> Reference:
    graph = jax.tree.map(np.asarray, data.graph)
    attrs = {
        "name": data.name,
        "feature_kind": data.feature_kind,
        "feature_shape": data.feature_shape,
        "feature_range": data.feature_range,
        "num_classes": data.num_classes,
    }
    weight = graph.edges.weight
    return make_reference(graph.nodes, graph.senders, graph.receivers, weight, data.labels, attrs)
