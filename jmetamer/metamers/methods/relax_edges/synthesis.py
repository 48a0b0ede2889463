"""`EdgeSynthesis`: seeds of a problem whose edges vary, from their start to a judged hard graph."""

import concurrent.futures
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base import undefined
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods.exact.color_swaps import ColorSwaps
from jmetamer.metamers.methods.optimize.devices import local_devices
from jmetamer.metamers.methods.optimize.lanes import Lane, ended_lane
from jmetamer.metamers.methods.optimize.program import steps_together
from jmetamer.metamers.methods.optimize.synthesis import (
    TRACE_POINTS,
    Finished,
    Progress,
    steps_of_trace,
)
from jmetamer.metamers.methods.relax_edges import programs
from jmetamer.metamers.methods.relax_edges.features_on_edges import FeaturesOnEdges, Optimized
from jmetamer.metamers.methods.relax_edges.hard_graph import (
    EdgesTheta,
    edges_theta,
    graph_of_theta,
    host_graph,
    padded_edges,
)
from jmetamer.metamers.methods.relax_edges.hardening import Hardened
from jmetamer.metamers.methods.relax_edges.plan import numbers_of, plan_of
from jmetamer.metamers.methods.relax_edges.relaxation import Relaxed
from jmetamer.metamers.methods.relax_edges.searched import Searched
from jmetamer.metamers.methods.relax_edges.searching import (
    Search,
    refuse_coordinates,
    search,
    search_named,
)
from jmetamer.metamers.methods.relax_edges.seeds_at_once import seeds_at_once
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary.edge_gradient import require_edge_gradient
from jmetamer.metamers.vary.edges import BinaryEdges, FeaturesGivenEdges, Structure

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
    present: Any
    features: Any
    curve: np.ndarray
    lane: dict[str, Any]
    details: dict[str, Any]


class EdgeSynthesis:
    """The setting of one call: the same attributes as `Synthesis`, for problems of edges.

    The edges of a seed are relaxed and made hard (or searched, or only drawn), then features are
    optimized where they vary; the hard graph is judged as every other. A processor runs one seed
    on each core, accelerators many at once. A seed's result depends on no other seed.

    Args:
      problem: what to match; its `vary` is one of the `Structure` settings.
      seed: base seed; metamer i starts from `fold_in(key(seed), i)`.
      solver: steps, tolerance and stop rules; of edges alone also their optimizer, else that of
        the features; `method` "optimize" or a discrete search.
      trace_points: number of points of each loss curve.
      together: whether seeds run all at once; None asks the devices.

    Raises:
      InputError: settings that do not apply to the problem; the message says which do.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1", vary=jm.BinaryEdges())
      >>> solver = jm.default_solver(problem).replace(steps=20)
      >>> finished = next(EdgeSynthesis(problem, 0, solver).finished([3]))
      >>> int(finished.lane.seed_id), bool(finished.verdict.loss < finished.lane.initial_loss)
      (3, True)
    """

    coordinates = "edges"  # theta is the hard edges themselves

    def __init__(
        self,
        problem: Problem,
        seed: int,
        solver: Solver,
        trace_points: int = TRACE_POINTS,
        *,
        together: bool | None = None,
    ) -> None:
        vary = problem.vary
        assert isinstance(vary, Structure)
        self.problem, self.seed, self.solver, self.vary = problem, int(seed), solver, vary
        self.searched: Search | None = None
        if solver.method != "optimize":
            searched = search_named(solver.method, problem)
            assert not isinstance(searched, ColorSwaps)  # `SwapSynthesis` makes them
            self.searched = searched
        elif not isinstance(vary, FeaturesGivenEdges):
            require_edge_gradient(problem.trained.model, vary)
        if isinstance(vary, BinaryEdges):
            refuse_coordinates(solver)
        together = steps_together(local_devices()) if together is None else together
        self.plan, self.data = plan_of(problem, solver, together=together)
        self.numbers = numbers_of(problem, solver, self.seed, self.plan)
        self.features = None
        if not isinstance(vary, BinaryEdges):
            self.features = FeaturesOnEdges(problem, self.seed, solver, together=together)
        self.trace_step = steps_of_trace(self._most_steps(), trace_points)
        self.judge = Judge(problem)

    def finished(
        self, seed_ids: Sequence[int], progress: Callable[[Progress], None] | None = None
    ) -> Iterator[Finished]:
        """Yield every seed as it ends, in the order given."""
        width = seeds_at_once(self.plan, self.data, self.numbers, self.solver, len(seed_ids))
        groups = [seed_ids[i : i + width] for i in range(0, len(seed_ids), width)]
        reporter = _Reporter(len(seed_ids), progress)

        def run(group: Sequence[int]) -> list[Finished]:
            # Repeated to the full width, so that the last group compiles nothing.
            padded = np.array([*group, *[group[0]] * (width - len(group))], np.int32)
            found = self._judged(padded, self._edges_of(padded, reporter), reporter)
            reporter.ended(len(group))
            return found[: len(group)]

        # The first one alone: threads would compile the same programs twice.
        yield from run(groups[0])
        cores = 1 if self.plan.together else os.cpu_count() or 1
        pool = concurrent.futures.ThreadPoolExecutor(min(cores, self.solver.lanes or cores))
        try:
            for found in pool.map(run, groups[1:]):
                yield from found
        finally:
            pool.shutdown(cancel_futures=True)

    def _most_steps(self) -> int:
        """Return the number of steps of a seed that never ends early."""
        if self.searched is not None:
            return self.searched.steps
        relaxed = 0 if isinstance(self.vary, FeaturesGivenEdges) else self.solver.steps
        optimized = 0 if isinstance(self.vary, BinaryEdges) else self.solver.steps
        # Both parts look at their last iterate.
        return relaxed + optimized + (relaxed > 0 and optimized > 0)

    def _edges_of(self, seed_ids: np.ndarray, reporter: "_Reporter") -> list[_Edges]:
        if self.searched is not None:
            return self._searched(seed_ids, reporter)
        if isinstance(self.vary, FeaturesGivenEdges):
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
        assert self.searched is not None
        found = jax.device_get(search(self.plan, self.searched, seed_ids, self.data, self.numbers))
        edges = []
        for place in range(len(seed_ids)):
            one: Searched = jax.tree.map(lambda array: array[place], found)  # noqa: B023
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
        reporter.stepped(found.trace)
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
        found, ended = jax.device_get((hard._replace(features=()), ended))
        edges = []
        for place in range(len(seed_ids)):
            one: Hardened = jax.tree.map(lambda array: array[place], found)  # noqa: B023
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
        steps, every = self.solver.steps, self.vary.edges.refill_every
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
                state = programs.exchange(plan, state, data)
        return state, np.concatenate(curves, axis=1)

    def _judged(
        self, seed_ids: np.ndarray, edges: list[_Edges], reporter: "_Reporter"
    ) -> list[Finished]:
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
        found = []
        for seed_id, one, theta, seen in zip(seed_ids, edges, thetas, padded, strict=True):
            graph = graph_of_theta(self.problem, theta)
            # Judged with the padding, so that graphs of all seeds share one compiled program.
            verdict = jax.device_get(self.judge(seen._replace(nodes=graph.nodes)))
            lane = _lane(int(seed_id), theta, one.lane, verdict.loss, self.solver.tolerance)
            found.append(Finished(lane, one.curve, graph, verdict, one.details))
        return found

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
        self._seen = Progress(0, total, float("nan"))

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
            seen = self._seen
            self._seen = seen._replace(
                done=seen.done + done,
                executed=seen.executed + executed,
                loss=seen.loss if loss is None else loss,
            )
            if self._progress is not None:
                self._progress(self._seen)


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


def _lane(
    seed_id: int, theta: EdgesTheta, numbers: dict[str, Any], loss: float, tolerance: float
) -> Lane:
    """Return what a lane of the feature engine would have ended as."""
    status = numbers["status"]
    if status == Status.CONVERGED and not loss <= tolerance:
        # Weights between 0 and 1 were good enough, the hard edges are not.
        status = Status.STALLED
    return ended_lane(seed_id, theta, **numbers | {"status": status})
