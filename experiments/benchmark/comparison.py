"""jmetamer and three PyTorch baselines in turn, on the same weights, to the same tolerance."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from machine import seconds_of_others

import jmetamer as jm
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.optimize.program import program_of
from jmetamer.models.architectures import architecture_name

# The method whose seconds the others are divided by.
_OURS = "jmetamer"


class Turn(NamedTuple):
    """What one method did in one round.

    Attributes:
      seconds: wall time.
      losses: L_act of each seed, recomputed from its features.
      steps: steps of each seed.
      features: [n, d] of the first seed, to be judged by another implementation.
    """

    seconds: float
    losses: list[float]
    steps: list[int]
    features: Any


def compare(
    problem: jm.Problem, tolerance: float, counts: Mapping[str, int], rounds: int, lanes: int | None
) -> dict[str, Any]:
    """Return seconds a verified metamer of every method, as JSON-able values.

    Args:
      problem: one layer, all nodes, continuous features.
      tolerance: L_act to be reached.
      counts: method -> number of seeds.
      rounds: how often each method has its turn; medians and minima are over rounds.
      lanes: metamers at once in jmetamer, or None for the library's choice.
    """
    import torch  # the rest of the benchmark runs without it
    import torch_baselines

    model = architecture_name(problem.trained.model)
    rate = torch_baselines.fastest_rate(problem)
    methods: dict[str, tuple[str, Callable[[int], Turn]]] = {
        _OURS: _ours(problem, tolerance, counts[_OURS], lanes),
        "plain": (
            f"PyTorch Geometric, Adam {rate:g} on X",
            lambda count: Turn(*torch_baselines.plain(problem, tolerance, count)),
        ),
        "batched": (
            f"all seeds at once, fused Adam {rate:g} on X",
            lambda count: Turn(*torch_baselines.batched(problem, tolerance, count)),
        ),
        "strongest": (
            "L-BFGS(10), unit steps, on Y = X W",
            lambda count: Turn(*torch_baselines.strongest(problem, tolerance, count)),
        ),
    }
    only_gcn = {} if model == "gcn" else dict.fromkeys(("batched", "strongest"), "written for GCN")
    turns: dict[str, list[Turn]] = {name: [] for name in methods if name not in only_gcn}
    others: dict[str, list[float | None]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, done in turns.items():
            before, start = seconds_of_others(), time.perf_counter()
            done.append(methods[name][1](counts[name]))
            seconds = time.perf_counter() - start
            others[name].append(_share_of_others(before, seconds))
            print(f"{model} {name}: {seconds:.1f} s", file=sys.stderr, flush=True)
    rows = {
        name: _row(done, counts[name], tolerance)
        | {
            "cores_used_by_others": others[name],
            "setting": methods[name][0],
            "loss_in_float64": torch_baselines.verified_in_float64(problem, done[0].features),
        }
        for name, done in turns.items()
    }
    for row in rows.values():
        for which in ("median", "least"):
            own, ours = (r[f"seconds_per_metamer_{which}"] for r in (row, rows[_OURS]))
            row[f"ratio_of_{which}s"] = own / ours if own and ours else None
    return {
        "model": model,
        "layer": problem.layers[0],
        "tolerance": tolerance,
        "rounds": rounds,
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "device": f"jax {jax.default_backend()}, torch {_torch_device()}",
        "methods": rows | {name: {"skipped": reason} for name, reason in only_gcn.items()},
    }


def _share_of_others(before: float | None, seconds: float) -> float | None:
    """Return how many cores other programs kept busy meanwhile."""
    now = seconds_of_others()
    return None if before is None or now is None else max(0.0, now - before) / seconds


def _torch_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _ours(
    problem: jm.Problem, tolerance: float, count: int, lanes: int | None
) -> tuple[str, Callable[[int], Turn]]:
    """Return the default method's words and a call of it, after a first one that compiles."""
    given: dict[str, Any] = {"tolerance": tolerance, "lanes": lanes}
    jm.generate(problem, count=min(count, 1 + (lanes or count)), **given)

    def turn(count: int) -> Turn:
        start = time.perf_counter()
        made = jm.generate(problem, count=count, **given)
        seconds = time.perf_counter() - start
        features = np.asarray(jm.metamer_graph(problem, made, 0).nodes)
        losses, steps = made.loss_hardened.tolist(), made.steps_used.tolist()
        return Turn(seconds, losses, steps, features)

    method: Any = jm.default_method(problem)
    vary = program_of(Task(problem, 0, method, tolerance))[0].vary
    coordinates = getattr(vary, "name", "features")
    return f"{method.optimizer.name}, {coordinates} coordinates", turn


def _row(turns: list[Turn], seeds: int, tolerance: float) -> dict[str, Any]:
    each, shares = [], []
    for turn in turns:
        verified = sum(loss <= tolerance for loss in turn.losses)
        shares.append(verified / seeds)
        each.append(turn.seconds / verified if verified else None)
    known = [seconds for seconds in each if seconds is not None]
    return {
        "seeds": seeds,
        "verified_share": min(shares),
        "steps_median": statistics.median(step for turn in turns for step in turn.steps),
        "seconds": [turn.seconds for turn in turns],
        "seconds_per_metamer": each,
        "seconds_per_metamer_median": statistics.median(known) if known else None,
        "seconds_per_metamer_least": min(known) if known else None,
    }
