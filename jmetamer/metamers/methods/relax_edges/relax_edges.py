"""`RelaxEdges`: edges as weights that gradients move, made hard, with features where they vary."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer._base.live_bytes import tree_bytes
from jmetamer.metamers.methods.method import Execution, Footprint, Method, Samples, Task, noise
from jmetamer.metamers.methods.optimize.optimize import loop_defaults
from jmetamer.metamers.methods.optimize.optimizers import Optimizer
from jmetamer.metamers.methods.optimize.settings import LoopSettings
from jmetamer.metamers.methods.relax_edges.hard_graph import edges_theta, graph_of_theta
from jmetamer.metamers.methods.relax_edges.plan import plan_of
from jmetamer.metamers.methods.relax_edges.programs import draw_edges
from jmetamer.metamers.methods.relax_edges.seeds_at_once import bytes_of_seed
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.vary.edge_gradient import require_edge_gradient
from jmetamer.metamers.vary.edges import BinaryEdges, FeaturesGivenEdges, Structure

# Steps without improvement that no relaxation of edges takes: its penalty rises to the end.
_NEVER = 1_000_000


@checked
@dataclasses.dataclass(frozen=True)
class RelaxEdges(LoopSettings, Method):
    """Edges that come and go are relaxed to weights in [0, 1], and made hard in the end.

    How is said by `BinaryEdges`. Where features vary too, both are relaxed at once, the edges made
    hard, and the features optimized again on them; where edges are only drawn, the features are
    optimized on those.

    Attributes:
      optimizer: where edges alone vary, of their weights (None: Adam with `learning_rate` of
        `BinaryEdges`), which may keep no history of past steps; else of the features, as `Optimize`
        has it.
      steps: of the relaxation, and of the features; None: 1000 where edges alone vary, else as for
        `Optimize`.
      patience: None: edges alone are relaxed to the end of the schedule.
      improvement, coordinates, precision: see `LoopSettings`.

    Raises:
      InputError: a number outside its range, with the allowed range.

    Example:
      >>> RelaxEdges(steps=50).steps
      50
    """

    name: ClassVar[str] = "relax_edges"

    def for_problem(self, problem: Problem) -> Self:
        """Return the settings with what they leave open chosen for a problem."""
        vary = problem.vary
        if not isinstance(vary, Structure):
            raise InputError(
                f"`method` is {self!r}, but no edges come and go: `vary` is {vary!r}; use "
                "`jm.Optimize()`, or leave `method` out"
            )
        if not isinstance(vary, FeaturesGivenEdges):
            require_edge_gradient(problem.trained.model, vary)
        searched = not isinstance(vary, FeaturesGivenEdges) and vary.edges.flips > 0
        if searched and not problem.matching.loss.has_residual:
            raise InputError(
                f"`loss` is {problem.loss!r}, which has no residual, but flips of hard edges are "
                "chosen by what they change of it; take `Complementarity()`, `RelativeSquared()` "
                "or `BinaryEdges(flips=0)`"
            )
        if isinstance(vary, BinaryEdges) and self.coordinates not in ("auto", "features"):
            raise InputError(
                f"`coordinates` is {self.coordinates!r}, which are coordinates of features, but "
                "only edges vary; leave it out"
            )
        return self.filled_for(vary)

    def filled_for(self, vary: Structure) -> Self:
        """Return the settings with what they leave open chosen, whatever the network."""
        if not isinstance(vary, BinaryEdges):
            return self.filled(**loop_defaults(vary.features.smooth))
        adam = Optimizer("adam", vary.learning_rate)
        return self.filled(optimizer=adam, steps=1000, patience=_NEVER)

    def longest(self, problem: Problem) -> int:
        """Return the steps of a seed that never ends early."""
        relaxed = 0 if isinstance(problem.vary, FeaturesGivenEdges) else self.num_steps
        optimized = 0 if isinstance(problem.vary, BinaryEdges) else self.num_steps
        # Both parts look at their last iterate.
        return relaxed + optimized + (relaxed > 0 and optimized > 0)

    def memory(self, tasks: Sequence[Task], count: int, execution: Execution) -> Footprint:
        """Return the number of seeds that run at once, and the bytes that they need."""
        return footprint(EdgeSynthesis(tasks[0], execution), count)

    def run(
        self, tasks: Sequence[Task], seed_ids: Sequence[int], execution: Execution
    ) -> Iterator[Samples]:
        """Yield seeds in the order given."""
        (task,) = tasks
        yield from EdgeSynthesis(task, execution).finished(seed_ids)

    def graph(self, problem: Problem, theta: Any, seed: int, seed_id: int) -> jraph.GraphsTuple:
        """Return the simple graph of these edges and features."""
        return graph_of_theta(problem, theta)

    def begins(self, problem: Problem) -> str:
        """Say where a walk from the reference begins."""
        return begins_with(problem)

    def starts(self, problem: Problem, seed: int) -> Callable[[int], jraph.GraphsTuple]:
        """Return what draws the edges and features at which a seed begins."""
        return starts_with_edges(problem, seed)


def begins_with(problem: Problem) -> str:
    """Say that edges begin at the reference; empty where they are drawn."""
    walks = isinstance(problem.vary, BinaryEdges) and problem.vary.start == "reference"
    return "the search begins at the reference" if walks else ""


def starts_with_edges(problem: Problem, seed: int) -> Callable[[int], jraph.GraphsTuple]:
    """Return what draws the edges, and features where they vary, at which a seed begins."""
    assert isinstance(problem.vary, Structure)
    method = RelaxEdges().filled_for(problem.vary)
    plan, data = plan_of(Task(problem, seed, method, 1.0), together=False)

    def start(seed_id: int) -> jraph.GraphsTuple:
        features = noise(problem.matching, seed, seed_id, problem.arrays.graph).nodes
        ids = np.array([seed_id], np.int32)
        pairs, (present,) = jax.device_get(draw_edges(plan, ids, data, jnp.int32(seed)))
        one = jax.tree.map(lambda side: side[0], pairs)
        return graph_of_theta(problem, edges_theta(one, present, features))

    return start


def footprint(seeds: EdgeSynthesis, count: int) -> Footprint:
    """Return how many of `count` seeds run at once, and the bytes that they need on one device."""
    width = seeds.at_once(count)
    each = bytes_of_seed(seeds.plan, seeds.data, seeds.numbers)
    return Footprint(width, tree_bytes(seeds.data) + width * each)
