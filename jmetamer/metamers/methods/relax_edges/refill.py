"""The block of candidate pairs: drawing pairs, and replacing those that nothing came of.

A graph of n nodes has about n^2 / 2 pairs; a block of B of them is optimized at a time, and its
useless ones are exchanged now and then (Geisler et al. 2021, arXiv 2110.14038). Pairs are compared
as two numbers, never as `i n + j`, which does not fit in 32 bits from 65,536 nodes on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.graphs.pairs import Pairs, pair_numbers

# A candidate below this weight has come to nothing.
SMALLEST_KEPT = 1e-3
# `all_other_pairs` holds a mask of n^2 bytes.
_LARGEST_LISTED = 16_384


class Refilled(NamedTuple):
    """A block after its exchange.

    Attributes:
      block: [B] pairs; padding where there was no fresh pair for a free slot.
      weight: [B].
      replaced: [B] bool; False where the slot kept its pair and its weight.
    """

    block: Pairs
    weight: jax.Array
    replaced: jax.Array


def with_spares(num: int) -> int:
    """Return how many pairs to draw where some are wanted: a few come twice or are there already.

    Example:
      >>> with_spares(80)
      98
    """
    return num + num // 8 + 8


def uniform_pairs(key: jax.Array, num: int, num_nodes: int, directed: bool) -> Pairs:
    """Draw pairs of different nodes, each pair equally likely, with replacement.

    Args:
      key: typed random key.
      num: number of pairs, static.
      num_nodes: number of nodes n, at least 2, static.
      directed: whether (i, j) differs from (j, i); if not, the smaller node comes first.

    Returns:
      Pairs [num] int32.

    Raises:
      InputError: the graph has fewer than two nodes.

    Example:
      >>> pairs = uniform_pairs(jax.random.key(0), 100, 3, directed=False)
      >>> sorted(set(zip(pairs.senders.tolist(), pairs.receivers.tolist())))
      [(0, 1), (0, 2), (1, 2)]
    """
    if num_nodes < 2:
        raise InputError(f"`num_nodes` is {num_nodes}; a pair needs at least 2 nodes")
    ends = jnp.array([[num_nodes], [num_nodes - 1]], jnp.int32)
    one, other = jax.random.randint(key, (2, num), 0, ends, jnp.int32)
    other = other + (other >= one)
    if directed:
        return Pairs(one, other)
    return Pairs(jnp.minimum(one, other), jnp.maximum(one, other))


def all_other_pairs(base: Pairs, num_nodes: int, directed: bool) -> Pairs:
    """Return every pair that is not in `base`, on the host; for graphs whose block can hold all.

    Args:
      base: [m]; padding is ignored.
      num_nodes: number of nodes n, up to 16,384.
      directed: whether (i, j) differs from (j, i).

    Returns:
      `Pairs` of NumPy int32 arrays, sorted by sender, then receiver.

    Raises:
      InputError: the graph is too large to list its pairs.

    Example:
      >>> others = all_other_pairs(Pairs(np.array([0]), np.array([1])), 3, directed=False)
      >>> list(zip(others.senders.tolist(), others.receivers.tolist()))
      [(0, 2), (1, 2)]
    """
    if num_nodes > _LARGEST_LISTED:
        raise InputError(
            f"a graph of {num_nodes} nodes has too many pairs to list them; up to "
            f"{_LARGEST_LISTED} nodes; draw some with `uniform_pairs`"
        )
    other = np.ones((num_nodes, num_nodes), bool)
    if directed:
        np.fill_diagonal(other, False)
    else:
        other = np.triu(other, 1)
    numbers = pair_numbers(base, num_nodes)
    other.reshape(-1)[numbers[np.asarray(base.is_pair)]] = False
    senders, receivers = np.nonzero(other)
    return Pairs(senders.astype(np.int32), receivers.astype(np.int32))


def refilled(
    key: jax.Array, block: Pairs, weight: jax.Array, fresh: Pairs, base: Pairs, start: float = 0.0
) -> Refilled:
    """Keep the heavy pairs of a block and put fresh ones in the place of the others.

    A pair stays if its weight is at least 1e-3 and among the largest 3/4 B (of equal weights, drawn
    ones). Free slots take the fresh pairs in their order, but for those that are in `base` or stay
    in the block, and no pair twice; so give candidates best first. Undirected pairs must have
    the smaller node first everywhere.

    Args:
      key: typed random key, for ties.
      block: [B].
      weight: [B].
      fresh: [f] candidates, at least one; padding is ignored.
      base: [m] pairs that are no candidates, such as the edges of the reference.
      start: weight of a fresh pair.

    Returns:
      (block, weight, replaced), [B] each; free slots for which there is no fresh pair are padding
      of weight 0.

    Example:
      >>> block = Pairs(jnp.array([0, 0, 0, 1]), jnp.array([1, 2, 3, 2]))
      >>> fresh = Pairs(jnp.array([0, 2, 2]), jnp.array([1, 3, 3]))
      >>> base = Pairs(jnp.array([1]), jnp.array([3]))
      >>> after = refilled(jax.random.key(0), block, jnp.array([0.5, 0, 0.2, 0]), fresh, base)
      >>> list(zip(after.block.senders.tolist(), after.block.receivers.tolist()))
      [(0, 1), (2, 3), (0, 3), (0, 0)]
    """
    kept = _kept(key, block, weight)
    staying = Pairs(*(jnp.where(kept, side, 0) for side in block))
    filled = filled_slots(staying, fresh, unseen(fresh, [base, staying]))
    is_fresh = ~kept & filled.is_pair
    weight = jnp.where(kept, weight, jnp.where(is_fresh, start, 0)).astype(weight.dtype)
    return Refilled(filled, weight, ~kept)


def unseen(fresh: Pairs, lists: Sequence[Pairs]) -> jax.Array:
    """Return which fresh pairs are in none of the lists and not earlier among the fresh ones.

    One stable sort by sender, then receiver, puts equal pairs side by side, first come first.

    Args:
      fresh: [f].
      lists: lists of pairs, of any lengths; their padding counts for nothing.

    Returns:
      [f] bool; False for padding.

    Example:
      >>> fresh = Pairs(jnp.array([0, 0, 1]), jnp.array([1, 1, 2]))
      >>> unseen(fresh, [Pairs(jnp.array([1]), jnp.array([2]))]).tolist()
      [True, False, False]
    """
    senders = jnp.concatenate([pairs.senders for pairs in (*lists, fresh)])
    receivers = jnp.concatenate([pairs.receivers for pairs in (*lists, fresh)])
    place = jnp.arange(senders.size, dtype=jnp.int32)
    senders, receivers, place = jax.lax.sort((senders, receivers, place), num_keys=2)
    differs = (senders[1:] != senders[:-1]) | (receivers[1:] != receivers[:-1])
    is_first = jnp.ones(place.shape, bool).at[place[1:]].set(differs)
    return is_first[place.size - fresh.senders.size :] & fresh.is_pair


def filled_slots(pairs: Pairs, fresh: Pairs, usable: jax.Array) -> Pairs:
    """Put usable pairs, in their order, in the place of padding; what is left over stays padding.

    Args:
      pairs: [m] with padding.
      fresh: [f], at least one.
      usable: [f] bool.

    Example:
      >>> holes = Pairs(jnp.array([0, 0, 0]), jnp.array([0, 1, 0]))
      >>> fresh = Pairs(jnp.array([1, 2]), jnp.array([2, 3]))
      >>> filled_slots(holes, fresh, jnp.array([False, True])).receivers.tolist()
      [3, 1, 0]
    """
    free = ~pairs.is_pair
    usable_first = jnp.argsort(~usable, stable=True)
    rank = jnp.cumsum(free, dtype=jnp.int32) - 1
    taken = usable_first[jnp.clip(rank, 0, usable.size - 1)]
    filled = free & (rank < jnp.sum(usable, dtype=jnp.int32))
    empty = jnp.zeros((), jnp.int32)
    return Pairs(
        *(
            jnp.where(filled, jnp.asarray(new)[taken], jnp.where(free, empty, old))
            for new, old in zip(fresh, pairs, strict=True)
        )
    )


def _kept(key: jax.Array, block: Pairs, weight: jax.Array) -> jax.Array:
    """Return [B] bool: at least `SMALLEST_KEPT`, and among the largest three quarters of B."""
    num = weight.size
    alive = block.is_pair & (weight >= SMALLEST_KEPT)
    place = jnp.arange(num, dtype=jnp.int32)
    keys = jnp.where(alive, -weight, jnp.inf), jax.random.bits(key, (num,)), place
    *_, order = jax.lax.sort(keys, num_keys=2)
    return alive & jnp.zeros(num, bool).at[order[: 3 * num // 4]].set(True)
