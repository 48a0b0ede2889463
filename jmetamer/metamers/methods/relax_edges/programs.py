"""The compiled functions of structure metamers: each runs one seed, or many at once."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.precision import highest_precision, loop_precision
from jmetamer._base.undefined import UNDEFINED
from jmetamer.graphs.message_passing import edge_by_edge
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.flip_rounds import flipped, length_of_list
from jmetamer.metamers.methods.relax_edges.hardening import Hardened, rounded
from jmetamer.metamers.methods.relax_edges.plan import Data, Numbers, Plan
from jmetamer.metamers.methods.relax_edges.relaxation import (
    Relaxed,
    begun,
    drawn_start,
    exchanged,
    stepped,
)

_T = TypeVar("_T")
_R = TypeVar("_R")
# Steps of one call at most: the host looks in between, and losses come back in rows this long.
CHUNK = 32


def each(plan: Plan, function: Callable[[_T], _R], rows: _T) -> _R:
    """Run a function of one seed for every entry of the leading axis.

    On accelerators all at once; a processor gains nothing from a batch, and XLA's batched scatter
    costs it four times the plain one.

    Args:
      plan: says which.
      function: of one seed.
      rows: tree of arrays with a leading axis over seeds.
    """
    with edge_by_edge():
        return jax.vmap(function)(rows) if plan.together else jax.lax.map(function, rows)


@compile_function(static=1)
def begin(plan: Plan, seed_ids: jax.Array, data: Data, numbers: Numbers) -> Relaxed:
    """Return the states of seeds [s] at their first step."""
    return each(plan, lambda seed_id: begun(seed_id, plan, data, numbers), seed_ids)


@compile_function(static=1, donate=(1,))
def advance(
    plan: Plan, state: Relaxed, num_steps: jax.Array, data: Data, numbers: Numbers
) -> tuple[Relaxed, jax.Array]:
    """Take up to `CHUNK` steps of every seed that is not at its end.

    Args:
      plan: what to run.
      state: of seeds [s]; given away.
      num_steps: [] int32.
      data: of the reference.
      numbers: that steer the loop.

    Returns:
      The states, and L_act before every step [s, CHUNK]; `UNDEFINED` where none was taken.
    """

    def chunk(state: Relaxed) -> tuple[Relaxed, jax.Array]:
        def body(index: jax.Array, carry: tuple[Relaxed, jax.Array]) -> tuple[Relaxed, jax.Array]:
            state, loss = stepped(carry[0], plan, data, numbers)
            return state, carry[1].at[index].set(loss)

        empty = jnp.full(CHUNK, UNDEFINED)
        return jax.lax.fori_loop(0, num_steps, body, (state, empty))

    with loop_precision(plan.precision):
        return each(plan, chunk, state)


@compile_function(static=1, donate=(1,))
def exchange(plan: Plan, state: Relaxed, data: Data, numbers: Numbers) -> Relaxed:
    """Exchange the candidates of seeds [s] that nothing came of."""
    with loop_precision(plan.precision):
        return each(plan, lambda state: exchanged(state, plan, data, numbers), state)


def harden(plan: Plan, state: Relaxed, data: Data, numbers: Numbers) -> Hardened:
    """Return the hard graphs of seeds [s], at the highest matmul precision.

    Most candidates are absent by then: flips run on lists as short as the graphs allow.
    """
    hard = round_weights(plan, state, data, numbers)
    if int(numbers.flips) == 0:
        return hard
    most = int(jnp.max(jnp.sum(hard.hard > 0, axis=1)))
    length = length_of_list(most, data.pairs.senders.shape[0], hard.hard.shape[1])
    return flip_pairs(plan, length, state.seed_id, hard, data, numbers)


@compile_function(static=1)
def round_weights(plan: Plan, state: Relaxed, data: Data, numbers: Numbers) -> Hardened:
    """Return the best roundings of seeds [s]."""
    with highest_precision():
        return each(plan, lambda state: rounded(state, plan, data, numbers), state)


@compile_function(static=2)
def flip_pairs(
    plan: Plan, length: int, seed_ids: jax.Array, hard: Hardened, data: Data, numbers: Numbers
) -> Hardened:
    """Return what flips make of the hard graphs of seeds [s]."""
    with highest_precision():
        return each(
            plan, lambda row: flipped(row[0], row[1], length, plan, data, numbers), (seed_ids, hard)
        )


@compile_function(static=1)
def draw_edges(
    plan: Plan, seed_ids: jax.Array, data: Data, base_seed: jax.Array
) -> tuple[Pairs, jax.Array]:
    """Return the pairs [s, m] at which seeds start, and 1 at those that are edges."""

    def drawn(seed_id: jax.Array) -> tuple[Pairs, jax.Array]:
        pairs, present = drawn_start(base_seed, seed_id, plan, data)
        if plan.start == "any_density":
            return pairs, present
        num_edges = data.pairs.senders.shape[0]  # the block behind them holds no edge
        return Pairs(*(side[:num_edges] for side in pairs)), present[:num_edges]

    return each(plan, drawn, seed_ids)
