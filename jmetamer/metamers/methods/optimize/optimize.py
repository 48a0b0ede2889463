"""`Optimize`: gradient descent of the matching loss, many seeds at a time."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import jraph

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.metamers.check import rebuild
from jmetamer.metamers.methods.method import Execution, Footprint, Method, Samples, Task
from jmetamer.metamers.methods.optimize.coordinates import choose_coordinates, not_linear
from jmetamer.metamers.methods.optimize.devices import local_devices
from jmetamer.metamers.methods.optimize.memory import fit, memory_of
from jmetamer.metamers.methods.optimize.optimizers import Optimizer
from jmetamer.metamers.methods.optimize.settings import LoopSettings
from jmetamer.metamers.methods.optimize.synthesis import Synthesis
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.question import Question
from jmetamer.metamers.vary.edge_gradient import require_edge_gradient
from jmetamer.metamers.vary.protocol import Theta


@checked
@dataclasses.dataclass(frozen=True)
class Optimize(LoopSettings, Method):
    """Every seed starts from its own noise and descends the loss until it matches or stalls.

    Where optimizer or steps are None, those are taken that were fastest to a verified metamer in
    our measurements: L-BFGS for smooth parts, as continuous features and edge weights, whose line
    search costs one evaluation a step; Adam with cosine decay for the logits of binary features.

    Attributes:
      optimizer, steps, patience, improvement, coordinates, precision: see `LoopSettings`.

    Raises:
      InputError: a number outside its range, with the allowed range.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> Optimize(steps=50).for_problem(problem).optimizer.name
      'lane_lbfgs'
    """

    name: ClassVar[str] = "optimize"
    shares_lanes: ClassVar[bool] = True

    def check(self, question: Question) -> None:
        """Refuse edges that come and go, and a network without a gradient by weights of edges."""
        if not all(part.relaxed for part in question.parts):
            raise InputError(
                f"`method` is {self!r}, a search by gradients of features and weights, but `vary` "
                f"is {question.vary!r}, whose edges come and go; use `jm.RelaxEdges()`, or leave "
                "`method` out"
            )
        if question.edge_kind == "edge_weights":
            require_edge_gradient(question.model, question.edges)
        if self.coordinates not in ("auto", "features") and not question.is_free:
            raise not_linear(self.coordinates, question.vary)

    def for_problem(self, problem: Problem) -> Self:
        """Return the settings with what they leave open chosen for a problem."""
        self.check(problem.question)
        return self.filled(**loop_defaults(problem.smooth))

    def longest(self, problem: Problem) -> int:
        """Return the number of steps."""
        return self.num_steps

    def memory(self, tasks: Sequence[Task], count: int, execution: Execution) -> Footprint:
        """Return the number of lanes, and the bytes that they need on one device."""
        lanes = fit(tasks, count, execution)
        devices = local_devices().count
        each = -(-lanes // devices)
        return Footprint(lanes, memory_of(tasks, execution, lanes=each).on_device(each))

    def run(
        self, tasks: Sequence[Task], seed_ids: Sequence[int], execution: Execution
    ) -> Iterator[Samples]:
        """Yield seeds from lanes that take the next one when theirs ends."""
        lanes = fit(tasks, len(tasks) * len(seed_ids), execution)
        yield from Synthesis(tasks, dataclasses.replace(execution, lanes=lanes)).finished(seed_ids)

    def graph(self, problem: Problem, theta: Theta, seed: int, seed_id: int) -> jraph.GraphsTuple:
        """Return the hard graph; the start is drawn again."""
        moved = choose_coordinates(problem, self.coordinates)
        return rebuild(problem.matching, *moved, theta, seed, seed_id)


def loop_defaults(smooth: bool) -> dict[str, Any]:
    """Return optimizer, steps and patience that were fastest to a verified metamer.

    Args:
      smooth: whether the loss is a smooth function of theta.
    """
    optimizer = Optimizer("lane_lbfgs") if smooth else Optimizer("adam", 0.2, "cosine")
    return {"optimizer": optimizer, "steps": 500 if smooth else 200, "patience": 200}
