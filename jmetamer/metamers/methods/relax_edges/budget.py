"""The budget of changes: the nearest weights that differ from the start by no more than allowed."""

import jax
import jax.numpy as jnp

# Bits by which the bracket of the shift is wider than its last digit, for changes of up to 2^16.
_SPARE_BITS = 16


def within_budget(weight: jax.Array, start: jax.Array, budget: jax.Array | float) -> jax.Array:
    """Return the nearest weights in [0, 1] whose total change is within the budget.

    The Euclidean projection of w on `{0 <= w <= 1, sum |w - w0| <= budget}`. Since w0 is 0 or 1,
    a weight can change in one direction only: with the change `p = |w - w0|` it is
    `clip(p - mu, 0, 1)`, where mu = 0 if that is within the budget, else the one number for which
    the changes sum to it (Wang and Carreira-Perpinan 2013, arXiv 1309.1541, for the simplex). It
    is found by bisection; the end of the bracket that keeps the budget is taken.

    Args:
      weight: [m] weights after a step, any real numbers.
      start: [m] weights to count changes from, each 0 or 1.
      budget: [] largest total change, 0 or more.

    Returns:
      [m] of the dtype of `weight`. Weights inside already come back unchanged.

    Example:
      >>> weight, start = jnp.array([1.25, 0.5, 0.75]), jnp.array([0.0, 0.0, 1.0])
      >>> within_budget(weight, start, 1.5).round(4)
      Array([1.  , 0.375, 0.875], dtype=float32)
    """
    start = jnp.asarray(start, weight.dtype)
    direction = 1 - 2 * start
    change = direction * (weight - start)

    def total(shift: jax.Array) -> jax.Array:
        return jnp.sum(jnp.clip(change - shift, 0, 1))

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = ends
        middle = (low + high) / 2
        enough = total(middle) <= budget
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    widest = jnp.maximum(jnp.max(change, initial=0), 0)
    halvings = jnp.finfo(weight.dtype).nmant + _SPARE_BITS
    _, shift = jax.lax.fori_loop(0, halvings, halve, (jnp.zeros_like(widest), widest))
    shifted = start + direction * jnp.clip(change - shift, 0, 1)
    # Apart from the other branch so that not even a last digit changes inside.
    inside = total(jnp.zeros_like(widest)) <= budget
    return jnp.where(inside, jnp.clip(weight, 0, 1), shifted)
