"""One long job: thousands of metamers of one reference, from warm start to the last one."""

import math
import time
from typing import Any

import jax
import numpy as np
from entries import Limits, described, peak_resident_bytes, reset_peak, resident_bytes, warm_up
from traffic import bytes_per_step

import jmetamer as jm
from jmetamer.metamers.methods import Execution, Progress, Task
from jmetamer.metamers.methods.optimize.memory import fit
from jmetamer.metamers.status import Status


def run(
    problem: jm.Problem,
    model: str,
    count: int,
    tolerance: float,
    lanes: int | None,
    bandwidth: float,
) -> dict[str, Any]:
    """Return seconds, success and memory of `count` metamers at one tolerance.

    The same program runs once before the clock starts, a chunk of steps in every lane. What is kept
    of a metamer are its numbers; its features exist on the device until they have been judged.

    Args:
      problem: what is to be matched.
      model: name for the report.
      count: number of metamers.
      tolerance: L_act to be reached.
      lanes: metamers at once, or None for the library's choice.
      bandwidth: bytes a second of the machine's memory.
    """
    task = Task(problem, 0, jm.default_method(problem), tolerance)
    lanes = fit([task], count, Execution(lanes=lanes, keep_theta=False))
    start = time.perf_counter()
    warm_up(task, lanes, count, Limits(math.inf))
    warming = time.perf_counter() - start
    reset_peak()
    before, executed = resident_bytes(), 0

    def watch(seen: Progress) -> None:
        nonlocal executed
        executed = max(executed, seen.executed)

    start = time.perf_counter()
    given: dict[str, Any] = {"tolerance": tolerance, "lanes": lanes, "keep_theta": False}
    made = jm.generate(problem, count, progress=watch, **given)
    seconds = time.perf_counter() - start
    verified = int(np.sum(made.status == Status.CONVERGED))
    looks = int(made.steps_used.sum()) + count
    size = bytes_per_step(task)
    memory = jax.devices()[0].memory_stats() or {}
    return {
        "model": model,
        "layer": problem.layers[0],
        "count": count,
        "tolerance": tolerance,
        "seconds": seconds,
        "warming_seconds": warming,
        "steps_median": float(np.median(made.steps_used)),
        "verified": verified,
        "success_share": verified / count,
        "metamers_per_second": verified / seconds,
        "steps_per_second": looks / seconds,
        "useful_step_share": min(1.0, looks / executed) if executed else None,
        "bytes_per_step": size,
        "bandwidth_share": looks / seconds * size / bandwidth,
        "rss_before_bytes": before,
        "peak_rss_bytes": peak_resident_bytes(),
        "peak_device_bytes": memory.get("peak_bytes_in_use"),
        "solver": described(task, lanes),
    }


def sentence(found: dict[str, Any]) -> str:
    """Return one line for people."""
    useful, device = found["useful_step_share"], found["peak_device_bytes"]
    return (
        f"{found['model']} {found['layer']}: {found['verified']:,} of {found['count']:,} metamers "
        f"verified at L_act <= {found['tolerance']:g} in {found['seconds']:.1f} s "
        f"({found['metamers_per_second']:.1f}/s, {found['steps_per_second']:,.0f} steps/s, "
        f"{found['bandwidth_share']:.0%} of the memory bandwidth, "
        f"{f'{useful:.0%}' if useful else '-'} of the steps useful, "
        f"peak {found['peak_rss_bytes'] / 1e9:.2f} GB resident"
        + (f", {device / 1e9:.2f} GB on the device" if device else "")
        + f"; warm-up {found['warming_seconds']:.1f} s before)"
    )
