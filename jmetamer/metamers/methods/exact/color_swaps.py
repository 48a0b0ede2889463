"""`ColorSwaps`: structure metamers by double-edge swaps that the matched layer does not see."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jraph
import numpy as np

from jmetamer._base.arguments import Count, Key, checked
from jmetamer._base.errors import InputError
from jmetamer._base.keys import Stream, host_generator, stream_key
from jmetamer._base.live_bytes import tree_bytes
from jmetamer.graphs.colors import refined_colors
from jmetamer.graphs.double_edge_swaps import count_swaps, swap_walk
from jmetamer.graphs.graph import num_nodes
from jmetamer.graphs.pairs import Pairs, pairs_of_graph, simple_graph
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods.method import (
    Execution,
    Footprint,
    Method,
    Progress,
    Samples,
    Task,
    one_sample,
)
from jmetamer.metamers.methods.relax_edges.hard_graph import edges_theta, graph_of_theta
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.question import Question
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary.protocol import Theta
from jmetamer.models.protocol import Model

log = logging.getLogger(__name__)


class SwapSpace(NamedTuple):
    """What all seeds share.

    Attributes:
      reference: the problem's graph.
      pairs: [m] its edges.
      colors: [n] int64.
      available: number of graphs one swap away from the reference; 0: this construction has no
        metamer of it.
      directed: whether the pair (i, j) differs from (j, i).
    """

    reference: jraph.GraphsTuple
    pairs: Pairs
    colors: np.ndarray
    available: int
    directed: bool


class Swapped(NamedTuple):
    """The metamer of one seed.

    Attributes:
      graph: simple graph of host arrays.
      pairs: [m] its edges, sorted; those of the reference where no swap was made.
      accepted: number of swaps made.
      proposed: number of swaps tried.
      available: as in `SwapSpace`.
    """

    graph: jraph.GraphsTuple
    pairs: Pairs
    accepted: int
    proposed: int
    available: int


@checked
@dataclasses.dataclass(frozen=True)
class ColorSwaps(Method):
    """Exchange the ends of edges, (a, u), (b, v) -> (a, v), (b, u), between nodes of one color.

    To match a layer that K rounds of messages lead to, color the nodes by K - 1 rounds of
    Weisfeiler-Leman refinement, started from the features. The first round of messages brings to
    every node the same features as before, the second the same activations, and so on: the
    activations after K rounds are those of the reference at every node, in exact arithmetic, for
    every network whose messages depend on the values at both ends of an edge. Swaps keep these
    colors and so compose: a seed's metamer is the end of a random walk of many (`swap_walk`).

    Layers that divide by the degrees of both ends of an edge (GCN) need the degree in the initial
    color too. With it the construction is exact for every network of the built-in kinds; without
    it there are more swaps. Whether edges have a direction is said by the problem's `vary`, as in
    `BinaryEdges(directed=True)`; else they have it where the reference is not symmetric.

    Args:
      swaps: accepted swaps a walk; None makes 10 for each edge of the reference.
      degree: whether the degree is part of the initial color; None leaves it out where every layer
        of the network says that it sees no degrees (`GIN`, `GraphSAGE`, `GAT`).
      max_proposals: proposals after which a walk ends early; None allows 100 a swap.

    Raises:
      InputError: a number below 1.

    Example:
      >>> import types
      >>> import jmetamer as jm
      >>> from jmetamer.oracles.known_answers import random_regular
      >>> graph = random_regular(20, 3, num_labels=2)
      >>> model = jm.GCN(hidden=4, num_outputs=2)
      >>> params = model.init(jax.random.key(0), graph)
      >>> trained = types.SimpleNamespace(model=model, params=params)
      >>> method = ColorSwaps()
      >>> space = method.prepare(jm.Problem(trained, graph, layer="conv1"))
      >>> made = method.make(space, jax.random.key(0))
      >>> made.accepted, made.available, made.graph.senders.size
      (300, 182, 60)
    """

    swaps: Count | None = None
    degree: bool | None = None
    max_proposals: Count | None = None
    name: ClassVar[str] = "color_swaps"
    exact: ClassVar[bool] = True

    def check(self, question: Question) -> None:
        """Refuse other parts, and what swaps would ignore."""
        if question.edge_kind != "simple_edges" or question.features is not None:
            raise InputError(
                f"method 'color_swaps' exchanges edges alone, but `vary` is {question.vary!r}; use "
                "`BinaryEdges()`, or leave `method` out"
            )
        _refuse_all_but_directions(question.vary)

    def at_least(self) -> Self:
        """Return walks of one swap, which there is where there are many."""
        return dataclasses.replace(self, swaps=1)

    def longest(self, problem: Problem) -> int:
        """Return 1: a curve has two points, the reference and the end of the walk."""
        return 1

    def memory(self, tasks: Sequence[Task], count: int, execution: Execution) -> Footprint:
        """Return one seed at a time, made on the host: it needs the graph."""
        return Footprint(1, tree_bytes(tasks[0].problem.arrays))

    def run(
        self, tasks: Sequence[Task], seed_ids: Sequence[int], execution: Execution
    ) -> Iterator[Samples]:
        """Yield every seed as it ends, in the order given."""
        (task,) = tasks
        space, judge = self.prepare(task.problem), Judge(task.problem)
        if not space.available:
            log.warning(
                "no two edges can be exchanged so that the colors which %s reads stay: no metamer "
                "exists by this construction, and every seed gives the reference itself (%s)",
                ", ".join(task.problem.layers), Status.UNCHANGED.name,
            )  # fmt: skip
        begin = _judged(task.problem, judge, space.pairs)[2].loss
        for done, seed_id in enumerate(seed_ids, 1):
            swapped = self.make(space, stream_key(task.seed, seed_id, Stream.COLOR_SWAPS))
            theta, graph, verdict = _judged(task.problem, judge, swapped.pairs)
            details = {
                "num_available": np.int64(swapped.available),
                "num_moves": np.int64(swapped.accepted),
                "num_proposed": np.int64(swapped.proposed),
            }
            curve = np.array([begin, verdict.loss])
            # The loss and the graph decide the status.
            yield one_sample(
                seed_id, theta, graph, curve, Status.STALLED, verdict=verdict, details=details
            )
            if execution.progress is not None:
                execution.progress(Progress(done, len(seed_ids), float(verdict.loss), done))

    def graph(self, problem: Problem, theta: Theta, seed: int, seed_id: int) -> jraph.GraphsTuple:
        """Return the simple graph of these edges."""
        return graph_of_theta(problem, theta)

    def begins(self, problem: Problem) -> str:
        """Say that there is no random start."""
        return "swaps of edges begin at the reference"

    def prepare(self, problem: Problem) -> SwapSpace:
        """Return the colors and the edges of a problem's reference.

        Args:
          problem: what to match; of several layers, the one that most rounds lead to decides.

        Raises:
          InputError: the reference is not a simple graph, or the problem has a target of its own.
        """
        if problem.target is not None:
            raise InputError(
                "swaps keep the reference's own activations, but this problem has a `target` of "
                "its own; leave `target` out, or search for the edges by gradients"
            )
        model, reference = problem.trained.model, problem.graph
        directed = problem.directed
        pairs = pairs_of_graph(reference, directed=directed)
        hops = max(model.num_hops(layer) for layer in problem.layers)
        colors = hidden_colors(reference, hops, with_degree=self.takes_degree(model))
        available = count_swaps(pairs, colors, directed=directed)
        return SwapSpace(reference, pairs, colors, available, directed)

    def make(self, space: SwapSpace, key: Key) -> Swapped:
        """Return the metamer of one seed.

        A walk that ends on the reference takes one swap more, so that where a swap is available
        and was found the metamer differs from the reference.

        Args:
          space: from `prepare` of the same settings.
          key: typed random key of the seed; the metamer depends on no other.
        """
        rng = host_generator(key)
        pairs, accepted, proposed = space.pairs, 0, 0
        wanted = 10 * pairs.senders.size if self.swaps is None else self.swaps
        while wanted and space.available:
            walked = swap_walk(
                pairs,
                space.colors,
                rng,
                wanted,
                directed=space.directed,
                max_proposals=self.max_proposals,
            )
            pairs, accepted = walked.pairs, accepted + walked.accepted
            proposed += walked.proposed
            back = walked.accepted and all(map(np.array_equal, pairs, space.pairs))
            wanted = 1 if back else 0
        present = np.ones(pairs.senders.size, bool)
        graph = simple_graph(space.reference, pairs, present, directed=space.directed)
        return Swapped(graph, pairs, accepted, proposed, space.available)

    def takes_degree(self, model: Model) -> bool:
        """Return whether the degree is part of the initial color.

        Example:
          >>> import jmetamer as jm
          >>> ColorSwaps().takes_degree(jm.GCN()), ColorSwaps().takes_degree(jm.GIN())
          (True, False)
        """
        if self.degree is not None:
            return self.degree
        layers = map(model.layer_structure, model.layer_names)
        return any(layer is None or layer.sees_degrees is not False for layer in layers)


def _judged(problem: Problem, judge: Judge, pairs: Pairs) -> tuple[Any, Any, Any]:
    """Return hard edges as they are kept, their graph, and the verdict on it."""
    theta = edges_theta(pairs, np.ones(pairs.senders.size))
    graph = graph_of_theta(problem, theta)
    return theta, graph, jax.device_get(judge(graph))


def _refuse_all_but_directions(vary: Any) -> None:
    """Refuse what exact swaps would ignore: they begin at the reference and relax nothing."""
    fields = [field for field in dataclasses.fields(vary) if field.name != "directed"]
    ignored = [
        f"`{field.name}`={getattr(vary, field.name)!r}"
        for field in fields
        if getattr(vary, field.name) != field.default
    ]
    if ignored:
        raise InputError(
            f"method 'color_swaps' makes swaps of the reference's own edges and keeps only "
            f"`directed` of `BinaryEdges`; it would ignore {', '.join(ignored)}; leave that out, "
            "or leave `method` out"
        )


def hidden_colors(graph: jraph.GraphsTuple, hops: int, *, with_degree: bool) -> np.ndarray:
    """Return colors whose swaps leave the activations after some rounds of messages as they are.

    Args:
      graph: simple graph.
      hops: K, the number of rounds of messages; without any, all nodes have one color.
      with_degree: whether the degree is part of the initial color.

    Returns:
      [n] int64 colors after K - 1 rounds, started from the features.

    Example:
      >>> from jmetamer.oracles.known_answers import cycles
      >>> hidden_colors(cycles([3], labels=[0, 1, 1]), 1, with_degree=False).tolist()
      [1, 0, 0]
    """
    if hops == 0:
        return np.zeros(num_nodes(graph), np.int64)
    return refined_colors(graph, hops - 1, initial="features", with_degree=with_degree)
