"""Flips of a hard graph: with kicks among all pairs, or in rounds, each among other candidates."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmetamer._base.keys import Stream, stream_key
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.hardening import Hardened, criterion
from jmetamer.metamers.methods.relax_edges.joint_flips import joint_flips
from jmetamer.metamers.methods.relax_edges.kicked_flips import kicked_flips
from jmetamer.metamers.methods.relax_edges.moves_by_target import Allowance, without_limit
from jmetamer.metamers.methods.relax_edges.near_pairs import near_nodes, near_pairs
from jmetamer.metamers.methods.relax_edges.pair_loss import loss_of_pairs, residual_of_pairs
from jmetamer.metamers.methods.relax_edges.plan import Data, Numbers, Plan
from jmetamer.metamers.methods.relax_edges.refill import filled_slots, unseen, with_spares

# Rounds, and steps in vain after which one ends.
_ROUNDS, _PATIENCE = 20, 2
# Candidates of a round, in edges of the reference, and at least.
_SHARE, _LEAST = 1.0, 1000


class _Round(NamedTuple):
    """A hard graph between two rounds.

    Attributes:
      pairs: [E + B].
      hard: [E + B].
      loss: [] its `criterion`.
      num_flips: [] int32 so far.
      number: [] int32 rounds so far.
    """

    pairs: Pairs
    hard: jax.Array
    loss: jax.Array
    num_flips: jax.Array
    number: jax.Array


def length_of_list(num_present: int, num_edges: int, num_pairs: int) -> int:
    """Return how many pairs a round looks at: those present, and candidates.

    Args:
      num_present: largest number of edges of a graph that is to be improved.
      num_edges: of the reference.
      num_pairs: present or not.

    Example:
      >>> length_of_list(5100, 5000, 25_000), length_of_list(7, 7, 15)
      (12500, 15)
    """
    # In coarse steps, because every length is compiled for.
    step = max(1, num_edges // 2)
    room = -(-num_present // step) * step
    return min(num_pairs, room + max(_LEAST, int(_SHARE * num_edges)))


def flipped(
    seed_id: jax.Array, start: Hardened, length: int, plan: Plan, data: Data, numbers: Numbers
) -> Hardened:
    """Improve the hard graph of one seed by flips. What counts is `criterion`.

    Where the block holds all pairs, single flips with kicks out of local minima. Elsewhere rounds:
    one looks at the graph's edges and at candidates that its targets would see; the next has
    other candidates.

    Args:
      seed_id: [] int32.
      start: the best rounding.
      length: of the list of a round, from `length_of_list`, static.
      plan, data: what is matched.
      numbers: base seed, largest number of flips and of kicks, tolerance, budget, distance.
    """
    key = stream_key(numbers.base_seed, seed_id, Stream.FLIPS)

    def judged(pairs: Pairs, hard: jax.Array, all_hard: jax.Array) -> jax.Array:
        return criterion(pairs, hard, all_hard, start.start, start.features, plan, data, numbers)

    if plan.holds_all:
        kicked = kicked_flips(
            key,
            start.hard,
            start.pairs.is_pair,
            lambda hard: judged(start.pairs, hard, hard),
            kicks=numbers.kicks,
            most=numbers.flips,
            tolerance=numbers.tolerance,
        )
        return _ended(start, start.pairs, kicked.hard, kicked.num_flips, plan, data)

    def flipping(now: _Round) -> _Round:
        key_block, key_list, key_flips = jax.random.split(jax.random.fold_in(key, now.number), 3)
        near = near_nodes(now.pairs, now.hard > 0, plan, data)
        pairs = _fresh(key_block, now, near, plan, data)
        place = _listed(key_list, now.hard, _visible(pairs, near, plan, data), length)
        few = Pairs(*(side[place] for side in pairs))
        flips = joint_flips(
            key_flips,
            now.hard[place],
            few.is_pair,
            lambda hard: judged(few, hard, now.hard.at[place].set(hard)),
            lambda hard: residual_of_pairs(few, hard, start.features, plan, data),
            lambda hard: _allowance(
                place, hard, now.hard.at[place].set(hard), start.start, plan, numbers
            ),
            most=numbers.flips - now.num_flips,
            patience=_PATIENCE,
            tolerance=numbers.tolerance,
        )
        hard = now.hard.at[place].set(flips.hard)
        return _Round(pairs, hard, flips.loss, now.num_flips + flips.num_flips, now.number + 1)

    def going(now: _Round) -> jax.Array:
        fits = jnp.sum(now.hard > 0) <= length
        unmatched = now.loss > numbers.tolerance
        return fits & unmatched & (now.number < _ROUNDS) & (now.num_flips < numbers.flips)

    value = judged(start.pairs, start.hard, start.hard)
    begin = _Round(start.pairs, start.hard, value, jnp.int32(0), jnp.int32(0))
    end = jax.lax.while_loop(going, flipping, begin)
    return _ended(start, end.pairs, end.hard, end.num_flips, plan, data)


def _ended(
    start: Hardened, pairs: Pairs, hard: jax.Array, num_flips: jax.Array, plan: Plan, data: Data
) -> Hardened:
    loss = loss_of_pairs(pairs, hard, start.features, plan, data)[1]
    return start._replace(pairs=pairs, hard=hard, loss=loss, num_flips=num_flips)


def _allowance(
    place: jax.Array,
    hard: jax.Array,
    all_hard: jax.Array,
    from_start: jax.Array,
    plan: Plan,
    numbers: Numbers,
) -> Allowance:
    """Return what flips may spend: changes of a budget, or what a walk has beyond its distance."""
    # A flip away from the start costs one change, a flip back gives one.
    change = jnp.where(hard == from_start[place], 1.0, -1.0)
    if plan.has_budget:
        return Allowance(change, numbers.budget - jnp.sum(jnp.abs(all_hard - from_start)))
    if plan.start == "reference":
        kept = jnp.sum(all_hard * from_start)
        union = jnp.sum(from_start) + jnp.sum(all_hard * (1 - from_start))
        # An edge taken back lowers the distance by 1 / union about.
        return Allowance(-change, jnp.floor((1 - numbers.distance) * union - kept))
    return without_limit(hard)


def _fresh(key: jax.Array, now: _Round, near: jax.Array, plan: Plan, data: Data) -> Pairs:
    """Return the pairs with fresh candidates in the place of the block's absent ones."""
    num_edges = data.pairs.senders.shape[0]
    fresh = near_pairs(key, with_spares(plan.num_block), near, plan.directed, data.nodes)
    stays = (now.hard > 0) | (jnp.arange(now.hard.size) < num_edges)
    staying = Pairs(*(jnp.where(stays, side, 0) for side in now.pairs))
    return filled_slots(staying, fresh, unseen(fresh, [staying]))


def _visible(pairs: Pairs, near: jax.Array, plan: Plan, data: Data) -> jax.Array:
    """Return which pairs a target sees, [E + B] bool."""
    if data.nodes is not None:
        return pairs.is_pair  # they are near the targets by choice
    visible = near[pairs.receivers]
    if not plan.directed:
        visible |= near[pairs.senders]
    return pairs.is_pair & visible


def _listed(key: jax.Array, hard: jax.Array, visible: jax.Array, length: int) -> jax.Array:
    """Return the places [length] of all present pairs, then of drawn ones that a target sees."""
    if length == hard.size:
        return jnp.arange(length)
    lots = jax.random.uniform(key, hard.shape)
    rank = jnp.where(hard > 0, 3, jnp.where(visible, 2, 0)) + lots
    return jax.lax.top_k(rank, length)[1]
