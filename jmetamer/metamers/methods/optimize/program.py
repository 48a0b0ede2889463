"""From a problem and settings to what the compiled loop takes: its program, and its numbers."""

import jax.numpy as jnp

from jmetamer.metamers.methods.method import USUAL, Execution, Task
from jmetamer.metamers.methods.optimize.coordinates import choose_coordinates
from jmetamer.metamers.methods.optimize.devices import LaneDevices, local_devices
from jmetamer.metamers.methods.optimize.lanes import Limits, Program
from jmetamer.metamers.methods.optimize.optimizers import as_optimizer
from jmetamer.metamers.methods.optimize.settings import LoopSettings
from jmetamer.metamers.problem import Arrays

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


def program_of(task: Task, execution: Execution = USUAL) -> tuple[Program, Arrays]:
    """Return what the loop is compiled for, and the data that it reads.

    Args:
      task: the problem, and a method that is a `LoopSettings`.
      execution: where lanes live, whether they step together, steps between two looks of the host.

    Raises:
      InputError: coordinates that are not exact for the problem.
    """
    method = LoopSettings.of(task.method)
    devices, together = execution.devices or local_devices(), execution.together
    vary, arrays = choose_coordinates(task.problem, method.coordinates)
    program = Program(
        task.problem.matching,
        vary,
        as_optimizer(method.optimizer),
        max(1, min(execution.chunk, method.num_steps + 1)),
        steps_together(devices) if together is None else together,
        devices,
        method.precision,
    )
    return program, arrays


def aim_of(tolerance: float) -> float:
    """Return the loss at which the loop stops, a little below the tolerance.

    Example:
      >>> aim_of(1.0)
      0.98
    """
    return _AIM * tolerance


def limits_of(task: Task) -> Limits:
    """Return the numbers that steer the loop: learning rate, steps and stop rules."""
    method = LoopSettings.of(task.method)
    return Limits(
        jnp.int32(task.seed),
        jnp.float32(as_optimizer(method.optimizer).rate),
        jnp.int32(method.num_steps),
        jnp.float32(aim_of(task.tolerance)),
        jnp.int32(method.patience),
        jnp.float32(method.improvement),
    )
