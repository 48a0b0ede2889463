"""Double-edge swaps: two edges exchange their ends, so that every node keeps its degree."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmetamer.graphs.pairs import Pairs


class Swap(NamedTuple):
    """One proposal: (a, u), (b, v) -> (a, v), (b, u).

    Attributes:
      slots: [2] int32 where the two edges stand.
      pairs: [2] what they would become.
      is_legal: [] bool; whether the graph stays simple.
    """

    slots: jax.Array
    pairs: Pairs
    is_legal: jax.Array


def drawn_slots(key: jax.Array, mask: jax.Array, num: int) -> jax.Array:
    """Draw places of true entries, each equally likely, the first two different where possible.

    Args:
      key: typed random key.
      mask: [m] bool.
      num: 1 or 2, static.

    Returns:
      [num] int32; places without meaning where fewer entries are true.

    Example:
      >>> sorted(drawn_slots(jax.random.key(0), jnp.array([True, False, True]), 2).tolist())
      [0, 2]
    """
    upto = jnp.cumsum(mask, dtype=jnp.int32)
    ends = jnp.maximum(upto[-1] - jnp.arange(2, dtype=jnp.int32), 1)
    one, other = jax.random.randint(key, (2,), 0, ends, jnp.int32)
    ranks = jnp.stack([one, other + (other >= one)])[:num]
    places = jnp.searchsorted(upto, ranks, side="right").astype(jnp.int32)
    return jnp.minimum(places, mask.size - 1)


def propose_swap(key: jax.Array, pairs: Pairs, present: jax.Array, directed: bool) -> Swap:
    """Draw two present edges and the way in which they exchange ends.

    Undirected edges have two ways, equally likely; directed ones exchange their receivers. The
    swap is legal if it makes no loop and no pair that the list holds already, present or not: all m
    pairs are looked at.

    Args:
      key: typed random key.
      pairs: [m], none twice.
      present: [m] bool; False at padding.
      directed: whether (i, j) differs from (j, i), static.

    Example:
      >>> pairs = Pairs(jnp.array([0, 2]), jnp.array([1, 3]))
      >>> swap = propose_swap(jax.random.key(0), pairs, jnp.ones(2, bool), directed=True)
      >>> sorted(zip(swap.pairs.senders.tolist(), swap.pairs.receivers.tolist()))
      [(0, 3), (2, 1)]
    """
    pairs = Pairs(*map(jnp.asarray, pairs))
    key_slots, key_turn = jax.random.split(key)
    slots = drawn_slots(key_slots, present, 2)
    (a, b), (u, v) = pairs.senders[slots], pairs.receivers[slots]
    if not directed:
        turned = jax.random.bernoulli(key_turn)
        b, v = jnp.where(turned, v, b), jnp.where(turned, b, v)
    one, other = jnp.stack([a, b]), jnp.stack([v, u])
    is_legal = (jnp.sum(present) >= 2) & jnp.all(one != other)
    if not directed:
        one, other = jnp.minimum(one, other), jnp.maximum(one, other)
    for i, j in zip(one, other, strict=True):
        is_legal &= ~jnp.any((pairs.senders == i) & (pairs.receivers == j))
    return Swap(slots, Pairs(one, other), is_legal)


def swapped(pairs: Pairs, swap: Swap) -> Pairs:
    """Return the pairs after a swap, or as they are where it is not legal.

    Example:
      >>> pairs = Pairs(jnp.array([0, 2]), jnp.array([1, 3]))
      >>> after = Pairs(jnp.array([0, 2]), jnp.array([3, 1]))
      >>> swapped(pairs, Swap(jnp.array([0, 1]), after, jnp.array(True))).receivers.tolist()
      [3, 1]
    """
    return Pairs(
        *(
            old.at[swap.slots].set(jnp.where(swap.is_legal, new, old[swap.slots]))
            for old, new in zip(pairs, swap.pairs, strict=True)
        )
    )
