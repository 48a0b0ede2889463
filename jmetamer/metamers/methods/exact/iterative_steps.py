"""Minimum-norm steps without a Jacobian: conjugate gradients on `J J^T`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.precision import float64_on_host
from jmetamer.metamers.methods.exact.preconditioner import Blocks, Preconditioner, apply_blocks
from jmetamer.metamers.methods.exact.residual import Data, Kind, ResidualMap, residual

_POWER_STEPS = 6
_State = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]
# Least damping, relative to the largest squared singular value: below it lies rounding.
_FLOOR = 1e-12


class IterativeSteps:
    """Products with J and J^T only; memory in proportion to the graph.

    Args:
      residual_map: of the problem.
      x: [p] where J is taken.
      base: of the features that x starts from.
      preconditioner: nearly the inverse of `J J^T`, or None.
      tolerance: relative residual at which conjugate gradients stop.
      steps: largest number of products.
    """

    def __init__(
        self,
        residual_map: ResidualMap,
        x: np.ndarray,
        base: np.ndarray,
        preconditioner: Preconditioner | None,
        *,
        tolerance: float = 1e-3,
        steps: int = 200,
    ) -> None:
        self._map, self._preconditioner = residual_map, preconditioner
        self._place = x.reshape(residual_map.shape), base, residual_map.data
        self._limits = tolerance, steps
        self.products = 0
        with float64_on_host():
            self.scale = float(_largest(residual_map.kind, *self._place))
        self._blocks = None if preconditioner is None else preconditioner.at(x, base)

    def solve(self, rhs: np.ndarray, damping: float) -> np.ndarray:
        """Return the damped minimum-norm solution [p], to the tolerance."""
        return self._solve(rhs, damping, *self._limits)

    def _solve(self, rhs: np.ndarray, damping: float, tolerance: float, steps: int) -> np.ndarray:
        damping = damping + _FLOOR * self.scale
        blocks = None if self._blocks is None else self._blocks.damped(damping)
        with float64_on_host():
            step, products = _conjugate_gradients(
                self._map.kind, rhs, damping, tolerance, steps, *self._place, blocks
            )
        self.products += int(products)
        return np.asarray(step).reshape(-1)

    def remove_rows(self, direction: np.ndarray) -> np.ndarray:
        """Return the direction without its part in the row space, to the tolerance."""
        tolerance, steps = self._limits
        with float64_on_host():
            image = _push(self._map.kind, direction.reshape(self._map.shape), *self._place)
        return direction - self._solve(np.asarray(image), 0.0, 1e-6 * tolerance, 5 * steps)


def _products(kind: Kind, moved: jax.Array, base: jax.Array, data: Data) -> tuple[Any, Any]:
    """Return J and J^T as functions."""

    def function(moved: jax.Array) -> jax.Array:
        return jnp.asarray(residual(kind, moved, base, data)[0])

    _, push = jax.linearize(function, moved)
    _, pull = jax.vjp(function, moved)
    return push, lambda y: pull(y)[0]


@compile_function(static=1)
def _push(
    kind: Kind, direction: jax.Array, moved: jax.Array, base: jax.Array, data: Data
) -> jax.Array:
    return jnp.asarray(_products(kind, moved, base, data)[0](direction))


@compile_function(static=1)
def _largest(kind: Kind, moved: jax.Array, base: jax.Array, data: Data) -> jax.Array:
    """Estimate the largest squared singular value by power steps."""
    push, pull = _products(kind, moved, base, data)

    def body(_: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        direction, _size = state
        image = pull(push(direction))
        size = jnp.linalg.norm(image)
        return image / jnp.where(size > 0, size, 1), size

    start = jax.random.normal(jax.random.key(0), moved.shape, moved.dtype)
    start = start / jnp.linalg.norm(start)
    return jax.lax.fori_loop(0, _POWER_STEPS, body, (start, jnp.zeros((), moved.dtype)))[1]


@compile_function(static=1)
def _conjugate_gradients(
    kind: Kind,
    rhs: jax.Array,
    damping: jax.Array,
    tolerance: jax.Array,
    steps: jax.Array,
    moved: jax.Array,
    base: jax.Array,
    data: Data,
    blocks: Blocks | None,
) -> tuple[jax.Array, jax.Array]:
    """Return `J^T y` with `(J J^T + damping) y = rhs`, and the number of products."""
    push, pull = _products(kind, moved, base, data)

    def operator(y: jax.Array) -> jax.Array:
        return push(pull(y)) + damping * y

    def precondition(r: jax.Array) -> jax.Array:
        return r if blocks is None else apply_blocks(blocks, r)

    def unfinished(state: _State) -> jax.Array:
        count, _, r, _, _ = state
        return (count < steps) & (jnp.linalg.norm(r) > tolerance * jnp.linalg.norm(rhs))

    def body(state: _State) -> _State:
        count, y, r, direction, product = state
        image = operator(direction)
        curvature = jnp.vdot(direction, image)
        length = jnp.where(curvature > 0, product / jnp.where(curvature > 0, curvature, 1), 0)
        y, r = y + length * direction, r - length * image
        z = precondition(r)
        following = jnp.vdot(r, z)
        ratio = jnp.where(product > 0, following / jnp.where(product > 0, product, 1), 0)
        return count + 1, y, r, z + ratio * direction, following

    rhs = jnp.asarray(rhs)
    z = precondition(rhs)
    start = jnp.zeros((), jnp.int32), jnp.zeros_like(rhs), rhs, z, jnp.vdot(rhs, z)
    count, y, *_ = jax.lax.while_loop(unfinished, body, start)
    return pull(y), count
