"""The exact methods by name, and `ExactSynthesis`, which runs seeds through one of them."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError, unknown_name
from jmetamer._base.keys import seed_key
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods.exact.construction import Construction, Made
from jmetamer.metamers.methods.exact.gauss_newton import GaussNewton
from jmetamer.metamers.methods.exact.max_distance import MaxDistance
from jmetamer.metamers.methods.exact.null_space import NullSpace
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.exact.reflect import Reflect
from jmetamer.metamers.methods.exact.replace import Replace
from jmetamer.metamers.methods.exact.walk import Walk
from jmetamer.metamers.methods.optimize.lanes import ended_lane
from jmetamer.metamers.methods.optimize.synthesis import (
    TRACE_POINTS,
    Finished,
    Progress,
    steps_of_trace,
)
from jmetamer.metamers.problem import Matching, Problem
from jmetamer.metamers.solver import Solver
from jmetamer.metamers.status import Status

METHODS: Mapping[str, Construction] = MappingProxyType(
    {
        "reflect": Reflect(),
        "replace": Replace(),
        "null_space": NullSpace(),
        "gauss_newton": GaussNewton(),
        "walk": Walk(),
        "max_distance": MaxDistance(),
    }
)


def method_named(method: str | Construction) -> tuple[str, Construction]:
    """Return the name and the construction of a method.

    Args:
      method: a name of `METHODS`, or a construction with settings of its own.

    Raises:
      InputError: there is no such method.

    Example:
      >>> method_named("walk")[1].steps, method_named(Walk(steps=5))[0]
      (60, 'walk')
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise unknown_name("method", method, ("optimize", *METHODS))
        return method, METHODS[method]
    for name, known in METHODS.items():
        if isinstance(method, type(known)):
            return name, method
    raise InputError(
        f"`method` is {method!r}; allowed are the names {', '.join(map(repr, METHODS))} and "
        "constructions such as `GaussNewton(aim=1e-20)`"
    )


class ExactSynthesis:
    """The setting of one call: the same attributes as `Synthesis`, without lanes.

    Constructions run in float64 on the host, one seed after the other; the graph that is kept and
    judged has float32 features, as every other. A seed's result depends on no other seed.

    Args:
      problem: what to match; free continuous features.
      seed: base seed; metamer i starts from the noise of `fold_in(key(seed), i)`.
      solver: its tolerance decides the status, its steps bound the method's own, its coordinates
        say where search methods move ("auto": in the row space where that is exact).
      trace_points: number of points of each loss curve.
      method: a name of `METHODS`, or a construction.

    Raises:
      InputError: the method does not apply to the problem; the message says which do.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="logits")
      >>> synthesis = ExactSynthesis(problem, 0, jm.default_solver(problem), method="replace")
      >>> finished = next(synthesis.finished([7]))
      >>> bool(finished.verdict.loss < 1e-10), int(finished.lane.seed_id), int(finished.lane.step)
      (True, 7, 1)
    """

    coordinates = "features"  # theta is the features themselves: what is judged is what is kept

    def __init__(
        self,
        problem: Problem,
        seed: int,
        solver: Solver,
        trace_points: int = TRACE_POINTS,
        method: str | Construction = "gauss_newton",
    ) -> None:
        self.name, construction = method_named(method)
        self.construction = _bounded(construction, solver)
        self.problem, self.seed, self.solver = problem, int(seed), solver
        self.point = Point(problem, solver.coordinates)
        self._prepared = self.construction.prepare(self.point)
        self.trace_step = steps_of_trace(self.construction.steps, trace_points)
        self.judge = Judge(problem)

    def finished(
        self, seed_ids: Sequence[int], progress: Callable[[Progress], None] | None = None
    ) -> Iterator[Finished]:
        """Yield every seed as it ends, in the order given.

        Raises:
          InputError: several seeds of a method that gives all of them the same metamer.
        """
        if self.construction.repeats and len(seed_ids) > 1:
            raise InputError(
                f"method {self.name!r} uses no noise, so all {len(seed_ids)} seeds would give the "
                "same metamer; ask for one, or use 'replace', which makes another for every seed"
            )
        executed = 0
        for done, seed_id in enumerate(seed_ids, 1):
            start = _draw(self.problem.matching, self.seed, seed_id, self.problem.arrays.graph)
            made = self.construction.make(np.asarray(start, np.float64), self.point, self._prepared)
            yield self._judged(seed_id, made)
            executed += len(made.curve) - 1
            if progress is not None:
                progress(Progress(done, len(seed_ids), float(made.curve[-1]), executed))

    def _judged(self, seed_id: int, made: Made) -> Finished:
        # Theta stays on the host: many metamers would fill a device.
        theta = np.asarray(made.features, np.float32)
        graph = self.problem.arrays.graph._replace(nodes=jnp.asarray(theta))
        verdict = jax.device_get(self.judge(graph))
        last = float(made.curve[-1])
        status = made.status
        if not np.isfinite(theta).all() or not np.isfinite(last):
            status = Status.NON_FINITE
        elif status == Status.RUNNING:
            status = Status.CONVERGED if last <= self.solver.tolerance else Status.STALLED
        losses = np.float32(made.curve[0]), np.float32(last)
        lane = ended_lane(seed_id, theta, *losses, len(made.curve) - 1, status)
        return Finished(lane, made.curve, graph, verdict)


def _bounded(construction: Construction, solver: Solver) -> Construction:
    """Return the construction with the solver's limits where they are stricter."""
    names = {field.name for field in dataclasses.fields(construction) if field.init}  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    if "steps" in names and solver.steps < construction.steps:
        changes["steps"] = solver.steps
    aim = getattr(construction, "aim", 0.0)
    if "aim" in names and solver.tolerance < aim:
        changes["aim"] = solver.tolerance
    return dataclasses.replace(construction, **changes) if changes else construction  # type: ignore[type-var]


@compile_function(static=1)
def _draw(matching: Matching, seed: Any, seed_id: Any, graph: jraph.GraphsTuple) -> Any:
    """Return the parameterization's start of one seed."""
    return matching.vary.init(seed_key(seed, seed_id), graph)
