"""`generate`: many metamers of one problem, from lanes that take the next seed when one ends."""

import logging
import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer._base.known_regressions import untold_warnings
from jmetamer.metamers.check import rebuild
from jmetamer.metamers.coordinates import choose_coordinates
from jmetamer.metamers.memory import fit
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver, default_solver
from jmetamer.metamers.status import Status
from jmetamer.metamers.synthesis import TRACE_POINTS, Finished, Progress, Synthesis

log = logging.getLogger(__name__)


class Metamers(NamedTuple):
    """A batch of metamers; every field has the leading axis b, one entry a seed.

    Attributes:
      theta: best iterate in the coordinates of the loop; `metamer_graph` rebuilds the graph.
        Empty with `keep_theta=False`.
      seed_id: [b] int64; together with `base_seed` it makes the metamer again.
      status: [b] int8 `Status`.
      steps_used: [b] int32.
      loss_initial: [b] L_act of the start.
      loss_final: [b] L_act that the loop saw at its best iterate.
      loss_hardened: [b] L_act of the rebuilt hard graph at the highest precision; NaN where the
        target is all zero.
      penalty: [b] penalty at the best iterate.
      worst_node: [b] largest relative error of a single target node.
      agreement: [b] share of target nodes whose class is the reference's.
      layer_match: [b, k] L_act of the hard graph at every layer of the network.
      loss_trace: [b, s] L_act at the steps `trace_step`, NaN after the end.
      trace_step: [s] int32 (no leading axis).
      base_seed: int.
      coordinates: name of the coordinates of `theta`.
    """

    theta: Any
    seed_id: np.ndarray
    status: np.ndarray
    steps_used: np.ndarray
    loss_initial: np.ndarray
    loss_final: np.ndarray
    loss_hardened: np.ndarray
    penalty: np.ndarray
    worst_node: np.ndarray
    agreement: np.ndarray
    layer_match: np.ndarray
    loss_trace: np.ndarray
    trace_step: np.ndarray
    base_seed: int
    coordinates: str


def generate(
    problem: Problem,
    count: int | None = None,
    *,
    seeds: Iterable[int] | None = None,
    steps: int | None = None,
    optimizer: Any = None,
    tolerance: float | None = None,
    seed: int = 0,
    patience: int | None = None,
    improvement: float | None = None,
    coordinates: str | None = None,
    lanes: int | None = None,
    trace_points: int = TRACE_POINTS,
    solver: Solver | None = None,
    keep_theta: bool = True,
    on_metamer: Callable[[int, jraph.GraphsTuple], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Metamers:
    """Make metamers: graphs that give the network the same activations as the reference.

    Every seed starts from its own noise and minimizes the matching loss on its own. A lane stops
    when `L_act <= tolerance`, when the loss has not fallen for `patience` steps, when it is not
    finite, or after `steps`; the best hard iterate is kept, rebuilt, and judged again. A seed's
    result depends on no other seed.

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
    solver = (solver or default_solver(problem)).replace(
        steps=steps,
        optimizer=optimizer,
        tolerance=tolerance,
        patience=patience,
        improvement=improvement,
        coordinates=coordinates,
        lanes=lanes,
    )
    if _whole("seed", seed) < 0 or seed >= 2**31:
        raise InputError(f"`seed` is {seed}; allowed are 0 to 2^31 - 1")
    if _whole("trace_points", trace_points) < 1:
        raise InputError(f"`trace_points` is {trace_points}; it must be at least 1")
    seed_ids = _seed_ids(count, seeds)
    for warning in untold_warnings(jax.default_backend()):
        log.warning(warning.removeprefix("warning: "))
    solver = fit(problem, solver, len(seed_ids), keep_theta=keep_theta)
    synthesis = Synthesis(problem, seed, solver, trace_points)
    results: dict[int, dict[str, Any]] = {}
    for finished in synthesis.finished(seed_ids, progress):
        seed_id = int(finished.lane.seed_id)
        results[seed_id] = _result(synthesis, finished, keep_theta)
        if on_metamer is not None:
            on_metamer(seed_id, finished.graph)
    ordered = [results[seed_id] for seed_id in seed_ids]
    columns = {name: _column([row[name] for row in ordered]) for name in ordered[0]}
    return Metamers(
        **columns,
        trace_step=synthesis.trace_step,
        base_seed=int(seed),
        coordinates=synthesis.program.coordinates.name,
    )


def metamer_graph(problem: Problem, metamers: Metamers, index: int) -> jraph.GraphsTuple:
    """Return the hard graph of one metamer of a batch.

    Args:
      problem: the problem that the batch was made for.
      metamers: from `generate`.
      index: position in the batch.

    Returns:
      Graph with nodes [n, d], on the device.

    Raises:
      InputError: `index` is out of range, or the batch was made without its coordinates.

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
    coordinates, basis = choose_coordinates(problem, metamers.coordinates)
    theta = jax.tree.map(lambda array: array[index], metamers.theta)
    seed_id = int(metamers.seed_id[index])
    return rebuild(problem, coordinates, basis, theta, metamers.base_seed, seed_id)


def _whole(name: str, given: Any) -> int:
    try:
        return operator.index(given)
    except TypeError:
        raise InputError(f"`{name}` must hold whole numbers; got {given!r}") from None


def _seed_ids(count: int | None, seeds: Iterable[int] | None) -> list[int]:
    if (count is None) == (seeds is None):
        raise InputError("give either `count` or `seeds`: how many metamers, or which")
    if seeds is None:
        if count is None or _whole("count", count) < 1:
            raise InputError(f"`count` is {count}; it must be at least 1")
        return list(range(count))
    ids = [_whole("seeds", seed_id) for seed_id in seeds]
    if not ids or len(set(ids)) != len(ids) or min(ids) < 0 or max(ids) >= 2**31:
        raise InputError(
            f"`seeds` must be distinct numbers from 0 to 2^31 - 1, at least one; got {ids[:8]}"
        )
    return ids


def _result(synthesis: Synthesis, finished: Finished, keep_theta: bool) -> dict[str, Any]:
    lane, curve, _, verdict = finished
    status = int(lane.status)
    if synthesis.problem.zero_target:
        status = int(Status.ZERO_TARGET)
    elif verdict.loss <= synthesis.solver.tolerance:
        status = int(Status.CONVERGED)  # the rebuilt graph decides, not the loop's memory of it
    elif status == Status.CONVERGED:
        seen = (lane.seed_id, lane.best_loss, verdict.loss)
        log.warning("seed %d: loss %.3g in the loop, but %.3g when rebuilt", *seen)
        status = int(Status.STALLED)
    return {
        "theta": lane.best_theta if keep_theta else (),
        "seed_id": np.int64(lane.seed_id),
        "status": np.int8(status),
        "steps_used": np.int32(lane.step),
        "loss_initial": np.float32(lane.initial_loss),
        "loss_final": np.float32(lane.best_loss),
        "loss_hardened": np.float32(verdict.loss),
        "penalty": np.float32(lane.penalty),
        "worst_node": np.float32(verdict.worst_node),
        "agreement": np.float32(verdict.agreement),
        "layer_match": np.asarray(verdict.layer_match, np.float32),
        "loss_trace": synthesis.thinned(curve),
    }


def _column(rows: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
