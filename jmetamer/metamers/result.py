"""`Metamers`: what `generate` returns, put together from seeds at their ends."""

import functools
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from jmetamer._base import undefined
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods.method import Method, Samples, Task
from jmetamer.metamers.renamed import UNDECIDED, YES, Renaming
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary.protocol import Theta

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

    theta: Theta
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
    method: Method
    details: Mapping[str, np.ndarray] = MappingProxyType({})
    problem_digest: str = ""


class Collected:
    """Finished seeds of one task: judged as they come, and put together in the end.

    Args:
      task: what they are of.
      trace_points: largest number of points of a loss curve.
      keep_theta: whether coordinates are kept.
    """

    def __init__(self, task: Task, trace_points: int, keep_theta: bool) -> None:
        self.task, self.keep_theta = task, keep_theta
        self.renaming = Renaming(task.problem, task.tolerance)
        self.trace_step = steps_of_trace(task.method.longest(task.problem), trace_points)
        self._columns: list[dict[str, Any]] = []

    @functools.cached_property
    def judge(self) -> Judge:
        """Judges what the method has not had judged."""
        return Judge(self.task.problem)

    def add(self, samples: Samples) -> None:
        """Take finished seeds of this task."""
        verdict = samples.verdicts
        if verdict is None:
            each = jax.device_get([self.judge(graph) for graph in samples.graphs])
            verdict = jax.tree.map(lambda *numbers: np.stack(numbers), *each)
        renamed = [
            self.renaming(graph, jax.tree.map(lambda numbers: numbers[row], verdict))  # noqa: B023
            for row, graph in enumerate(samples.graphs)
        ]
        status = self._status(samples, np.array(renamed), np.asarray(verdict.loss))
        self._columns.append(
            {
                "theta": samples.theta if self.keep_theta else (),
                "seed_id": samples.seed_id.astype(np.int64),
                "status": status.astype(np.int8),
                "steps_used": samples.steps.astype(np.int32),
                "loss_initial": undefined.to_host(samples.loss_initial),
                "loss_final": samples.loss_final.astype(np.float32),
                "loss_hardened": verdict.loss.astype(np.float32),
                "penalty": samples.penalty.astype(np.float32),
                "worst_node": verdict.worst_node.astype(np.float32),
                "node_error": verdict.node_error.astype(np.float32),
                "agreement": undefined.to_host(verdict.agreement),
                "layer_match": undefined.to_host(verdict.layer_match),
                "renamed": np.array(renamed, np.int8),
                "loss_trace": np.stack([thinned(one, self.trace_step) for one in samples.curves]),
                "details": dict(samples.details),
            }
        )

    def _status(self, samples: Samples, renamed: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Return how seeds ended; the rebuilt graph decides, not the search's memory of it."""
        converged = loss <= self.task.tolerance
        lost = ~converged & (samples.status == Status.CONVERGED)
        zero = np.full(len(loss), self.task.problem.zero_target)
        for row in np.flatnonzero(lost & (renamed != YES) & ~zero):
            losses = (samples.seed_id[row], samples.loss_final[row], loss[row])
            log.warning("seed %d: loss %.3g in the loop, but %.3g when rebuilt", *losses)
        conditions = [renamed == YES, zero, converged, lost]
        ends = [Status.UNCHANGED, Status.ZERO_TARGET, Status.CONVERGED, Status.STALLED]
        return np.select(conditions, list(map(int, ends)), samples.status)

    def metamers(self, seed_ids: Sequence[int]) -> Metamers:
        """Return all seeds as one batch, in the order given."""
        finished = [seed for rows in self._columns for seed in rows["seed_id"].tolist()]
        place = {seed: row for row, seed in enumerate(finished)}
        order = np.array([place[seed] for seed in seed_ids])
        columns = jax.tree.map(lambda *parts: np.concatenate(parts)[order], *self._columns)
        if undecided := int(np.sum(columns["renamed"] == UNDECIDED)):
            log.warning(
                "%d of %d graphs may be the reference with its nodes renamed: isomorphism is not "
                "decided within its limits, and they do not count as success",
                *(undecided, len(order)),
            )
        task = self.task
        digest = task.problem.digest
        return Metamers(
            **columns,
            trace_step=self.trace_step,
            base_seed=task.seed,
            method=task.method,
            problem_digest=digest,
        )


def steps_of_trace(steps: int, trace_points: int) -> np.ndarray:
    """Return the steps of the points of a loss curve, [s] int32, from 0 to the last one.

    Args:
      steps: largest number of steps.
      trace_points: largest number of points.

    Example:
      >>> steps_of_trace(8, 3).tolist()
      [0, 4, 8]
    """
    points = np.linspace(0, steps, min(trace_points, steps + 1))
    return np.unique(points.astype(np.int32))


def thinned(curve: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return a loss curve at some steps, rising from 0; NaN after its end.

    Example:
      >>> thinned(np.array([3.0, 2.0]), steps_of_trace(4, 3))
      array([ 3., nan, nan], dtype=float32)
    """
    inside = steps[steps < curve.size]
    thin = np.full(steps.shape, np.nan, np.float32)
    thin[: inside.size] = curve[inside]
    return thin
