"""`Construction`: what the exact methods of features share, and how their seeds are run."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.live_bytes import tree_bytes
from jmetamer.metamers.losses import without_residual
from jmetamer.metamers.methods.exact.point import Point, require_free
from jmetamer.metamers.methods.method import (
    Execution,
    Footprint,
    Method,
    Progress,
    Samples,
    Task,
    one_sample,
)
from jmetamer.metamers.problem import Matching, Problem
from jmetamer.metamers.question import Question
from jmetamer.metamers.status import Status


class ExactMetamer(NamedTuple):
    """One exact metamer.

    Attributes:
      features: [n, d] float64.
      curve: [s + 1] float64 L_act of the start and after each of s outer steps.
      status: RUNNING where the loss decides, or the reason of an early end.
    """

    features: np.ndarray
    curve: np.ndarray
    status: Status = Status.RUNNING


Prepared = TypeVar("Prepared")


class Construction(Method, Generic[Prepared]):
    """Runs in float64 on the host, one seed after the other.

    The graph that is kept and judged has float32 features, as every other. Metamers may leave the
    range of the data: features become negative and are no longer binary.

    Attributes:
      steps: largest number of outer steps; of closed forms 1.
      begins_at: at what else than the noise of its seed it begins.
      solves: whether it drives the loss's residual to zero.
    """

    steps: int = 1
    begins_at: ClassVar[str] = ""
    solves: ClassVar[bool] = False

    def prepare(self, point: Point) -> Prepared:
        """Return what all seeds share.

        Raises:
          InputError: the method does not apply to this problem.
        """
        raise NotImplementedError

    def make(self, start: np.ndarray, point: Point, prepared: Prepared) -> ExactMetamer:
        """Return the metamer of one seed.

        Args:
          start: [n, d] float64 noise of the seed.
          point: the problem in float64.
          prepared: from `prepare`.
        """
        raise NotImplementedError

    def check(self, question: Question) -> None:
        """Refuse what is not free; what needs the network's parameters `prepare` refuses."""
        require_free(question)
        if self.solves and not question.loss.has_residual:
            raise InputError(without_residual(question.loss))

    def point(self, problem: Problem) -> Point:
        """Return the problem in float64, with coordinates in which a search moves."""
        return Point(problem, getattr(self, "coordinates", "auto"))

    def longest(self, problem: Problem) -> int:
        """Return the number of outer steps."""
        return int(self.steps)

    def memory(self, tasks: Sequence[Task], count: int, execution: Execution) -> Footprint:
        """Return one seed at a time, which needs the graph."""
        return Footprint(1, tree_bytes(tasks[0].problem.arrays))

    def run(
        self, tasks: Sequence[Task], seed_ids: Sequence[int], execution: Execution
    ) -> Iterator[Samples]:
        """Yield every seed as it ends, in the order given.

        Raises:
          InputError: several seeds of a method that gives all of them the same metamer.
        """
        if self.repeats and len(seed_ids) > 1:
            raise InputError(
                f"method {self.name!r} uses no noise, so all {len(seed_ids)} seeds would give the "
                "same metamer; ask for one, or use 'replace', which makes another for every seed"
            )
        (task,) = tasks
        method = aimed(self, task.tolerance)
        point = self.point(task.problem)
        prepared, executed = method.prepare(point), 0
        for done, seed_id in enumerate(seed_ids, 1):
            problem = task.problem
            start = _draw(problem.matching, task.seed, seed_id, problem.arrays.graph)
            metamer = method.make(np.asarray(start, np.float64), point, prepared)
            yield _sample(task, seed_id, metamer)
            executed += len(metamer.curve) - 1
            if execution.progress is not None:
                last = float(metamer.curve[-1])
                execution.progress(Progress(done, len(seed_ids), last, executed))

    def graph(
        self, problem: Problem, theta: np.ndarray, seed: int, seed_id: int
    ) -> jraph.GraphsTuple:
        """Return the graph with these features: what is judged is what is kept."""
        return problem.arrays.graph._replace(nodes=jnp.asarray(theta))

    def begins(self, problem: Problem) -> str:
        """Say at what else than noise it begins."""
        return f"the method {self.name} begins at {self.begins_at}" if self.begins_at else ""


def aimed(method: Any, tolerance: float) -> Any:
    """Return a search with the tolerance as its aim where that is stricter."""
    stricter = tolerance < getattr(method, "aim", 0.0)
    return dataclasses.replace(method, aim=tolerance) if stricter else method


def _sample(task: Task, seed_id: int, metamer: ExactMetamer) -> Samples:
    # Theta stays on the host: many metamers would fill a device.
    theta = np.asarray(metamer.features, np.float32)
    graph = task.problem.arrays.graph._replace(nodes=jnp.asarray(theta))
    last, status = float(metamer.curve[-1]), metamer.status
    if not np.isfinite(theta).all() or not np.isfinite(last):
        status = Status.NON_FINITE
    elif status == Status.RUNNING:
        status = Status.CONVERGED if last <= task.tolerance else Status.STALLED
    return one_sample(seed_id, theta, graph, metamer.curve, status)


@compile_function(static=1)
def _draw(matching: Matching, seed: jax.Array, seed_id: jax.Array, graph: jraph.GraphsTuple) -> Any:
    """Return the parameterization's start of one seed."""
    return matching.vary.draw(seed, seed_id, graph)
