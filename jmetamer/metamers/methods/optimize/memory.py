"""How much memory lanes need, and how many of them fit.

The model counts what the loop keeps: the state of every lane, once because its buffers are
donated, and the largest set of arrays that live at the same time within one step, read off the
traced program. Nothing is compiled for it.
"""

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmetamer._base.errors import InputError
from jmetamer._base.host_memory import available_host_bytes
from jmetamer._base.live_bytes import live_bytes, tree_bytes
from jmetamer.metamers.check import judged_at_once, traced_check
from jmetamer.metamers.methods.method import USUAL, Execution, Task
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize.by_task import ByTask, joined, of_task, stacked_shape
from jmetamer.metamers.methods.optimize.devices import LaneDevices, local_devices
from jmetamer.metamers.methods.optimize.program import steps_together
from jmetamer.metamers.methods.optimize.tasks import shared_program

# The rest is left to fragmentation, to the compiler's own choices and to other users.
_USABLE_SHARE = 0.75
# More lanes than this keep no accelerator busier, but their results come later.
_MOST_LANES = 4096
# Seeds need step counts ten times apart: lanes that are filled again this often waste few steps.
REFILLS, FEW_LANES = 4, 256
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_REMEDIES = (
    "take a smaller target graph (`ego_graph`, or fewer features), coordinates 'entry' or "
    "'row_space' where they are exact, or an optimizer that keeps less (lane_lbfgs keeps about "
    "10 arrays of the size of theta, adam 4, sgd 2)"
)


class Memory(NamedTuple):
    """Bytes that a call of `generate` needs beside the interpreter and its libraries.

    Attributes:
      shared: graph, parameters and targets; on every device. Of several tasks that share
        lanes, those of each, and once more what differs between them, as lanes read it.
      state: of one lane between two steps.
      step: of one lane within a step.
      check: rebuilding and judging one finished metamer; where lanes step together, also the
        features of three groups of them: one judged, the same one taken apart, one handed out.
      result: of one metamer on the host, until `generate` returns.
      together: whether lanes step together and are judged one after the other, or each on its own.
    """

    shared: int
    state: int
    step: int
    check: int
    result: int
    together: bool

    @property
    def per_lane(self) -> int:
        """Bytes by which another lane raises the need.

        Example:
          >>> Memory(shared=100, state=20, step=10, check=30, result=1, together=False).per_lane
          50
        """
        return self.state + (self.step if self.together else max(self.step, self.check))

    def on_device(self, lanes: int) -> int:
        """Return the bytes that `lanes` lanes of one device need.

        Example:
          >>> memory = Memory(shared=100, state=20, step=10, check=30, result=1, together=True)
          >>> memory.on_device(1), memory.on_device(8)
          (160, 370)
        """
        # Lanes that step together step on while those that have ended are judged.
        return self.shared + lanes * self.per_lane + (self.check if self.together else 0)

    def on_host(self, count: int) -> int:
        """Return the bytes that the results of `count` metamers need.

        Example:
          >>> Memory(shared=100, state=20, step=10, check=30, result=2, together=True).on_host(5)
          10
        """
        return count * self.result


def memory_of(tasks: Sequence[Task], execution: Execution = USUAL, *, lanes: int = 1) -> Memory:
    """Return the memory that solving problems which share lanes needs, on one device.

    Args:
      tasks: at least one.
      execution: whether lanes step together; None asks the default device.
      lanes: number of lanes that the program is traced for; lanes of a processor run alone.

    Raises:
      InputError: tasks that cannot share lanes.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> memory = memory_of([Task(problem, 0, jm.default_method(problem), 1e-4)])
      >>> memory.state > 2 * 34 * 4 * 4  # theta, its best, and what the optimizer remembers
      True
    """
    one_device = dataclasses.replace(execution, devices=LaneDevices())
    program, each = shared_program(tasks, one_device)
    width = lanes if program.together else 1
    data: tuple[object, ...] = each[0]
    shared = len(tasks) * tree_bytes(data[0])
    if len(tasks) > 1 and program.together:
        data = tuple(joined(trees, stacked_shape) for trees in zip(*each, strict=True))
        shared += tree_bytes(data[0])
        # Traced for two, because it is the same for more.
        data = tuple(d.shape_of_two() if isinstance(d, ByTask) else d for d in data)
    shapes, tree = jax.tree.flatten(jax.tree.map(_shape, data))
    memory = _traced(program, width, tuple(shapes), tree)._replace(shared=shared)
    return memory._replace(
        result=memory.result + 4 * (tasks[0].method.longest(tasks[0].problem) + 1)
    )


def _shape(array: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


@functools.lru_cache(maxsize=256)
def _traced(
    program: engine.Program, width: int, shapes: tuple[object, ...], tree: jax.tree_util.PyTreeDef
) -> Memory:
    """Return the memory of a program but for its data; traced once for all data of a shape."""
    data = jax.tree.unflatten(tree, shapes)
    arrays, limits = jax.eval_shape(lambda data: of_task(data, 0), data)
    ids = jax.ShapeDtypeStruct((width,), jnp.int32)
    state = engine.fill.eval_shape(program, ids, *data)
    step = live_bytes(engine.advance.trace(program, state, *data).jaxpr)
    theta = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), state.best_theta)
    # A lane that steps alone keeps the start of its seed until the graph is rebuilt.
    seed = jax.ShapeDtypeStruct((), jnp.int32)
    drawn = () if program.together else engine.draw.eval_shape(program, seed, arrays, limits)
    judging = traced_check(program.matching, program.vary, theta, arrays)
    rebuilt, judged, graph = judging
    groups = 3 * judged_at_once(graph) * tree_bytes(graph.nodes) if program.together else 0
    return Memory(
        shared=0,
        state=-(-tree_bytes(state) // width) + tree_bytes(drawn),
        step=-(-step // width),
        check=max(live_bytes(rebuilt), tree_bytes(graph.nodes) + live_bytes(judged)) + groups,
        result=tree_bytes(theta),
        together=program.together,
    )


def choose_lanes(
    tasks: Sequence[Task],
    count: int,
    execution: Execution = USUAL,
    *,
    num_devices: int = 1,
    available: int | None = None,
    cores: int | None = None,
) -> int:
    """Return how many lanes to run: those asked for, or as many as are useful and fit.

    On a processor a lane runs on a core of its own. On accelerators a lane is filled about four
    times, and the number is a power of two.

    Args:
      tasks: that share the lanes.
      count: number of metamers, of all tasks.
      execution: its `lanes` are a wish; None leaves the choice to this function.
      num_devices: devices over which the lanes are shared equally.
      available: free bytes of one device; None where that is not known, which refuses nothing.
      cores: processor cores; None counts them.

    Raises:
      InputError: the lanes asked for, or even one a device, need more than three quarters of the
        free memory.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> task = Task(problem, 0, jm.default_method(problem), 1e-4)
      >>> choose_lanes([task], 64, Execution(together=False), cores=4)
      4
    """
    together, wish = execution.together, execution.lanes
    if together is None:
        together = steps_together(local_devices())
    useful = _power_of_two(min(_MOST_LANES, max(FEW_LANES, count // REFILLS)))
    wanted = useful if together else (cores or os.cpu_count() or 1)
    if wish is not None:
        wanted = wish if together else min(wish, wanted)
    lanes = max(1, min(wanted, count))
    lanes = -(-lanes // num_devices) * num_devices
    each = lanes // num_devices
    memory = memory_of(tasks, dataclasses.replace(execution, together=together), lanes=each)
    if available is None:
        return lanes
    usable = int(_USABLE_SHARE * available)
    fits = _most_that_fit(memory, usable)
    if fits * num_devices >= lanes:
        return lanes
    if fits == 0 or wish is not None:
        raise InputError(_refusal(memory, lanes, num_devices, available, fits, wish is not None))
    return (_power_of_two(fits) if together else fits) * num_devices


def fit(tasks: Sequence[Task], count: int, execution: Execution = USUAL) -> int:
    """Return the number of lanes that this machine runs.

    Args:
      tasks: that share the lanes.
      count: number of metamers, of all tasks.
      execution: the lanes asked for, and whether coordinates are kept on the host.

    Raises:
      InputError: it does not fit, with the estimate and what to change.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> fit([Task(problem, 0, jm.default_method(problem), 1e-4)], count=1)
      1
    """
    available, host = available_bytes(), available_host_bytes()
    devices = local_devices().count
    lanes = choose_lanes(tasks, count, execution, num_devices=devices, available=available)
    results = count * memory_of(tasks[:1]).result if execution.keep_theta else 0
    if host is not None and results > _USABLE_SHARE * host:
        raise InputError(
            f"`count` is {count:,}: the coordinates of all metamers need about {_text(results)} of "
            f"memory on the host, but {_text(host)} are free, of which {_USABLE_SHARE:.0%} may be "
            "used; make fewer at a time with `seeds`, or use `keep_theta=False` and take the "
            "graphs from `on_metamer`"
        )
    return lanes


def require_memory(needed: int, what: str, remedy: str) -> None:
    """Raise where so many bytes do not fit into three quarters of the default device's free memory.

    Args:
      needed: bytes.
      what: what needs them, the beginning of a sentence; the word "need" follows.
      remedy: what to do about it.

    Raises:
      InputError: they do not fit.

    Example:
      >>> require_memory(10, "two metamers", "make one")
    """
    available = available_bytes()
    if available is not None and needed > _USABLE_SHARE * available:
        raise InputError(
            f"{what} need about {_text(needed)}, but {_text(available)} are free, of which "
            f"{_USABLE_SHARE:.0%} may be used; {remedy}"
        )


def available_bytes() -> int | None:
    """Return the free bytes of the default device, or None where nothing says.

    Of a processor this is the memory that the operating system, and the control group that the
    process is confined to, can still give.

    Example:
      >>> available_bytes() is None or available_bytes() > 0
      True
    """
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return available_host_bytes()
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return None
    return max(0, int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0)))


def _power_of_two(number: int) -> int:
    """Return the largest power of two that is not above a positive number."""
    return 1 << (number.bit_length() - 1)


def _most_that_fit(memory: Memory, usable: int) -> int:
    if memory.on_device(1) > usable:
        return 0
    return 1 + (usable - memory.on_device(1)) // memory.per_lane


def _refusal(
    memory: Memory, lanes: int, num_devices: int, available: int, fits: int, wished: bool
) -> str:
    each = lanes // num_devices
    where = f" on each of {num_devices} devices" if num_devices > 1 else ""
    what = f"`lanes` is {lanes:,}" if wished else "not even one lane fits"
    each = each if wished else 1
    need = (
        f"{each:,} lane{'s' * (each != 1)}{where} need{'s' * (each == 1)} about "
        f"{_text(memory.on_device(each))} ({_text(memory.shared)} for the graph and "
        f"{_text(memory.per_lane)} a lane), but {_text(available)} are free, of which "
        f"{_USABLE_SHARE:.0%} may be used"
    )
    if not fits:
        return f"{what}: {need}; {_REMEDIES}"
    most = fits * num_devices
    return f"{what}: {need}; set `lanes` to {most:,} or fewer, or leave it out; or {_REMEDIES}"


def _text(num_bytes: int) -> str:
    unit, name = next(pair for pair in _UNITS if num_bytes >= pair[0] or pair[0] == 1e3)
    return f"{num_bytes / unit:,.1f} {name}"
