"""The relaxation of edges: weights in [0, 1] of a start's edges and of a block of candidates.

Written for one seed; `programs` runs it for many, at once or one after the other. Memory goes with
the edges and the block: nothing has the square of the nodes.
"""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax

from jmetamer._base.keys import Stream, stream_key
from jmetamer._base.undefined import UNDEFINED
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.budget import within_budget
from jmetamer.metamers.methods.relax_edges.candidates import best_candidates
from jmetamer.metamers.methods.relax_edges.near_pairs import near_nodes, near_pairs
from jmetamer.metamers.methods.relax_edges.pair_loss import is_from_start, loss_of_pairs, shortfall
from jmetamer.metamers.methods.relax_edges.plan import Data, Numbers, Plan
from jmetamer.metamers.methods.relax_edges.refill import (
    refilled,
    uniform_pairs,
    unseen,
    with_spares,
)
from jmetamer.metamers.methods.relax_edges.rewired import random_pairs, rewired_pairs
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary.movable import named
from jmetamer.metamers.vary.protocol import Theta

# Weight of the shortfall of a distance: far above the loss, so that it is closed.
PULL = 10.0
# Double-edge swaps proposed an edge, after which a rewired graph has forgotten its start.
_SWAPS = 10
# A walk starts at weights this far from 0 and 1 at most: at the reference itself the loss has no
# gradient.
_NUDGE = 0.1
# By this share of the steps a walk has to reach its distance.
_WALK = 0.5
_T = TypeVar("_T")
# Weights nearer than this to 0 and 1 count as hard.
_HARD = 1e-3
# Weights from this on count as edges where it is asked what a target sees.
_PRESENT = 0.1


class Iterate(NamedTuple):
    """Weighted pairs and features of one step.

    Attributes:
      pairs: [E + B], the start's edges first.
      weight: [E + B].
      features: theta of the features.
      value: [] objective with the last penalty, by which iterates are compared.
      match: [] L_act.
      penalty: [] what the last penalty and the missing distance add to the objective.
    """

    pairs: Pairs
    weight: jax.Array
    features: Theta
    value: jax.Array
    match: jax.Array
    penalty: jax.Array


class Relaxed(NamedTuple):
    """State of one seed under way; with a leading axis, of many.

    Attributes:
      seed_id: [] int32.
      now: where it stands; `value` and `match` are those of the step before.
      moments: states of the optimizers of weights and features.
      best: iterate of the smallest value so far.
      start: [E + B], 1 at the edges of the start.
      initial_loss: [] L_act of the start.
      mark_value, mark_step: [] value and step of the last improvement that counted.
      step: [] int32 steps taken.
      status: [] int32 `Status`.
    """

    seed_id: jax.Array
    now: Iterate
    moments: tuple[optax.OptState, ...]
    best: Iterate
    start: jax.Array
    initial_loss: jax.Array
    mark_value: jax.Array
    mark_step: jax.Array
    step: jax.Array
    status: jax.Array


def start_edges(base_seed: jax.Array, seed_id: jax.Array, plan: Plan, data: Data) -> Pairs:
    """Return the edges of one seed's start, [E]."""
    key = stream_key(base_seed, seed_id, Stream.EDGES)
    num_edges = data.pairs.senders.shape[0]
    if plan.start in ("noise", "any_density"):
        drawn = random_pairs(key, num_edges, data.num_joinable, plan.directed)
        return named(drawn, data.nodes)
    if plan.start == "rewired":
        return rewired_pairs(key, data.pairs, _SWAPS * num_edges, plan.directed)
    return data.pairs


def drawn_start(
    base_seed: jax.Array, seed_id: jax.Array, plan: Plan, data: Data
) -> tuple[Pairs, jax.Array]:
    """Return the pairs [E + B] that one seed begins with, and 1 at those that are its edges."""
    base = start_edges(base_seed, seed_id, plan, data)
    key_block = stream_key(base_seed, seed_id, Stream.CANDIDATES)
    pairs = _joined(base, first_block(key_block, base, plan, data))
    present = is_from_start(data, plan)
    if plan.start == "any_density":
        key = stream_key(base_seed, seed_id, Stream.DENSITY)
        key_density, key_edges = jax.random.split(key)
        density = jax.random.uniform(key_density)
        drawn = jax.random.bernoulli(key_edges, density, present.shape)
        present = (drawn & pairs.is_pair).astype(present.dtype)
    return pairs, present


def begun(seed_id: jax.Array, plan: Plan, data: Data, numbers: Numbers) -> Relaxed:
    """Return the state in which one seed begins.

    Args:
      seed_id: [] int32.
      plan: what is compiled for.
      data: of the reference.
      numbers: base seed, rates and limits.
    """
    pairs, from_start = drawn_start(numbers.base_seed, seed_id, plan, data)
    weight = from_start
    if plan.start == "reference":
        share = data.pairs.senders.shape[0] / max(1, plan.num_block)
        far = jnp.where(from_start > 0, _NUDGE, _NUDGE * min(1.0, share))
        key = stream_key(numbers.base_seed, seed_id, Stream.NUDGES)
        nudge = jax.random.uniform(key, weight.shape)
        weight = jnp.abs(from_start - far * nudge)
    weight = jnp.where(pairs.is_pair, weight, 0)
    # The noise of the features is that of the seed where features vary alone.
    features = plan.matching.vary.draw(numbers.base_seed, seed_id, data.arrays.graph)
    of_weights, of_features = _built(plan, numbers)
    moments = (of_weights.init(weight), of_features.init(features))
    infinity, zero = jnp.float32(jnp.inf), jnp.int32(0)
    now = Iterate(pairs, weight, features, infinity, infinity, jnp.float32(0))
    status = jnp.int32(Status.RUNNING)
    best = jax.tree.map(jnp.copy, now)
    initial = jnp.float32(UNDEFINED)
    return Relaxed(seed_id, now, moments, best, from_start, initial, infinity, zero, zero, status)


def first_block(key: jax.Array, base: Pairs, plan: Plan, data: Data) -> Pairs:
    """Return candidates [B] beside the edges of a start.

    Args:
      key: typed random key.
      base: [E] edges of the start.
      plan: says how many.
      data: of the reference.
    """
    fresh = data.listed if plan.holds_all else _drawn(key, plan, data)
    usable = unseen(fresh, [base])
    # Not `filled_slots` of an empty block, whose places XLA would count as it compiles.
    first = jnp.argsort(~usable, stable=True)[: plan.num_block]
    return Pairs(*(jnp.where(usable[first], side[first], 0) for side in fresh))


def _drawn(key: jax.Array, plan: Plan, data: Data) -> Pairs:
    num = with_spares(plan.num_block)
    return named(uniform_pairs(key, num, data.num_joinable, plan.directed), data.nodes)


def _built(plan: Plan, numbers: Numbers) -> tuple[Any, Any]:
    return (
        plan.optimizer.build(numbers.rate, numbers.steps),
        plan.feature_optimizer.build(numbers.feature_rate, numbers.steps),
    )


def _joined(base: Pairs, block: Pairs) -> Pairs:
    return Pairs(*(jnp.concatenate(sides) for sides in zip(base, block, strict=True)))


class _Look(NamedTuple):
    """What one look at an iterate finds."""

    value: jax.Array
    match: jax.Array
    penalty: jax.Array
    is_settled: jax.Array


def _objective(
    theta: tuple[jax.Array, Theta], state: Relaxed, plan: Plan, data: Data, numbers: Numbers
) -> tuple[jax.Array, _Look]:
    """Return the number to minimize at this step."""
    weight, features = theta
    pairs = state.now.pairs
    objective, match = loss_of_pairs(pairs, weight, features, plan, data)
    objective += plan.matching.vary.penalty(features, data.arrays.graph)
    between = weight * (1 - weight)
    concave = jnp.sum(between) / jnp.maximum(1, jnp.sum(pairs.is_pair))
    progress = state.step / numbers.steps
    lacking, lacking_now = jnp.zeros(()), jnp.zeros(())
    if plan.start == "reference":
        lacking = shortfall(weight, state.start, numbers.distance)
        distance = numbers.distance * jnp.minimum(1, progress / _WALK)
        lacking_now = shortfall(weight, state.start, distance)
    penalty = numbers.penalty * concave + PULL * lacking
    is_settled = (jnp.max(between, initial=0) <= _HARD) & (lacking <= 0)
    current = objective + numbers.penalty * progress * concave + PULL * lacking_now
    return current, _Look(objective + penalty, match, penalty, is_settled)


def stepped(state: Relaxed, plan: Plan, data: Data, numbers: Numbers) -> tuple[Relaxed, jax.Array]:
    """Look at the current iterate, decide whether the seed goes on, and take one step."""
    now = state.now
    (current, look), gradients = jax.value_and_grad(_objective, has_aux=True)(
        (now.weight, now.features), state, plan, data, numbers
    )
    running = state.status == Status.RUNNING
    finite = jnp.isfinite(current) & jnp.isfinite(optax.tree.norm(gradients))
    done = finite & (look.match <= numbers.tolerance) & look.is_settled
    better = running & finite & (done | (look.value < state.best.value))
    looked_at = now._replace(value=look.value, match=look.match, penalty=look.penalty)
    best = _chosen(better, looked_at, state.best)
    counts = best.value < (1 - numbers.improvement) * state.mark_value
    mark_step = jnp.where(counts, state.step, state.mark_step)
    outcome = jnp.select(
        [~finite, done, state.step >= numbers.steps, state.step - mark_step >= numbers.patience],
        [Status.NON_FINITE, Status.CONVERGED, Status.STEPS_EXHAUSTED, Status.STALLED],
        Status.RUNNING,
    )
    status = jnp.where(running, outcome, state.status).astype(jnp.int32)
    weight, features, moments = _moved(state, gradients, plan, data, numbers)
    after = Relaxed(
        state.seed_id,
        looked_at._replace(weight=weight, features=features),
        moments,
        best,
        state.start,
        jnp.where(running & (state.step == 0), look.match, state.initial_loss),
        jnp.where(counts, best.value, state.mark_value),
        mark_step,
        state.step + (status == Status.RUNNING),
        status,
    )
    return after, jnp.where(running, look.match, UNDEFINED)


def _moved(
    state: Relaxed, gradients: tuple[jax.Array, Theta], plan: Plan, data: Data, numbers: Numbers
) -> tuple[jax.Array, Any, Any]:
    """Return weights, features and moments after one step of the optimizers."""
    moved, moments = [], []
    each = zip(
        _built(plan, numbers),
        gradients,
        state.moments,
        (state.now.weight, state.now.features),
        strict=True,
    )
    for optimizer, gradient, memory, theta in each:
        updates, memory = optimizer.update(gradient, memory, theta)
        moved.append(optax.apply_updates(theta, updates))
        moments.append(memory)
    weight, features = moved
    if plan.has_budget:
        weight = within_budget(weight, state.start, numbers.budget)
    weight = jnp.where(state.now.pairs.is_pair, jnp.clip(weight, 0, 1), 0)
    features = plan.matching.vary.project(features, data.arrays.graph)
    return weight, features, tuple(moments)


def exchanged(state: Relaxed, plan: Plan, data: Data, numbers: Numbers) -> Relaxed:
    """Exchange the candidates that nothing came of, and forget what is known of them."""
    now, num_edges = state.now, data.pairs.senders.shape[0]
    key = stream_key(numbers.base_seed, state.seed_id, Stream.EXCHANGES)
    key_fresh, key_ties = jax.random.split(jax.random.fold_in(key, state.step))
    base = Pairs(*(side[:num_edges] for side in now.pairs))
    block = Pairs(*(side[num_edges:] for side in now.pairs))
    fresh = fresh_candidates(key_fresh, now.pairs, now.weight, now.features, plan, data)
    after = refilled(key_ties, block, now.weight[num_edges:], fresh, base)
    forgotten = jnp.concatenate([jnp.zeros(num_edges, bool), after.replaced])

    def reset(memory: jax.Array) -> jax.Array:
        return jnp.where(forgotten, 0, memory) if memory.shape == forgotten.shape else memory

    weight = jnp.concatenate([now.weight[:num_edges], after.weight])
    of_weights, of_features = state.moments
    return state._replace(
        now=now._replace(pairs=_joined(base, after.block), weight=weight),
        moments=(jax.tree.map(reset, of_weights), of_features),
    )


def fresh_candidates(
    key: jax.Array, pairs: Pairs, weight: jax.Array, features: Theta, plan: Plan, data: Data
) -> Pairs:
    """Return candidates for a block, best first, and some more of them than it holds.

    Args:
      key: typed random key.
      pairs: [m] of the graph as it is.
      weight: [m].
      features: theta of the features.
      plan: says how candidates are found.
      data: of the reference.
    """
    if plan.refill == "near":
        near = near_nodes(pairs, weight >= _PRESENT, plan, data)
        return near_pairs(key, with_spares(plan.num_block), near, plan.directed, data.nodes)
    drawn = _drawn(key, plan, data)
    if plan.refill == "gradient":
        return best_candidates(pairs, weight, features, drawn, plan, data)
    return drawn


def _chosen(condition: jax.Array, new: _T, old: _T) -> Any:
    return jax.tree.map(lambda one, other: jnp.where(condition, one, other), new, old)
