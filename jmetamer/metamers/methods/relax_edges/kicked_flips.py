"""Greedy flips with kicks: out of a local minimum by random flips, and down again."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmetamer.metamers.methods.relax_edges.greedy_flips import greedy_flips

# A kick flips from 2 up to this many pairs: a single flip is undone by the descent at once.
_LARGEST_KICK = 4


class KickedFlips(NamedTuple):
    """Where the search ended.

    Attributes:
      hard: [m] 0 or 1.
      loss: [] its loss, never above that of the first descent.
      num_flips: [] int32 pairs in which it differs from the start.
      num_kicks: [] int32 kicks tried.
    """

    hard: jax.Array
    loss: jax.Array
    num_flips: jax.Array
    num_kicks: jax.Array


class _State(NamedTuple):
    """The best graph so far, and descents made."""

    hard: jax.Array
    loss: jax.Array
    num_descents: jax.Array


def kicked_flips(
    key: jax.Array,
    hard: jax.Array,
    is_pair: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
    *,
    kicks: int | jax.Array = 0,
    most: int | jax.Array = 200,
    tolerance: jax.Array | float = 0.0,
) -> KickedFlips:
    """Descend by single flips; at a local minimum flip some pairs at random and descend again.

    Iterated local search (Lourenco, Martin and Stutzle 2003): two to four random pairs of the best
    graph are flipped, `greedy_flips` descends from there, and its end is the new best graph unless
    its loss is higher. So the loss never rises, and equal graphs are wandered through. It ends
    after `kicks`, or as soon as the loss is at most `tolerance`.

    Args:
      key: typed random key.
      hard: [m] 0 or 1, floating point.
      is_pair: [m] bool; False: padding, which is never flipped.
      loss: from weights [m] to a scalar, differentiable.
      kicks: largest number of kicks; 0: one descent.
      most: largest number of flips of one descent.
      tolerance: [] loss at which nothing is left to do.

    Example:
      >>> def loss(weight):  # no single flip leads from none to both
      ...     return jnp.where(weight.sum() == 2, 0.0, 1 + weight.sum())
      >>> found = kicked_flips(jax.random.key(0), jnp.zeros(2), jnp.ones(2, bool), loss, kicks=5)
      >>> found.hard.tolist(), int(found.num_flips)
      ([1.0, 1.0], 2)
    """

    def kicked(hard: jax.Array, number: jax.Array) -> jax.Array:
        key_size, key_place = jax.random.split(jax.random.fold_in(key, number))
        size = jax.random.randint(key_size, (), 2, _LARGEST_KICK + 1)
        luck = jnp.where(is_pair, jax.random.uniform(key_place, hard.shape), -jnp.inf)
        chosen = jax.lax.top_k(luck, min(_LARGEST_KICK, hard.size))[1]
        flips = (jnp.arange(chosen.size) < size) & is_pair[chosen]
        return hard.at[chosen].set(jnp.where(flips, 1 - hard[chosen], hard[chosen]))

    def going(state: _State) -> jax.Array:
        return (state.num_descents <= kicks) & ~(state.loss <= tolerance)

    def step(state: _State) -> _State:
        # The first descent is one of the loop, so that all are one piece of compiled code.
        is_first = state.num_descents == 0
        start = jnp.where(is_first, state.hard, kicked(state.hard, state.num_descents))
        end = greedy_flips(start, is_pair, loss, most=most, tolerance=tolerance)
        taken = is_first | (end.loss <= state.loss)
        return _State(
            jnp.where(taken, end.hard, state.hard),
            jnp.where(taken, end.loss, state.loss),
            state.num_descents + 1,
        )

    last = jax.lax.while_loop(going, step, _State(hard, jnp.float32(jnp.inf), jnp.int32(0)))
    num_flips = jnp.sum(last.hard != hard, dtype=jnp.int32)
    return KickedFlips(last.hard, last.loss, num_flips, last.num_descents - 1)
