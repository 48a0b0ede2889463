"""`EdgeSynthesis`: seeds of a problem whose edges vary, from their start to a judged hard graph."""

import concurrent.futures
import dataclasses
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base import undefined
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods.method import USUAL, Execution, Progress, Samples, Task
from jmetamer.metamers.methods.optimize.devices import local_devices
from jmetamer.metamers.methods.optimize.optimize import Optimize
from jmetamer.metamers.methods.optimize.program import steps_together
from jmetamer.metamers.methods.optimize.settings import LoopSettings
from jmetamer.metamers.methods.relax_edges import programs
from jmetamer.metamers.methods.relax_edges.features_on_edges import FeaturesOnEdges, Optimized
from jmetamer.metamers.methods.relax_edges.hard_graph import (
    edges_theta,
    graph_of_theta,
    host_graph,
    padded_edges,
)
from jmetamer.metamers.methods.relax_edges.hardening import Hardened
from jmetamer.metamers.methods.relax_edges.plan import Data, Numbers, Plan, numbers_of, plan_of
from jmetamer.metamers.methods.relax_edges.relaxation import Relaxed
from jmetamer.metamers.methods.relax_edges.searched import Searched
from jmetamer.metamers.methods.relax_edges.seeds_at_once import seeds_at_once
from jmetamer.metamers.methods.relax_edges.settings import RelaxSettings
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary.protocol import Theta

SearchOfSeeds = Callable[[Plan, np.ndarray, Data, Numbers], Searched]

# Candidates are exchanged in this share of the steps; then the weights settle.
_EXCHANGING = 0.75


class _Edges(NamedTuple):
    """Hard edges of one seed and how they came about, on the host.

    Attributes:
      pairs, present: [m].
      features: theta of the features at that time.
      curve: [s] L_act before every step.
      lane: numbers as a lane has them: initial_loss, best_loss, penalty, step, status.
      details: what else is told of the seed.
    """

    pairs: Pairs
    present: jax.Array | np.ndarray
    features: Theta
    curve: np.ndarray
    lane: dict[str, Any]
    details: Mapping[str, object]


class EdgeSynthesis:
    """The seeds of one problem whose edges vary.

    The edges of a seed are relaxed and made hard (or searched, or only drawn), then features are
    optimized where they vary; the hard graph is judged as every other. A processor runs one seed
    on each core, accelerators many at once. A seed's result depends on no other seed.

    Args:
      task: edges come and go, and its method is a `RelaxSettings`.
      execution: how many seeds at once, and whether they run all at once.
      search: of hard edges, in place of a relaxation: from (plan, seed ids, data, numbers) to
        `Searched` of seeds.

    Raises:
      InputError: settings that do not apply to the problem; the message says which do.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1", vary=jm.BinaryEdges())
      >>> task = Task(problem, 0, jm.RelaxEdges(steps=20).for_problem(problem), 1e-2)
      >>> samples = next(EdgeSynthesis(task).finished([3]))
      >>> samples.seed_id.tolist(), bool(samples.verdicts.loss < samples.loss_initial)
      ([3], True)
    """

    def __init__(
        self, task: Task, execution: Execution = USUAL, search: SearchOfSeeds | None = None
    ) -> None:
        problem, method = task.problem, RelaxSettings.of(task.method)
        self.task, self.execution, self.search = task, execution, search
        self.problem, self.method = problem, method
        together = execution.together
        together = steps_together(local_devices()) if together is None else together
        self.plan, self.data = plan_of(task, together=together)
        self.numbers = numbers_of(task, self.plan)
        self.features = None
        if problem.features is not None:
            loop = {f.name: getattr(method, f.name) for f in dataclasses.fields(LoopSettings)}
            alone = dataclasses.replace(problem, vary=problem.features)
            by_gradients = task._replace(problem=alone, method=Optimize(**loop))
            self.features = FeaturesOnEdges(by_gradients, together=together)
        self.judge = Judge(problem)

    def at_once(self, count: int) -> int:
        """Return how many seeds of `count` are under way at once."""
        return seeds_at_once(self.plan, self.data, self.numbers, self.execution.lanes, count)

    def finished(self, seed_ids: Sequence[int]) -> Iterator[Samples]:
        """Yield groups of seeds as they end, in the order given."""
        width = self.at_once(len(seed_ids))
        groups = [seed_ids[i : i + width] for i in range(0, len(seed_ids), width)]
        reporter = _Reporter(len(seed_ids), self.execution.progress)

        def run(group: Sequence[int]) -> Samples:
            # Repeated to the full width, so that the last group compiles nothing.
            padded = np.array([*group, *[group[0]] * (width - len(group))], np.int32)
            samples = self._judged(padded, self._edges_of(padded, reporter), reporter)
            reporter.ended(len(group))
            return samples.of(range(len(group)))

        # The first one alone: threads would compile the same programs twice.
        yield run(groups[0])
        cores = 1 if self.plan.together else os.cpu_count() or 1
        pool = concurrent.futures.ThreadPoolExecutor(min(cores, self.execution.lanes or cores))
        try:
            yield from pool.map(run, groups[1:])
        finally:
            pool.shutdown(cancel_futures=True)

    def _edges_of(self, seed_ids: np.ndarray, reporter: "_Reporter") -> list[_Edges]:
        if self.search is not None:
            return self._searched(seed_ids, reporter)
        if not self.problem.simple_edges.searched:
            return self._drawn(seed_ids)
        return self._relaxed(seed_ids, reporter)

    def _drawn(self, seed_ids: np.ndarray) -> list[_Edges]:
        """Draw edges that stay."""
        drawn = programs.draw_edges(self.plan, seed_ids, self.data, self.numbers.base_seed)
        (senders, receivers), present = jax.device_get(drawn)
        empty = np.zeros(0, np.float32)
        return [
            _Edges(Pairs(one, other), edges, None, empty, {}, {})
            for one, other, edges in zip(senders, receivers, present, strict=True)
        ]

    def _searched(self, seed_ids: np.ndarray, reporter: "_Reporter") -> list[_Edges]:
        """Search over hard edges without weights."""
        assert self.search is not None
        searched = jax.device_get(self.search(self.plan, seed_ids, self.data, self.numbers))
        edges = []
        for place in range(len(seed_ids)):
            one: Searched = jax.tree.map(lambda array: array[place], searched)  # noqa: B023
            curve = np.concatenate([one.initial_loss[None], one.trace])
            lane = {
                "initial_loss": one.initial_loss,
                "best_loss": one.loss,
                "penalty": np.float32(0),
                "step": np.int32(curve.size - 1),
                "status": Status.STEPS_EXHAUSTED,
            }
            details = {"num_moves": np.int32(one.accepted)}
            edges.append(_Edges(one.pairs, one.present, (), curve, lane, details))
        reporter.stepped(searched.trace)
        return edges

    def _relaxed(self, seed_ids: np.ndarray, reporter: "_Reporter") -> list[_Edges]:
        """Relax the edges, and the features where they vary, and make the edges hard."""
        state, curves = self._descend(seed_ids, reporter)
        hard = programs.harden(self.plan, state, self.data, self.numbers)
        ended = {
            "initial_loss": state.initial_loss,
            "penalty": state.best.penalty,
            "step": state.step,
            "status": state.status,
        }
        hardened, ended = jax.device_get((hard._replace(features=()), ended))
        edges = []
        for place in range(len(seed_ids)):
            one: Hardened = jax.tree.map(lambda array: array[place], hardened)  # noqa: B023
            present = one.hard > 0.5
            lane = {name: number[place] for name, number in ended.items()}
            lane["best_loss"] = one.loss_relaxed
            details = {
                "loss_relaxed": one.loss_relaxed,
                "loss_rounded": one.loss_rounded,
                "loss_flipped": one.loss,
                "rounding": one.rounding,
                "num_flips": one.num_flips,
                "num_changed": np.int32(np.sum(present != (one.start > 0.5))),
            }
            curve = curves[place, : int(lane["step"]) + 1]
            features = jax.tree.map(lambda array: array[place], hard.features)  # noqa: B023
            edges.append(_Edges(one.pairs, present, features, curve, lane, details))
        return edges

    def _descend(self, seed_ids: np.ndarray, reporter: "_Reporter") -> tuple[Relaxed, np.ndarray]:
        """Take all steps, exchanging candidates on the way; return losses [s, steps + 1]."""
        plan, data, numbers = self.plan, self.data, self.numbers
        steps, every = self.method.num_steps, self.method.refill_every
        state = programs.begin(plan, seed_ids, data, numbers)
        curves: list[np.ndarray] = []
        taken = 0
        while taken <= steps:
            number = min(programs.CHUNK, every - taken % every, steps + 1 - taken)
            state, losses = programs.advance(plan, state, np.int32(number), data, numbers)
            taken += number
            curves.append(undefined.to_host(losses)[:, :number])
            reporter.stepped(curves[-1])
            if (np.asarray(state.status) != Status.RUNNING).all():
                break
            exchanging = taken % every == 0 and taken < _EXCHANGING * steps
            if exchanging and not plan.holds_all:
                state = programs.exchange(plan, state, data, numbers)
        return state, np.concatenate(curves, axis=1)

    def _judged(self, seed_ids: np.ndarray, edges: list[_Edges], reporter: "_Reporter") -> Samples:
        """Return hard graphs, with features optimized on them where they vary, and verdicts."""
        thetas = [edges_theta(one.pairs, one.present) for one in edges]
        padded = self._padded([host_graph(self.problem, theta) for theta in thetas])
        if self.features is not None:
            start = None
            if edges[0].features is not None:
                start = jax.tree.map(
                    lambda *leaves: jnp.stack(leaves), *(one.features for one in edges)
                )
            optimized = self.features.run(padded, seed_ids, start, reporter.stepped)
            thetas = [
                theta._replace(features=one.nodes)
                for theta, one in zip(thetas, optimized, strict=True)
            ]
            edges = [_continued(*each) for each in zip(edges, optimized, strict=True)]
        graphs = [graph_of_theta(self.problem, theta) for theta in thetas]
        # Judged with the padding, so that graphs of all seeds share one compiled program.
        verdicts = [
            jax.device_get(self.judge(graph_read._replace(nodes=graph.nodes)))
            for graph_read, graph in zip(padded, graphs, strict=True)
        ]
        rows = _stacked([(theta, verdict) for theta, verdict in zip(thetas, verdicts, strict=True)])
        lane = _stacked([one.lane for one in edges])
        details = _stacked([one.details for one in edges])
        # Weights between 0 and 1 may be good enough where the hard edges are not.
        lost = (lane["status"] == Status.CONVERGED) & ~(rows[1].loss <= self.task.tolerance)
        return Samples(
            np.zeros(len(seed_ids), np.int32),
            seed_ids,
            rows[0],
            graphs,
            lane["initial_loss"],
            lane["best_loss"],
            lane["penalty"],
            lane["step"],
            np.where(lost, Status.STALLED, lane["status"]),
            [one.curve for one in edges],
            rows[1],
            details,
        )

    def _padded(self, graphs: list[jraph.GraphsTuple]) -> list[jraph.GraphsTuple]:
        """Return the graphs with as many edges as there may be.

        Where features are optimized on them in many steps, twice those of the reference will do
        for most seeds.
        """
        ways = 1 if self.plan.directed else 2
        num_pairs, loops = self.data.pairs.senders.shape[0], self.data.loops.nodes.shape[0]
        stay = ways * self.data.fixed.senders.shape[0] + loops
        size = ways * (num_pairs + self.plan.num_block) + stay
        few = ways * 2 * num_pairs + stay
        if self.features is not None and max(len(graph.senders) for graph in graphs) <= few:
            size = min(size, few)
        return [padded_edges(graph, size) for graph in graphs]


class _Reporter:
    """Tells the caller how far seeds have come; safe to share between threads."""

    def __init__(self, total: int, progress: Callable[[Progress], None] | None) -> None:
        self._progress, self._talking = progress, threading.Lock()
        self._last = Progress(0, total, float("nan"))

    def stepped(self, losses: np.ndarray) -> None:
        """Count steps [s, steps] of seeds, and tell."""
        last = [row[np.isfinite(row)][-1] for row in losses if np.isfinite(row).any()]
        executed = int(np.isfinite(losses).sum())
        self._tell(executed=executed, loss=float(np.median(last)) if last else None)

    def ended(self, number: int) -> None:
        """Count seeds that are judged, and tell."""
        self._tell(done=number)

    def _tell(self, done: int = 0, executed: int = 0, loss: float | None = None) -> None:
        with self._talking:
            before = self._last
            self._last = before._replace(
                done=before.done + done,
                executed=before.executed + executed,
                loss=before.loss if loss is None else loss,
            )
            if self._progress is not None:
                self._progress(self._last)


def _continued(edges: _Edges, optimized: Optimized) -> _Edges:
    """Return what a seed has come to after its features were optimized on its hard edges."""
    lane = optimized.lane
    numbers = {
        "initial_loss": edges.lane.get("initial_loss", lane.initial_loss),
        "best_loss": lane.best_loss,
        "penalty": lane.penalty,
        "step": np.int32(edges.curve.size + lane.step),
        "status": lane.status,
    }
    curve = np.concatenate([edges.curve, optimized.curve])
    return edges._replace(curve=curve, lane=numbers)


def _stacked(rows: Sequence[object]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
