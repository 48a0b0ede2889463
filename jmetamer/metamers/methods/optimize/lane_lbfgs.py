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

from jmetamer._base.platform import platform

_SUFFICIENT_DECREASE = 1e-4
_CURVATURE_FLOOR = 1e-10


class LaneLbfgsState(NamedTuple):
    """Where the search stands; N is the number of coordinates, m the number of stored pairs.

    The direction is `-(scale gradient + coefficients @ basis)`: with `along` and `gram` at hand,
    its inner products follow without reading long vectors.

    On accelerators one array of coordinates keeps its shape, which stands for [N] then: flattening
    it copies it there, as its tiles are others.

    Attributes:
      anchor: [N] last accepted point; [0] without a projection, where it follows from the point.
      value: [] its loss.
      gradient: [N] its gradient.
      square: [] inner product of the gradient with itself.
      along: [2 m] inner products of the rows of `basis` with the gradient.
      direction: [N] search direction from the anchor.
      scale, coefficients: [], [2 m] the direction in terms of gradient and basis.
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
    square: jax.Array
    along: jax.Array
    direction: jax.Array
    scale: jax.Array
    coefficients: jax.Array
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
    products; without a projection those of a new pair follow from the ones at hand, so a step
    reads the stored pairs twice and no more.

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

    def init(params: optax.Params) -> LaneLbfgsState:
        flat, _ = _as_one(params)
        zeros, zero = jnp.zeros_like(flat), jnp.zeros((), flat.dtype)
        row = jnp.zeros(2 * memory, flat.dtype)
        return LaneLbfgsState(
            anchor=zeros if bounded else zeros[:0],
            value=zero,
            gradient=zeros,
            square=zero,
            along=row,
            direction=zeros,
            scale=zero,
            coefficients=row,
            slope=zero,
            length=zero,
            basis=jnp.zeros((2 * memory, *flat.shape), flat.dtype),
            gram=jnp.zeros((2 * memory, 2 * memory), flat.dtype),
            stored=jnp.zeros((), jnp.int32),
            started=jnp.zeros((), bool),
        )

    def update(
        updates: optax.Updates,
        state: LaneLbfgsState,
        params: optax.Params | None = None,
        *,
        value: jax.Array,
        project: Callable[[optax.Params], optax.Params] | None = None,
        **_: Any,
    ) -> tuple[Any, LaneLbfgsState]:
        point, unravel = _as_one(params)
        gradient = _as_one(updates)[0]

        def flat_project(x: jax.Array) -> jax.Array:
            assert project is not None
            return _as_one(project(unravel(x)))[0]

        onto = None if project is None else flat_project
        state, move = _look(state, point, value, gradient, onto)
        return unravel(move), state

    return optax.GradientTransformationExtraArgs(init, update)


def _as_one(tree: Any) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """Return one array in its own shape, several side by side; and the way back."""
    leaves, structure = jax.tree.flatten(tree)
    if len(leaves) > 1 or platform() == "cpu":
        return jax.flatten_util.ravel_pytree(tree)
    return leaves[0], lambda array: jax.tree.unflatten(structure, [array])


def _inner(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.vdot(a, b) if a.ndim == 1 else jnp.sum(a * b)


def _along(basis: jax.Array, vector: jax.Array) -> jax.Array:
    """Return the products [2 m] of the rows with a vector."""
    many = vector.ndim > 1
    return jnp.sum(basis * vector, axis=range(1, basis.ndim)) if many else basis @ vector


def _with_row(basis: jax.Array, place: jax.Array, row: jax.Array) -> jax.Array:
    """Return the basis with another row at a place; out of range there is none."""
    if platform() == "cpu":  # the other rows stay where they are, uncopied
        return basis.at[place].set(row, mode="drop")
    # Under vmap the above takes one lane after the other on a TPU.
    places = jnp.arange(len(basis)).reshape(-1, *[1] * row.ndim)
    return jnp.where(places == place, row, basis)


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
    expected = _inner(state.gradient, change) if bounded else state.length * state.slope
    accepted = ~state.started | (value <= state.value + _SUFFICIENT_DECREASE * expected)
    held = None if project is None else _held(point, gradient, project)
    reduced = gradient if held is None else jnp.where(held, 0.0, gradient)
    square = _inner(reduced, reduced)
    before = state
    state, along = _remember(state, accepted, change, gradient, reduced, square)
    # Both outcomes are computed: under vmap a branch would be anyway, and it would copy the pairs.
    scale, coefficients = _combination(state, along)
    slope = -(scale * square + coefficients @ along)
    direction = -(scale * reduced + jnp.tensordot(coefficients, state.basis, 1))
    if held is not None:
        direction = jnp.where(held, 0.0, direction)
        slope = _inner(direction, gradient)
    descends = slope < 0
    direction = jnp.where(descends, direction, -reduced)
    # Polyak's step for a loss whose least value is zero, as that of a residual is.
    first = jnp.where((square > 0) & (value > 0), value / square, 1 / jnp.sqrt(square))
    first = jnp.where(square > 0, first, 0.0)
    fresh = jnp.where((state.stored > 0) & descends, 1.0, first).astype(point.dtype)
    length = jnp.where(accepted, fresh, _shorter(before, value, expected))
    direction = jnp.where(accepted, direction, state.direction)
    back = jnp.where(accepted, 0.0, change if bounded else before.length * direction)
    taken = {
        "value": value,
        "gradient": gradient,
        "square": square,
        "along": along,
        "scale": jnp.where(descends, scale, 1.0),
        "coefficients": jnp.where(descends, coefficients, 0.0),
        "slope": jnp.where(descends, slope, -square),
        "anchor": point if bounded else state.anchor,
    }
    kept = {name: jnp.where(accepted, new, getattr(state, name)) for name, new in taken.items()}
    moved = state._replace(**kept, direction=direction, length=length, started=jnp.ones((), bool))
    return moved, length * direction - back


def _held(
    point: jax.Array, gradient: jax.Array, project: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """Return where a bound stops the descent; the other coordinates move freely."""
    # Small gradients vanish beside large coordinates: nudge by enough to be seen in rounding.
    visible = 4 * jnp.finfo(point.dtype).eps * jnp.abs(point) + jnp.finfo(point.dtype).tiny
    nudge = jnp.sign(gradient) * jnp.maximum(jnp.abs(gradient), visible)
    return (project(point - nudge) == point) & (gradient != 0)


def _shorter(state: LaneLbfgsState, value: jax.Array, expected: jax.Array) -> jax.Array:
    """Return the next trial length after one that did not descend enough."""
    excess = value - state.value - expected
    best = -expected * state.length / (2 * excess)
    shorter = jnp.clip(best, 0.1 * state.length, 0.5 * state.length)
    # A trial beyond the range of floats says nothing about the parabola.
    return jnp.where(jnp.isfinite(value), shorter, 0.1 * state.length)


def _remember(
    state: LaneLbfgsState,
    accepted: jax.Array,
    change: jax.Array,
    gradient: jax.Array,
    reduced: jax.Array,
    square: jax.Array,
) -> tuple[LaneLbfgsState, jax.Array]:
    """Store the pair of an accepted trial in place of the oldest, if its curvature is positive.

    Returns:
      The state with the pair, and the products [2 m] of its basis with the reduced gradient.
    """
    memory = len(state.basis) // 2
    bounded = state.anchor.size > 0
    difference = gradient - state.gradient
    if bounded:
        curvature = _inner(change, difference)
    else:
        curvature = state.length * (_inner(state.direction, gradient) - state.slope)
    useful = accepted & state.started & (curvature > 0)
    slot = state.stored % memory
    place = jnp.where(useful, slot, 2 * memory)
    basis = _with_row(_with_row(state.basis, place, change), place + memory, difference)
    along = _along(basis, reduced)
    if bounded:
        pair = _along(basis, change), _along(basis, difference)
    else:
        pair = _derived(state, slot, along, square, curvature)
    gram = state.gram
    for row, products in zip((place, place + memory), pair, strict=True):
        gram = gram.at[row, :].set(products, mode="drop").at[:, row].set(products, mode="drop")
    return state._replace(basis=basis, gram=gram, stored=state.stored + useful), along


def _derived(
    state: LaneLbfgsState,
    slot: jax.Array,
    along: jax.Array,
    square: jax.Array,
    curvature: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Return the products of a free pair with the basis that holds it at `slot`.

    The step is `t p` with p a combination of gradient and basis, and the difference is the new
    gradient less the old, so their products are combinations of products at hand.
    """
    memory = len(state.basis) // 2
    scale, coefficients = state.scale, state.coefficients
    with_direction = -(scale * state.along + state.gram @ coefficients)
    direction_square = -(scale * state.slope + coefficients @ with_direction)
    with_change = state.length * with_direction
    with_difference = along - state.along
    change_square = state.length**2 * direction_square
    difference_square = 2 * along[slot + memory] - square + state.square
    with_change = with_change.at[slot].set(change_square).at[slot + memory].set(curvature)
    with_difference = with_difference.at[slot].set(curvature)
    return with_change, with_difference.at[slot + memory].set(difference_square)


def _combination(state: LaneLbfgsState, along: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return minus the quasi-Newton direction as `scale g + coefficients @ basis`.

    The two-loop recursion is linear in the gradient and the stored rows, so it runs on the
    coefficients with the help of the inner products; `along` [2 m] are those with the gradient.
    """
    memory = len(state.basis) // 2
    used = jnp.minimum(state.stored, memory)

    def pair(age: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        slot = (state.stored - 1 - age) % memory
        curvature = state.gram[slot, slot + memory]
        squares = state.gram[slot, slot] * state.gram[slot + memory, slot + memory]
        sound = (age < used) & (squares > 0) & (curvature > _CURVATURE_FLOOR * jnp.sqrt(squares))
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

    empty = jnp.zeros_like(along), jnp.zeros(memory, along.dtype)
    coefficients, weights = jax.lax.fori_loop(0, memory, newest_first, empty)
    _, difference, rho = pair(jnp.int32(0))
    length = state.gram[difference, difference] * rho
    scale = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 1.0)
    return scale, jax.lax.fori_loop(0, memory, oldest_first, scale * coefficients)
