"""Greedy descent over hard edges: one flip at a time, the best of a shortlist."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class GreedyFlips(NamedTuple):
    """Where the descent ended.

    Attributes:
      hard: [m] 0 or 1.
      loss: [] its loss, never above that of the start.
      num_flips: [] int32 flips made.
    """

    hard: jax.Array
    loss: jax.Array
    num_flips: jax.Array


class _State(NamedTuple):
    """Where the descent stands, and how many flips were tried in vain since the last one."""

    hard: jax.Array
    value: jax.Array
    num_flips: jax.Array
    num_vain: jax.Array


def greedy_flips(
    hard: jax.Array,
    is_pair: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
    *,
    shortlist: int = 32,
    widest: int = 512,
    most: int | jax.Array = 200,
    tolerance: jax.Array | float = 0.0,
) -> GreedyFlips:
    """Flip edges one by one as long as the loss falls.

    Flipping edge e changes the loss by `g_e (1 - 2 w_e)` to first order, g the gradient at the hard
    weights. The `shortlist` edges for which this is most negative are flipped on trial, one after
    the other, and the best flip is made if the loss falls. If none lowers it, the next `shortlist`
    edges are tried, and so on up to `widest`: the first order misjudges flips near the end. The
    descent ends when all of these fail, after `most` flips, or as soon as the loss is at most
    `tolerance`.

    Args:
      hard: [m] 0 or 1, floating point.
      is_pair: [m] bool; False: padding, which is never flipped.
      loss: from weights [m] to a scalar, differentiable.
      shortlist: flips tried together, static.
      widest: flips tried before the descent gives up, rounded up to whole shortlists, static.
      most: largest number of flips.
      tolerance: [] loss at which nothing is left to do.

    Example:
      >>> aim = jnp.array([1.0, 0.0, 1.0])
      >>> def loss(weight):
      ...     return jnp.sum((weight - aim) ** 2)
      >>> found = greedy_flips(jnp.zeros(3), jnp.ones(3, bool), loss, shortlist=2)
      >>> found.hard.tolist(), float(found.loss), int(found.num_flips)
      ([1.0, 0.0, 1.0], 0.0, 2)
    """
    gradient = jax.grad(loss)
    shortlist = min(shortlist, hard.size)
    pages = -(-min(widest, hard.size) // shortlist)
    num_ranked = min(pages * shortlist, hard.size)

    def going(state: _State) -> jax.Array:
        is_hopeful = state.num_vain < pages * shortlist
        return is_hopeful & (state.num_flips < most) & (state.value > tolerance)

    def step(state: _State) -> _State:
        expected = gradient(state.hard) * (1 - 2 * state.hard)
        promise = jnp.where(is_pair, -expected, -jnp.inf)
        ranked = jax.lax.top_k(promise, num_ranked)[1]
        # At the end of all edges the slice moves back: some are tried again.
        places = jax.lax.dynamic_slice(ranked, (state.num_vain,), (shortlist,))
        values = jax.lax.map(lambda place: loss(_flipped(state.hard, place)), places)
        values = jnp.where(is_pair[places] & ~jnp.isnan(values), values, jnp.inf)
        best = jnp.argmin(values)
        is_better = values[best] < state.value
        moved = _flipped(state.hard, places[best])
        return _State(
            jnp.where(is_better, moved, state.hard),
            jnp.where(is_better, values[best], state.value),
            state.num_flips + is_better,
            jnp.where(is_better, 0, state.num_vain + shortlist),
        )

    # Through the same map as the trials, so that equal graphs have equal losses.
    value = jax.lax.map(loss, hard[None])[0]
    state = _State(hard, value, jnp.int32(0), jnp.int32(0))
    end = jax.lax.while_loop(going, step, state)
    return GreedyFlips(end.hard, end.value, end.num_flips)


def _flipped(hard: jax.Array, place: jax.Array) -> jax.Array:
    return hard.at[place].set(1 - hard[place])
