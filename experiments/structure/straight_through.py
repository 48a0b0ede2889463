"""The baseline: plain straight-through top-k over pairs, and nothing after it."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import jmetamer as jm
from jmetamer._base.keys import Stream, stream_key
from jmetamer._base.precision import highest_precision
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.relax_edges.pair_loss import is_from_start, loss_of_pairs, shortfall
from jmetamer.metamers.methods.relax_edges.plan import Data, Numbers, Plan, numbers_of, plan_of
from jmetamer.metamers.methods.relax_edges.refill import refilled
from jmetamer.metamers.methods.relax_edges.relaxation import PULL, begun, fresh_candidates

EXCHANGING = 0.75  # of the steps, as in the search it is held against


class Found(NamedTuple):
    """The best hard graph of one seed.

    Attributes:
      pairs: [m].
      hard: [m] 0 or 1.
      loss: [] its L_act.
      step: [] when it was met.
    """

    pairs: Pairs
    hard: jax.Array
    loss: jax.Array
    step: jax.Array


class _State(NamedTuple):
    pairs: Pairs
    score: jax.Array
    moments: Any
    best: Found
    value: jax.Array


def straight_through(
    problem: jm.Problem,
    method: jm.RelaxEdges,
    seed_id: int,
    *,
    rate: float,
    refill_every: int | None,
) -> Found:
    """Return the best hard graph that straight-through top-k meets.

    Every pair has a real score. Forward, the k pairs of the largest scores are edges, with k the
    number of edges of the reference; backward, the gradient by the hard weights is taken for that
    by the scores; Adam moves them. Start and candidates are those of jmetamer's search with this
    seed, scores 1 at the edges of the start and 0 at candidates.

    Args:
      problem: its edges vary.
      method: the search that it is held against; says steps, block and how candidates are found.
      seed_id: seed of start and candidates.
      rate: learning rate of Adam.
      refill_every: steps between exchanges of the candidates with scores at or below 0, or of the
        smallest, by the rule of the search; None: the candidates stay.
    """
    task = Task(problem, 0, method.for_problem(problem), problem.tolerance)
    plan, data = plan_of(task, together=False)
    numbers = numbers_of(task, plan)
    return jax.device_get(
        _descended(
            plan,
            method.num_steps,
            refill_every or 0,
            jnp.int32(seed_id),
            jnp.float32(rate),
            data,
            numbers,
        )
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _descended(
    plan: Plan,
    steps: int,
    refill_every: int,
    seed_id: jax.Array,
    rate: jax.Array,
    data: Data,
    numbers: Numbers,
) -> Found:
    key = stream_key(numbers.base_seed, seed_id, Stream.EXCHANGES)
    num_edges = data.pairs.senders.shape[0]
    from_start = is_from_start(data, plan)
    adam = optax.adam(rate)

    def looked_at(pairs: Pairs, score: jax.Array) -> tuple[Any, jax.Array, jax.Array]:
        hard = _hard(pairs, score, num_edges)

        def objective(hard: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            objective, match = loss_of_pairs(pairs, hard, (), plan, data)
            lacking = jnp.zeros(())
            if plan.start == "reference":
                lacking = PULL * shortfall(hard, from_start, numbers.distance)
            return objective + lacking, (match, match + lacking)

        (_, seen), gradient = jax.value_and_grad(objective, has_aux=True)(hard)
        return seen, gradient, hard

    def step(index: jax.Array, state: _State) -> _State:
        (match, value), gradient, hard = looked_at(state.pairs, state.score)
        is_better = value < state.value
        best = Found(state.pairs, hard, match, index)
        best = jax.tree.map(lambda new, old: jnp.where(is_better, new, old), best, state.best)
        updates, moments = adam.update(gradient, state.moments)
        score = state.score + updates
        state = _State(state.pairs, score, moments, best, jnp.minimum(value, state.value))
        if refill_every and not plan.holds_all:
            due = (index % refill_every == refill_every - 1) & (index < EXCHANGING * steps)
            state = jax.lax.cond(due, lambda: exchanged(index, state), lambda: state)
        return state

    def exchanged(index: jax.Array, state: _State) -> _State:
        base, block = (
            Pairs(*(side[part] for side in state.pairs))
            for part in (slice(num_edges), slice(num_edges, None))
        )
        key_fresh, key_ties = jax.random.split(jax.random.fold_in(key, index))
        fresh = fresh_candidates(
            key_fresh, state.pairs, _hard(state.pairs, state.score, num_edges), (), plan, data
        )
        after = refilled(key_ties, block, state.score[num_edges:], fresh, base)
        forgotten = jnp.concatenate([jnp.zeros(num_edges, bool), after.replaced])
        moments = jax.tree.map(
            lambda leaf: jnp.where(forgotten, 0, leaf) if leaf.shape == forgotten.shape else leaf,
            state.moments,
        )
        pairs = Pairs(*(jnp.concatenate(ends) for ends in zip(base, after.block, strict=True)))
        score = jnp.concatenate([state.score[:num_edges], after.weight])
        return state._replace(pairs=pairs, score=score, moments=moments)

    begin = begun(seed_id, plan, data, numbers)
    pairs, score = begin.now.pairs, from_start
    if plan.start == "reference":
        score = begin.now.weight
    nothing = Found(pairs, jnp.zeros_like(score), jnp.float32(jnp.inf), jnp.int32(0))
    state = _State(pairs, score, adam.init(score), nothing, jnp.float32(jnp.inf))
    with highest_precision():
        return jax.lax.fori_loop(0, steps, step, state).best


def _hard(pairs: Pairs, score: jax.Array, count: int) -> jax.Array:
    """Return 1 at the pairs of the largest scores, 0 elsewhere."""
    largest = jax.lax.top_k(jnp.where(pairs.is_pair, score, -jnp.inf), count)[1]
    return jnp.zeros_like(score).at[largest].set(1.0) * pairs.is_pair
