"""`RepelledSynthesis`: the seeds of a call as one group whose metamers push each other apart."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base import undefined
from jmetamer._base.errors import InputError
from jmetamer._base.live_bytes import live_bytes, tree_bytes
from jmetamer.metamers.check import Judge, finish
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize.memory import require_memory
from jmetamer.metamers.methods.optimize.optimizers import WITHOUT_RATE, Optimizer
from jmetamer.metamers.methods.optimize.program import limits_of
from jmetamer.metamers.methods.optimize.synthesis import (
    TRACE_POINTS,
    Finished,
    Progress,
    steps_of_trace,
)
from jmetamer.metamers.methods.repel.repelled_program import advance, pressure_of, program_of_group
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver
from jmetamer.metamers.status import Status
from jmetamer.metamers.what_varies import edges_that_vary

log = logging.getLogger(__name__)


def refuse_repulsion(problem: Problem, solver: Solver) -> None:
    """Raise where metamers of a problem cannot repel each other.

    Args:
      problem: what is to be matched.
      solver: how, with its `repulsion`.

    Raises:
      InputError: edges vary, or metamers are made by another method, or the optimizer or the
        coordinates know nothing of other metamers.
    """
    asked, off = f"`repulsion` is {solver.repulsion}", "or leave `repulsion` at 0"
    if edges_that_vary(problem.vary) is not None:
        raise InputError(
            f"{asked}, a distance between features, but `vary` is {problem.vary!r}; allowed are "
            f"features alone, as `ContinuousFeatures()` or `BinaryFeatures()`; use one of them, "
            f"{off}"
        )
    if solver.method != "optimize":
        raise InputError(
            f"{asked}, but `method` is {solver.method!r}, which makes each metamer on its own; "
            f"use the method 'optimize', {off}"
        )
    known = isinstance(solver.optimizer, Optimizer)
    if not known or solver.optimizer.name in WITHOUT_RATE:
        raise InputError(
            f"{asked}, which enters the search by its gradient alone, but `optimizer` is "
            f"{solver.optimizer!r}, which may read the loss too; allowed is an `Optimizer` with a "
            f"learning rate, as in `default_solver(problem, repulsion={solver.repulsion})`; "
            f"leave `optimizer` out, {off}"
        )
    if solver.coordinates not in ("auto", "features"):
        raise InputError(
            f"{asked}, a distance between features, but `coordinates` is {solver.coordinates!r}; "
            f"use 'features' or 'auto', {off}"
        )


def fit_group(problem: Problem, solver: Solver, count: int) -> Solver:
    """Return the solver with as many lanes as there are metamers: they are under way at once.

    Args:
      problem: what is to be matched.
      solver: how.
      count: number of metamers of the group.

    Raises:
      InputError: they cannot repel each other, or do not fit the memory of the device.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> fit_group(problem, jm.default_solver(problem, repulsion=0.5), 8).lanes
      8
    """
    refuse_repulsion(problem, solver)
    require_memory(
        group_bytes(problem, solver, count),
        f"{count:,} metamers that repel each other are all under way at once and",
        "make fewer, or leave `repulsion` at 0, which takes no more at once than fit; or take a "
        "smaller target graph (`ego_graph`, or fewer features)",
    )
    return solver.replace(lanes=count)


def group_bytes(problem: Problem, solver: Solver, count: int) -> int:
    """Return the bytes that a group needs on the device, by tracing alone.

    Args:
      problem: what is to be matched.
      solver: how.
      count: number of metamers of the group.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> solver = jm.default_solver(problem, repulsion=0.5)
      >>> one, ten = (group_bytes(problem, solver, count) for count in (1, 10))
      >>> ten - one > 9 * 5 * 34 * 34 * 4  # theta, its best, two moments, the repulsion's gradient
      True
    """
    program = program_of_group(problem, solver)
    data = jax.tree.map(_shape, (problem.arrays, limits_of(solver, 0)))
    ids = jax.ShapeDtypeStruct((count,), jnp.int32)
    lanes = engine.fill.eval_shape(program, ids, data[0], (), data[1])
    pressure = jax.tree.map(_shape, pressure_of(solver))
    step = live_bytes(advance.trace(program, lanes, *data, pressure).jaxpr)
    return tree_bytes(problem.arrays) + tree_bytes(lanes) + step


class RepelledSynthesis:
    """The setting of one call: the same attributes as `Synthesis`, for metamers that repel.

    All seeds of a call are ONE group, optimized together. Seed i starts from its own noise and
    minimizes `L_i + repulsion * mean_{j != i} (1 - d_ij)^2` with the normalized Euclidean distance
    `d_ij = |X_i - X_j| / (|X_i| + |X_j|)` of the features, the others held in each step. The
    repulsion is switched off at two thirds of the steps. Each seed then goes on by itself from
    where it stands, with the optimizer and its schedule begun anew; the best iterate of this last
    part, by L_act, is kept, and a seed ends where it reaches the tolerance.

    The weight balances repulsion and loss where both pull. What the loss does not see, Adam moves
    at its full rate, however small the weight.

    So a metamer depends on all others of its group: no seed can be made again alone, only the same
    set of seeds together (in whatever order), and metamers of a group are no independent sample.
    A single seed has nothing to be repelled from and is made as without repulsion.

    Args:
      problem: what to match; features vary, and edges stay.
      seed: base seed; metamer i starts from the noise of `fold_in(key(seed), i)`.
      solver: its `repulsion`, an `Optimizer` with a learning rate, steps, stop rules.
      trace_points: number of points of each loss curve.

    Raises:
      InputError: metamers of the problem cannot repel each other, with what is allowed.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> solver = jm.default_solver(problem, repulsion=0.5).replace(steps=30)
      >>> found = list(RepelledSynthesis(problem, 0, solver).finished([7, 3]))
      >>> [(int(one.lane.seed_id), bool(one.verdict.loss < one.curve[0])) for one in found]
      [(7, True), (3, True)]
    """

    def __init__(
        self, problem: Problem, seed: int, solver: Solver, trace_points: int = TRACE_POINTS
    ) -> None:
        refuse_repulsion(problem, solver)
        self.problem, self.seed, self.solver = problem, int(seed), solver
        self.program = program_of_group(problem, solver)
        self.trace_step = steps_of_trace(solver.steps, trace_points)
        self.coordinates = self.program.coordinates.name
        self.judge = Judge(problem)

    def finished(
        self, seed_ids: Sequence[int], progress: Callable[[Progress], None] | None = None
    ) -> Iterator[Finished]:
        """Yield every seed of the group, in the order given, when all of them have ended.

        Raises:
          InputError: the group does not fit the memory.
        """
        if len(seed_ids) == 1:
            log.warning(
                "`repulsion` is %s, but seed %d is alone: there is nothing to repel it, and it is "
                "not the metamer of this number of a larger group",
                *(self.solver.repulsion, seed_ids[0]),
            )
        fit_group(self.problem, self.solver, len(seed_ids))
        # Sums over a group are rounded in its order, which shall not matter.
        group = sorted(seed_ids)
        lanes, curves = self._optimized(np.array(group, np.int32), progress)
        for seed_id in seed_ids:
            yield self._judged(lanes, curves, group.index(seed_id))

    def _optimized(
        self, group: np.ndarray, progress: Callable[[Progress], None] | None
    ) -> tuple[engine.Lane, np.ndarray]:
        """Return all seeds at their ends, and L_act before every step, [b, steps]."""
        arrays, limits = self.problem.arrays, limits_of(self.solver, self.seed)
        lanes = engine.fill(self.program, group, arrays, (), limits)
        curves: list[np.ndarray] = []
        executed, running = 0, len(group)
        while running:
            pressure = pressure_of(self.solver)
            lanes, losses = advance(self.program, lanes, arrays, limits, pressure)
            curves.append(undefined.to_host(losses))
            seen = np.isfinite(curves[-1])
            running, executed = _num_running(lanes), executed + int(seen.sum())
            if progress is not None:
                median = float(np.median(curves[-1][seen])) if seen.any() else float("nan")
                progress(Progress(len(group) - running, len(group), median, executed))
        return lanes, np.concatenate(curves, axis=1)

    def _judged(self, lanes: engine.Lane, curves: np.ndarray, place: int) -> Finished:
        lane = lanes._replace(theta=(), constants=(), optimizer_state=())
        # Theta goes to the host: many metamers would fill a device.
        lane = jax.device_get(jax.tree.map(lambda array: array[place], lane))
        start = lane.best_theta, (), lane.best_theta
        graph = finish(self.problem, self.program.coordinates, (), *start)
        verdict = jax.device_get(self.judge(graph))
        return Finished(lane, curves[place, : int(lane.step) + 1], graph, verdict)


def _num_running(lanes: engine.Lane) -> int:
    return int(np.sum(np.asarray(lanes.status) == Status.RUNNING))


def _shape(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(jnp.shape(array), jnp.result_type(array))
