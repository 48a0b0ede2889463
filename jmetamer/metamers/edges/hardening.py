"""From relaxed weights to a hard graph: the best rounding, then flips of single pairs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.edges.kicked_flips import kicked_flips
from jmetamer.metamers.edges.pair_loss import loss_of_pairs, shortfall
from jmetamer.metamers.edges.plan import Data, Numbers, Plan
from jmetamer.metamers.edges.relaxation import PULL, Relaxed
from jmetamer.metamers.edges.rounding import best_rounding

# Roundings and kicks draw from the seed's key folded with these; steps fold with numbers below.
_ROUNDING, _KICKS = 2**30, 2**30 + 1


class Hardened(NamedTuple):
    """A hard graph and how it came about.

    Attributes:
      pairs: [m].
      hard: [m] 0 or 1; 0 at padding.
      start: [m], 1 at the edges of the start.
      features: theta of the features.
      loss_relaxed: [] L_act of the best relaxed iterate.
      loss_rounded: [] L_act of the best rounding.
      loss: [] L_act after flips.
      rounding: [] int32 which one was best: 0 the threshold 1/2, 1 the largest, from 2 on draws.
      num_flips: [] int32.
    """

    pairs: Pairs
    hard: jax.Array
    start: jax.Array
    features: Any
    loss_relaxed: jax.Array
    loss_rounded: jax.Array
    loss: jax.Array
    rounding: jax.Array
    num_flips: jax.Array


def hardened(state: Relaxed, plan: Plan, data: Data, numbers: Numbers) -> Hardened:
    """Return the hard graph of one seed.

    Roundings are compared, and flips accepted, by L_act plus what a walk lacks of its distance;
    no graph beyond the budget is accepted.

    Args:
      state: at the end of its relaxation.
      plan: what is matched, and the number of random roundings.
      data: of the reference.
      numbers: budget, distance, largest numbers of flips and kicks, tolerance.
    """
    pairs, weight, features, _, match, _ = state.best

    def both(weight: jax.Array) -> tuple[jax.Array, jax.Array]:
        return loss_of_pairs(pairs, weight, features, plan, data)

    def judged(hard: jax.Array) -> jax.Array:
        # The number is L_act, its gradient that of the objective, which may have no dead zone.
        objective, found = both(hard)
        if plan.start == "reference":
            lacking = PULL * shortfall(hard, state.start, numbers.distance)
            objective, found = objective + lacking, found + lacking
        if plan.has_budget:
            changed = jnp.sum(jnp.abs(hard - state.start))
            found = jnp.where(changed <= numbers.budget, found, jnp.inf)
        return jax.lax.stop_gradient(found) + objective - jax.lax.stop_gradient(objective)

    allowed = _within(weight, state.start, numbers) if plan.has_budget else _unchanged
    key = jax.random.fold_in(state.key, _ROUNDING)
    rounded = best_rounding(
        key, weight, pairs.is_pair, lambda hard: judged(allowed(hard)), plan.draws
    )
    start = allowed(rounded.hard)
    flipped = kicked_flips(
        jax.random.fold_in(state.key, _KICKS),
        start,
        pairs.is_pair,
        judged,
        kicks=numbers.kicks,
        most=numbers.flips,
        tolerance=numbers.tolerance,
    )
    before, after = (both(hard)[1] for hard in (start, flipped.hard))
    found = pairs, flipped.hard, state.start, features, match, before, after
    return Hardened(*found, rounded.rule, flipped.num_flips)


def _unchanged(hard: jax.Array) -> jax.Array:
    return hard


def _within(
    weight: jax.Array, from_start: jax.Array, numbers: Numbers
) -> Callable[[jax.Array], jax.Array]:
    """Return the map of hard graphs that takes back changes beyond the budget.

    Those stay whose relaxed weights changed most.
    """
    order = jnp.argsort(-jnp.abs(weight - from_start), stable=True)

    def allowed(hard: jax.Array) -> jax.Array:
        changed = (hard != from_start)[order]
        taken_back = changed & (jnp.cumsum(changed) > numbers.budget)
        beyond = jnp.zeros(hard.shape, bool).at[order].set(taken_back)
        return jnp.where(beyond, from_start, hard)

    return allowed
