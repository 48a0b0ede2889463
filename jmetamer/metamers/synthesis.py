"""`Synthesis`: seeds handed to lanes, each judged as it ends, until the queue is empty."""

import collections
import concurrent.futures
import os
import queue as queue_module
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer.metamers import lanes as engine
from jmetamer.metamers.check import Judge, Verdict, rebuild
from jmetamer.metamers.coordinates import choose_coordinates
from jmetamer.metamers.optimizers import as_optimizer
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver
from jmetamer.metamers.status import Status

TRACE_POINTS = 200
# The loop stops a little below the tolerance, because the rebuilt graph is judged again: rounding
# differs, and entries that tie at the threshold of 0/1 features are settled only then.
_AIM = 0.98


class Finished(NamedTuple):
    """One seed at its end: the lane, its loss curve [s], the hard graph and the verdict on it."""

    lane: engine.Lane
    curve: np.ndarray
    graph: jraph.GraphsTuple
    verdict: Verdict


class SeedQueue:
    """The seeds that no lane has taken yet; safe to share between threads.

    Args:
      seed_ids: seeds in the order in which lanes take them.
    """

    def __init__(self, seed_ids: Sequence[int]) -> None:
        self._waiting = collections.deque(seed_ids)
        self.total, self.finished, self.closed = len(seed_ids), 0, False
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """Return the next seed, or None where there is none."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def done(self) -> None:
        """Count one seed as finished."""
        with self._lock:
            self.finished += 1

    def close(self) -> None:
        """Give out no more seeds, and let lanes stop at their next look."""
        with self._lock:
            self._waiting.clear()
            self.closed = True


class Progress(NamedTuple):
    """How far a call of `generate` has come.

    Attributes:
      done: metamers finished.
      total: metamers asked for.
      loss: median L_act over the lanes that reported.
    """

    done: int
    total: int
    loss: float


class Synthesis:
    """The setting of one call: program, data and limits, ready to run seeds.

    Args:
      problem: what to match.
      seed: base seed; metamer i uses `fold_in(key(seed), i)`.
      solver: optimizer, number of steps, tolerance, stop rules, coordinates.
      trace_points: number of points of each loss curve.
    """

    def __init__(self, problem: Problem, seed: int, solver: Solver, trace_points: int) -> None:
        coordinates, self.basis = choose_coordinates(problem, solver.coordinates)
        optimizer = as_optimizer(solver.optimizer)
        chunk = max(1, min(solver.chunk, solver.steps + 1))
        together = jax.default_backend() != "cpu"
        self.program = engine.Program(problem.matching, coordinates, optimizer, chunk, together)
        self.problem, self.seed, self.solver = problem, int(seed), solver
        self.arrays = problem.arrays
        self.limits = engine.Limits(
            jnp.int32(seed),
            jnp.float32(optimizer.rate),
            jnp.int32(solver.steps),
            jnp.float32(_AIM * solver.tolerance),
            jnp.int32(solver.patience),
            jnp.float32(solver.improvement),
        )
        points = np.linspace(0, solver.steps, min(trace_points, solver.steps + 1))
        self.trace_step = np.unique(points.astype(np.int32))
        self.judge = Judge(problem)

    def graph(self, theta: Any, seed_id: int) -> jraph.GraphsTuple:
        """Return the hard graph of coordinates `theta` that were started from `seed_id`."""
        coordinates = self.program.coordinates
        return rebuild(self.problem, coordinates, self.basis, theta, self.seed, seed_id)

    def finished(
        self, seed_ids: Sequence[int], progress: Callable[[Progress], None] | None
    ) -> Iterator[Finished]:
        """Yield every seed as it ends, in no particular order."""
        talking = threading.Lock()  # lanes of several threads report

        def told(seen: Progress) -> None:
            with talking:
                if progress is not None:
                    progress(seen._replace(done=queue.finished))

        queue = SeedQueue(seed_ids)
        if self.program.together:
            return self._crew(queue, min(self.solver.lanes, len(seed_ids)), told)
        return self._on_cores(queue, told)

    def _on_cores(self, queue: SeedQueue, told: Callable[[Progress], None]) -> Iterator[Finished]:
        """Run one lane a processor core, each in a thread of its own."""
        ended: queue_module.Queue[Finished | BaseException | None] = queue_module.Queue()
        self._compile()

        def work() -> None:
            try:
                for finished in self._crew(queue, 1, told):
                    ended.put(finished)
                ended.put(None)
            except BaseException as error:  # handed to the caller's thread
                ended.put(error)

        workers = min(os.cpu_count() or 1, self.solver.lanes, queue.total)
        threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            while workers:
                found = ended.get()
                if isinstance(found, BaseException):
                    raise found
                if found is None:
                    workers -= 1
                else:
                    yield found
        finally:
            queue.close()
            for thread in threads:
                thread.join()

    def _compile(self) -> None:
        """Compile before threads start, so that they do not compile the same program twice.

        The check of finished graphs is compiled beside the loop: compiling takes one core.
        """
        state = self._fill([0])
        first = engine.take(state, 0)
        ended = state._replace(status=jnp.full_like(state.status, Status.CONVERGED))
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            check = beside.submit(lambda: self.judge(self.graph(first.best_theta, 0)))
            jax.block_until_ready(self._advance(ended))
            check.result()

    def _fill(self, seed_ids: Sequence[int]) -> engine.Lane:
        ids = jnp.asarray(seed_ids, jnp.int32)
        return engine.fill(self.program, ids, self.arrays, self.basis, self.limits)

    def _advance(self, state: engine.Lane) -> tuple[engine.Lane, jax.Array]:
        return engine.advance(self.program, state, self.arrays, self.basis, self.limits)

    def _crew(
        self, queue: SeedQueue, width: int, told: Callable[[Progress], None]
    ) -> Iterator[Finished]:
        """Run `width` lanes; one that ends is judged and takes the next seed of the queue."""
        occupants = [queue.take() for _ in range(width)]
        if all(occupant is None for occupant in occupants):
            return
        state = self._fill([occupant or 0 for occupant in occupants])
        history: list[list[np.ndarray]] = [[] for _ in range(width)]
        while not queue.closed and any(occupant is not None for occupant in occupants):
            state, losses = self._advance(state)
            status, curve = np.asarray(state.status), np.asarray(losses)
            working = [place for place in range(width) if occupants[place] is not None]
            for place in working:
                history[place].append(curve[place])
                if status[place] == Status.RUNNING:
                    continue
                lane = jax.device_get(engine.take(state, place))
                yield self._judged(lane, np.concatenate(history[place]))
                queue.done()
                history[place], occupants[place] = [], queue.take()
                if occupants[place] is not None:
                    state = self._refill(state, place, occupants[place])
            told(Progress(queue.finished, queue.total, _median(curve[working])))

    def _refill(self, state: engine.Lane, place: int, seed_id: int | None) -> engine.Lane:
        where, which = jnp.int32(place), jnp.int32(seed_id)
        return engine.refill(
            self.program, state, where, which, self.arrays, self.basis, self.limits
        )

    def _judged(self, lane: engine.Lane, curve: np.ndarray) -> Finished:
        graph = self.graph(lane.best_theta, int(lane.seed_id))
        return Finished(lane, curve, graph, jax.device_get(self.judge(graph)))

    def thinned(self, curve: np.ndarray) -> np.ndarray:
        """Return the loss curve at the steps of `trace_step`, NaN after its end."""
        inside = self.trace_step[self.trace_step < curve.size]
        thin = np.full(self.trace_step.shape, np.nan, np.float32)
        thin[: inside.size] = curve[inside]
        return thin


def _median(losses: np.ndarray) -> float:
    last = losses[:, -1]
    return float(np.nanmedian(last)) if np.isfinite(last).any() else float("nan")
