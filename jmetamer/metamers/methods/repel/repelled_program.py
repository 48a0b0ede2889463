"""The compiled part of metamers that repel each other: one step of a whole group."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jraph

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.undefined import UNDEFINED
from jmetamer.metamers.methods.method import Execution, Task
from jmetamer.metamers.methods.optimize.devices import LaneDevices
from jmetamer.metamers.methods.optimize.lanes import Lane, Limits, Program, take_step
from jmetamer.metamers.methods.optimize.program import program_of
from jmetamer.metamers.methods.repel.repulsion import repulsion
from jmetamer.metamers.problem import Arrays
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary import Theta, Vary

# While metamers push each other, none is given up.
_NEVER = 2**31 - 1


@jax.custom_vjp
def _pushed(features: jax.Array, push: jax.Array) -> jax.Array:
    """Return the features; backward, the push is added to their gradient."""
    return features


def _forward(features: jax.Array, push: jax.Array) -> tuple[jax.Array, jax.Array]:
    return features, push


def _backward(push: jax.Array, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    return gradient + push, jnp.zeros_like(push)


_pushed.defvjp(_forward, _backward)


@dataclasses.dataclass(frozen=True)
class Pushed(Vary):
    """A part with its own theta; `globals` of a reference are a gradient of features, [n, d].

    By the chain rule, the gradient by theta of the matching loss is then that of loss and
    repulsion together, also through a straight-through estimator.
    """

    inner: Vary
    part: ClassVar[str] = "features"
    kind: ClassVar[str] = "continuous"

    @property
    def is_free(self) -> bool:
        """Whether the part is."""
        return self.inner.is_free

    def init(self, key: jax.Array, reference: jraph.GraphsTuple) -> Theta:
        """Return the part's start."""
        return self.inner.init(key, reference)

    def encode(self, reference: jraph.GraphsTuple) -> Theta:
        """Return the part's theta."""
        return self.inner.encode(reference)

    def decode(self, theta: Theta, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the decoded graph, whose features push theta backward."""
        graph = self.inner.decode(theta, reference)
        return graph._replace(nodes=_pushed(graph.nodes, reference.globals))

    def project(self, theta: Theta, reference: jraph.GraphsTuple) -> Theta:
        """Return the part's projection."""
        return self.inner.project(theta, reference)

    def harden(self, theta: Theta, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the part's hard graph."""
        return self.inner.harden(theta, reference)

    def penalty(self, theta: Theta, reference: jraph.GraphsTuple) -> jax.Array:
        """Return the part's penalty."""
        return self.inner.penalty(theta, reference)


class Pressure(NamedTuple):
    """How strongly and how long metamers push each other.

    Attributes:
      weight: [] of the repulsion beside the matching loss.
      until: [] int32 step at which it is switched off.
    """

    weight: jax.Array
    until: jax.Array


def last_push(steps: int) -> int:
    """Return at which step the repulsion is switched off: at two thirds of the steps.

    Example:
      >>> last_push(300), last_push(1)
      (200, 1)
    """
    return -(-2 * steps // 3)


def program_of_group(task: Task, chunk: int) -> Program:
    """Return the program of a group: on one device, because each step looks at all seeds.

    Args:
      task: its method is the `Optimize` of a group, in coordinates of the features.
      chunk: steps between two looks of the host.
    """
    program, _ = program_of(task, Execution(chunk=chunk, devices=LaneDevices(), together=False))
    return program._replace(vary=Pushed(program.vary))


def pressure_of(weight: float, steps: int) -> Pressure:
    """Return how strongly and how long the metamers of a group push each other.

    Args:
      weight: of the repulsion.
      steps: largest number of steps.

    Example:
      >>> float(pressure_of(0.5, 30).weight), int(pressure_of(0.5, 30).until)
      (0.5, 20)
    """
    return Pressure(jnp.float32(weight), jnp.int32(last_push(steps)))


@compile_function(static=1, donate=(1,))
def advance(
    program: Program, lanes: Lane, arrays: Arrays, limits: Limits, pressure: Pressure
) -> tuple[Lane, jax.Array]:
    """Take `program.chunk` steps of a whole group, or fewer if all have ended.

    Args:
      program: from `program_of_group`.
      lanes: all seeds of the group; given away.
      arrays: of the problem.
      limits: tolerance, steps and stop rules; only the steps count while metamers push each other.
      pressure: from `pressure_of`.

    Returns:
      The lanes, and L_act before every step [b, chunk], `UNDEFINED` in those that had ended.
    """

    def unfinished(carry: tuple[jax.Array, Lane, jax.Array]) -> jax.Array:
        return (carry[0] < program.chunk) & jnp.any(carry[1].status == Status.RUNNING)

    def body(carry: tuple[jax.Array, Lane, jax.Array]) -> tuple[jax.Array, Lane, jax.Array]:
        index, state, curves = carry
        state, losses = _step_of_all(program, state, arrays, limits, pressure)
        return index + 1, state, curves.at[:, index].set(losses)

    empty = jnp.full((lanes.status.shape[0], program.chunk), UNDEFINED)
    _, lanes, curves = jax.lax.while_loop(unfinished, body, (jnp.int32(0), lanes, empty))
    return lanes, curves


def _step_of_all(
    program: Program, lanes: Lane, arrays: Arrays, limits: Limits, pressure: Pressure
) -> tuple[Lane, jax.Array]:
    """Take one step of every seed: one after the other, so that only one's activations are kept."""
    pushing = jnp.max(lanes.step) < pressure.until  # all that run have taken as many steps
    before = jnp.where(pushing, 0, pressure.until)
    limits = limits._replace(
        steps=jnp.where(pushing, pressure.until, limits.steps - pressure.until),
        tolerance=jnp.where(pushing, -1, limits.tolerance),
        patience=jnp.where(pushing, _NEVER, limits.patience),
    )
    shape = jax.eval_shape(lambda: _features(program, lanes, arrays))
    pushes = jax.lax.cond(
        pushing,
        lambda: pressure.weight * _pushes(program, lanes, arrays),
        lambda: jnp.zeros(shape.shape, shape.dtype),
    )

    def stepped(lane: Lane, push: jax.Array) -> tuple[Lane, jax.Array]:
        lane = _begun_anew(program, lane, limits, lane.step == pressure.until)
        # Steps are counted from the beginning of a part: its schedule ends with it.
        inside = lane._replace(constants={"globals": push}, step=lane.step - before)
        moved, loss = take_step(inside, program, arrays, limits)
        start = jnp.where(pushing, moved.initial_loss, lane.initial_loss)
        return moved._replace(constants={}, step=moved.step + before, initial_loss=start), loss

    def one(place: jax.Array, carry: tuple[Lane, jax.Array]) -> tuple[Lane, jax.Array]:
        lane = jax.tree.map(lambda array: array[place], carry[0])
        running = lane.status == Status.RUNNING
        nothing = jnp.float32(UNDEFINED)
        ended = jax.lax.cond(running, stepped, lambda lane, _: (lane, nothing), lane, pushes[place])
        # Where they stand: a second copy of the whole group would be the largest array of all.
        return jax.tree.map(lambda all_, new: all_.at[place].set(new), carry, ended)

    losses = jnp.full(lanes.status.shape, UNDEFINED)
    moved: tuple[Lane, jax.Array]
    moved = jax.lax.fori_loop(0, lanes.status.shape[0], one, (lanes, losses))
    return moved


def _begun_anew(program: Program, lane: Lane, limits: Limits, now: jax.Array) -> Lane:
    """Return a lane that was pushed as one that starts where it stands, with nothing remembered.

    What an optimizer has learned of gradients with the repulsion would mislead it without.
    """
    infinity, zero = jnp.float32(jnp.inf), jnp.int32(0)
    anew = {
        "optimizer_state": program.optimizer.build(limits.rate, limits.steps).init(lane.theta),
        "best_loss": infinity,
        "mark_loss": infinity,
        "mark_step": zero,
    }
    chosen = {
        name: jax.tree.map(lambda new, old: jnp.where(now, new, old), new, getattr(lane, name))
        for name, new in anew.items()
    }
    return lane._replace(**chosen)


def _features(program: Program, lanes: Lane, arrays: Arrays) -> jax.Array:
    """Return the features [b, n, d] as the network sees them: 0 or 1 where they are binary."""

    def one(theta: Theta) -> jax.Array:
        return program.matching.vary.decode(theta, arrays.graph).nodes

    return jax.vmap(one)(lanes.theta)


def _pushes(program: Program, lanes: Lane, arrays: Arrays) -> jax.Array:
    return repulsion(_features(program, lanes, arrays), lanes.status == Status.RUNNING)[1]
