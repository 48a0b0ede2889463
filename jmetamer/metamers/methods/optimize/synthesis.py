"""`Synthesis`: seeds of one task or of several handed to lanes, until the queue is empty.

Each seed is judged as it ends, and its lane takes the next one, whichever task that belongs to.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import itertools
import os
import queue as queue_module
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base import undefined
from jmetamer.metamers.check import Ended, Judge, JudgeOfEach, Verdict, finish
from jmetamer.metamers.methods.method import USUAL, Execution, Progress, Samples, Task
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize.by_task import joined
from jmetamer.metamers.methods.optimize.devices import local_devices
from jmetamer.metamers.methods.optimize.tasks import shared_program
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary.protocol import Theta

_T = TypeVar("_T")
# (task, seed id): what a lane works on.
Item = tuple[int, int]


class SeedQueue:
    """The seeds that no lane has taken yet; safe to share between threads.

    Args:
      items: (task, seed id) in the order in which lanes take them.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._waiting = collections.deque(items)
        self.total, self.finished, self.closed = len(items), 0, False
        self.executed = 0
        self._lock = threading.Lock()

    def take(self) -> Item | None:
        """Return the next task and seed, or None where there is none."""
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


class _Under(NamedTuple):
    """A group of ended lanes that the devices still judge."""

    taken: engine.Lane
    verdicts: Verdict
    graphs: list[jraph.GraphsTuple]
    rows: list[int]
    curves: list[np.ndarray]


class Synthesis:
    """The lanes of one call: program, data and limits, ready to run seeds.

    Args:
      tasks: that share the lanes.
      execution: where lanes live, how they step, and how many there are; None takes one a seed.

    Raises:
      InputError: tasks that cannot share lanes.
    """

    def __init__(self, tasks: Sequence[Task], execution: Execution = USUAL) -> None:
        self.devices = execution.devices or local_devices()
        self.tasks, self.execution = tasks, execution
        self.program, self.data = shared_program(
            tasks, dataclasses.replace(execution, devices=self.devices)
        )
        self.arrays, self.limits = self._whole()
        self.judges = [Judge(task.problem) for task in tasks]

    @functools.cached_property
    def judge_each(self) -> JudgeOfEach:
        """Judges lanes that step together."""
        data = self.arrays, self.limits
        return JudgeOfEach(self.judges, self.devices, self.program.vary, data)

    def finished(self, seed_ids: Sequence[int]) -> Iterator[Samples]:
        """Yield every seed of every task as it ends, in no particular order."""
        talking = threading.Lock()  # lanes of several threads report
        progress = self.execution.progress

        def report(state: Progress) -> None:
            with talking:
                if progress is not None:
                    progress(state._replace(done=queue.finished))

        # Tasks take turns: the seeds that are under way at the end are of all of them.
        queue = SeedQueue([(task, seed) for seed in seed_ids for task in range(len(self.tasks))])
        if self.program.together:
            width = self.devices.padded(min(self.execution.lanes or queue.total, queue.total))
            return self._crew(queue, width, report)
        return self._on_cores(queue, report)

    def _whole(self) -> tuple[Any, Any]:
        """Return the data that lanes which step together read; of one task, as it is."""
        if not self.program.together:  # every lane is given the data of its task
            return self.data[0]
        return self.devices.replicated(
            tuple(joined(trees) for trees in zip(*self.data, strict=True))
        )

    def _on_cores(self, queue: SeedQueue, report: Callable[[Progress], None]) -> Iterator[Samples]:
        """Run one lane a processor core, each in a thread of its own.

        A thread keeps the start of its seed: drawing it again would cost as much as many steps.
        """
        ended: queue_module.Queue[Samples | BaseException | None] = queue_module.Queue()
        self._compile()

        def work() -> None:
            try:
                for finished in self._alone(queue, report):
                    ended.put(finished)
                ended.put(None)
            except BaseException as error:  # handed to the caller's thread
                ended.put(error)

        cores = os.cpu_count() or 1
        workers = min(cores, self.execution.lanes or cores, queue.total)
        threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            while workers:
                result = ended.get()
                if isinstance(result, BaseException):
                    raise result
                if result is None:
                    workers -= 1
                else:
                    yield result
        finally:
            queue.close()
            for thread in threads:
                thread.join()

    def _compile(self) -> None:
        """Compile before threads start, so that they do not compile the same program twice.

        The check of finished graphs is compiled beside the loop: compiling takes one core.
        """
        drawn, state = self._begin(0, 0)
        theta = jax.device_get(_picked(state.best_theta, 0))
        # An array from NumPy has a type for sure; of a number it would be "weak", and the loop
        # compiled for that is another one.
        ended = state._replace(status=jnp.asarray(np.full(1, Status.CONVERGED, np.int32)))
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            check = beside.submit(lambda: self.judges[0](self._finish(0, theta, drawn)))
            jax.block_until_ready(self._advance(ended, *self.data[0]))
            check.result()

    def _begin(self, task: int, seed_id: int) -> tuple[Any, engine.Lane]:
        arrays, limits = self.data[task]
        seed = jnp.int32(seed_id)
        drawn = engine.draw(self.program, seed, arrays, limits)
        return drawn, engine.begin(self.program, drawn, seed, arrays, limits)

    def _finish(self, task: int, theta: Theta, drawn: Theta) -> jraph.GraphsTuple:
        return finish(self.program.vary, self.data[task][0], theta, drawn)

    def _alone(self, queue: SeedQueue, report: Callable[[Progress], None]) -> Iterator[Samples]:
        """Run one lane from seed to seed."""
        while (item := queue.take()) is not None:
            task, _ = item
            drawn, state = self._begin(*item)
            curves, running = [], True
            while running and not queue.closed:
                state, losses = self._advance(state, *self.data[task])
                running = np.asarray(state.status)[0] == Status.RUNNING
                curves.append(undefined.to_host(losses)[0])
                queue.stepped(int(np.isfinite(curves[-1]).sum()))
                report(Progress(queue.finished, queue.total, _median(curves[-1]), queue.executed))
            if queue.closed:
                return
            taken = engine.take(self.program, state, np.zeros(1, np.int32))
            lane = _picked(jax.device_get(taken), 0)._replace(task=np.int32(task))
            graph = self._finish(task, lane.best_theta, drawn)
            verdict = jax.device_get(self.judges[task](graph))
            batched = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (lane, verdict))
            yield _samples(batched[0], [graph], [np.concatenate(curves)], batched[1])
            queue.done()
            report(Progress(queue.finished, queue.total, _median(curves[-1]), queue.executed))

    def _advance(self, state: engine.Lane, *data: Any) -> tuple[engine.Lane, jax.Array]:
        return engine.advance(self.program, state, *data)

    def _crew(
        self, queue: SeedQueue, width: int, report: Callable[[Progress], None]
    ) -> Iterator[Samples]:
        """Run `width` lanes; one that ends is judged and takes the next item of the queue.

        What the devices do next is always asked for before finished metamers are handed out, so
        that they compute while the caller measures and writes.
        """
        occupants = [queue.take() for _ in range(width)]
        if all(occupant is None for occupant in occupants):
            return
        data = self.arrays, self.limits
        seeds, tasks = _columns(occupants)
        going = self._advance(engine.fill(self.program, seeds, *data, tasks), *data)
        history: list[list[np.ndarray]] = [[] for _ in range(width)]
        while not queue.closed and any(occupant is not None for occupant in occupants):
            state, losses = going
            status, curve = np.asarray(state.status), undefined.to_host(losses)
            # Lanes that step together step on after their end.
            queue.stepped(curve.size)
            working = [place for place in range(width) if occupants[place] is not None]
            for place in working:
                history[place].append(curve[place])
            ended = [place for place in working if status[place] != Status.RUNNING]
            under: _Under | None = None
            for group in self.devices.groups(ended, width, self.judge_each.size):
                before, under = under, self._judged(state, group, occupants, history)
                for place in itertools.chain(*group):
                    history[place], occupants[place] = [], queue.take()
                state = self._refill(state, group, occupants)
                yield from self._handed_out(before, queue)
            if any(occupant is not None for occupant in occupants):
                going = self._advance(state, *data)
            yield from self._handed_out(under, queue)
            report(Progress(queue.finished, queue.total, _median(curve[working]), queue.executed))

    def _refill(
        self, state: engine.Lane, group: list[list[int]], occupants: Sequence[Item | None]
    ) -> engine.Lane:
        """Start the next items in lanes of a group."""
        filled = [[place for place in part if occupants[place] is not None] for part in group]
        if not any(filled):
            return state
        size = self.judge_each.size
        items: list[Item | None] = []
        for part in filled:
            items += [*(occupants[place] for place in part), *[None] * (size - len(part))]
        seeds, tasks = _columns(items)
        places = self.devices.local(filled, len(occupants), size)
        data = self.arrays, self.limits
        return engine.refill(self.program, state, places, seeds, *data, tasks)

    def _judged(
        self,
        state: engine.Lane,
        group: list[list[int]],
        occupants: Sequence[Item | None],
        history: Sequence[list[np.ndarray]],
    ) -> _Under:
        """Ask the devices to judge a group, without waiting for them."""
        size = self.judge_each.size
        taken = engine.take(self.program, state, self.devices.local(group, len(history), size))
        count = np.array([len(part) for part in group], np.int32)
        ended = Ended(taken.best_theta, taken.seed_id, taken.task, count)
        news, verdicts = self.judge_each(ended)
        items = [[item for place in part if (item := occupants[place])] for part in group]
        graphs = self.judge_each.graphs(news, [[task for task, _ in part] for part in items])
        rows = [d * size + row for d, part in enumerate(group) for row in range(len(part))]
        curves = [np.concatenate(history[place]) for place in itertools.chain(*group)]
        return _Under(taken, verdicts, graphs, rows, curves)

    def _handed_out(self, under: _Under | None, queue: SeedQueue) -> Iterator[Samples]:
        """Wait for the verdicts on a group and yield its metamers."""
        if under is None:
            return
        meant = np.array(under.rows)
        picked = _picked(jax.device_get((under.taken, under.verdicts)), meant)
        yield _samples(picked[0], under.graphs, under.curves, picked[1])
        for _ in under.rows:
            queue.done()


def _samples(
    lanes: Any, graphs: Sequence[jraph.GraphsTuple], curves: Sequence[np.ndarray], verdicts: Verdict
) -> Samples:
    """Return ended lanes, with a leading axis, as what every method hands back."""
    return Samples(
        np.asarray(lanes.task),
        lanes.seed_id,
        lanes.best_theta,
        graphs,
        lanes.initial_loss,
        lanes.best_loss,
        lanes.penalty,
        lanes.step,
        lanes.status,
        curves,
        verdicts,
    )


def _columns(items: Sequence[Item | None]) -> tuple[np.ndarray, np.ndarray]:
    """Return seed ids, negative where there is no item, and tasks."""
    tasks, seeds = zip(*((0, -1) if item is None else item for item in items), strict=True)
    return np.array(seeds, np.int32), np.array(tasks, np.int32)


def _median(losses: np.ndarray) -> float:
    """Return the median over lanes of the last loss that each reported, NaN where none did."""
    last = [lane[np.isfinite(lane)][-1:] for lane in np.atleast_2d(losses)]
    reported = np.concatenate([*last, np.zeros(0)])
    return float(np.median(reported)) if reported.size else float("nan")


def _picked(tree: _T, index: int | np.ndarray) -> _T:
    """Return entry `index` of the leading axis of every array."""
    return jax.tree.map(lambda array: array[index], tree)
