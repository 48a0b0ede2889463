"""Independent lanes: the compiled part of synthesis.

A lane optimizes one metamer. Lanes share the program and, as far as their tasks do, the data; one
that has ended stands still until the host gives it the next seed of any task, without compiling
anything again. Wherever `arrays` and `limits` are asked for, each may be a tree that all tasks
share or a `ByTask`.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.precision import loop_precision
from jmetamer._base.undefined import UNDEFINED
from jmetamer.graphs.message_passing import edge_by_edge
from jmetamer.metamers.matching_loss import matching_loss
from jmetamer.metamers.methods.optimize.by_task import ByTask, of_task, own_leaves, with_own
from jmetamer.metamers.methods.optimize.devices import LaneDevices
from jmetamer.metamers.methods.optimize.optimizers import AnyOptimizer
from jmetamer.metamers.problem import Arrays, Matching
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary import Vary
from jmetamer.metamers.vary.protocol import Theta


class Program(NamedTuple):
    """What the compiled functions are specialized to; hashable, compared by value.

    Attributes:
      matching: static half of the problem.
      vary: the part that the loop moves: that of the problem, or a wrapper of it.
      optimizer: builds the transformation.
      chunk: steps between two looks of the host.
      together: step all lanes at once, or one lane after the other.
      devices: where the lanes live.
      precision: of matrix products, one of `PRECISIONS`.
    """

    matching: Matching
    vary: Vary
    optimizer: AnyOptimizer
    chunk: int
    together: bool
    devices: LaneDevices = LaneDevices()
    precision: str = "default"


class Limits(NamedTuple):
    """Numbers that steer the loop; data, so changing them compiles nothing.

    Attributes:
      base_seed: [] int32 seed of the run.
      rate: [] learning rate.
      steps: [] int32 largest number of steps.
      tolerance: [] L_act at which a lane is done.
      patience: [] int32 steps without improvement after which a lane has stalled.
      improvement: [] relative decrease that counts as improvement.
    """

    base_seed: jax.Array
    rate: jax.Array
    steps: jax.Array
    tolerance: jax.Array
    patience: jax.Array
    improvement: jax.Array


_T = TypeVar("_T")
SharedArrays = Arrays | ByTask
SharedLimits = Limits | ByTask


class Lane(NamedTuple):
    """State of one metamer under way; with a leading axis, of all lanes.

    Attributes:
      seed_id: [] int32.
      theta, optimizer_state: where the optimizer stands.
      constants: fields of the reference that `decode` reads and this seed has of its own.
      best_theta: the iterate with the smallest loss of a hard graph so far.
      initial_loss, best_loss: [] L_act at the start and at `best_theta`.
      penalty: [] penalty at `best_theta`.
      mark_loss, mark_step: [] loss and step of the last improvement that counted.
      step: [] int32 steps taken.
      status: [] int32 `Status`.
      task: [] int32 whose data the lane reads.
    """

    seed_id: jax.Array
    theta: Theta
    constants: Any
    optimizer_state: optax.OptState
    best_theta: Theta
    initial_loss: jax.Array
    best_loss: jax.Array
    penalty: jax.Array
    mark_loss: jax.Array
    mark_step: jax.Array
    step: jax.Array
    status: jax.Array
    task: jax.Array | int = 0


def _objective(
    theta: Theta, constants: Mapping[str, jax.Array], program: Program, arrays: Arrays
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Return the number to minimize, and (largest L_act of the matched layers, penalty)."""
    matching, vary, graph = program.matching, program.vary, arrays.graph
    options: dict[str, Any] = {"identity_backward": matching.identity_backward}
    decoded = vary.decode(theta, graph._replace(**constants))
    if vary.by_entry:
        decoded, options["entry"] = graph, decoded.nodes
    with edge_by_edge(decoded.edges.weight is not graph.edges.weight):
        activations = matching.model.activations(arrays.params, decoded, **options)
    objective, match = matching_loss(activations, matching, arrays)
    penalty = vary.penalty(theta, graph)
    return objective + penalty, (match, penalty)


def _at_precision(function: Callable[..., _T]) -> Callable[..., _T]:
    """Trace a function of (its own argument, program, data) at the program's precision."""

    @functools.wraps(function)
    def traced(first: object, program: Program, *data: object) -> _T:
        with loop_precision(program.precision):
            return function(first, program, *data)

    return traced


@_at_precision
def take_step(
    lane: Lane, program: Program, arrays: Arrays, limits: Limits
) -> tuple[Lane, jax.Array]:
    """Look at the current iterate, decide whether the lane goes on, and take one step."""
    (value, (match, penalty)), gradient = jax.value_and_grad(_objective, has_aux=True)(
        lane.theta, lane.constants, program, arrays
    )
    running = lane.status == Status.RUNNING
    finite = jnp.isfinite(value) & jnp.isfinite(optax.tree.norm(gradient))
    better = running & finite & (match < lane.best_loss)
    best_loss = jnp.where(better, match, lane.best_loss)
    counts = best_loss < (1 - limits.improvement) * lane.mark_loss
    mark_step = jnp.where(counts, lane.step, lane.mark_step)
    stalled = lane.step - mark_step >= limits.patience
    conditions = [~finite, match <= limits.tolerance, lane.step >= limits.steps, stalled]
    ends = [Status.NON_FINITE, Status.CONVERGED, Status.STEPS_EXHAUSTED, Status.STALLED]
    outcome = jnp.select(conditions, ends, Status.RUNNING)
    status = jnp.where(running, outcome, lane.status).astype(jnp.int32)
    going = status == Status.RUNNING
    # A lane that has ended may drift: only `best_theta` is read again, and it is frozen.
    theta, optimizer_state = _descended(lane, value, gradient, program, arrays, limits)
    moved = Lane(
        lane.seed_id,
        theta,
        lane.constants,
        optimizer_state,
        jax.tree.map(lambda new, old: jnp.where(better, new, old), lane.theta, lane.best_theta),
        jnp.where(running & (lane.step == 0), match, lane.initial_loss),
        best_loss,
        jnp.where(better, penalty, lane.penalty),
        jnp.where(counts, best_loss, lane.mark_loss),
        mark_step,
        lane.step + going,
        status,
        lane.task,
    )
    return moved, jnp.where(running, match, UNDEFINED)


def _descended(
    lane: Lane, value: jax.Array, gradient: Theta, program: Program, arrays: Arrays, limits: Limits
) -> tuple[Theta, optax.OptState]:
    """Return legal coordinates, and the state, after one step of the optimizer."""

    def project(theta: Theta) -> Theta:
        return program.vary.project(theta, arrays.graph)

    bounded = _bounded(program)
    optimizer = program.optimizer.build(limits.rate, limits.steps, bounded=bounded)
    updates, state = optimizer.update(
        gradient,
        lane.optimizer_state,
        lane.theta,
        value=value,
        grad=gradient,
        **({"project": project} if bounded else {}),
        value_fn=lambda theta: _objective(theta, lane.constants, program, arrays)[0],
    )
    return project(optax.apply_updates(lane.theta, updates)), state


def _bounded(program: Program) -> bool:
    """Return whether the optimizer must be told of a projection."""
    return program.optimizer.projects and not program.vary.is_free


def _start(
    seed_id: jax.Array,
    task: jax.Array,
    program: Program,
    arrays: SharedArrays,
    limits: SharedLimits,
) -> Lane:
    """Return a lane at the first step of one seed of one task."""
    own = of_task((arrays, limits), task)
    drawn = program.matching.vary.draw(own[1].base_seed, jnp.maximum(seed_id, 0), own[0].graph)
    return _begin(drawn, program, seed_id, *own)._replace(task=task)


@_at_precision
def _begin(
    drawn: Theta, program: Program, seed_id: jax.Array, arrays: Arrays, limits: Limits
) -> Lane:
    theta, _, decoded_from = program.vary.begin(drawn, arrays.graph)
    constants = {} if decoded_from is arrays.graph else {"nodes": decoded_from.nodes}
    optimizer = program.optimizer.build(limits.rate, limits.steps, bounded=_bounded(program))
    infinity, zero = jnp.float32(jnp.inf), jnp.int32(0)
    status = jnp.where(seed_id < 0, Status.STEPS_EXHAUSTED, Status.RUNNING).astype(jnp.int32)
    return Lane(
        seed_id,
        theta,
        constants,
        optimizer.init(theta),
        jax.tree.map(jnp.copy, theta),
        jnp.float32(UNDEFINED),
        infinity,
        jnp.float32(0),
        infinity,
        zero,
        zero,
        status,
        zero,
    )


@compile_function(static=1)
def fill(
    program: Program,
    seed_ids: jax.Array,
    arrays: SharedArrays,
    limits: SharedLimits,
    tasks: jax.Array | None = None,
) -> Lane:
    """Return fresh lanes; those of negative seeds have ended already.

    Args:
      program: what to run.
      seed_ids: [l] int32.
      arrays, limits: of the tasks.
      tasks: [l] int32 whose seeds they are; None for the first task's.
    """
    tasks = jnp.zeros_like(seed_ids) if tasks is None else tasks

    def start(
        divided: tuple[jax.Array, jax.Array], whole: tuple[SharedArrays, SharedLimits]
    ) -> Lane:
        return jax.lax.map(lambda one: _start(one[0], one[1], program, *whole), divided)

    return program.devices.each(start)((seed_ids, tasks), (arrays, limits))


@compile_function(static=1)
def draw(program: Program, seed_id: jax.Array, arrays: Arrays, limits: Limits) -> Any:
    """Return the parameterization's start of one seed."""
    return program.matching.vary.draw(limits.base_seed, seed_id, arrays.graph)


@compile_function(static=1)
def begin(
    program: Program, drawn: Theta, seed_id: jax.Array, arrays: Arrays, limits: Limits
) -> Lane:
    """Return one fresh lane (leading axis 1) from a start that is at hand."""
    lane = _begin(drawn, program, seed_id, arrays, limits)
    return jax.tree.map(lambda array: array[None], lane)


@compile_function(static=1, donate=(1,))
def refill(
    program: Program,
    lanes: Lane,
    places: jax.Array,
    seed_ids: jax.Array,
    arrays: SharedArrays,
    limits: SharedLimits,
    tasks: jax.Array | None = None,
) -> Lane:
    """Return the lanes with up to g of every device started anew.

    Args:
      program: what to run.
      lanes: all lanes; given away.
      places: [devices * g] int32 places of lanes among those of their device; the first one that
        is out of range ends a device's list.
      seed_ids: [devices * g] int32 seeds to start there.
      arrays, limits: of the tasks.
      tasks: [devices * g] int32 whose seeds they are; None for the first task's.
    """
    tasks = jnp.zeros_like(seed_ids) if tasks is None else tasks

    def start(
        divided: tuple[Lane, jax.Array, jax.Array, jax.Array],
        whole: tuple[SharedArrays, SharedLimits],
    ) -> Lane:
        lanes, places, seed_ids, tasks = divided

        def one(index: jax.Array, lanes: Lane) -> Lane:
            fresh = _start(seed_ids[index], tasks[index], program, *whole)
            place = places[index]
            return jax.tree.map(lambda all_, new: all_.at[place].set(new), lanes, fresh)

        inside = jnp.sum(places < lanes.status.shape[0])
        return jax.lax.fori_loop(0, inside, one, lanes)

    divided = lanes, places, seed_ids, tasks
    return program.devices.each(start)(divided, (arrays, limits))


@compile_function(static=1, donate=(1,))
def advance(
    program: Program, lanes: Lane, arrays: SharedArrays, limits: SharedLimits
) -> tuple[Lane, jax.Array]:
    """Take `program.chunk` steps in every lane that is not at its end.

    Returns:
      The lanes, and L_act before every step [l, chunk] (`UNDEFINED` in lanes that had ended).
    """

    def chunk(lanes: Lane, whole: tuple[SharedArrays, SharedLimits]) -> tuple[Lane, jax.Array]:
        if program.together:
            return _advance_together(program, lanes, *whole)
        return jax.lax.map(
            lambda lane: _advance_alone(program, lane, *of_task(whole, lane.task)), lanes
        )

    return program.devices.each(chunk)(lanes, (arrays, limits))


def _advance_together(
    program: Program, lanes: Lane, arrays: SharedArrays, limits: SharedLimits
) -> tuple[Lane, jax.Array]:
    """Step all lanes at once: what accelerators are made for."""
    whole = arrays, limits
    own = own_leaves(whole, lanes.task)  # once a chunk, not in every step
    one = jax.vmap(lambda lane, own: take_step(lane, program, *with_own(whole, own)))
    own_edges = isinstance(arrays, ByTask) and any(jax.tree.leaves(arrays.marks.graph[1:4]))

    def body(state: Lane, _: None) -> tuple[Lane, jax.Array]:
        with edge_by_edge(own_edges):
            return one(state, own)

    lanes, losses = jax.lax.scan(body, lanes, None, length=program.chunk)
    return lanes, losses.T


def _advance_alone(
    program: Program, lane: Lane, arrays: Arrays, limits: Limits
) -> tuple[Lane, jax.Array]:
    """Step one lane to its end or to the end of the chunk.

    A processor with few cores gains nothing from a batch, and XLA's batched scatter costs it four
    times the plain one; alone, the state of a lane stays in its cache and no step is wasted.
    """

    def unfinished(carry: tuple[jax.Array, Lane, jax.Array]) -> jax.Array:
        return (carry[0] < program.chunk) & (carry[1].status == Status.RUNNING)

    def body(carry: tuple[jax.Array, Lane, jax.Array]) -> tuple[jax.Array, Lane, jax.Array]:
        index, state, losses = carry
        state, loss = take_step(state, program, arrays, limits)
        return index + 1, state, losses.at[index].set(loss)

    empty = jnp.full(program.chunk, UNDEFINED)
    _, lane, losses = jax.lax.while_loop(unfinished, body, (jnp.int32(0), lane, empty))
    return lane, losses


@compile_function(static=1)
def take(program: Program, lanes: Lane, places: jax.Array) -> Lane:
    """Return what the host reads of up to g lanes of every device, [devices * g] of each.

    Args:
      program: what runs.
      lanes: all lanes.
      places: [devices * g] int32 places of the lanes among those of their device; what comes of
        one that is out of range means nothing.
    """
    unread = lanes._replace(theta=(), constants=(), optimizer_state=())

    def pick(divided: tuple[Lane, jax.Array], _: object) -> Lane:
        lanes, places = divided
        return jax.tree.map(lambda array: array[places], lanes)

    return program.devices.each(pick)((unread, places), ())
