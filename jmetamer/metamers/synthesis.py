"""`Synthesis`: seeds handed to lanes, each judged as it ends, until the queue is empty."""

import collections
import concurrent.futures
import os
import queue as queue_module
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer.metamers import lanes as engine
from jmetamer.metamers.check import Judge, JudgeOfEach, Verdict, finish, rebuild
from jmetamer.metamers.devices import LaneDevices, local_devices
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.program import limits_of, program_of
from jmetamer.metamers.solver import Solver
from jmetamer.metamers.status import Status

TRACE_POINTS = 200


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
        self.executed = 0
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """Return the next seed, or None where there is none."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def done(self) -> None:
        """Count one seed as finished."""
        with self._lock:
            self.finished += 1

    def stepped(self, number: int) -> None:
        """Count steps of lanes, those of lanes that had ended included."""
        with self._lock:
            self.executed += number

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
      executed: steps of lanes so far, those of lanes that had ended included.
    """

    done: int
    total: int
    loss: float
    executed: int = 0


class Synthesis:
    """The setting of one call: program, data and limits, ready to run seeds.

    Args:
      problem: what to match.
      seed: base seed; metamer i uses `fold_in(key(seed), i)`.
      solver: optimizer, number of steps, tolerance, stop rules, coordinates.
      trace_points: number of points of each loss curve.
      devices: where lanes live; None takes all devices of this process.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        solver: Solver,
        trace_points: int,
        devices: LaneDevices | None = None,
    ) -> None:
        self.devices = devices = devices or local_devices()
        self.program, basis = program_of(problem, solver, devices=devices)
        self.problem, self.seed, self.solver = problem, int(seed), solver
        self.arrays, self.basis = devices.replicated((problem.arrays, basis))
        self.limits = devices.replicated(limits_of(solver, seed))
        points = np.linspace(0, solver.steps, min(trace_points, solver.steps + 1))
        self.trace_step = np.unique(points.astype(np.int32))
        self.judge = Judge(problem)
        data = self.program.coordinates, self.seed, self.arrays, self.basis
        self.judge_each = JudgeOfEach(self.judge, devices, *data) if devices.count > 1 else None

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
            width = self.devices.padded(min(self.solver.lanes or len(seed_ids), len(seed_ids)))
            return self._crew(queue, width, told)
        return self._on_cores(queue, told)

    def _on_cores(self, queue: SeedQueue, told: Callable[[Progress], None]) -> Iterator[Finished]:
        """Run one lane a processor core, each in a thread of its own.

        A thread keeps the start of its seed: drawing it again would cost as much as many steps.
        """
        ended: queue_module.Queue[Finished | BaseException | None] = queue_module.Queue()
        self._compile()

        def work() -> None:
            try:
                for finished in self._alone(queue, told):
                    ended.put(finished)
                ended.put(None)
            except BaseException as error:  # handed to the caller's thread
                ended.put(error)

        cores = os.cpu_count() or 1
        workers = min(cores, self.solver.lanes or cores, queue.total)
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
        drawn, state = self._begin(0)
        start = jax.device_get(_picked((state.best_theta, state.constants), 0))
        ended = state._replace(status=jnp.full_like(state.status, Status.CONVERGED))
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            check = beside.submit(lambda: self.judge(self._finish(*start, drawn)))
            jax.block_until_ready(self._advance(ended))
            check.result()

    def _begin(self, seed_id: int) -> tuple[Any, engine.Lane]:
        seed = jnp.int32(seed_id)
        drawn = engine.draw(self.program, seed, self.arrays, self.limits)
        data = self.arrays, self.basis, self.limits
        return drawn, engine.begin(self.program, drawn, seed, *data)

    def _finish(self, theta: Any, constants: Any, drawn: Any) -> jraph.GraphsTuple:
        coordinates = self.program.coordinates
        return finish(self.problem, coordinates, self.basis, theta, constants, drawn)

    def _alone(self, queue: SeedQueue, told: Callable[[Progress], None]) -> Iterator[Finished]:
        """Run one lane from seed to seed."""
        while (seed_id := queue.take()) is not None:
            drawn, state = self._begin(seed_id)
            curves, running = [], True
            while running and not queue.closed:
                state, losses = self._advance(state)
                running = np.asarray(state.status)[0] == Status.RUNNING
                curves.append(np.asarray(losses)[0])
                queue.stepped(int(np.isfinite(curves[-1]).sum()))
                told(Progress(queue.finished, queue.total, _median(curves[-1]), queue.executed))
            if queue.closed:
                return
            taken = engine.take(self.program, state, np.zeros(1, np.int32))
            lane = _picked(jax.device_get(taken), 0)
            graph = self._finish(lane.best_theta, _picked(state.constants, 0), drawn)
            verdict = jax.device_get(self.judge(graph))
            yield Finished(lane, np.concatenate(curves), graph, verdict)
            queue.done()
            told(Progress(queue.finished, queue.total, _median(curves[-1]), queue.executed))

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
        state = self._fill([-1 if seed is None else seed for seed in occupants])
        history: list[list[np.ndarray]] = [[] for _ in range(width)]
        while not queue.closed and any(occupant is not None for occupant in occupants):
            state, losses = self._advance(state)
            status, curve = np.asarray(state.status), np.asarray(losses)
            # Lanes that step together step on after their end; one that steps alone stops.
            queue.stepped(curve.size if self.program.together else np.isfinite(curve).sum().item())
            working = [place for place in range(width) if occupants[place] is not None]
            for place in working:
                history[place].append(curve[place])
            ended = [place for place in working if status[place] != Status.RUNNING]
            for group in self.devices.rounds(ended, width):
                for place, judged in zip(group.values(), self._judged(state, group), strict=True):
                    yield Finished(judged[0], np.concatenate(history[place]), *judged[1:])
                    queue.done()
                    history[place], occupants[place] = [], queue.take()
                state = self._refill(state, group, occupants)
            loss = _median(curve[working])
            told(Progress(queue.finished, queue.total, loss, queue.executed))

    def _refill(
        self, state: engine.Lane, group: Mapping[int, int], occupants: Sequence[int | None]
    ) -> engine.Lane:
        """Start the next seeds in at most one lane of every device."""
        new = {d: seed for d, place in group.items() if (seed := occupants[place]) is not None}
        if not new:
            return state
        places = self.devices.local({device: group[device] for device in new}, len(occupants))
        seeds = np.array([new.get(device, -1) for device in range(len(places))], np.int32)
        return engine.refill(
            self.program, state, places, seeds, self.arrays, self.basis, self.limits
        )

    def _judged(
        self, state: engine.Lane, group: Mapping[int, int]
    ) -> list[tuple[engine.Lane, jraph.GraphsTuple, Verdict]]:
        """Return lane, hard graph and verdict of at most one lane of every device."""
        places = self.devices.local(group, len(state.status))
        taken = engine.take(self.program, state, places)
        if self.judge_each is None:
            lane = _picked(jax.device_get(taken), 0)
            graph = self.graph(lane.best_theta, int(lane.seed_id))
            return [(lane, graph, jax.device_get(self.judge(graph)))]
        graphs, verdicts = self.judge_each(taken.best_theta, taken.seed_id)
        lanes, verdicts = jax.device_get((taken, verdicts))
        return [
            (
                _picked(lanes, device),
                _picked(self.devices.part(graphs, device), 0),
                _picked(verdicts, device),
            )
            for device in group
        ]

    def thinned(self, curve: np.ndarray) -> np.ndarray:
        """Return the loss curve at the steps of `trace_step`, NaN after its end."""
        inside = self.trace_step[self.trace_step < curve.size]
        thin = np.full(self.trace_step.shape, np.nan, np.float32)
        thin[: inside.size] = curve[inside]
        return thin


def _median(losses: np.ndarray) -> float:
    """Return the median over lanes of the last loss that each reported, NaN where none did."""
    last = [lane[np.isfinite(lane)][-1:] for lane in np.atleast_2d(losses)]
    seen = np.concatenate([*last, np.zeros(0)])
    return float(np.median(seen)) if seen.size else float("nan")


def _picked(tree: Any, index: int) -> Any:
    """Return entry `index` of the leading axis of every array."""
    return jax.tree.map(lambda array: array[index], tree)
