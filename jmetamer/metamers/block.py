"""Blocks of finished, measured metamers as plain arrays, ready for a shelf."""

import functools
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer.measures import Measure
from jmetamer.metamers.generate import generate
from jmetamer.metamers.memory import fit
from jmetamer.metamers.parameterizations import BinaryFeatures
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver
from jmetamer.metamers.synthesis import Progress

Block = dict[str, np.ndarray]

# Lanes are filled this often within a block, so that late seeds find company; but a long cell is
# saved in at least as many blocks, so that an interruption costs little.
_REFILLS, _LEAST_BLOCKS = 4, 4
# Where lanes are few, as on a processor: every block starts and ends with idle lanes.
_SMALL_BLOCK = 64


class Blocks:
    """Makes metamers of one problem in blocks of seeds and keeps what the record needs.

    Args:
      problem: what to match.
      solver: how.
      seed: base seed.
      measures: deviations to take of every metamer.
      count: number of metamers in all; decides the size of a block.
      keep: features are kept of seeds below this number.
    """

    def __init__(
        self,
        problem: Problem,
        solver: Solver,
        seed: int,
        measures: tuple[Measure, ...],
        *,
        count: int,
        keep: int,
    ) -> None:
        self.problem, self.seed = problem, seed
        self.solver = fit(problem, solver, count, keep_theta=False)
        self.measures, self.keep = measures, keep
        self.size = block_size(self.solver.lanes or 1, count)
        self.binary = isinstance(problem.vary, BinaryFeatures)
        self.reference = problem.arrays.graph.nodes

    def make(self, seeds: Iterable[int], progress: Callable[[Progress], None] | None) -> Block:
        """Return the arrays of one block, one row a seed (`trace_step` and features apart)."""
        deviation: dict[int, np.ndarray] = {}
        features: dict[int, np.ndarray] = {}

        def measure(seed_id: int, graph: jraph.GraphsTuple) -> None:
            functions = tuple(measure.function for measure in self.measures)
            deviation[seed_id] = np.asarray(_deviations(functions, self.reference, graph.nodes))
            if seed_id < self.keep:
                features[seed_id] = self._packed(np.asarray(graph.nodes))

        made = generate(
            self.problem,
            seeds=seeds,
            seed=self.seed,
            solver=self.solver,
            keep_theta=False,
            on_metamer=measure,
            progress=progress,
        )
        block = {name: np.asarray(value) for name, value in made._asdict().items() if _kept(name)}
        block["deviation"] = np.stack([deviation[int(seed)] for seed in made.seed_id])
        stored = [int(seed) for seed in made.seed_id if int(seed) in features]
        empty = self._packed(np.zeros((0, *self.reference.shape), np.float32))
        block["stored_seed_id"] = np.array(stored, np.int64)
        block["features"] = np.stack([features[s] for s in stored]) if stored else empty
        return block

    @staticmethod
    def bytes_of_features(problem: Problem) -> int:
        """Return the bytes of one metamer's features as they are kept."""
        n, d = problem.arrays.graph.nodes.shape
        return n * (-(-d // 8) if isinstance(problem.vary, BinaryFeatures) else 4 * d)

    def _packed(self, features: np.ndarray) -> np.ndarray:
        return np.packbits(features > 0.5, axis=-1) if self.binary else features


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
    return min(max(_REFILLS * lanes, _SMALL_BLOCK), max(lanes, share, _REFILLS))


def _kept(name: str) -> bool:
    return name not in ("theta", "base_seed", "coordinates")


@functools.partial(jax.jit, static_argnums=0)
def _deviations(
    functions: tuple[Callable[[jax.Array, jax.Array], jax.Array], ...],
    reference: jax.Array,
    features: jax.Array,
) -> jax.Array:
    values = [function(reference, features).astype(jnp.float32) for function in functions]
    return jnp.stack(values) if values else jnp.zeros(0, jnp.float32)
