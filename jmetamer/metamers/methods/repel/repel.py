"""`Repel`: the seeds of a call as one group whose metamers push each other apart."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Self

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base import undefined
from jmetamer._base.arguments import Positive, checked
from jmetamer._base.errors import InputError
from jmetamer._base.live_bytes import live_bytes, shape_of, tree_bytes
from jmetamer.metamers.check import finish
from jmetamer.metamers.methods.method import Execution, Footprint, Method, Progress, Samples, Task
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize.memory import require_memory
from jmetamer.metamers.methods.optimize.optimize import Optimize
from jmetamer.metamers.methods.optimize.optimizers import WITHOUT_RATE, Optimizer
from jmetamer.metamers.methods.optimize.program import limits_of
from jmetamer.metamers.methods.repel.repelled_program import advance, pressure_of, program_of_group
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.question import Question
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary.protocol import Theta

log = logging.getLogger(__name__)


@checked
@dataclasses.dataclass(frozen=True)
class Repel(Method):
    """Metamers that repel each other: all seeds of a call are ONE group, optimized together.

    Seed i starts from its own noise and minimizes `L_i + weight * mean_{j != i} (1 - d_ij)^2` with
    the normalized Euclidean distance `d_ij = |X_i - X_j| / (|X_i| + |X_j|)` of the features, the
    others held in each step. The repulsion is switched off at two thirds of the steps. Each seed
    then goes on by itself from where it stands, with the optimizer and its schedule begun anew; the
    best iterate of this last part, by L_act, is kept, and a seed ends where it reaches the
    tolerance.

    The weight balances repulsion and loss where both pull. What the loss does not see, Adam moves
    at its full rate, however small the weight.

    So a metamer depends on all others of its group: no seed can be made again alone, only the same
    set of seeds together (in whatever order), and metamers of a group are no independent sample.
    A single seed has nothing to be repelled from and is made as without repulsion.

    Attributes:
      weight: of the repulsion beside the matching loss.
      method: how each descends; its optimizer has a learning rate, and None takes Adam with cosine
        decay, as L-BFGS reads the loss, which says nothing of the repulsion.

    Raises:
      InputError: a weight that is not positive.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> metamers = jm.generate(problem, seeds=[7, 3], method=Repel(0.5, jm.Optimize(steps=30)))
      >>> (metamers.loss_hardened < metamers.loss_initial).tolist()
      [True, True]
    """

    weight: Positive
    method: Annotated[Optimize, Method] = Optimize()
    name: ClassVar[str] = "repel"
    coupled: ClassVar[bool] = True

    def check(self, question: Question) -> None:
        """Refuse other parts than features, and what repulsion cannot enter."""
        if question.edge_kind is not None:
            raise InputError(
                f"`method` is {self!r}, a distance between features, but `vary` is "
                f"{question.vary!r}; allowed are features alone, as `ContinuousFeatures()` or "
                "`BinaryFeatures()`; use one of them, or leave `Repel` out"
            )
        optimizer = self.method.optimizer
        by_gradient = isinstance(optimizer, Optimizer) and optimizer.name not in WITHOUT_RATE
        if optimizer is not None and not by_gradient:
            raise InputError(
                f"`method` is {self!r}, whose repulsion enters the search by its gradient alone, "
                "but its `optimizer` may read the loss too; allowed is an `Optimizer` with a "
                "learning rate; leave `optimizer` out, or leave `Repel` out"
            )
        if self.method.coordinates not in ("auto", "features"):
            raise InputError(
                f"`method` is {self!r}, a distance between features, but `coordinates` is "
                f"{self.method.coordinates!r}; use 'features' or 'auto', or leave `Repel` out"
            )

    def for_problem(self, problem: Problem) -> Self:
        """Return the settings with what they leave open chosen for a problem."""
        self.check(problem.question)
        adam = Optimizer("adam", 0.05 if problem.smooth else 0.2, "cosine")
        inner = dataclasses.replace(
            self.method, optimizer=self.method.optimizer or adam, coordinates="features"
        )
        return dataclasses.replace(self, method=inner.for_problem(problem))

    def longest(self, problem: Problem) -> int:
        """Return the number of steps."""
        return self.method.num_steps

    def memory(self, tasks: Sequence[Task], count: int, execution: Execution) -> Footprint:
        """Return the whole group, and the bytes that it needs, by tracing alone."""
        needed = self._bytes(self._group(tasks[0]), count, execution)
        require_memory(
            needed,
            f"{count:,} metamers that repel each other are all under way at once and",
            "make fewer, or take `Optimize()` without `Repel`, which takes no more at once than "
            "fit; or take a smaller target graph (`ego_graph`, or fewer features)",
        )
        return Footprint(count, needed)

    def run(
        self, tasks: Sequence[Task], seed_ids: Sequence[int], execution: Execution
    ) -> Iterator[Samples]:
        """Yield the group, in the order given, when all of its seeds have ended.

        Raises:
          InputError: the group does not fit the memory.
        """
        if len(seed_ids) == 1:
            log.warning(
                "`weight` of `Repel` is %s, but seed %d is alone: there is nothing to repel it, "
                "and it is not the metamer of this number of a larger group",
                *(self.weight, seed_ids[0]),
            )
        self.memory(tasks, len(seed_ids), execution)
        # Sums over a group are rounded in its order, which shall not matter.
        group = sorted(seed_ids)
        task = self._group(tasks[0])
        lanes, curves = self._optimized(task, np.array(group, np.int32), execution)
        for seed_id in seed_ids:
            yield _sample(task.problem, lanes, curves, group.index(seed_id))

    def graph(self, problem: Problem, theta: Theta, seed: int, seed_id: int) -> jraph.GraphsTuple:
        """Return the hard graph of these coordinates."""
        return self.method.graph(problem, theta, seed, seed_id)

    def _group(self, task: Task) -> Task:
        return task._replace(method=self.method)

    def _optimized(
        self, task: Task, group: np.ndarray, execution: Execution
    ) -> tuple[engine.Lane, np.ndarray]:
        """Return all seeds at their ends, and L_act before every step, [b, steps]."""
        program = program_of_group(task, execution.chunk)
        arrays, limits = task.problem.arrays, limits_of(task)
        lanes = engine.fill(program, group, arrays, limits)
        pressure = pressure_of(self.weight, self.method.num_steps)
        curves: list[np.ndarray] = []
        executed, running = 0, len(group)
        while running:
            lanes, losses = advance(program, lanes, arrays, limits, pressure)
            curves.append(undefined.to_host(losses))
            reported = np.isfinite(curves[-1])
            running = int(np.sum(np.asarray(lanes.status) == Status.RUNNING))
            executed += int(reported.sum())
            if execution.progress is not None:
                median = float(np.median(curves[-1][reported])) if reported.any() else float("nan")
                done = len(group) - running
                execution.progress(Progress(done, len(group), median, executed))
        return lanes, np.concatenate(curves, axis=1)

    def _bytes(self, task: Task, count: int, execution: Execution) -> int:
        """Return the bytes that a group needs on the device."""
        program = program_of_group(task, execution.chunk)
        data = jax.tree.map(shape_of, (task.problem.arrays, limits_of(task)))
        ids = jax.ShapeDtypeStruct((count,), jnp.int32)
        lanes = engine.fill.eval_shape(program, ids, *data)
        pressure = jax.tree.map(shape_of, pressure_of(self.weight, self.method.num_steps))
        step = live_bytes(advance.trace(program, lanes, *data, pressure).jaxpr)
        return tree_bytes(task.problem.arrays) + tree_bytes(lanes) + step


def _sample(problem: Problem, lanes: engine.Lane, curves: np.ndarray, place: int) -> Samples:
    # Theta goes to the host: many metamers would fill a device.
    read = lanes._replace(theta=(), constants=(), optimizer_state=())
    rows = jax.device_get(jax.tree.map(lambda array: array[place : place + 1], read))
    theta = jax.tree.map(lambda array: array[0], rows.best_theta)
    graph = finish(problem.matching.vary, problem.arrays, theta, theta)
    curve = curves[place, : int(rows.step[0]) + 1]
    return Samples(
        np.zeros(1, np.int32),
        rows.seed_id,
        rows.best_theta,
        [graph],
        rows.initial_loss,
        rows.best_loss,
        rows.penalty,
        rows.step,
        rows.status,
        [curve],
    )
