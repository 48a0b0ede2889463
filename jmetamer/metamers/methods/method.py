"""`Method`: a way of finding metamers, what all of them are given, and what they hand back."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import jax
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer.metamers.check import Verdict
from jmetamer.metamers.methods.optimize.devices import LaneDevices
from jmetamer.metamers.problem import Matching, Problem
from jmetamer.metamers.question import Question
from jmetamer.metamers.vary.protocol import Theta


class Progress(NamedTuple):
    """How far a call of `generate` has come.

    Attributes:
      done: metamers finished.
      total: metamers asked for.
      loss: median L_act over the seeds that reported.
      executed: steps so far, those of lanes that had ended included.
    """

    done: int
    total: int
    loss: float
    executed: int = 0


class Task(NamedTuple):
    """What a seed belongs to.

    Attributes:
      problem: what to match.
      seed: base seed; metamer i draws from `stream_key(seed, i, ...)`.
      method: how, with nothing left open (`Method.for_problem`).
      tolerance: L_act at which a metamer counts as matched.
    """

    problem: Problem
    seed: int
    method: "Method"
    tolerance: float


@dataclasses.dataclass(frozen=True)
class Execution:
    """What changes no result.

    Attributes:
      lanes: metamers under way at once; None takes as many as are useful and fit the memory.
      chunk: steps between two looks of the host.
      together: step all lanes at once, or each on a processor core of its own; None asks the
        devices.
      devices: where lanes live; None takes all devices of this process.
      keep_theta: whether the coordinates of all metamers are kept on the host.
      progress: called after every chunk of steps.
    """

    lanes: int | None = None
    chunk: int = 20
    together: bool | None = None
    devices: LaneDevices | None = None
    keep_theta: bool = True
    progress: Callable[[Progress], None] | None = None


USUAL = Execution()


class Samples(NamedTuple):
    """Some finished seeds; every array has the leading axis b.

    Attributes:
      task: [b] int32 number of the task.
      seed_id: [b] int32.
      theta: best iterate, what `Method.graph` rebuilds the graph from.
      graphs: the hard graph of each.
      loss_initial, loss_final, penalty: [b] L_act of the start; L_act, and the penalty, at theta.
      steps: [b] int32 steps taken.
      status: [b] int32 `Status`, as far as the search itself knows it.
      curves: of each, [s] L_act before every step.
      verdicts: on the graphs, [b] of each number, where the search had them judged; None: not yet.
      details: name -> [b], what only this method tells.
    """

    task: np.ndarray
    seed_id: np.ndarray
    theta: Theta
    graphs: Sequence[jraph.GraphsTuple]
    loss_initial: np.ndarray
    loss_final: np.ndarray
    penalty: np.ndarray
    steps: np.ndarray
    status: np.ndarray
    curves: Sequence[np.ndarray]
    verdicts: Verdict | None = None
    details: Mapping[str, np.ndarray] = MappingProxyType({})

    def of(self, rows: Sequence[int] | np.ndarray) -> "Samples":
        """Return some of the seeds."""
        picked = np.asarray(rows)
        if np.array_equal(picked, np.arange(len(self.graphs))):
            return self

        def take(tree: object) -> Any:
            return jax.tree.map(lambda array: array[picked], tree)

        arrays = {
            name: take(value)
            for name, value in (self._asdict() | {"details": dict(self.details)}).items()
            if name not in ("graphs", "curves")
        }
        graphs, curves = ([column[row] for row in rows] for column in (self.graphs, self.curves))
        return Samples(**arrays, graphs=graphs, curves=curves)


def one_sample(
    seed_id: int,
    theta: Theta,
    graph: jraph.GraphsTuple,
    curve: np.ndarray,
    status: int,
    *,
    verdict: Verdict | None = None,
    details: Mapping[str, object] = MappingProxyType({}),
) -> Samples:
    """Return one seed of the first task, whose losses are the ends of its curve.

    Args:
      seed_id: which.
      theta: coordinates on the host.
      graph: hard graph.
      curve: [s + 1] L_act of the start and after each of s steps.
      status: how it ended.
      verdict: on the graph, where it was judged.
      details: what only this method tells.
    """
    columns = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (theta, verdict, dict(details)))
    first, last = (np.array([end], np.float32) for end in (curve[0], curve[-1]))
    return Samples(
        np.zeros(1, np.int32),
        np.array([seed_id], np.int32),
        columns[0],
        [graph],
        first,
        last,
        np.zeros(1, np.float32),
        np.array([len(curve) - 1], np.int32),
        np.array([status], np.int32),
        [curve],
        *columns[1:],
    )


class Footprint(NamedTuple):
    """What metamers need of a device: how many are under way at once, and the bytes of these."""

    at_once: int
    num_bytes: int


class Method(Protocol):
    """A frozen dataclass whose fields are everything that decides a result.

    Attributes:
      name: its name in `METHODS`.
      exact: whether its metamers are exact by construction, without a search.
      dense: whether it decomposes a dense matrix over all nodes.
      repeats: whether every seed gives the same metamer.
      coupled: whether a metamer depends on the other seeds of its call.
      shares_lanes: whether seeds of several problems may be under way together.
    """

    name: ClassVar[str]
    exact: ClassVar[bool] = False
    dense: ClassVar[bool] = False
    repeats: ClassVar[bool] = False
    coupled: ClassVar[bool] = False
    shares_lanes: ClassVar[bool] = False

    def check(self, question: Question) -> None:
        """Refuse what the method cannot do, as far as that is known before any data.

        Raises:
          InputError: it does not apply; the message says which methods do.
        """
        return

    def for_problem(self, problem: Problem) -> Self:
        """Return the method with what it leaves open chosen for a problem.

        Raises:
          InputError: it does not apply to the problem; the message says which do.
        """
        self.check(problem.question)
        return self

    def sized_by(self, problem: Problem) -> Self:
        """Return the method with what it takes from a problem's size fixed to that of this one."""
        return self

    def at_least(self) -> Self:
        """Return the method with the least work that still shows whether it applies."""
        return self

    def longest(self, problem: Problem) -> int:
        """Return the steps of a seed that never ends early, which its loss curve spans."""
        ...

    def memory(self, tasks: Sequence[Task], count: int, execution: Execution) -> Footprint:
        """Return what `count` metamers of all tasks need.

        Raises:
          InputError: they do not fit the memory.
        """
        ...

    def run(
        self, tasks: Sequence[Task], seed_ids: Sequence[int], execution: Execution
    ) -> Iterator[Samples]:
        """Yield the seeds of all tasks as they end, in no particular order.

        Args:
          tasks: with this method, or one that differs in numbers; one, unless it `shares_lanes`.
          seed_ids: of every task.
          execution: what changes no result.
        """
        ...

    def graph(self, problem: Problem, theta: Theta, seed: int, seed_id: int) -> jraph.GraphsTuple:
        """Return the hard graph of one metamer from what is kept of it."""
        ...

    def begins(self, problem: Problem) -> str:
        """Say at what else than the noise of its seed a search begins; empty where it does not."""
        return ""

    def starts(self, problem: Problem, seed: int) -> Callable[[int], jraph.GraphsTuple]:
        """Return what makes the hard graph at which the search of a seed id begins.

        It is on the device; what does not vary is the reference's.
        """
        return lambda seed_id: noise(problem.matching, seed, seed_id, problem.arrays.graph)


@compile_function(static=1)
def noise(
    matching: Matching,
    seed: int | jax.Array,
    seed_id: int | jax.Array,
    reference: jraph.GraphsTuple,
) -> jraph.GraphsTuple:
    """Return the reference with the hard noise of one seed in place of what varies."""
    return matching.vary.harden(matching.vary.draw(seed, seed_id, reference), reference)
