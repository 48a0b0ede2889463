"""`generate`: many metamers, from lanes that take the next seed when one ends.

`generate_each` does so for several problems that share the lanes.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import jax
import jraph
import numpy as np

from jmetamer._base.arguments import Count, NonNegative, Positive, Rate, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer._base.known_regressions import untold_warnings
from jmetamer._base.precision import usual_types
from jmetamer.metamers.check import rebuild
from jmetamer.metamers.methods.exact.methods import ExactSynthesis
from jmetamer.metamers.methods.exact.swap_synthesis import SwapSynthesis
from jmetamer.metamers.methods.optimize.coordinates import choose_coordinates
from jmetamer.metamers.methods.optimize.memory import fit
from jmetamer.metamers.methods.optimize.synthesis import TRACE_POINTS, Progress, Synthesis, thinned
from jmetamer.metamers.methods.optimize.tasks import Task
from jmetamer.metamers.methods.relax_edges.hard_graph import graph_of_theta
from jmetamer.metamers.methods.relax_edges.searching import SEARCHES, makes_color_swaps
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis
from jmetamer.metamers.methods.repel.repelled import RepelledSynthesis, refuse_repulsion
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.renamed import Renaming
from jmetamer.metamers.result import Metamers, metamers_of, result_of
from jmetamer.metamers.solver import Solver, default_solver
from jmetamer.metamers.vary.edges import Structure

log = logging.getLogger(__name__)
_T = TypeVar("_T")


@checked
@usual_types()
def generate(
    problem: Problem,
    count: Count | None = None,
    *,
    seeds: Iterable[Seed] | None = None,
    steps: Count | None = None,
    optimizer: Any = None,
    tolerance: Positive | None = None,
    seed: Seed = 0,
    patience: Count | None = None,
    improvement: Rate | None = None,
    coordinates: str | None = None,
    method: Any = None,
    repulsion: NonNegative | None = None,
    lanes: Count | None = None,
    trace_points: Count = TRACE_POINTS,
    solver: Solver | None = None,
    keep_theta: bool = True,
    on_metamer: Callable[[int, jraph.GraphsTuple], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Metamers:
    """Make metamers: graphs that give the network the same activations as the reference.

    Every seed starts from its own noise and minimizes the matching loss on its own. A lane stops
    when `L_act <= tolerance`, when the loss has not fallen for `patience` steps, when it is not
    finite, or after `steps`; the best hard iterate is kept, rebuilt, and judged again. A seed's
    result depends on no other seed, unless `repulsion` is on.

    Args:
      problem: network, reference, layer and what may vary.
      count: number of metamers; their seed ids are 0 ... count - 1.
      seeds: seed ids to make instead of `count`, as to make one again.
      steps: largest number of optimizer steps; as all settings that are None, chosen by
        `default_solver(problem)`.
      optimizer: an optax transformation, or an `Optimizer` by name.
      tolerance: L_act at which a metamer counts as matched.
      seed: base seed of the run.
      patience: steps without improvement after which a lane has stalled.
      improvement: relative decrease of the loss that counts as improvement.
      coordinates: "auto", "features", "row_space" or "entry".
      method: "optimize" (the default), or how free features are found without the loop, in float64
        on the host: "reflect", "replace", "null_space" (closed forms, exact at every layer),
        "gauss_newton", "walk", "max_distance" (searches), or a construction with settings of its
        own (`jmetamer.metamers.methods.exact`). What they find may leave the range of the data. Of
        edges that come and go: "optimize", or a search over hard edges, "swap_search", "annealing"
        or settings of one of them (`jmetamer.metamers.methods.relax_edges`), or "color_swaps",
        random walks over swaps of the reference's edges that are exact by construction, or
        `ColorSwaps(...)`.
      repulsion: weight of a term that pushes the features of the metamers of this call apart, in
        the first two thirds of the steps; 0, the default, leaves it out. With it all seeds of the
        call are one group, under way at once: a metamer depends on all others, and none can be made
        again by `seeds` alone, only the whole set. See `jmetamer.metamers.methods.repel.repelled`.
      lanes: metamers optimized at once; does not change results. None takes as many as are
        useful and fit the memory of the devices.
      trace_points: number of points of each loss curve.
      solver: all of these settings in one object; those given beside it take precedence.
      keep_theta: keep the coordinates of all metamers in memory; without them `metamer_graph`
        cannot rebuild a graph, so take the graphs from `on_metamer`.
      on_metamer: called with (seed id, hard graph) for every metamer as it ends.
      progress: called after every chunk of steps.

    Returns:
      `Metamers` in the order of the seed ids given.

    Raises:
      InputError: a number that makes no sense, settings that do not fit the problem, or lanes
        that do not fit the memory.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> metamers = jm.generate(problem, count=4, tolerance=1e-3)
      >>> metamers.status.tolist()
      [1, 1, 1, 1]
      >>> jm.metamer_graph(problem, metamers, 0).nodes.shape
      (34, 34)
    """
    told = None
    if on_metamer is not None:
        listener = on_metamer
        told = lambda _, seed_id, graph: listener(seed_id, graph)  # noqa: E731
    return generate_each(
        [problem],
        count,
        seeds=seeds,
        steps=steps,
        optimizer=optimizer,
        tolerance=tolerance,
        seed=seed,
        patience=patience,
        improvement=improvement,
        coordinates=coordinates,
        method=method,
        repulsion=repulsion,
        lanes=lanes,
        trace_points=trace_points,
        solver=solver,
        keep_theta=keep_theta,
        on_metamer=told,
        progress=progress,
    )[0]


@checked
@usual_types()
def generate_each(
    problems: Sequence[Problem],
    count: Count | None = None,
    *,
    seeds: Iterable[Seed] | None = None,
    steps: Count | None = None,
    optimizer: Any = None,
    tolerance: Positive | None = None,
    seed: Seed | Sequence[Seed] = 0,
    patience: Count | None = None,
    improvement: Rate | None = None,
    coordinates: str | None = None,
    method: Any = None,
    repulsion: NonNegative | None = None,
    lanes: Count | None = None,
    trace_points: Count = TRACE_POINTS,
    solver: Solver | Sequence[Solver] | None = None,
    keep_theta: bool = True,
    on_metamer: Callable[[int, int, jraph.GraphsTuple], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    together: bool | None = None,
) -> list[Metamers]:
    """Make metamers of several problems that share one program, and one set of lanes.

    A lane whose seed has ended takes the next one, whichever problem that belongs to, so that
    small jobs fill an accelerator and nothing is compiled between them. Every problem's metamers
    are those of `generate` alone: to the last bit where each lane has a processor core, up to the
    rounding of products that are taken in another order where lanes step together. The problems
    may differ in parameters of the network, reference graph, target, base seed, learning rate,
    steps and stop rules; networks, layers and parameterizations must be equal, and so must the
    numbers of nodes, features, edges and target nodes.

    Args:
      problems: what to match.
      count: number of metamers of each; as all settings that are not named here, as for
        `generate`, and one for all problems.
      seeds: seed ids to make of each instead of `count`.
      steps: largest number of optimizer steps.
      optimizer: an `Optimizer`, or an optax transformation.
      tolerance: L_act at which a metamer counts as matched.
      seed: base seed of the run, or one a problem.
      patience: steps without improvement after which a lane has stalled.
      improvement: relative decrease of the loss that counts as improvement.
      coordinates: "auto", "features", "row_space" or "entry".
      method: "optimize", or an exact method.
      repulsion: between the metamers of one problem, never between those of several.
      lanes: metamers of all problems optimized at once.
      trace_points: number of points of each loss curve.
      solver: all settings in one object, or one a problem.
      keep_theta: keep the coordinates of all metamers in memory.
      on_metamer: called with (number of the problem, seed id, hard graph) for every metamer.
      progress: called after every chunk of steps; counts the metamers of all problems.
      together: step all lanes at once, or each on a processor core of its own; None takes what is
        faster on the devices at hand.

    Returns:
      `Metamers` of each problem, in their order.

    Raises:
      InputError: problems that cannot share lanes, with the first difference and what to do; and
        as for `generate`.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> settings = jm.TrainSettings(epochs=0)
      >>> trained = [jm.train(jm.GCN(hidden=4), data, seed=s, settings=settings) for s in (0, 1)]
      >>> problems = [jm.Problem(each, data.graph, layer="conv1") for each in trained]
      >>> found = jm.generate_each(problems, count=2, tolerance=1e-3, seed=[0, 5])
      >>> [metamers.status.tolist() for metamers in found]
      [[1, 1], [1, 1]]
    """
    problems = list(problems)
    if not problems:
        raise InputError("`problems` is empty; give at least one problem")
    changes = {
        "steps": steps,
        "optimizer": optimizer,
        "tolerance": tolerance,
        "patience": patience,
        "improvement": improvement,
        "coordinates": coordinates,
        "method": method,
        "repulsion": repulsion,
        "lanes": lanes,
    }
    solvers = [
        (given or default_solver(problem, repulsion=repulsion or 0)).replace(**changes)
        for problem, given in zip(problems, _one_each("solver", solver, problems), strict=True)
    ]
    base_seeds = _one_each("seed", seed, problems)
    seed_ids = _seed_ids(count, seeds)
    for warning in untold_warnings(jax.default_backend()):
        log.warning(warning.removeprefix("warning: "))
    tasks = [Task(*each) for each in zip(problems, map(int, base_seeds), solvers, strict=True)]
    if len({bool(task.solver.repulsion) for task in tasks}) > 1:
        raise InputError(
            f"`repulsion` is {[task.solver.repulsion for task in tasks]}: on for some problems and "
            "off for others, which cannot share lanes; call `generate` for each"
        )
    if any(_apart(task) for task in tasks):
        listeners = [
            functools.partial(on_metamer, i) if on_metamer else None for i in range(len(tasks))
        ]
        return [
            _one_by_one(task, seed_ids, trace_points, keep_theta, listener, progress)
            for task, listener in zip(tasks, listeners, strict=True)
        ]
    problem, base_seed, first = tasks[0]
    shared = {"others": tasks[1:], "together": together}
    number = len(tasks) * len(seed_ids)
    fitted = fit(problem, first, number, keep_theta=keep_theta, **shared)  # type: ignore[arg-type]
    synthesis = Synthesis(problem, base_seed, fitted, trace_points, **shared)  # type: ignore[arg-type]
    renamings = [Renaming(task.problem, task.solver.tolerance) for task in tasks]
    results: list[dict[int, dict[str, Any]]] = [{} for _ in tasks]
    for finished in synthesis.finished(seed_ids, progress):
        task, seed_id = int(finished.lane.task), int(finished.lane.seed_id)
        curve = thinned(finished.curve, synthesis.trace_steps[task])
        results[task][seed_id] = result_of(
            tasks[task], finished, curve, keep_theta, renamings[task]
        )
        if on_metamer is not None:
            on_metamer(task, seed_id, finished.graph)
    name = synthesis.program.coordinates.name
    return [
        metamers_of([found[seed_id] for seed_id in seed_ids], steps_of_trace, task, name)
        for task, found, steps_of_trace in zip(tasks, results, synthesis.trace_steps, strict=True)
    ]


@checked
def metamer_graph(problem: Problem, metamers: Metamers, index: int) -> jraph.GraphsTuple:
    """Return the hard graph of one metamer of a batch.

    Args:
      problem: the problem that the batch was made for.
      metamers: from `generate`.
      index: position in the batch.

    Returns:
      Graph with nodes [n, d], on the device.

    Raises:
      InputError: `index` is out of range, or the batch was made without its coordinates or for
        another problem.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> metamers = jm.generate(problem, seeds=[17])
      >>> jm.metamer_graph(problem, metamers, 0).nodes.shape
      (34, 34)
    """
    if not -len(metamers.seed_id) <= index < len(metamers.seed_id):
        raise InputError(
            f"`index` is {index}, but there are {len(metamers.seed_id)} metamers in the batch"
        )
    if not jax.tree.leaves(metamers.theta):
        raise InputError(
            "`metamers` were made with `keep_theta=False`, so their coordinates are gone; make "
            "them again from `seed_id` with `keep_theta=True`"
        )
    if metamers.problem_digest not in ("", problem.digest):
        raise InputError(
            "`metamers` were made for another problem: another graph, network, layer, target or "
            "other things that vary; give the `problem` that they were made for"
        )
    theta = jax.tree.map(lambda array: array[index], metamers.theta)
    if isinstance(problem.vary, Structure):
        return graph_of_theta(problem, theta)
    coordinates, basis = choose_coordinates(problem, metamers.coordinates)
    seed_id = int(metamers.seed_id[index])
    return rebuild(problem, coordinates, basis, theta, metamers.base_seed, seed_id)


def _seed_ids(count: int | None, seeds: Iterable[int] | None) -> list[int]:
    if (count is None) == (seeds is None):
        raise InputError("give either `count` or `seeds`: how many metamers, or which")
    if seeds is None:
        return list(range(count or 0))
    ids = list(map(int, seeds))
    if not ids or len(set(ids)) != len(ids):
        raise InputError(f"`seeds` must be distinct numbers, at least one; got {ids[:8]}")
    return ids


def _one_each(name: str, given: _T | Sequence[_T], problems: Sequence[Problem]) -> list[Any]:
    """Return a setting of each problem, where one for all or one a problem was given."""
    if not isinstance(given, list | tuple | range | np.ndarray):
        return [given] * len(problems)
    if len(given) != len(problems):
        raise InputError(
            f"`{name}` holds {len(given)} values for {len(problems)} problems; give one for all, "
            "or one a problem"
        )
    return list(given)


def _apart(task: Task) -> bool:
    """Return whether a task is no matter of lanes: edges come and go, seeds repel, or no search.

    Raises:
      InputError: a search over edges where features vary, or repulsion where it means nothing.
    """
    method, vary = task.solver.method, task.problem.vary
    if task.solver.repulsion:
        refuse_repulsion(task.problem, task.solver)
        return True
    if isinstance(vary, Structure):
        return True
    if method in SEARCHES or isinstance(method, tuple(SEARCHES.values())):
        raise InputError(
            f"`method` is {method!r}, a search over hard edges, but `vary` is {vary!r}; use "
            "`BinaryEdges()`, or the method 'optimize'"
        )
    return bool(method != "optimize")


def _one_by_one(
    task: Task,
    seed_ids: list[int],
    trace_points: int,
    keep_theta: bool,
    on_metamer: Callable[[int, jraph.GraphsTuple], None] | None,
    progress: Callable[[Progress], None] | None,
) -> Metamers:
    """Make metamers of one problem without the lanes of the loop."""
    synthesis: EdgeSynthesis | ExactSynthesis | RepelledSynthesis | SwapSynthesis
    if task.solver.repulsion:
        synthesis = RepelledSynthesis(*task, trace_points)
    elif not isinstance(task.problem.vary, Structure):
        synthesis = ExactSynthesis(*task, trace_points, task.solver.method)
    elif makes_color_swaps(task.solver.method):
        synthesis = SwapSynthesis(*task)
    else:
        synthesis = EdgeSynthesis(*task, trace_points)
    rows, renaming = [], Renaming(task.problem, task.solver.tolerance)
    for finished in synthesis.finished(seed_ids, progress):
        curve = thinned(finished.curve, synthesis.trace_step)
        rows.append(result_of(task, finished, curve, keep_theta, renaming))
        if on_metamer is not None:
            on_metamer(int(finished.lane.seed_id), finished.graph)
    return metamers_of(rows, synthesis.trace_step, task, synthesis.coordinates)
