"""Descent over hard edges by flips of one pair or of two, found by a sketch of the Jacobian.

Where no single flip lowers the loss, two together often do, such as an edge that moves. Of all
two flips of m pairs there are m^2 / 2; a sketch tells which of them may cancel the residual.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmetamer.metamers.methods.relax_edges.flip_sketch import SAME_HOME, Sketch, sketched
from jmetamer.metamers.methods.relax_edges.moves_by_target import (
    Allowance,
    moved_together,
    moves_by_target,
    without_limit,
)


class JointFlips(NamedTuple):
    """Where the descent ended.

    Attributes:
      hard: [m] 0 or 1.
      loss: [] its loss, never above that of the start.
      num_flips: [] int32 pairs flipped, counted each time.
    """

    hard: jax.Array
    loss: jax.Array
    num_flips: jax.Array


_Now = tuple[jax.Array, jax.Array, jax.Array]


class _State(NamedTuple):
    """Where the descent stands, and how many steps were in vain since the last that was not."""

    number: jax.Array
    hard: jax.Array
    value: jax.Array
    num_flips: jax.Array
    num_vain: jax.Array


def joint_flips(
    key: jax.Array,
    hard: jax.Array,
    is_pair: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
    residual: Callable[[jax.Array], jax.Array],
    allowance: Callable[[jax.Array], Allowance] | None = None,
    *,
    shortlist: int = 32,
    rows: int = 256,
    each: int = 8,
    most: int | jax.Array = 200,
    patience: int = 4,
    tolerance: jax.Array | float = 0.0,
) -> JointFlips:
    """Flip pairs, one or two at once, as long as the loss falls.

    To second order the flips e and f, with the effects j_e, j_f on the residual r, change the loss
    |r|^2 by

        D(e, f) = D(e) + D(f) + 2 <j_e, j_f>,   D(e) = 2 <r, j_e> + |j_e|^2.

    The first term of D is a gradient; the j are read off c + 1 backward passes, c the number
    of columns, because most flips act on one target: the rows of all targets are added with random
    signs, and once more with random factors, which tell the target.

    A step makes the best move of every target at once and keeps those that helped their target,
    then the next best, `each` times (`moves_by_target`). Where that does not lower the loss, `rows`
    flips, the half of them those of smallest D(e), the others drawn, look for their best partner
    among all m, and the `shortlist` best of these moves are tried one after the other.

    Args:
      key: typed random key.
      hard: [m] 0 or 1, floating point.
      is_pair: [m] bool; False: padding, which is never flipped.
      loss: from weights [m] to a scalar, differentiable: what decides.
      residual: from weights [m] to [t, c], whose squares add up to about the loss.
      allowance: from weights [m] to what each flip costs and what may be spent; None: no limit.
      shortlist: moves tried one after the other, static.
      rows: flips whose partners are looked for, static.
      each: moves of each target tried in a step, static.
      most: number of flips after which the descent ends.
      patience: steps without a better graph after which it ends, static.
      tolerance: [] loss at which nothing is left to do.

    Example:
      >>> matrix, aim = jnp.array([[3.0, 2.0, 2.5]]), jnp.array([2.1])
      >>> def residual(weight):
      ...     return (matrix @ weight - aim)[None]
      >>> def loss(weight):
      ...     return jnp.sum(residual(weight) ** 2)
      >>> start, is_pair = jnp.array([1.0, 0, 0]), jnp.ones(3, bool)
      >>> found = joint_flips(jax.random.key(0), start, is_pair, loss, residual)
      >>> found.hard.tolist(), int(found.num_flips)  # an edge has moved
      ([0.0, 1.0, 0.0], 2)
    """
    allowance = allowance or without_limit
    rows, each = min(rows, hard.size), min(each, hard.size)
    shortlist = min(shortlist, rows)

    def going(state: _State) -> jax.Array:
        hopeful = state.num_vain < patience
        return hopeful & (state.num_flips < most) & (state.value > tolerance)

    def one_by_one(lots: jax.Array, sketch: Sketch, acts: jax.Array, now: _Now) -> _Now:
        def tried(now: _Now, move: tuple[jax.Array, jax.Array]) -> tuple[_Now, None]:
            hard, value, num_flips = now
            moved = _flipped(hard, *move)
            after = loss(moved)
            better = (after < value) & acts[move[0]]
            num_flips += jnp.where(better, 1 + (move[0] != move[1]), 0)
            return (
                jnp.where(better, moved, hard),
                jnp.where(better, after, value),
                num_flips,
            ), None

        spending = allowance(now[0])
        moves = _moves(lots, sketch, acts, spending, rows, shortlist)
        return jax.lax.scan(tried, now, moves)[0]

    def step(state: _State) -> _State:
        drawn = jax.random.fold_in(key, state.number)
        key_sketch, key_moves, key_lots = jax.random.split(drawn, 3)
        sketch = sketched(key_sketch, state.hard, loss, residual)
        acts = is_pair & (jnp.sum(jnp.abs(sketch.effect), axis=0) > 0)
        moves = moves_by_target(key_moves, sketch, acts, allowance(state.hard), each)
        hard, value, flips = moved_together(
            state.hard, state.value, moves, loss, residual, allowance
        )
        now = hard, value, state.num_flips + flips
        lots = jax.random.uniform(key_lots, hard.shape)
        hard, value, num_flips = jax.lax.cond(
            value < state.value, lambda: now, lambda: one_by_one(lots, sketch, acts, now)
        )
        num_vain = jnp.where(value < state.value, 0, state.num_vain + 1)
        return _State(state.number + 1, hard, value, num_flips, num_vain)

    # Through the same map as the trials, so that equal graphs have equal losses.
    value = jax.lax.map(loss, hard[None])[0]
    state = _State(jnp.int32(0), hard, value, jnp.int32(0), jnp.int32(0))
    end = jax.lax.while_loop(going, step, state)
    return JointFlips(end.hard, end.value, end.num_flips)


def _moves(
    lots: jax.Array, sketch: Sketch, acts: jax.Array, spending: Allowance, rows: int, shortlist: int
) -> tuple[jax.Array, jax.Array]:
    """Return the two flips [shortlist] of each move that promises most; equal where it is one."""
    single = jnp.where(acts, sketch.single, jnp.inf)
    allowed = jnp.where(spending.toll <= spending.room, single, jnp.inf)
    best = _in_turn(single, sketch.home, rows - rows // 2)
    drawn = jax.lax.top_k(jnp.where(acts, lots, -1), rows // 2)[1]
    chosen = jnp.concatenate([best, drawn])
    apart = jnp.abs(sketch.home[chosen][:, None] - sketch.home) > SAME_HOME
    # What acts on different targets adds up; it is joined only where one has to pay for the other.
    together = jnp.where(apart, 0, 2 * sketch.effect[:, chosen].T @ sketch.effect)
    joint = together + single[chosen][:, None] + single
    toll = spending.toll[chosen][:, None] + spending.toll
    alone = spending.toll[chosen][:, None] <= spending.room
    joint = jnp.where((apart & alone) | (toll > spending.room), jnp.inf, joint)
    joint = joint.at[jnp.arange(rows), chosen].set(allowed[chosen])
    partner = jnp.argmin(joint, axis=1)
    promised = jnp.min(joint, axis=1)
    # A flip among the best ones may have been drawn too.
    row = jnp.arange(rows)
    promised = jnp.where((row >= best.size) & jnp.isin(chosen, best), jnp.inf, promised)
    taken = _in_turn(promised, sketch.home[chosen], shortlist)
    return chosen[taken], partner[taken]


def _in_turn(promised: jax.Array, home: jax.Array, num: int) -> jax.Array:
    """Return the places [num] of the best of each home, then of the second best, and so on.

    Moves on different targets hardly meet, so that many of them may be made at once.
    """
    group = jnp.round(home / SAME_HOME)
    place = jnp.arange(home.size, dtype=jnp.int32)
    group, promised, place = jax.lax.sort((group, promised, place), num_keys=2)
    is_first = jnp.concatenate([jnp.ones(1, bool), group[1:] != group[:-1]])
    rank = jnp.arange(home.size, dtype=jnp.int32)
    first = jax.lax.cummax(jnp.where(is_first, rank, 0))
    turn = jnp.where(promised < 0, rank - first, home.size)
    return jax.lax.sort((turn, promised, place), num_keys=2)[2][:num]


def _flipped(hard: jax.Array, one: jax.Array, other: jax.Array) -> jax.Array:
    hard = hard.at[one].set(1 - hard[one])
    return jnp.where(one == other, hard, hard.at[other].set(1 - hard[other]))
