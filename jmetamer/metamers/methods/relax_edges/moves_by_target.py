"""Moves of one target each, made for all targets at once: what one moves, the others do not see."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmetamer.metamers.methods.relax_edges.flip_sketch import SAME_HOME, Sketch

# Pairs of flips that are compared in one step, all targets together.
_COMPARED = 2_000_000


class Moves(NamedTuple):
    """Flips of one pair or of two, by target; the same place twice is one flip.

    Attributes:
      one, other: [p, t] places of pairs.
      promised: [p, t] change of the loss to second order, each column ascending; inf for none.
    """

    one: jax.Array
    other: jax.Array
    promised: jax.Array


class Allowance(NamedTuple):
    """What flips may spend of a limit, such as a budget of changes.

    Attributes:
      toll: [m] what each flip costs; negative where it gives back.
      room: [] what may be spent; moves that cost more are not tried.
    """

    toll: jax.Array
    room: jax.Array


def without_limit(hard: jax.Array) -> Allowance:
    """Return that every flip [m] is free."""
    return Allowance(jnp.zeros_like(hard), jnp.float32(jnp.inf))


def moves_by_target(
    key: jax.Array, sketch: Sketch, usable: jax.Array, spending: Allowance, num: int
) -> Moves:
    """Return the most promising moves of each target, [num, t].

    Of each target the same number of flips is compared, two by two: the one half those that promise
    most by themselves, the other half drawn. Flips that act on several targets are left out.

    Args:
      key: typed random key.
      sketch: of all flips.
      usable: [m] bool.
      spending: moves beyond it are left out.
      num: moves of each target, static.
    """
    num_targets = sketch.places.size
    width = max(num, min(usable.size, int((_COMPARED / num_targets) ** 0.5)))
    table = _table(key, sketch, usable, width)
    listed = jnp.maximum(table, 0)
    single = jnp.where(table >= 0, sketch.single[listed], jnp.inf)
    effect = sketch.effect[:, listed]
    joint = 2 * jnp.einsum("kti,ktj->tij", effect, effect)
    joint += single[:, :, None] + single[:, None, :]
    toll = spending.toll[listed]
    joint = jnp.where(toll[:, :, None] + toll[:, None, :] > spending.room, jnp.inf, joint)
    alone = jnp.arange(width)
    joint = joint.at[:, alone, alone].set(jnp.where(toll > spending.room, jnp.inf, single))
    partner = jnp.argmin(joint, axis=2)
    promised = jnp.min(joint, axis=2)
    lowest, row = jax.lax.top_k(-promised, num)
    one = jnp.take_along_axis(listed, row, axis=1)
    other = jnp.take_along_axis(listed, jnp.take_along_axis(partner, row, axis=1), axis=1)
    return Moves(one.T, other.T, -lowest.T)


def _table(key: jax.Array, sketch: Sketch, usable: jax.Array, width: int) -> jax.Array:
    """Return the places [t, width] of the flips of each target, -1 where there are no more."""
    num_targets = sketch.places.size
    order = jnp.argsort(sketch.places)
    ends = sketch.places[order]
    above = jnp.clip(jnp.searchsorted(ends, sketch.home), 1, max(1, num_targets - 1))
    near = jnp.stack([above - 1, jnp.minimum(above, num_targets - 1)])
    gap = jnp.abs(ends[near] - sketch.home)
    target = order[jnp.where(gap[0] <= gap[1], near[0], near[1])]
    is_single = usable & (jnp.min(gap, axis=0) <= SAME_HOME)
    target = jnp.where(is_single, target, num_targets)
    first = _rank_within(target, sketch.single) < width // 2
    lots = jax.random.uniform(key, target.shape)
    rank = _rank_within(target, jnp.where(first, -1, lots))
    is_in = is_single & (rank < width)
    slot = jnp.where(is_in, target * width + rank, num_targets * width)
    empty = jnp.full(num_targets * width, -1, jnp.int32)
    place = jnp.arange(target.size, dtype=jnp.int32)
    return empty.at[slot].set(place, mode="drop").reshape(num_targets, width)


def _rank_within(group: jax.Array, value: jax.Array) -> jax.Array:
    """Return the rank [m] of each value among those of its group, ascending."""
    place = jnp.arange(group.size, dtype=jnp.int32)
    group, value, order = jax.lax.sort((group, value, place), num_keys=2)
    is_first = jnp.concatenate([jnp.ones(1, bool), group[1:] != group[:-1]])
    rank = place - jax.lax.cummax(jnp.where(is_first, place, 0))
    return jnp.zeros_like(place).at[order].set(rank)


def moved_together(
    hard: jax.Array,
    value: jax.Array,
    moves: Moves,
    loss: Callable[[jax.Array], jax.Array],
    residual: Callable[[jax.Array], jax.Array],
    allowance: Callable[[jax.Array], Allowance] = without_limit,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Make one move of every target, then the next, and keep what helped its target.

    Args:
      hard: [m] 0 or 1.
      value: [] its loss.
      moves: [p, t].
      loss: from weights [m] to a scalar: what decides.
      residual: from weights [m] to [t, c].
      allowance: from weights [m] to what each flip costs and what may be spent.

    Returns:
      (hard, loss, number of flips); the loss is never above the one given.
    """

    def of_targets(hard: jax.Array) -> jax.Array:
        return jnp.sum(jnp.square(residual(hard)), axis=1)

    def tried(
        now: tuple[jax.Array, jax.Array, jax.Array, jax.Array], moves: Moves
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array, jax.Array], None]:
        hard, value, losses, num_flips = now
        hopeful = moves.promised < 0
        toll, room = allowance(hard)
        toll = toll[moves.one] + jnp.where(moves.one != moves.other, toll[moves.other], 0)
        # All together must not cost too much, also without those that give back.
        hopeful &= jnp.cumsum(jnp.where(hopeful, jnp.maximum(toll, 0), 0)) <= room
        after = of_targets(_flipped(hard, moves, hopeful))
        helped = hopeful & (after < losses)
        moved = _flipped(hard, moves, helped)
        total, after = loss(moved), of_targets(moved)
        better = total < value
        flips = jnp.sum(jnp.where(helped, 1 + (moves.one != moves.other), 0))
        return (
            jnp.where(better, moved, hard),
            jnp.where(better, total, value),
            jnp.where(better, after, losses),
            num_flips + jnp.where(better, flips, 0),
        ), None

    now = hard, value, of_targets(hard), jnp.int32(0)
    (hard, value, _, num_flips), _ = jax.lax.scan(tried, now, moves)
    return hard, value, num_flips


def _flipped(hard: jax.Array, moves: Moves, taken: jax.Array) -> jax.Array:
    """Return the graph after those moves that are made; of two targets they share no pair."""
    two = taken & (moves.one != moves.other)
    places = jnp.concatenate([moves.one, moves.other])
    places = jnp.where(jnp.concatenate([taken, two]), places, hard.size)
    return hard.at[places].set(1 - hard[jnp.minimum(places, hard.size - 1)], mode="drop")
