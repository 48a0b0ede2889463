"""Descent by double-edge swaps: every node keeps its degree, and the loss only falls."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jmetamer._base.arguments import Count, checked
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.searched import Searched
from jmetamer.metamers.methods.relax_edges.swaps import Swap, propose_swap, swapped


@checked
@dataclasses.dataclass(frozen=True)
class SwapSearch:
    """Settings of `swap_search`.

    Attributes:
      steps: swaps tried in a row; each looks at all proposals and takes the best.
      proposals: double-edge swaps judged a step.

    Example:
      >>> SwapSearch(steps=10).proposals
      32
    """

    steps: Count = 200
    proposals: Count = 32


def swap_search(
    key: jax.Array,
    pairs: Pairs,
    present: Any,
    loss: Callable[[Pairs, jax.Array], jax.Array],
    settings: SwapSearch = SwapSearch(),
    directed: bool = False,
) -> Searched:
    """Improve a graph by the best of some random double-edge swaps, over and over.

    Each step draws `proposals` swaps (a, u), (b, v) -> (a, v), (b, u) of present edges, judges
    those that leave the graph simple one after the other, and makes the best if the loss falls.
    Pairs that are listed but absent count as taken, so list none if any edge may be made.

    Args:
      key: typed random key.
      pairs: [m], none twice; undirected ones with the smaller node first.
      present: [m] bool or 0 and 1; False at padding.
      loss: from pairs [m] and weights [m] float32 to a scalar.
      settings: number of steps and proposals, static.
      directed: whether (i, j) differs from (j, i), static.

    Example:
      >>> ring = Pairs(jnp.array([0, 1, 2, 3, 4, 0]), jnp.array([1, 2, 3, 4, 5, 5]))
      >>> def length(pairs, weight):
      ...     return jnp.sum(weight * abs(pairs.senders - pairs.receivers))
      >>> found = swap_search(jax.random.key(0), ring, jnp.ones(6, bool), length, SwapSearch(5, 4))
      >>> float(found.initial_loss), bool(found.loss < 10)
      (10.0, True)
    """
    pairs, present = Pairs(*map(jnp.asarray, pairs)), jnp.asarray(present).astype(bool)
    weight = present.astype(jnp.float32)

    def judged(pairs: Pairs) -> jax.Array:
        return loss(pairs, weight)

    def step(
        state: tuple[Pairs, jax.Array, jax.Array], key: jax.Array
    ) -> tuple[tuple[Pairs, jax.Array, jax.Array], jax.Array]:
        pairs, value, accepted = state
        swaps = jax.vmap(lambda key: propose_swap(key, pairs, present, directed))(
            jax.random.split(key, settings.proposals)
        )
        values = jax.lax.map(lambda swap: judged(swapped(pairs, swap)), swaps)
        values = jnp.where(swaps.is_legal & ~jnp.isnan(values), values, jnp.inf)
        best = jnp.argmin(values)
        is_better = values[best] < value
        swap: Swap = jax.tree.map(lambda array: array[best], swaps)
        swap = swap._replace(is_legal=swap.is_legal & is_better)
        value = jnp.where(is_better, values[best], value)
        return (swapped(pairs, swap), value, accepted + is_better), value

    # Through the same map as the proposals, so that equal graphs have equal losses.
    start = jax.lax.map(judged, jax.tree.map(lambda side: side[None], pairs))[0]
    state = pairs, start, jnp.int32(0)
    (pairs, value, accepted), trace = jax.lax.scan(
        step, state, jax.random.split(key, settings.steps)
    )
    return Searched(pairs, present, value, start, accepted, trace)
