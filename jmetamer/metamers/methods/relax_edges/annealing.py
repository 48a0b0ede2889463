"""Simulated annealing over edges: worse graphs are accepted too, ever more rarely."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jmetamer._base.arguments import Count, Positive, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.searched import Searched
from jmetamer.metamers.methods.relax_edges.swaps import drawn_slots, propose_swap, swapped
from jmetamer.models.network import require_name

MOVES = ("flip", "swap")
# Pairs, which are present, and the loss; or whether a move to them is legal.
_Judged = tuple[Pairs, jax.Array, jax.Array]


@checked
@dataclasses.dataclass(frozen=True)
class Annealing:
    """Settings of `annealed`; temperatures are shares of the initial loss.

    Attributes:
      steps: moves proposed.
      hottest: first temperature / initial loss.
      coldest: last temperature / initial loss, not above `hottest`.
      move: "flip" adds or removes one pair of the list; "swap" is a double-edge swap, which keeps
        degrees.

    Example:
      >>> Annealing(steps=100, move="flip").hottest
      0.01
    """

    steps: Count = 2000
    hottest: Positive = 0.01
    coldest: Positive = 1e-5
    move: str = "swap"

    def __post_init__(self) -> None:
        require_name("move", self.move, MOVES)
        if not self.coldest <= self.hottest:
            raise InputError(
                f"`coldest` is {self.coldest!r} and `hottest` {self.hottest!r}; allowed are "
                "numbers above 0, the coldest not above the hottest: temperatures fall "
                "geometrically from one to the other"
            )


class _State(NamedTuple):
    """Where the walk stands: graph, loss, the best graph so far, and the moves made."""

    pairs: Pairs
    present: jax.Array
    value: jax.Array
    best_pairs: Pairs
    best_present: jax.Array
    best_value: jax.Array
    accepted: jax.Array


def annealed(
    key: jax.Array,
    pairs: Pairs,
    present: Any,
    loss: Callable[[Pairs, jax.Array], jax.Array],
    settings: Annealing = Annealing(),
    directed: bool = False,
) -> Searched:
    """Walk over graphs by the Metropolis rule while the temperature falls; return the best one.

    Step k of S proposes one move and accepts it with probability `min(1, exp(-(L' - L) / T_k))`,
    at the temperature `T_k = L_0 hottest (coldest / hottest)^(k / (S - 1))`, with L_0 the loss of
    the graph given (Kirkpatrick et al. 1983).

    Args:
      key: typed random key.
      pairs: [m], none twice; undirected ones with the smaller node first. With "flip" they are all
        the edges that may be; with "swap", absent ones are never made and count as taken.
      present: [m] bool or 0 and 1; False at padding.
      loss: from pairs [m] and weights [m] float32 to a scalar.
      settings: steps, temperatures and move, static.
      directed: whether (i, j) differs from (j, i), static.

    Example:
      >>> ring = Pairs(jnp.array([0, 1, 2, 0]), jnp.array([1, 2, 3, 3]))
      >>> def loss(pairs, weight):
      ...     return abs(weight.sum() - 1)
      >>> settings = Annealing(steps=20, move="flip")
      >>> found = annealed(jax.random.key(0), ring, jnp.ones(4, bool), loss, settings)
      >>> float(found.initial_loss), float(found.loss), int(found.present.sum())
      (3.0, 0.0, 1)
    """
    pairs, present = Pairs(*map(jnp.asarray, pairs)), jnp.asarray(present).astype(bool)
    propose = _swap(directed) if settings.move == "swap" else _flip

    def step(state: _State, given: tuple[jax.Array, jax.Array]) -> tuple[_State, jax.Array]:
        key, temperature = given
        key_move, key_accept = jax.random.split(key)
        new_pairs, new_present, is_legal = propose(key_move, state.pairs, state.present)
        value = loss(new_pairs, new_present.astype(jnp.float32))
        # log u < -(L' - L) / T without a division, as T is 0 where the initial loss is.
        chance = jnp.log(jax.random.uniform(key_accept, minval=jnp.finfo(jnp.float32).tiny))
        taken = is_legal & (value - state.value < -chance * temperature)
        is_best = taken & (value < state.best_value)
        new = new_pairs, new_present, value
        here = _chosen(taken, new, (state.pairs, state.present, state.value))
        best = _chosen(is_best, new, (state.best_pairs, state.best_present, state.best_value))
        return _State(*(*here, *best, state.accepted + taken)), here[2]

    start = loss(pairs, present.astype(jnp.float32))
    progress = jnp.arange(settings.steps) / max(settings.steps - 1, 1)
    cooling = settings.hottest * (settings.coldest / settings.hottest) ** progress
    state = _State(pairs, present, start, pairs, present, start, jnp.int32(0))
    keys = jax.random.split(key, settings.steps)
    end, trace = jax.lax.scan(step, state, (keys, start * cooling))
    best = end.best_pairs, end.best_present, end.best_value
    return Searched(*best, start, end.accepted, trace)


def _chosen(condition: jax.Array, new: _Judged, old: _Judged) -> _Judged:
    return jax.tree.map(lambda one, other: jnp.where(condition, one, other), new, old)


def _flip(key: jax.Array, pairs: Pairs, present: jax.Array) -> _Judged:
    """Add or remove one pair of the list, each equally likely."""
    (slot,) = drawn_slots(key, pairs.is_pair, 1)
    return pairs, present.at[slot].set(~present[slot]), pairs.is_pair[slot]


def _swap(directed: bool) -> Callable[[jax.Array, Pairs, jax.Array], _Judged]:
    def propose(key: jax.Array, pairs: Pairs, present: jax.Array) -> _Judged:
        swap = propose_swap(key, pairs, present, directed)
        return swapped(pairs, swap), present, swap.is_legal

    return propose
