"""`SwapSynthesis`: seeds of a problem of edges through color-preserving swaps, to judged graphs."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jmetamer._base.keys import seed_key
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods.exact.color_swaps import ColorSwaps, Swapped, SwapSpace
from jmetamer.metamers.methods.optimize.lanes import ended_lane
from jmetamer.metamers.methods.optimize.synthesis import Finished, Progress
from jmetamer.metamers.methods.relax_edges.hard_graph import edges_theta, graph_of_theta
from jmetamer.metamers.methods.relax_edges.searching import refuse_coordinates, search_named
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver
from jmetamer.metamers.status import Status

log = logging.getLogger(__name__)


class SwapSynthesis:
    """The setting of one call: the same attributes as `Synthesis`, without lanes.

    Walks run on the host, one seed after the other. A curve has two points, the reference and the
    end of the walk.

    Args:
      problem: what to match; its `vary` is `BinaryEdges()`, of which `directed` is kept.
      seed: base seed; metamer i walks by `fold_in(key(seed), i)`.
      solver: its tolerance decides the status; `method` is "color_swaps" or `ColorSwaps(...)`.

    Raises:
      InputError: settings that do not apply to the problem; the message says which do.

    Example:
      >>> import types
      >>> import jmetamer as jm
      >>> from jmetamer.oracles.known_answers import random_regular
      >>> graph = random_regular(20, 3, num_labels=2)
      >>> model = jm.GCN(hidden=4, num_outputs=2)
      >>> trained = types.SimpleNamespace(model=model, params=model.init(jax.random.key(0), graph))
      >>> problem = jm.Problem(trained, graph, layer="conv1", vary=jm.BinaryEdges())
      >>> solver = jm.default_solver(problem).replace(method="color_swaps")
      >>> finished = next(SwapSynthesis(problem, 0, solver).finished([3]))
      >>> bool(finished.verdict.loss < 1e-10), int(finished.details["num_available"])
      (True, 182)
    """

    coordinates = "edges"

    def __init__(self, problem: Problem, seed: int, solver: Solver) -> None:
        settings = search_named(solver.method, problem)
        assert isinstance(settings, ColorSwaps)
        refuse_coordinates(solver)
        self.problem, self.seed, self.solver, self.settings = problem, int(seed), solver, settings
        self.space: SwapSpace = settings.prepare(problem)
        self.trace_step = np.arange(2, dtype=np.int32)
        self.judge = Judge(problem)
        self._start = self._judged(self.space.pairs)[2].loss

    def finished(
        self, seed_ids: Sequence[int], progress: Callable[[Progress], None] | None = None
    ) -> Iterator[Finished]:
        """Yield every seed as it ends, in the order given."""
        if not self.space.available:
            log.warning(
                "no two edges can be exchanged so that the colors which %s reads stay: no metamer "
                "exists by this construction, and every seed gives the reference itself (%s)",
                ", ".join(self.problem.layers), Status.UNCHANGED.name,
            )  # fmt: skip
        for done, seed_id in enumerate(seed_ids, 1):
            made = self.settings.make(self.space, seed_key(self.seed, seed_id))
            found = self._finished(seed_id, made)
            yield found
            if progress is not None:
                progress(Progress(done, len(seed_ids), float(found.verdict.loss), done))

    def _judged(self, pairs: Any) -> tuple[Any, Any, Any]:
        """Return hard edges as they are kept, their graph, and the verdict on it."""
        theta = edges_theta(pairs, np.ones(pairs.senders.size))
        graph = graph_of_theta(self.problem, theta)
        return theta, graph, jax.device_get(self.judge(graph))

    def _finished(self, seed_id: int, made: Swapped) -> Finished:
        theta, graph, verdict = self._judged(made.pairs)
        # The loss and the graph decide the status.
        lane = ended_lane(seed_id, theta, self._start, verdict.loss, 1, Status.STALLED)
        details = {
            "num_available": np.int64(made.available),
            "num_moves": np.int64(made.accepted),
            "num_proposed": np.int64(made.proposed),
        }
        return Finished(lane, np.array([self._start, verdict.loss]), graph, verdict, details)
