"""Features optimized on hard edges, in the lanes of the feature engine, each with its own graph."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base import undefined
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.precision import highest_precision
from jmetamer.metamers.check import hard_graph
from jmetamer.metamers.methods.method import Execution, Task
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize.by_task import ByTask, of_task
from jmetamer.metamers.methods.optimize.devices import LaneDevices
from jmetamer.metamers.methods.optimize.program import limits_of, program_of
from jmetamer.metamers.problem import Arrays
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary.protocol import Theta


class Optimized(NamedTuple):
    """Features of one seed at their end.

    Attributes:
      lane: the lane without its arrays.
      curve: [s] L_act before every step.
      nodes: [n, d] hard features.
    """

    lane: engine.Lane
    curve: np.ndarray
    nodes: np.ndarray


class FeaturesOnEdges:
    """Runs the loop of the feature engine on graphs of one shape.

    Args:
      task: the features alone vary, by `Optimize`.
      together: whether lanes step together.

    Raises:
      InputError: coordinates that are not exact for the features.
    """

    def __init__(self, task: Task, *, together: bool) -> None:
        execution = Execution(devices=LaneDevices(), together=together)
        self.program, self.arrays = program_of(task, execution)
        self.limits = limits_of(task)

    def run(
        self,
        graphs: Sequence[jraph.GraphsTuple],
        seed_ids: np.ndarray,
        start: Theta | None = None,
        report: Callable[[np.ndarray], None] | None = None,
    ) -> list[Optimized]:
        """Return what becomes of each graph's features.

        Args:
          graphs: of equal shapes.
          seed_ids: [s] int32.
          start: theta of the features, [s, ...]; None for the noise of each seed.
          report: called with losses [s, chunk] after every chunk of steps.
        """
        arrays = self._of_graphs(graphs)
        data = arrays, self.limits
        drawn, state = _begin(self.program, jnp.asarray(seed_ids), start, *data)
        curves: list[np.ndarray] = []
        running = True
        while running:
            state, losses = engine.advance(self.program, state, *data)
            running = bool((np.asarray(state.status) == Status.RUNNING).any())
            curves.append(undefined.to_host(losses))
            if report is not None:
                report(curves[-1])
        with highest_precision():
            nodes = _finish(self.program, state, drawn, *data)
        unread = state._replace(theta=(), constants=(), optimizer_state=(), best_theta=())
        lanes, nodes = jax.device_get((unread, nodes))
        curve = np.concatenate(curves, axis=1)

        def optimized(place: int) -> Optimized:
            lane = jax.tree.map(lambda array: array[place], lanes)
            return Optimized(lane, curve[place, : int(lane.step) + 1], nodes[place])

        return [optimized(place) for place in range(len(graphs))]

    def _of_graphs(self, graphs: Sequence[jraph.GraphsTuple]) -> ByTask:
        """Return the problem's data with the edges of each graph."""
        reference = self.arrays.graph
        shared_fields = {"nodes": reference.nodes, "globals": reference.globals}
        common = self.arrays._replace(graph=graphs[0]._replace(**shared_fields))
        marks: Any = jax.tree.map(lambda _: False, common)
        edges = marks.graph.edges._replace(weight=True)
        marks = marks._replace(
            graph=marks.graph._replace(senders=True, receivers=True, edges=edges)
        )
        where = tuple(jax.tree.leaves(marks))
        leaves, structure = jax.tree.flatten(common)
        shared = [jnp.asarray(leaf) for leaf, own in zip(leaves, where, strict=True) if not own]
        rows = [
            jax.tree.leaves(common._replace(graph=graph._replace(**shared_fields)))
            for graph in graphs
        ]
        own = [
            jnp.asarray(np.stack([row[place] for row in rows]))
            for place, is_own in enumerate(where)
            if is_own
        ]
        return ByTask(shared, own, where, structure)


@compile_function(static=1)
def _begin(
    program: engine.Program,
    seed_ids: jax.Array,
    start: Theta | None,
    arrays: ByTask,
    limits: engine.Limits,
) -> tuple[Any, engine.Lane]:
    """Return the starts of the features, and lanes [s] at their first step."""

    def one(seed: tuple[jax.Array, jax.Array, Theta]) -> tuple[Any, engine.Lane]:
        seed_id, task, drawn = seed
        own: Arrays = of_task((arrays,), task)[0]
        if start is None:
            drawn = engine.draw(program, seed_id, own, limits)
        lane = engine.begin(program, drawn, seed_id, own, limits)
        return drawn, jax.tree.map(lambda array: array[0], lane)._replace(task=task)

    tasks = jnp.arange(seed_ids.shape[0], dtype=jnp.int32)
    return jax.lax.map(one, (seed_ids, tasks, start))


@compile_function(static=1)
def _finish(
    program: engine.Program, state: engine.Lane, drawn: Theta, arrays: ByTask, limits: engine.Limits
) -> jax.Array:
    """Return the hard features [s, n, d] of lanes at their ends."""

    def one(ended: tuple[engine.Lane, Theta]) -> jax.Array:
        lane, drawn = ended
        own = of_task((arrays,), lane.task)[0]
        return hard_graph(program.vary, lane.best_theta, drawn, own).nodes

    return jax.lax.map(one, (state, drawn))
