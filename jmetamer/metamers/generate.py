"""`generate`: many metamers, by any method, of one problem or of several."""

import dataclasses
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import jax
import jraph
import numpy as np

from jmetamer._base.arguments import Count, Positive, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer._base.known_regressions import untold_warnings
from jmetamer._base.precision import usual_types
from jmetamer.metamers.methods import (
    Execution,
    Method,
    Progress,
    Task,
    default_method,
    method_named,
)
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.result import Collected, Metamers

log = logging.getLogger(__name__)
_T = TypeVar("_T")

TRACE_POINTS = 200


@checked
@usual_types()
def generate(
    problem: Problem | Sequence[Problem],
    count: Count | None = None,
    *,
    seeds: Iterable[Seed] | None = None,
    method: object = None,
    steps: Count | None = None,
    optimizer: object = None,
    tolerance: Positive | Sequence[Positive] | None = None,
    seed: Seed | Sequence[Seed] = 0,
    lanes: Count | None = None,
    trace_points: Count = TRACE_POINTS,
    keep_theta: bool = True,
    on_metamer: Callable[..., None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    together: bool | None = None,
) -> Any:
    """Make metamers: graphs that give the network the same activations as the reference.

    Every seed starts from its own noise, and the best hard graph it comes to is kept and judged
    apart from the search. A seed's result depends on no other seed (unless the method is `Repel`),
    whatever lanes and devices made it.

    Several problems share one set of lanes: a lane whose seed has ended takes the next one,
    whichever problem that belongs to, so that small jobs fill an accelerator and nothing is
    compiled between them. Every problem's metamers are those that it has alone: to the last bit
    where each lane has a processor core, up to the rounding of products that are taken in another
    order where lanes step together. They may differ in parameters of the network, reference graph,
    target, base seed, learning rate, steps and stop rules; networks, layers and what varies must be
    equal, and so must the numbers of nodes, features, edges and target nodes. Methods without
    lanes take one problem after the other.

    Args:
      problem: what to match, or several problems.
      count: number of metamers of each; their seed ids are 0 ... count - 1.
      seeds: seed ids to make instead of `count`, as to make one again.
      method: how, as `Optimize(...)`, a name of `METHODS`, or one a problem; None takes
        `default_method(problem)`. By gradients: `Optimize` (features, edge weights), `RelaxEdges`
        (edges that come and go), `Repel`. Of free features in float64 on the host: `Reflect`,
        `Replace`, `NullSpace` (closed forms, exact at every layer), `GaussNewton`, `Walk`,
        `MaxDistance` (searches); what they find may leave the range of the data. Of edges also
        `SwapSearch`, and `ColorSwaps`, which is exact by construction.
      steps: largest number of steps; replaces the method's own.
      optimizer: an optax transformation, or an `Optimizer` by name; replaces the method's own.
      tolerance: L_act at which a metamer counts as matched, or one a problem; None takes that of
        what varies (1e-4; 1e-2 for features of 0 and 1, and for edges).
      seed: base seed of the run, or one a problem.
      lanes: metamers under way at once; does not change results. None takes as many as are
        useful and fit the memory of the devices.
      trace_points: number of points of each loss curve.
      keep_theta: keep the coordinates of all metamers in memory; without them `metamer_graph`
        cannot rebuild a graph, so take the graphs from `on_metamer`.
      on_metamer: called with (seed id, hard graph) for every metamer as it ends; of several
        problems with (number of the problem, seed id, hard graph).
      progress: called after every chunk of steps.
      together: step all lanes at once, or each on a processor core of its own; None takes what is
        faster on the devices at hand.

    Returns:
      `Metamers` in the order of the seed ids given; of several problems a list, in their order.

    Raises:
      InputError: a number that makes no sense, a method that does not fit the problem, lanes that
        do not fit the memory, or problems that cannot share lanes, with the first difference.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> settings = jm.TrainSettings(epochs=0)
      >>> trained = [jm.train(jm.GCN(hidden=4), data, seed=s, settings=settings) for s in (0, 1)]
      >>> problems = [jm.Problem(each, data.graph, layer="conv1") for each in trained]
      >>> metamers = jm.generate(problems[0], count=4, tolerance=1e-3)
      >>> metamers.status.tolist()
      [1, 1, 1, 1]
      >>> jm.metamer_graph(problems[0], metamers, 0).nodes.shape
      (34, 34)
      >>> found = jm.generate(problems, count=2, tolerance=1e-3, seed=[0, 5])
      >>> [metamers.status.tolist() for metamers in found]
      [[1, 1], [1, 1]]
    """
    problems = [problem] if isinstance(problem, Problem) else list(problem)
    if not problems:
        raise InputError("`problem` is empty; give at least one problem")
    seed_ids = _seed_ids(count, seeds)
    for warning in untold_warnings(jax.default_backend()):
        log.warning(warning.removeprefix("warning: "))
    shortcuts = {"steps": steps, "optimizer": optimizer}
    columns = (
        problems,
        _one_each("seed", seed, problems),
        _one_each("method", method, problems),
        _one_each("tolerance", tolerance, problems),
    )
    tasks = [
        Task(one, int(base), _chosen(one, how, shortcuts), float(limit or one.tolerance))
        for one, base, how, limit in zip(*columns, strict=True)
    ]
    if len({(task.method.name, task.method.shares_lanes) for task in tasks}) > 1:
        raise InputError(
            f"`method` is {[task.method.name for task in tasks]}: problems of one call are solved "
            "by one method, with settings of their own; call `generate` for each"
        )
    execution = Execution(lanes=lanes, together=together, keep_theta=keep_theta, progress=progress)
    collected = [Collected(task, trace_points, keep_theta) for task in tasks]

    def on_finished(number: int, seed_id: int, graph: jraph.GraphsTuple) -> None:
        if on_metamer is not None:
            on_metamer(*(() if problem is problems[0] else (number,)), seed_id, graph)

    shared = tasks[0].method.shares_lanes
    for first in range(1 if shared else len(tasks)):
        group = tasks if shared else tasks[first : first + 1]
        for samples in group[0].method.run(group, seed_ids, execution):
            for number in np.unique(samples.task):
                own = samples.of(np.flatnonzero(samples.task == number))
                collected[first + number].add(own)
                for seed_id, graph in zip(own.seed_id.tolist(), own.graphs, strict=True):
                    on_finished(int(first + number), seed_id, graph)
    results = [one.metamers(seed_ids) for one in collected]
    return results[0] if problem is problems[0] else results


def _chosen(problem: Problem, method: object, shortcuts: dict[str, object]) -> Method:
    """Return the method of a problem, with nothing left open."""
    changes = {name: value for name, value in shortcuts.items() if value is not None}
    chosen = default_method(problem) if method is None else method_named(method)
    fields = {field.name for field in dataclasses.fields(chosen)}  # type: ignore[arg-type]
    for name, value in changes.items():
        if name not in fields:
            raise InputError(
                f"`{name}` is {value!r}, but method {chosen.name!r} has no {name}; leave it out"
            )
    if changes:
        chosen = dataclasses.replace(chosen, **changes)  # type: ignore[type-var]
    return chosen.for_problem(problem)


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
    seed_id = int(metamers.seed_id[index])
    return metamers.method.graph(problem, theta, metamers.base_seed, seed_id)


def _seed_ids(count: int | None, seeds: Iterable[int] | None) -> list[int]:
    if (count is None) == (seeds is None):
        raise InputError("give either `count` or `seeds`: how many metamers, or which")
    if seeds is None:
        return list(range(count or 0))
    ids = list(map(int, seeds))
    if not ids or len(set(ids)) != len(ids):
        raise InputError(f"`seeds` must be distinct numbers, at least one; got {ids[:8]}")
    return ids


def _one_each(name: str, value: _T | Sequence[_T], problems: Sequence[Problem]) -> list[Any]:
    """Return a setting of each problem, where one for all or one a problem was given."""
    if not isinstance(value, list | tuple | range | np.ndarray):
        return [value] * len(problems)
    if len(value) != len(problems):
        raise InputError(
            f"`{name}` holds {len(value)} values for {len(problems)} problems; give one for all, "
            "or one a problem"
        )
    return list(value)
