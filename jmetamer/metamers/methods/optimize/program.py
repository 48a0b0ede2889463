"""From a problem and a solver to what the compiled loop takes: its program, and its numbers."""

from typing import Any

import jax.numpy as jnp

from jmetamer.metamers.methods.optimize.coordinates import choose_coordinates
from jmetamer.metamers.methods.optimize.devices import LaneDevices, local_devices
from jmetamer.metamers.methods.optimize.lanes import Limits, Program
from jmetamer.metamers.methods.optimize.optimizers import as_optimizer
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver

# The loop stops a little below the tolerance, because the rebuilt graph is judged again: rounding
# differs, and entries that tie at the threshold of 0/1 features are settled only then.
_AIM = 0.98


def steps_together(devices: LaneDevices) -> bool:
    """Return whether lanes step together there: everywhere but on a single processor.

    Example:
      >>> import jax
      >>> steps_together(LaneDevices(tuple(jax.devices("cpu")[:1])))
      False
    """
    return devices.count > 1 or devices.platform != "cpu"


def program_of(
    problem: Problem,
    solver: Solver,
    *,
    devices: LaneDevices | None = None,
    together: bool | None = None,
) -> tuple[Program, Any]:
    """Return what the loop is compiled for, and the basis of its coordinates.

    Args:
      problem: what is to be matched.
      solver: optimizer, coordinates, precision, and steps between two looks of the host.
      devices: where lanes live; None takes all devices of this process.
      together: whether lanes step together; None asks the devices.

    Raises:
      InputError: coordinates that are not exact for the problem.
    """
    devices = devices or local_devices()
    coordinates, basis = choose_coordinates(problem, solver.coordinates)
    program = Program(
        problem.matching,
        coordinates,
        as_optimizer(solver.optimizer),
        max(1, min(solver.chunk, solver.steps + 1)),
        steps_together(devices) if together is None else together,
        devices,
        solver.precision,
    )
    return program, basis


def aim_of(solver: Solver) -> float:
    """Return the loss at which the loop stops, a little below the tolerance.

    Example:
      >>> from jmetamer.metamers.methods.optimize.optimizers import Optimizer
      >>> aim_of(Solver(Optimizer("adam", 0.1), tolerance=1.0))
      0.98
    """
    return _AIM * solver.tolerance


def limits_of(solver: Solver, seed: int) -> Limits:
    """Return the numbers that steer the loop.

    Args:
      solver: learning rate, steps and stop rules.
      seed: base seed of the run.

    Example:
      >>> from jmetamer.metamers.methods.optimize.optimizers import Optimizer
      >>> int(limits_of(Solver(Optimizer("adam", 0.1), steps=50), 3).steps)
      50
    """
    return Limits(
        jnp.int32(seed),
        jnp.float32(as_optimizer(solver.optimizer).rate),
        jnp.int32(solver.steps),
        jnp.float32(aim_of(solver)),
        jnp.int32(solver.patience),
        jnp.float32(solver.improvement),
    )
