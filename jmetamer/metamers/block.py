"""Blocks of finished, measured metamers as plain arrays, ready for a shelf."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer.measures import Measure
from jmetamer.metamers import lanes as engine
from jmetamer.metamers.generate import generate
from jmetamer.metamers.parameterizations import BinaryFeatures
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver
from jmetamer.metamers.synthesis import TRACE_POINTS, Progress, Synthesis

Block = dict[str, np.ndarray]

# Lanes are filled this often within a block, so that late seeds find company; but a long cell is
# saved in at least as many blocks, so that an interruption costs little.
_REFILLS, _LEAST_BLOCKS = 4, 4


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
        self.problem, self.solver, self.seed = problem, solver, seed
        self.measures, self.keep = measures, keep
        share = -(-count // _LEAST_BLOCKS)
        self.size = max(1, min(_REFILLS * solver.lanes, max(solver.lanes, share, _REFILLS)))
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

    def _packed(self, features: np.ndarray) -> np.ndarray:
        return np.packbits(features > 0.5, axis=-1) if self.binary else features


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


def memory_of_lanes(problem: Problem, solver: Solver, lanes: int) -> int:
    """Return the bytes that `lanes` lanes need: their state, the gradient, and the activations.

    The state's size is exact (from its shapes). Of one step, the gradient, the decoded features
    and the activations with their cotangents are counted.

    Args:
      problem: what is to be matched.
      solver: optimizer and coordinates.
      lanes: metamers optimized at once.
    """
    synthesis = Synthesis(problem, 0, solver, TRACE_POINTS)

    def start(arrays: Any, basis: Any) -> engine.Lane:
        limits = synthesis.limits
        return engine.fill(synthesis.program, jnp.zeros(1, jnp.int32), arrays, basis, limits)

    state = jax.eval_shape(start, problem.arrays, synthesis.basis)
    model, arrays = problem.matching.model, problem.arrays
    activations = jax.eval_shape(model.activations, arrays.params, arrays.graph)
    step = 2 * _bytes(state.theta) + 2 * _bytes(activations)
    return int(lanes * (_bytes(state) + step) + _bytes(arrays))


def _bytes(tree: Any) -> int:
    leaves = [leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype")]
    return sum(int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize for leaf in leaves)
