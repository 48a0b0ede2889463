"""From relaxed weights to a hard graph: the best rounding; `flip_rounds` goes on from there."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmetamer._base.keys import Stream, stream_key
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.pair_loss import loss_of_pairs, shortfall
from jmetamer.metamers.methods.relax_edges.plan import Data, Numbers, Plan
from jmetamer.metamers.methods.relax_edges.relaxation import PULL, Relaxed
from jmetamer.metamers.methods.relax_edges.rounding import best_rounding
from jmetamer.metamers.vary.protocol import Theta


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
    features: Theta
    loss_relaxed: jax.Array
    loss_rounded: jax.Array
    loss: jax.Array
    rounding: jax.Array
    num_flips: jax.Array


def rounded(state: Relaxed, plan: Plan, data: Data, numbers: Numbers) -> Hardened:
    """Return the best rounding of one seed; no graph beyond the budget is accepted.

    Args:
      state: at the end of its relaxation.
      plan: what is matched, and the number of random roundings.
      data: of the reference.
      numbers: base seed, budget and distance.
    """
    pairs, weight, features, _, match, _ = state.best
    allowed = _within(weight, state.start, numbers) if plan.has_budget else lambda hard: hard

    def loss(hard: jax.Array) -> jax.Array:
        hard = allowed(hard)
        return criterion(pairs, hard, hard, state.start, features, plan, data, numbers)

    key = stream_key(numbers.base_seed, state.seed_id, Stream.ROUNDING)
    best = best_rounding(key, weight, pairs.is_pair, loss, plan.draws)
    hard = allowed(best.hard)
    rounded_loss = loss_of_pairs(pairs, hard, features, plan, data)[1]
    kept = pairs, hard, state.start, features, match, rounded_loss, rounded_loss
    return Hardened(*kept, best.rule, jnp.int32(0))


def criterion(
    pairs: Pairs,
    hard: jax.Array,
    all_hard: jax.Array,
    start: jax.Array,
    features: Theta,
    plan: Plan,
    data: Data,
    numbers: Numbers,
) -> jax.Array:
    """Return the number by which hard graphs are compared, [].

    It is L_act plus what a walk lacks of its distance, infinite beyond the budget; its gradient is
    that of the objective, which may have no dead zone.

    Args:
      pairs: [c], all that are present among them.
      hard: [c].
      all_hard: [E + B] of all pairs.
      start: [E + B], 1 at the edges of the start.
      features: theta of the features.
      plan, data: what is matched.
      numbers: budget and distance.
    """
    objective, loss = loss_of_pairs(pairs, hard, features, plan, data)
    if plan.start == "reference":
        lacking = PULL * shortfall(all_hard, start, numbers.distance)
        objective, loss = objective + lacking, loss + lacking
    if plan.has_budget:
        changed = jnp.sum(jnp.abs(all_hard - start))
        loss = jnp.where(changed <= numbers.budget, loss, jnp.inf)
    return jax.lax.stop_gradient(loss) + objective - jax.lax.stop_gradient(objective)


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
