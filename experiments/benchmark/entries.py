"""One line of the benchmark: a network, a layer, what varies and a number of seeds."""

import dataclasses
import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from traffic import bytes_per_step

import jmetamer as jm
from jmetamer.metamers.methods import Execution, Progress, Task
from jmetamer.metamers.methods.method import USUAL
from jmetamer.metamers.methods.optimize.memory import fit
from jmetamer.metamers.methods.optimize.program import program_of
from jmetamer.metamers.status import Status

VARIED: dict[str, Callable[[], Any]] = {
    "continuous": jm.ContinuousFeatures,
    "binary": jm.BinaryFeatures,
}
# Entries shorter than this are timed up to three times, and the fastest counts.
_WORTH_REPEATING = 2.0
# Compiling may take so many times the budget of a tolerance.
_COMPILE_BUDGETS = 10


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is measured.

    Attributes:
      model: key of `jm.MODELS`.
      layer: name of the layer that is matched.
      vary: key of `VARIED`.
      seeds: number of metamers.
    """

    model: str
    layer: str
    vary: str
    seeds: int

    @property
    def title(self) -> str:
        """Words for a line of progress."""
        return f"{self.model} {self.layer} {self.vary} {self.seeds:,} seeds"


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an entry may cost.

    Attributes:
      seconds: budget of one tolerance of one entry.
      lanes: metamers at once, or None for the library's choice.
    """

    seconds: float
    lanes: int | None = None


class OutOfTimeError(Exception):
    """The budget of an entry is spent."""


def tolerances_of(vary: str) -> tuple[float, ...]:
    """Return the tolerances that are measured, largest first.

    With 0/1 features L_act ends between 1e-3 and 1e-2: they cannot approach a target as closely as
    real ones.
    """
    return (1e-2,) if vary == "binary" else (1e-2, 1e-4, 1e-6)


def measure(
    entry: Entry,
    trained: jm.TrainedModel,
    graph: Any,
    limits: Limits,
    bandwidth: float,
    expected: dict[float, float],
) -> dict[str, Any]:
    """Return everything that is reported about one entry, as JSON-able values.

    Args:
      entry: what is measured.
      trained: the network.
      graph: the reference.
      limits: budget and lanes.
      bandwidth: bytes a second of the machine's memory.
      expected: tolerance -> seconds that this entry should take, as far as smaller ones tell.
    """
    found = _blank(entry)
    try:
        problem = jm.Problem(trained, graph, layer=entry.layer, vary=VARIED[entry.vary]())
        _ = problem.arrays
    except jm.InputError as error:
        return _skipped(found, str(error))
    try:
        task = Task(problem, 0, jm.default_method(problem), problem.tolerance)
        lanes = fit([task], entry.seeds, Execution(lanes=limits.lanes, keep_theta=False))
    except jm.InputError as error:
        return _skipped(found, str(error))
    found |= {"solver": described(task, lanes), "bytes_per_step": bytes_per_step(task)}
    tolerances = tolerances_of(entry.vary)
    too_long = _too_long(expected.get(tolerances[0]), limits)
    if too_long:
        return _skipped(found, too_long)
    reset_peak()
    found["rss_before_bytes"] = resident_bytes()
    try:
        found["compile_seconds"] = _compile(task, lanes, entry.seeds, limits)
    except OutOfTimeError as error:
        return _skipped(found, f"compiling and a first chunk of steps: {error}")
    for tolerance in tolerances:
        reason = _too_long(expected.get(tolerance), limits)
        aimed = task._replace(tolerance=tolerance)
        point = {"reason": reason} if reason else _timed(aimed, lanes, entry, limits)
        found["tolerances"][f"{tolerance:g}"] = point
        if "seconds" not in point:
            break  # a smaller tolerance takes longer still
    for tolerance in tolerances[len(found["tolerances"]) :]:
        found["tolerances"][f"{tolerance:g}"] = {"reason": "a larger tolerance took too long"}
    return _summarized(found, bandwidth)


# Numbers of an entry; one that is None has its reason in `reasons`.
_NUMBERS = (
    "compile_seconds",
    "steps_per_second",
    "metamers_per_second",
    "useful_step_share",
    "bytes_per_step",
    "bandwidth_share",
    "peak_rss_bytes",
    "rss_before_bytes",
    "peak_device_bytes",
)


def described(task: Task, lanes: int) -> dict[str, Any]:
    """Return how metamers are found, as JSON-able values.

    Args:
      task: whose method is told.
      lanes: metamers at once.
    """
    settings = dataclasses.asdict(task.method)  # type: ignore[call-overload]
    return {"method": task.method.name, "lanes": lanes, **settings}


def not_measured(entry: Entry, reason: str) -> dict[str, Any]:
    """Return the report of an entry that was not begun.

    Args:
      entry: what would have been measured.
      reason: why it was not.
    """
    return _skipped(_blank(entry), reason)


def _blank(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = dataclasses.asdict(entry) | dict.fromkeys(_NUMBERS)
    return found | {"reasons": {}, "tolerances": {}}


def _skipped(found: dict[str, Any], reason: str) -> dict[str, Any]:
    found["skipped"] = reason
    found["reasons"] = {name: reason for name in _NUMBERS if found[name] is None}
    return found


def _too_long(seconds: float | None, limits: Limits) -> str | None:
    if seconds is None or seconds <= limits.seconds:
        return None
    if math.isinf(seconds):
        return f"fewer seeds went over the budget of {limits.seconds:g} s"
    return f"about {seconds:.0f} s expected from fewer seeds, budget {limits.seconds:g} s"


def _compile(task: Task, lanes: int, seeds: int, limits: Limits) -> float:
    """Return the seconds that a first call takes beyond a second one of the same few steps."""
    start = time.perf_counter()
    warm_up(task, lanes, seeds, limits)
    middle = time.perf_counter()
    warm_up(task, lanes, seeds, limits)
    return max(0.0, 2 * middle - start - time.perf_counter())


def warm_up(task: Task, lanes: int, seeds: int, limits: Limits) -> None:
    """Compile everything that a call for `seeds` metamers uses, by a call of a few steps.

    As many seeds as lanes and one more run, so that taking the next seed is compiled too.

    Args:
      task: as in the call that will be timed; its tolerance and steps are data, not program.
      lanes: metamers at once.
      seeds: number of metamers of that call.
      limits: budget.
    """
    count = min(seeds, 1 + lanes)
    if jax.default_backend() == "cpu":
        count = min(count, 2)  # lanes run alone: one program whatever their number
    patient = dataclasses.replace(limits, seconds=_COMPILE_BUDGETS * limits.seconds)
    few: Any = dataclasses.replace(task.method, steps=USUAL.chunk)  # type: ignore[type-var]
    _call(task._replace(method=few, tolerance=1e-2), lanes, count, patient)


def _call(task: Task, lanes: int, count: int, limits: Limits) -> tuple[jm.Metamers, float, int]:
    """Return the metamers of one call, its seconds and the steps its lanes executed."""
    start, executed = time.perf_counter(), 0

    def watch(seen: Progress) -> None:
        nonlocal executed
        executed = max(executed, seen.executed)
        seconds = time.perf_counter() - start
        if seconds > limits.seconds and seen.done < seen.total:
            raise OutOfTimeError(
                f"stopped after {seconds:.0f} s with {seen.done:,} of {seen.total:,} metamers "
                f"done, budget {limits.seconds:g} s"
            )

    metamers = jm.generate(
        task.problem,
        count,
        method=task.method,
        tolerance=task.tolerance,
        lanes=lanes,
        keep_theta=False,
        progress=watch,
    )
    return metamers, time.perf_counter() - start, executed


def _timed(task: Task, lanes: int, entry: Entry, limits: Limits) -> dict[str, Any]:
    """Return seconds and success at one tolerance; a metamer counts when its rebuilt graph does."""
    every: list[float] = []
    try:
        while len(every) < 3 and sum(every) < min(_WORTH_REPEATING, limits.seconds):
            metamers, seconds, executed = _call(task, lanes, entry.seeds, limits)
            every.append(seconds)
    except OutOfTimeError as error:
        if not every:
            return {"reason": str(error)}
    verified = int(np.sum(metamers.status == Status.CONVERGED))
    fastest = min(every)
    codes, numbers = np.unique(metamers.status, return_counts=True)
    return {
        "seconds": fastest,
        "seconds_each_time": every,
        "verified": verified,
        "success_share": verified / entry.seeds,
        "seconds_per_metamer": fastest / verified if verified else None,
        "metamers_per_second": verified / fastest,
        "statuses": {Status(c).name: int(k) for c, k in zip(codes, numbers, strict=True)},
        "steps_median": float(np.median(metamers.steps_used)),
        "steps_total": int(metamers.steps_used.sum()),
        # The look that finds the loss small enough is a step like the others.
        "steps_useful": int(metamers.steps_used.sum()) + entry.seeds,
        "steps_executed": executed,
        "steps_per_second": int(metamers.steps_used.sum()) / fastest,
        "loss_median": _finite(np.median(metamers.loss_hardened)),
        "coordinates": getattr(program_of(task)[0].vary, "name", "features"),
    }


def _summarized(found: dict[str, Any], bandwidth: float) -> dict[str, Any]:
    reasons = found["reasons"]
    headline = "0.01" if found["vary"] == "binary" else "0.0001"
    point = found["tolerances"].get(headline, {})
    reasons["headline"] = f"steps and metamers a second are those at tolerance {headline}"
    if "seconds" in point:
        found |= {name: point[name] for name in ("steps_per_second", "metamers_per_second")}
        found["useful_step_share"] = min(1.0, point["steps_useful"] / point["steps_executed"])
        looks = point["steps_useful"] / point["seconds"]
        found["bandwidth_share"] = looks * found["bytes_per_step"] / bandwidth
    else:
        missing = point.get("reason", "not measured")
        names = ("steps_per_second", "metamers_per_second", "useful_step_share", "bandwidth_share")
        reasons |= dict.fromkeys(names, missing)
    found["peak_rss_bytes"] = peak_resident_bytes()
    memory = jax.devices()[0].memory_stats()
    if memory and "peak_bytes_in_use" in memory:
        found["peak_device_bytes"] = int(memory["peak_bytes_in_use"])
    else:
        reasons["peak_device_bytes"] = "this device keeps no statistics; see `peak_rss_bytes`"
    return found


def expected_seconds(smaller: Sequence[dict[str, Any]], seeds: int) -> dict[float, float]:
    """Return tolerance -> seconds, in proportion to the largest entry measured before.

    Nothing is expected of accelerators, whose lanes are nearly free until the device is full.

    Args:
      smaller: entries that differ in the number of seeds only.
      seeds: number of seeds of the next one.
    """
    if jax.default_backend() != "cpu" or not smaller:
        return {}
    last = smaller[-1]
    if "skipped" in last:
        return {}
    ratio = seeds / last["seeds"]
    if last["seeds"] == 1:
        ratio /= 2  # one seed keeps one core busy, two at least there are
    points = last["tolerances"].items()
    return {float(name): point.get("seconds", math.inf) * ratio for name, point in points}


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def reset_peak() -> None:
    """Let the peak of the resident memory start anew, where the system allows it (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_resident_bytes() -> int:
    """Return the largest resident memory since `reset_peak`, else of the process's life."""
    found = _proc_status("VmHWM")
    if found is not None:
        return found
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resident_bytes() -> int | None:
    """Return the resident memory, None where the system does not say."""
    return _proc_status("VmRSS")


def _proc_status(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), None)
