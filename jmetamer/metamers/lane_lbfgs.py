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


class LaneLbfgsState(NamedTuple):
    """Where the search stands; N is the number of coordinates, m the number of stored pairs.

    Attributes:
      anchor: [N] last accepted point; [0] without a projection, where it follows from the point.
      value: [] its loss.
      gradient: [N] its gradient.
      direction: [N] search direction from the anchor.
      slope: [] inner product of direction and gradient.
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
    slope: jax.Array
    length: jax.Array
    basis: jax.Array
    gram: jax.Array
    stored: jax.Array
    started: jax.Array


def lane_lbfgs(memory: int = 3, *, bounded: bool = True) -> optax.GradientTransformationExtraArgs:
    """Return limited-memory BFGS with backtracking by trial steps.

    Accepted is a trial with `f(x + t p) <= f(x) + 1e-4 t <p, g>`; otherwise t shrinks to the
    minimum of the parabola through both values and the slope, within [0.1 t, 0.5 t]. A pair is
    stored only if its curvature is positive, so the direction always descends (Nocedal and
    Wright, Numerical Optimization, chapters 3 and 7). The two-loop recursion runs on inner
    products, so a step reads the stored pairs twice and no more.

    Args:
      memory: number of stored pairs.
      bounded: whether `update` may be given a projection as `project`.

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
      >>> bool(loss(x) < 1e-8)
      True
    """

    def init(params: Any) -> LaneLbfgsState:
        flat, _ = jax.flatten_util.ravel_pytree(params)
        zeros, scalar = jnp.zeros_like(flat), jnp.zeros((), flat.dtype)
        basis = jnp.zeros((2 * memory, flat.size), flat.dtype)
        gram = jnp.zeros((2 * memory, 2 * memory), flat.dtype)
        none, no = jnp.zeros((), jnp.int32), jnp.zeros((), bool)
        anchor = zeros if bounded else zeros[:0]
        return LaneLbfgsState(anchor, scalar, zeros, zeros, scalar, scalar, basis, gram, none, no)

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
            assert project is not None
            return jax.flatten_util.ravel_pytree(project(unravel(x)))[0]

        onto = None if project is None else flat_project
        state, move = _look(state, point, value, gradient, onto)
        return unravel(move), state

    return optax.GradientTransformationExtraArgs(init, update)


def _look(
    state: LaneLbfgsState,
    point: jax.Array,
    value: jax.Array,
    gradient: jax.Array,
    project: Callable[[jax.Array], jax.Array] | None,
) -> tuple[LaneLbfgsState, jax.Array]:
    """Accept the trial and choose the next direction, or keep the anchor and shorten the step.

    Returns:
      The state, and the move from `point` to the next trial.
    """
    bounded = state.anchor.size == point.size
    change = point - state.anchor if bounded else state.length * state.direction
    # A trial that was projected moved otherwise than along the direction.
    free_decrease = state.length * state.slope
    expected = jnp.vdot(state.gradient, change) if bounded else free_decrease
    accepted = ~state.started | (value <= state.value + _SUFFICIENT_DECREASE * expected)
    state = _remember(state, accepted, change, gradient - state.gradient)
    reduced = gradient if project is None else _without_held(point, gradient, project)
    square = jnp.vdot(reduced, reduced)
    # Both outcomes are computed: under vmap a branch would be anyway, and it would copy the pairs.
    direction, slope = _direction(state, reduced, square)
    if project is not None:
        direction = jnp.where(reduced == 0, 0.0, direction)
        slope = jnp.vdot(direction, gradient)
    descends = slope < 0
    direction = jnp.where(descends, direction, -reduced)
    # Polyak's step for a loss whose least value is zero, as that of a residual is.
    first = jnp.where((square > 0) & (value > 0), value / square, 1 / jnp.sqrt(square))
    first = jnp.where(square > 0, first, 0.0)
    fresh = jnp.where((state.stored > 0) & descends, 1.0, first).astype(point.dtype)
    length = jnp.where(accepted, fresh, _shorter(state, value, expected))
    direction = jnp.where(accepted, direction, state.direction)
    back = jnp.where(accepted, 0.0, change if bounded else state.length * direction)
    moved = state._replace(
        anchor=jnp.where(accepted, point, state.anchor) if bounded else state.anchor,
        value=jnp.where(accepted, value, state.value),
        gradient=jnp.where(accepted, gradient, state.gradient),
        direction=direction,
        slope=jnp.where(accepted, jnp.where(descends, slope, -square), state.slope),
        length=length,
        started=jnp.ones((), bool),
    )
    return moved, length * direction - back


def _without_held(
    point: jax.Array, gradient: jax.Array, project: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """Return the gradient with zeros where a bound stops the descent; the others move freely."""
    # Small gradients vanish beside large coordinates: nudge by enough to be seen in rounding.
    visible = 4 * jnp.finfo(point.dtype).eps * jnp.abs(point) + jnp.finfo(point.dtype).tiny
    nudge = jnp.sign(gradient) * jnp.maximum(jnp.abs(gradient), visible)
    return jnp.where(project(point - nudge) == point, 0.0, gradient)


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
    useful = accepted & state.started & (jnp.vdot(change, difference) > 0)
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


def _direction(
    state: LaneLbfgsState, gradient: jax.Array, square: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return minus the inverse-Hessian approximation times the gradient, and its slope.

    The two-loop recursion is linear in the gradient and the stored rows, so it runs on the
    coefficients of `c0 g + sum_i c_i basis_i` with the help of the inner products; so does the
    slope `<direction, g>`. Long vectors are read once for the products and once for the result.
    """
    memory = len(state.basis) // 2
    along = state.basis @ gradient
    used = jnp.minimum(state.stored, memory)

    def pair(age: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        slot = (state.stored - 1 - age) % memory
        curvature = state.gram[slot, slot + memory]
        lengths = state.gram[slot, slot] * state.gram[slot + memory, slot + memory]
        sound = (age < used) & (curvature > _CURVATURE_FLOOR * jnp.sqrt(lengths))
        return slot, slot + memory, jnp.where(sound, 1 / jnp.where(sound, curvature, 1), 0.0)

    def newest_first(age: jax.Array, carry: tuple[jax.Array, jax.Array]) -> Any:
        coefficients, weights = carry
        step, difference, rho = pair(age)
        weight = rho * (along[step] + state.gram[step] @ coefficients)
        return coefficients.at[difference].add(-weight), weights.at[age].set(weight)

    def oldest_first(index: jax.Array, coefficients: jax.Array) -> jax.Array:
        age = memory - 1 - index
        step, difference, rho = pair(age)
        product = scale * along[difference] + state.gram[difference] @ coefficients
        back = jnp.where(rho > 0, weights[age] - rho * product, 0.0)
        return coefficients.at[step].add(back)

    empty = jnp.zeros(2 * memory, gradient.dtype), jnp.zeros(memory, gradient.dtype)
    coefficients, weights = jax.lax.fori_loop(0, memory, newest_first, empty)
    _, difference, rho = pair(jnp.int32(0))
    length = state.gram[difference, difference] * rho
    scale = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 1.0)
    coefficients = jax.lax.fori_loop(0, memory, oldest_first, scale * coefficients)
    slope = -(scale * square + coefficients @ along)
    return -(scale * gradient + coefficients @ state.basis), slope
