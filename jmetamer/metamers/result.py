"""`Metamers`: what `generate` returns, put together from seeds at their ends."""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from jmetamer._base import undefined
from jmetamer.metamers.methods.exact.methods import METHODS
from jmetamer.metamers.methods.optimize.synthesis import Finished
from jmetamer.metamers.methods.optimize.tasks import Task
from jmetamer.metamers.methods.relax_edges.searching import SEARCHES
from jmetamer.metamers.renamed import UNDECIDED, YES, Renaming
from jmetamer.metamers.status import Status

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
      node_error: [b] the error of a node that enough target nodes do not exceed: all of fewer than
        a hundred, else 99 % (`problem.share`).
      agreement: [b] share of target nodes whose class is the reference's.
      layer_match: [b, k] L_act of the hard graph at every layer of the network.
      renamed: [b] int8, whether the graph is the reference itself or the reference with its nodes
        renamed, of those that the problem does not tell apart: 0 no, 1 yes, and the status is
        UNCHANGED, 2 undecided within the limits of `jmetamer.graphs.isomorphism`.
      loss_trace: [b, s] L_act at the steps `trace_step`, NaN after the end.
      trace_step: [s] int32 (no leading axis).
      base_seed: int.
      coordinates: name of the coordinates of `theta`.
      method: how they were made.
      details: name -> [b], what only this way of making metamers tells: of relaxed edges the L_act
        of the relaxation, of the best rounding and after flips (`loss_relaxed`, `loss_rounded`,
        `loss_flipped`), which `rounding` was best (0 the threshold 1/2, 1 the largest weights, from
        2 on random draws), `num_flips`, and by how many pairs the edges differ from their start,
        `num_changed`; of a search, its `num_moves`; of color-preserving swaps also `num_proposed`,
        and `num_available`, the number of graphs one swap away: 0 says that this construction has
        no metamer, and the status is UNCHANGED.
      problem_digest: `problem.digest` of the problem that they were made for.
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
    node_error: np.ndarray
    agreement: np.ndarray
    layer_match: np.ndarray
    renamed: np.ndarray
    loss_trace: np.ndarray
    trace_step: np.ndarray
    base_seed: int
    coordinates: str
    method: str = "optimize"
    details: Mapping[str, np.ndarray] = MappingProxyType({})
    problem_digest: str = ""


def result_of(
    task: Task, finished: Finished, curve: np.ndarray, keep_theta: bool, renaming: Renaming
) -> dict[str, Any]:
    """Return what is kept of one seed at its end, by the fields of `Metamers`.

    Args:
      task: what was to be matched.
      finished: where the seed ended, and the verdict on its graph.
      curve: [s] L_act at the steps of the trace.
      keep_theta: whether its coordinates are kept.
      renaming: of the task's problem.
    """
    lane, verdict = finished.lane, finished.verdict
    renamed = renaming(finished.graph, verdict)
    status = int(lane.status)
    if renamed == YES:
        status = int(Status.UNCHANGED)  # whatever its loss
    elif task.problem.zero_target:
        status = int(Status.ZERO_TARGET)
    elif verdict.loss <= task.solver.tolerance:
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
        "loss_initial": undefined.to_host(lane.initial_loss)[()],
        "loss_final": np.float32(lane.best_loss),
        "loss_hardened": np.float32(verdict.loss),
        "penalty": np.float32(lane.penalty),
        "worst_node": np.float32(verdict.worst_node),
        "node_error": np.float32(verdict.node_error),
        "agreement": undefined.to_host(verdict.agreement)[()],
        "layer_match": undefined.to_host(verdict.layer_match),
        "renamed": np.int8(renamed),
        "loss_trace": curve,
        "details": dict(finished.details),
    }


def metamers_of(
    rows: list[dict[str, Any]], trace_step: np.ndarray, task: Task, coordinates: str
) -> Metamers:
    """Return seeds at their ends as one batch.

    Args:
      rows: of each seed, from `result_of`.
      trace_step: [s] steps of the loss curves.
      task: what was to be matched.
      coordinates: name of the coordinates of theta.
    """
    columns = {name: _column([row[name] for row in rows]) for name in rows[0]}
    if undecided := int(np.sum(columns["renamed"] == UNDECIDED)):
        log.warning(
            "%d of %d graphs may be the reference with its nodes renamed: isomorphism is not "
            "decided within its limits, and they do not count as success", undecided, len(rows),
        )  # fmt: skip
    method = _name_of_method(task.solver.method)
    numbers: dict[str, Any] = {"trace_step": trace_step, "base_seed": task.seed}
    texts: dict[str, Any] = {
        "coordinates": coordinates,
        "method": method,
        "problem_digest": task.problem.digest,
    }
    return Metamers(**columns, **numbers, **texts)


def _name_of_method(method: Any) -> str:
    if isinstance(method, str):
        return method
    known = {name: type(settings) for name, settings in METHODS.items()} | dict(SEARCHES)
    return next(name for name, kind in known.items() if isinstance(method, kind))


def _column(rows: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
