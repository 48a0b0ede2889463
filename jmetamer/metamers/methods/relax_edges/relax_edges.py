"""`RelaxEdges`: edges as weights that gradients move, made hard, with features where they vary."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Self

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
from jmetamer.metamers.methods.relax_edges.hard_graph import edges_theta, graph_of_theta
from jmetamer.metamers.methods.relax_edges.plan import plan_of, weight_optimizer
from jmetamer.metamers.methods.relax_edges.programs import draw_edges
from jmetamer.metamers.methods.relax_edges.seeds_at_once import bytes_of_seed
from jmetamer.metamers.methods.relax_edges.settings import RelaxSettings
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.question import Question
from jmetamer.metamers.vary.edge_gradient import require_edge_gradient
from jmetamer.metamers.vary.protocol import Theta

# Steps without improvement that no relaxation of edges takes: its penalty rises to the end.
_NEVER = 1_000_000


@checked
@dataclasses.dataclass(frozen=True)
class RelaxEdges(RelaxSettings, Method):
    """Edges that come and go are relaxed to weights in [0, 1], and made hard in the end.

    The edges of a start and a block of other candidate pairs get weights in [0, 1], which are
    moved by gradients; every few steps candidates that nothing came of are exchanged, so that
    memory goes with edges and block, never with the square of the nodes (after Geisler et al.
    2021, arXiv 2110.14038). A concave penalty `lambda_t mean w (1 - w)`, with lambda_t rising to
    `penalty`, drives the weights to 0 and 1. Then they are rounded in several ways, the best
    rounding is improved by flips of one pair or two at once, and the hard graph is judged.

    Where features vary too, both are relaxed at once, the edges made hard, and the features
    optimized again on them; where edges are only drawn (`RandomEdges`), the features are optimized
    on those.

    Attributes:
      optimizer: where edges alone vary, of their weights (None: Adam with `learning_rate`), which
        may keep no history of past steps; else of the features, as `Optimize` has it.
      steps: of the relaxation, and of the features; None: 1000 where edges alone vary, else as for
        `Optimize`.
      patience: None: edges alone are relaxed to the end of the schedule.
      improvement, coordinates, precision: see `LoopSettings`.
      block: candidate pairs beside those of the start; None: four times the edges, at least 1,000;
        all other pairs where there are not more.
      refill: how candidates are found: "uniform" at random; "near", at random among the pairs whose
        edge a target would see; or the pairs where "gradient" says that an edge would lower the
        loss most.
      refill_every: steps between two exchanges of candidates.
      penalty: last lambda of the concave penalty.
      draws: random roundings, beside the threshold 1/2 and the largest weights.
      flips: number of pairs flipped after rounding, beyond which no more are.
      kicks: largest number of times that a few random pairs are flipped where no single flip helps,
        to descend again from there; None: 20 where the block holds all pairs, else none.
      learning_rate: of Adam on the weights, where no `optimizer` of theirs takes its place.
      feature_learning_rate: of Adam on the features while both are relaxed.

    Raises:
      InputError: a number outside its range, with the allowed range; kicks without flips.

    Example:
      >>> RelaxEdges(steps=50).steps
      50
    """

    name: ClassVar[str] = "relax_edges"

    def check(self, question: Question) -> None:
        """Refuse parts, a network, a loss or an optimizer by which no edges can be relaxed."""
        vary = question.vary
        if question.edge_kind != "simple_edges":
            raise InputError(
                f"`method` is {self!r}, but no edges come and go: `vary` is {vary!r}; use "
                "`jm.Optimize()`, or leave `method` out"
            )
        searched = question.simple_edges.searched
        if searched:
            require_edge_gradient(question.model, vary)
        if searched and self.flips > 0 and not question.loss.has_residual:
            raise InputError(
                f"`loss` is {question.loss!r}, which has no residual, but flips of hard edges are "
                "chosen by what they change of it; take `Complementarity()`, `RelativeSquared()` "
                "or `RelaxEdges(flips=0)`"
            )
        if question.features is None and self.coordinates not in ("auto", "features"):
            raise InputError(
                f"`coordinates` is {self.coordinates!r}, which are coordinates of features, but "
                "only edges vary; leave it out"
            )
        if question.features is None and self.optimizer is not None:
            weight_optimizer(self.optimizer)

    def for_problem(self, problem: Problem) -> Self:
        """Return the settings with what they leave open chosen for a problem."""
        self.check(problem.question)
        return self.filled_for(problem)

    def sized_by(self, problem: Problem) -> Self:
        """Return the settings with the kicks that a problem's size gives them."""
        if self.kicks is not None:
            return self
        plan, _ = plan_of(Task(problem, 0, self, problem.tolerance), together=False)
        return self if plan.holds_all else dataclasses.replace(self, kicks=0)

    def filled_for(self, problem: Problem) -> Self:
        """Return the settings with what they leave open chosen, whatever the network."""
        if problem.features is not None:
            return self.filled(**loop_defaults(problem.smooth))
        adam = Optimizer("adam", self.learning_rate)
        return self.filled(optimizer=adam, steps=1000, patience=_NEVER)

    def longest(self, problem: Problem) -> int:
        """Return the steps of a seed that never ends early."""
        relaxed = self.num_steps if problem.simple_edges.searched else 0
        optimized = 0 if problem.features is None else self.num_steps
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

    def graph(self, problem: Problem, theta: Theta, seed: int, seed_id: int) -> jraph.GraphsTuple:
        """Return the simple graph of these edges and features."""
        return graph_of_theta(problem, theta)

    def begins(self, problem: Problem) -> str:
        """Say where a walk from the reference begins."""
        return begins_with(problem)

    def starts(self, problem: Problem, seed: int) -> Callable[[int], jraph.GraphsTuple]:
        """Return what draws the edges and features at which a seed begins."""
        return starts_with_edges(problem, seed, self)


def begins_with(problem: Problem) -> str:
    """Say that edges begin at the reference; empty where they are drawn."""
    walks = problem.features is None and problem.simple_edges.start == "reference"
    return "the search begins at the reference" if walks else ""


def starts_with_edges(
    problem: Problem, seed: int, method: RelaxEdges
) -> Callable[[int], jraph.GraphsTuple]:
    """Return what draws the edges, and features where they vary, at which a seed begins."""
    task = Task(problem, seed, method.filled_for(problem), 1.0)
    plan, data = plan_of(task, together=False)

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
