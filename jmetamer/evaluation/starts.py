"""`Starts`: the graphs at which the searches of seeds began, made again from the seeds."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.keys import seed_key
from jmetamer.metamers.methods.exact.methods import method_named
from jmetamer.metamers.methods.relax_edges.hard_graph import edges_theta, graph_of_theta
from jmetamer.metamers.methods.relax_edges.plan import plan_of
from jmetamer.metamers.methods.relax_edges.programs import draw_edges
from jmetamer.metamers.methods.relax_edges.searching import SEARCHES, makes_color_swaps
from jmetamer.metamers.problem import Matching, Problem
from jmetamer.metamers.solver import default_solver
from jmetamer.metamers.vary.edges import BinaryEdges, Structure


class Starts:
    """Makes the starts of one problem's metamers, as hard graphs.

    Args:
      problem: what the metamers match.
      seed: base seed of the metamers.
      method: of their solver.

    Attributes:
      reason: why the search has no random start; empty where it has one.

    Example:
      >>> import jmetamer as jm
      >>> data, untrained = jm.load_dataset("karate"), jm.TrainSettings(epochs=0)
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=untrained)
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> Starts(problem, 0).of(3).nodes.shape
      (34, 34)
      >>> Starts(problem, 0, "walk").reason
      'the method walk begins at the reference'
    """

    def __init__(self, problem: Problem, seed: int, method: Any = "optimize") -> None:
        self.problem, self.seed = problem, seed
        self.reason = _no_start(problem, method)
        self._drawn = None
        if isinstance(problem.vary, Structure) and not self.reason:
            plan, data = plan_of(problem, default_solver(problem), together=False)
            self._drawn = functools.partial(draw_edges, plan, data=data, base_seed=jnp.int32(seed))

    def of(self, seed_id: int) -> jraph.GraphsTuple:
        """Return the start of one seed on the device; what does not vary is the reference's.

        Args:
          seed_id: of the metamer.
        """
        matching, reference = self.problem.matching, self.problem.arrays.graph
        start = noise(matching, self.seed, seed_id, reference)
        if self._drawn is None:
            return start
        pairs, (present,) = jax.device_get(self._drawn(np.array([seed_id], np.int32)))
        one = jax.tree.map(lambda side: side[0], pairs)
        return graph_of_theta(self.problem, edges_theta(one, present, start.nodes))


def _no_start(problem: Problem, method: Any) -> str:
    """Say at what else than noise a method begins; empty where it does not."""
    if makes_color_swaps(method):
        return "swaps of edges begin at the reference"
    if isinstance(problem.vary, BinaryEdges) and problem.vary.start == "reference":
        return "the search begins at the reference"
    if method == "optimize" or method in SEARCHES or isinstance(method, (*SEARCHES.values(),)):
        return ""
    name, construction = method_named(method)
    return f"the method {name} begins at {construction.begins}" if construction.begins else ""


@compile_function(static=1)
def noise(
    matching: Matching, seed: Any, seed_id: Any, reference: jraph.GraphsTuple
) -> jraph.GraphsTuple:
    """Return the reference with what varies but for its edges drawn at random, and hard.

    Args:
      matching: static half of the problem.
      seed: base seed.
      seed_id: of the metamer.
      reference: on the device.
    """
    theta = matching.vary.init(seed_key(seed, seed_id), reference)
    return matching.vary.harden(theta, reference)
