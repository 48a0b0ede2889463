"""L-BFGS whose line search costs one evaluation a step, for many independent lanes.

Under `vmap` an ordinary line search runs until the slowest lane is content, and all others wait.
Here a trial point is an ordinary optimizer step: each call looks at the value of the last trial,
accepts it and moves on, or shortens the step. No lane waits for another.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import optax

_SUFFICIENT_DECREASE = 1e-4
_CURVATURE_FLOOR = 1e-10
_FIRST_STEP_LENGTH = 1.0


class LaneLbfgsState(NamedTuple):
    """Where the search stands; N is the number of coordinates, m the number of stored pairs.

    Attributes:
      anchor: [N] last accepted point.
      value: [] its loss.
      gradient: [N] its gradient.
      direction: [N] search direction from the anchor.
      length: [] multiple of the direction under trial.
      basis: [2 m, N] past steps, then the gradient differences that belong to them.
      gram: [2 m, 2 m] inner products of the rows of `basis`.
      stored: [] number of pairs stored so far.
      started: [] whether there is an anchor.
    """

    anchor: jax.Array
    value: jax.Array
    gradient: jax.Array
    direction: jax.Array
    length: jax.Array
    basis: jax.Array
    gram: jax.Array
    stored: jax.Array
    started: jax.Array


def lane_lbfgs(memory: int = 4) -> optax.GradientTransformationExtraArgs:
    """Return limited-memory BFGS with backtracking by trial steps.

    Accepted is a trial with `f(x + t p) <= f(x) + 1e-4 t <p, g>`; otherwise t shrinks to the
    minimum of the parabola through both values and the slope, within [0.1 t, 0.5 t]. A pair is
    stored only if its curvature is positive, so the direction always descends (Nocedal and
    Wright, Numerical Optimization, chapters 3 and 7). The two-loop recursion runs on inner
    products, so a step reads the stored pairs twice and no more.

    Args:
      memory: number of stored pairs.

    Returns:
      An optax transformation; `update` needs the keyword argument `value`, the loss at `params`.

    Example:
      >>> method = lane_lbfgs(memory=3)
      >>> loss = lambda x: jnp.sum(jnp.array([1.0, 100.0]) * (x - 2.0) ** 2)
      >>> x = jnp.zeros(2)
      >>> state = method.init(x)
      >>> for _ in range(20):
      ...     value, gradient = jax.value_and_grad(loss)(x)
      ...     updates, state = method.update(gradient, state, x, value=value)
      ...     x = optax.apply_updates(x, updates)
      >>> bool(loss(state.anchor) < 1e-8)
      True
    """

    def init(params: Any) -> LaneLbfgsState:
        flat, _ = jax.flatten_util.ravel_pytree(params)
        zeros, scalar = jnp.zeros_like(flat), jnp.zeros((), flat.dtype)
        basis = jnp.zeros((2 * memory, flat.size), flat.dtype)
        gram = jnp.zeros((2 * memory, 2 * memory), flat.dtype)
        none, no = jnp.zeros((), jnp.int32), jnp.zeros((), bool)
        return LaneLbfgsState(zeros, scalar, zeros, zeros, scalar, basis, gram, none, no)

    def update(
        updates: Any,
        state: LaneLbfgsState,
        params: Any = None,
        *,
        value: jax.Array,
        project: Callable[[Any], Any] | None = None,
        **_: Any,
    ) -> tuple[Any, LaneLbfgsState]:
        point, unravel = jax.flatten_util.ravel_pytree(params)
        gradient, _unused = jax.flatten_util.ravel_pytree(updates)

        def flat_project(x: jax.Array) -> jax.Array:
            return x if project is None else jax.flatten_util.ravel_pytree(project(unravel(x)))[0]

        state = _look(state, point, value, gradient, flat_project)
        target = state.anchor + state.length * state.direction
        return unravel(target - point), state

    return optax.GradientTransformationExtraArgs(init, update)


def _look(
    state: LaneLbfgsState,
    point: jax.Array,
    value: jax.Array,
    gradient: jax.Array,
    project: Callable[[jax.Array], jax.Array],
) -> LaneLbfgsState:
    """Accept the trial and choose the next direction, or keep the anchor and shorten the step."""
    change = point - state.anchor
    # The trial was projected after the step, so the decrease expected is that of the actual move.
    expected = jnp.vdot(state.gradient, change)
    accepted = ~state.started | (value <= state.value + _SUFFICIENT_DECREASE * expected)
    state = _remember(state, accepted, change, gradient - state.gradient)
    # Coordinates held at a bound by the gradient stay there; the others move freely.
    held = (project(point - gradient) == point) & (gradient != 0)
    reduced = jnp.where(held, 0.0, gradient)
    # Both outcomes are computed: under vmap a branch would be anyway, and it would copy the pairs.
    direction = jnp.where(held, 0.0, _direction(state, reduced))
    descends = jnp.vdot(direction, gradient) < 0
    direction = jnp.where(descends, direction, -reduced)
    norm = jnp.linalg.norm(reduced)
    first = jnp.where(norm > 0, jnp.minimum(1.0, _FIRST_STEP_LENGTH / norm), 0.0)
    fresh = jnp.where((state.stored > 0) & descends, 1.0, first).astype(point.dtype)
    shorter = _shorter(state, value, expected)
    return state._replace(
        anchor=jnp.where(accepted, point, state.anchor),
        value=jnp.where(accepted, value, state.value),
        gradient=jnp.where(accepted, gradient, state.gradient),
        direction=jnp.where(accepted, direction, state.direction),
        length=jnp.where(accepted, fresh, shorter),
        started=jnp.ones((), bool),
    )


def _shorter(state: LaneLbfgsState, value: jax.Array, expected: jax.Array) -> jax.Array:
    """Return the next trial length after one that did not descend enough."""
    excess = value - state.value - expected
    best = -expected * state.length / (2 * excess)
    shorter = jnp.clip(best, 0.1 * state.length, 0.5 * state.length)
    # A trial beyond the range of floats says nothing about the parabola.
    return jnp.where(jnp.isfinite(value), shorter, 0.1 * state.length)


def _remember(
    state: LaneLbfgsState, accepted: jax.Array, change: jax.Array, difference: jax.Array
) -> LaneLbfgsState:
    """Store the pair of an accepted trial in place of the oldest, if its curvature is positive."""
    memory = len(state.basis) // 2
    curvature = jnp.vdot(change, difference)
    floor = _CURVATURE_FLOOR * jnp.linalg.norm(change) * jnp.linalg.norm(difference)
    useful = accepted & state.started & (curvature > floor)
    slot = state.stored % memory
    # A row out of range is dropped: the rest of the basis stays where it is, uncopied.
    place = jnp.where(useful, slot, 2 * memory)
    basis = state.basis.at[place].set(change, mode="drop")
    basis = basis.at[place + memory].set(difference, mode="drop")
    gram = state.gram
    for row, vector in ((place, change), (place + memory, difference)):
        products = basis @ vector
        gram = gram.at[row, :].set(products, mode="drop").at[:, row].set(products, mode="drop")
    return state._replace(basis=basis, gram=gram, stored=state.stored + useful)


def _direction(state: LaneLbfgsState, gradient: jax.Array) -> jax.Array:
    """Return minus the inverse-Hessian approximation times the gradient.

    The two-loop recursion is linear in the gradient and the stored rows, so it runs on the
    coefficients of `c0 g + sum_i c_i basis_i` with the help of the inner products.
    """
    memory = len(state.basis) // 2
    along = state.basis @ gradient
    used = jnp.minimum(state.stored, memory)

    def pair(age: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        slot = (state.stored - 1 - age) % memory
        curvature = state.gram[slot, slot + memory]
        return slot, slot + memory, jnp.where(age < used, 1 / curvature, 0.0)

    def newest_first(age: jax.Array, carry: tuple[jax.Array, jax.Array]) -> Any:
        coefficients, weights = carry
        step, difference, rho = pair(age)
        product = along[step] + state.gram[step] @ coefficients
        weight = jnp.where(age < used, rho * product, 0.0)
        return coefficients.at[difference].add(-weight), weights.at[age].set(weight)

    def oldest_first(index: jax.Array, coefficients: jax.Array) -> jax.Array:
        age = memory - 1 - index
        step, difference, rho = pair(age)
        product = scale * along[difference] + state.gram[difference] @ coefficients
        back = jnp.where(age < used, weights[age] - rho * product, 0.0)
        return coefficients.at[step].add(back)

    empty = jnp.zeros(2 * memory, gradient.dtype), jnp.zeros(memory, gradient.dtype)
    coefficients, weights = jax.lax.fori_loop(0, memory, newest_first, empty)
    _, difference, rho = pair(jnp.int32(0))
    length = state.gram[difference, difference] * rho
    scale = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 1.0)
    coefficients = jax.lax.fori_loop(0, memory, oldest_first, scale * coefficients)
    return -(scale * gradient + coefficients @ state.basis)
