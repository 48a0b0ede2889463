"""Blocks of finished, measured metamers as plain arrays, ready for a shelf."""

from collections.abc import Callable, Iterable, Sequence

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.to_host import ToHost
from jmetamer.evaluation.edge_columns import DETAIL, EdgeColumns, EdgeReference
from jmetamer.evaluation.examination import Examination
from jmetamer.measures import Measure
from jmetamer.metamers.generate import Metamers, generate
from jmetamer.metamers.methods import Execution, Progress, Task
from jmetamer.metamers.methods.optimize.memory import FEW_LANES, REFILLS, fit
from jmetamer.metamers.problem import Problem

Block = dict[str, np.ndarray]

# Lanes are filled this often within a block, so that late seeds find company; but a long cell is
# saved in at least as many blocks, so that an interruption costs little.
_LEAST_BLOCKS = 4
# Where lanes are few, as on a processor: every block starts and ends with idle lanes.
_SMALL_BLOCK = 64


class Blocks:
    """Makes metamers of one problem in blocks of seeds and keeps what the record needs.

    Args:
      task: what to match, and how.
      measures: deviations to take of every metamer; those that need facts know them.
      count: number of metamers in all; decides the size of a block. Where each metamer depends on
        all others they are one block, made as a whole or not at all.
      keep: features and edges that vary are kept of seeds below this number.
      examination: what else every metamer is asked.
      lanes: metamers under way at once; None takes as many as are useful and fit.

    Attributes:
      lanes: that a cell alone takes.
      no_start: why searches have no random start; empty where they have one.
    """

    def __init__(
        self,
        task: Task,
        measures: tuple[Measure, ...],
        *,
        count: int,
        keep: int,
        examination: Examination,
        lanes: int | None = None,
    ) -> None:
        self.task, self.problem, self.wanted_lanes = task, task.problem, lanes
        execution = Execution(lanes=lanes, keep_theta=False)
        self.lanes = task.method.memory([task], count, execution).at_once
        self.size = count if task.method.coupled else block_size(self.lanes, count)
        self.measures, self.keep, self.examination = measures, keep, examination
        problem = task.problem
        self.binary = problem.features is not None and problem.features.kind == "binary"
        self.reference = problem.arrays.graph.nodes
        self.edges = EdgeReference(problem) if problem.edges else None
        self.no_start = task.method.begins(problem)
        self.start = None if self.no_start else task.method.starts(problem, task.seed)

    def make(self, seeds: Iterable[int], progress: Callable[[Progress], None] | None) -> Block:
        """Return the arrays of one block, one row a seed (`trace_step` and features apart)."""
        return make_blocks([self], seeds, progress)[0]

    @staticmethod
    def bytes_of_metamer(problem: Problem) -> int:
        """Return the bytes of what is kept of one metamer, about."""
        n, d = problem.arrays.graph.nodes.shape
        row = 0
        if problem.features is not None:
            row = -(-d // 8) if problem.features.kind == "binary" else 4 * d
        edges = EdgeReference(problem).bytes_of_metamer if problem.edges else 0
        activations = sum(target.nbytes for target in problem.arrays.targets.values())
        return n * row + edges + activations

    def _packed(self, features: np.ndarray) -> np.ndarray:
        return np.packbits(features > 0.5, axis=-1) if self.binary else features


class _Measured:
    """What is measured of the metamers of one block, asked of the device and not waited for."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        of_features = [m for m in blocks.measures if m.reads == "features"]
        of_edges = [m for m in blocks.measures if m.reads == "edges"]
        # Their arrays travel apart from the compiled program, which serves other cells, too.
        self.functions = tuple(m.as_tree for m in of_features)
        # Columns of both kinds, one after the other, in the order of the measures.
        names = [measure.name for measure in (*of_features, *of_edges)]
        self.order = [names.index(measure.name) for measure in blocks.measures]
        self.keeps_features = blocks.problem.features is not None
        edges = blocks.edges
        self.edges = EdgeColumns(edges, of_edges, blocks.keep) if edges else None
        self.examined = blocks.examination.started()
        self.has_start = bool(blocks.measures) and blocks.start is not None
        self.deviation: dict[int, jax.Array] = {}
        self.of_start: dict[int, tuple[jax.Array, Sequence[float]]] = {}
        self.features = ToHost(blocks._packed)

    def add(self, seed_id: int, graph: jraph.GraphsTuple) -> None:
        self.deviation[seed_id] = _deviations(self.functions, self.blocks.reference, graph.nodes)
        if self.edges is not None:
            self.edges.add(seed_id, graph)
        if self.has_start:
            self._add_start(seed_id)
        kept = seed_id < self.blocks.keep
        self.examined.add(seed_id, graph, kept=kept)
        if self.keeps_features and kept:
            self.features.add(seed_id, graph.nodes)

    def _add_start(self, seed_id: int) -> None:
        """Measure the start as the metamer is; the program is the same, and the start not kept."""
        assert self.blocks.start is not None
        graph = self.blocks.start(seed_id)
        of_edges = () if self.edges is None else self.edges.deviations(graph)
        of_features = _deviations(self.functions, self.blocks.reference, graph.nodes)
        self.of_start[seed_id] = of_features, of_edges

    def block(self, metamers: Metamers) -> Block:
        block = {
            name: np.asarray(value) for name, value in metamers._asdict().items() if _kept(name)
        }
        block |= {f"{DETAIL}{name}": np.asarray(rows) for name, rows in metamers.details.items()}
        seeds = [int(seed) for seed in metamers.seed_id]
        deviation = np.stack(jax.device_get([self.deviation[seed] for seed in seeds]))
        if self.edges is not None:
            of_edges = [self.edges.deviation[seed] for seed in seeds]
            deviation = np.concatenate([deviation, np.array(of_edges, np.float32)], axis=1)
            block |= self.edges.block(seeds)
        block |= self.examined.columns(seeds)
        block["deviation"] = deviation[:, self.order]
        if self.has_start:
            rows = jax.device_get([self.of_start[seed] for seed in seeds])
            of_start = np.array([np.concatenate(row) for row in rows], np.float32)
            block["deviation_start"] = of_start.reshape(deviation.shape)[:, self.order]
        stored = [seed for seed in seeds if seed < self.blocks.keep]
        block["stored_seed_id"] = np.array(stored, np.int64)
        if self.keeps_features:
            block["features"] = self.features.of(stored, self.blocks.reference.shape)
        return block


def make_blocks(
    cells: Sequence[Blocks],
    seeds: Iterable[int],
    progress: Callable[[Progress], None] | None,
    *,
    together: bool | None = None,
) -> list[Block]:
    """Return the arrays of one block of each, made in one set of lanes.

    Args:
      cells: whose problems share a program; see `generate`.
      seeds: seed ids of the block.
      progress: counts the metamers of all.
      together: whether lanes step together; None asks the devices.

    Raises:
      InputError: they cannot share lanes, or do not fit the memory.
    """
    measured = [_Measured(blocks) for blocks in cells]
    alone = len(cells) == 1
    tasks = [blocks.task for blocks in cells]
    metamers = generate(
        [task.problem for task in tasks],
        seeds=seeds,
        seed=[task.seed for task in tasks],
        method=[task.method for task in tasks],
        tolerance=[task.tolerance for task in tasks],
        # Lanes of one problem are chosen for all of its metamers, those of several for the block.
        lanes=cells[0].lanes if alone else cells[0].wanted_lanes,
        keep_theta=False,
        on_metamer=lambda number, seed_id, graph: measured[number].add(seed_id, graph),
        progress=progress,
        together=together,
    )
    return [one.block(one_cell) for one, one_cell in zip(measured, metamers, strict=True)]


def can_join(group: Sequence[Blocks], newcomer: Blocks, *, together: bool | None = None) -> bool:
    """Return whether one more problem is welcome in a set of lanes.

    It is not where blocks are of another size, where the lanes of the group are filled four times
    already, where metamers of one problem repel each other, where programs or shapes differ, or
    where the memory does not allow it.

    Args:
      group: those that share lanes.
      newcomer: would be next.
      together: whether lanes step together; None asks the devices.
    """
    first, num_seeds = group[0], newcomer.size * len(group)
    if newcomer.size != first.size:
        return False
    if num_seeds >= REFILLS * (first.wanted_lanes or FEW_LANES):
        return False
    tasks = [blocks.task for blocks in (*group, newcomer)]
    if not all(task.method.shares_lanes for task in tasks):
        return False
    execution = Execution(lanes=first.wanted_lanes, together=together, keep_theta=False)
    try:
        fit(tasks, num_seeds + newcomer.size, execution)
    except InputError:
        return False
    return True


def block_size(lanes: int, count: int) -> int:
    """Return how many seeds are made before they are saved.

    Args:
      lanes: metamers optimized at once.
      count: number of metamers in all.

    Example:
      >>> block_size(2, 1000), block_size(2048, 10_000), block_size(1, 6)
      (64, 2500, 4)
    """
    share = -(-count // _LEAST_BLOCKS)
    return min(max(REFILLS * lanes, _SMALL_BLOCK), max(lanes, share, REFILLS))


def _kept(name: str) -> bool:
    of_the_whole = ("base_seed", "method", "problem_digest")
    return name not in (*of_the_whole, "theta", "details")


@compile_function()
def _deviations(
    functions: tuple[Callable[[jax.Array, jax.Array], jax.Array], ...],
    reference: jax.Array,
    features: jax.Array,
) -> jax.Array:
    values = [function(reference, features).astype(jnp.float32) for function in functions]
    return jnp.stack(values) if values else jnp.zeros(0, jnp.float32)
