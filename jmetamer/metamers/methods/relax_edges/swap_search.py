"""Descent by double-edge swaps: every node keeps its degree, and the loss only falls."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import Count, checked
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.keys import Stream, stream_key
from jmetamer._base.precision import highest_precision
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.method import Execution, Footprint, Method, Samples, Task
from jmetamer.metamers.methods.relax_edges.hard_graph import graph_of_theta
from jmetamer.metamers.methods.relax_edges.pair_loss import loss_of_pairs
from jmetamer.metamers.methods.relax_edges.plan import Data, Numbers, Plan
from jmetamer.metamers.methods.relax_edges.programs import each
from jmetamer.metamers.methods.relax_edges.relax_edges import (
    RelaxEdges,
    footprint,
    starts_with_edges,
)
from jmetamer.metamers.methods.relax_edges.relaxation import start_edges
from jmetamer.metamers.methods.relax_edges.searched import Searched
from jmetamer.metamers.methods.relax_edges.swaps import Swap, propose_swap, swapped
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.question import Question
from jmetamer.metamers.vary.protocol import Theta


@checked
@dataclasses.dataclass(frozen=True)
class SwapSearch(Method):
    """Descent over hard edges by double-edge swaps, without weights and without gradients.

    Attributes:
      steps: swaps tried in a row; each looks at all proposals and takes the best.
      proposals: double-edge swaps judged a step.

    Example:
      >>> SwapSearch(steps=10).proposals
      32
    """

    steps: Count = 200
    proposals: Count = 32
    name: ClassVar[str] = "swap_search"

    def check(self, question: Question) -> None:
        """Refuse other parts, and what only a relaxation keeps."""
        if question.edge_kind != "simple_edges" or question.features is not None:
            raise InputError(
                "method 'swap_search' searches over edges alone, but `vary` is "
                f"{question.vary!r}; use `BinaryEdges()`, or leave `method` out"
            )
        vary = question.simple_edges
        if vary.start not in ("noise", "rewired") or vary.budget is not None:
            raise InputError(
                "method 'swap_search' takes `start` 'noise' or 'rewired' and no `budget`, which "
                f"only the relaxation keeps, but `start` is {vary.start!r} and `budget` "
                f"{vary.budget}; change them, or leave `method` out"
            )

    def longest(self, problem: Problem) -> int:
        """Return the number of swaps tried."""
        return self.steps

    def memory(self, tasks: Sequence[Task], count: int, execution: Execution) -> Footprint:
        """Return the number of seeds that run at once, and the bytes that they need."""
        return footprint(self._seeds(tasks[0], execution), count)

    def run(
        self, tasks: Sequence[Task], seed_ids: Sequence[int], execution: Execution
    ) -> Iterator[Samples]:
        """Yield seeds in the order given."""
        (task,) = tasks
        yield from self._seeds(task, execution).finished(seed_ids)

    def graph(self, problem: Problem, theta: Theta, seed: int, seed_id: int) -> jraph.GraphsTuple:
        """Return the simple graph of these edges."""
        return graph_of_theta(problem, theta)

    def starts(self, problem: Problem, seed: int) -> Callable[[int], jraph.GraphsTuple]:
        """Return what draws the edges at which a seed begins."""
        return starts_with_edges(problem, seed, RelaxEdges())

    def _seeds(self, task: Task, execution: Execution) -> EdgeSynthesis:
        relaxed = task._replace(method=RelaxEdges().filled_for(task.problem))

        def search(plan: Plan, seed_ids: np.ndarray, data: Data, numbers: Numbers) -> Searched:
            return _search(plan, self, seed_ids, data, numbers)

        return EdgeSynthesis(relaxed, execution, search)


@compile_function(static=2)
def _search(
    plan: Plan, settings: SwapSearch, seed_ids: jax.Array, data: Data, numbers: Numbers
) -> Searched:
    """Return where the searches of seeds [s] end, at the highest matmul precision."""

    def loss(pairs: Pairs, weight: jax.Array) -> jax.Array:
        return loss_of_pairs(pairs, weight, (), plan, data)[1]

    def one(seed_id: jax.Array) -> Searched:
        pairs = start_edges(numbers.base_seed, seed_id, plan, data)
        key = stream_key(numbers.base_seed, seed_id, Stream.SWAPS)
        return swap_search(key, pairs, pairs.is_pair, loss, settings, plan.directed)

    with highest_precision():
        return each(plan, one, seed_ids)


def swap_search(
    key: jax.Array,
    pairs: Pairs,
    present: jax.Array,
    loss: Callable[[Pairs, jax.Array], jax.Array],
    settings: SwapSearch = SwapSearch(),
    directed: bool = False,
) -> Searched:
    """Improve a graph by the best of some random double-edge swaps, over and over.

    Each step draws `proposals` swaps (a, u), (b, v) -> (a, v), (b, u) of present edges, judges
    those that leave the graph simple one after the other, and makes the best if the loss falls.
    Pairs that are listed but absent count as taken, so list none if any edge may be made.

    Args:
      key: typed random key.
      pairs: [m], none twice; undirected ones with the smaller node first.
      present: [m] bool or 0 and 1; False at padding.
      loss: from pairs [m] and weights [m] float32 to a scalar.
      settings: number of steps and proposals, static.
      directed: whether (i, j) differs from (j, i), static.

    Example:
      >>> ring = Pairs(jnp.array([0, 1, 2, 3, 4, 0]), jnp.array([1, 2, 3, 4, 5, 5]))
      >>> def length(pairs, weight):
      ...     return jnp.sum(weight * abs(pairs.senders - pairs.receivers))
      >>> found = swap_search(jax.random.key(0), ring, jnp.ones(6, bool), length, SwapSearch(5, 4))
      >>> float(found.initial_loss), bool(found.loss < 10)
      (10.0, True)
    """
    pairs, present = Pairs(*map(jnp.asarray, pairs)), jnp.asarray(present).astype(bool)
    weight = present.astype(jnp.float32)

    def judged(pairs: Pairs) -> jax.Array:
        return loss(pairs, weight)

    def step(
        state: tuple[Pairs, jax.Array, jax.Array], number: jax.Array
    ) -> tuple[tuple[Pairs, jax.Array, jax.Array], jax.Array]:
        pairs, value, accepted = state
        swaps = jax.vmap(lambda key: propose_swap(key, pairs, present, directed))(
            jax.random.split(jax.random.fold_in(key, number), settings.proposals)
        )
        values = jax.lax.map(lambda swap: judged(swapped(pairs, swap)), swaps)
        values = jnp.where(swaps.is_legal & ~jnp.isnan(values), values, jnp.inf)
        best = jnp.argmin(values)
        is_better = values[best] < value
        swap: Swap = jax.tree.map(lambda array: array[best], swaps)
        swap = swap._replace(is_legal=swap.is_legal & is_better)
        value = jnp.where(is_better, values[best], value)
        return (swapped(pairs, swap), value, accepted + is_better), value

    # Through the same map as the proposals, so that equal graphs have equal losses.
    start = jax.lax.map(judged, jax.tree.map(lambda side: side[None], pairs))[0]
    state = pairs, start, jnp.int32(0)
    (pairs, value, accepted), trace = jax.lax.scan(step, state, jnp.arange(settings.steps))
    return Searched(pairs, present, value, start, accepted, trace)
