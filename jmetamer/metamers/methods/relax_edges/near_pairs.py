"""Pairs that the matched activations depend on: of the others the gradient is exactly 0."""

import jax
import jax.numpy as jnp

from jmetamer.graphs.graph import num_nodes
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.plan import Data, Plan
from jmetamer.metamers.vary.movable import named


def near_nodes(pairs: Pairs, present: jax.Array, plan: Plan, data: Data) -> jax.Array:
    """Return the nodes at which an edge may end that a target sees, [p] bool, and may come and go.

    A target of a network of K layers sees the edges that arrive within K - 1 steps of it. Of a
    graph in which edges move between some nodes alone, these are the p nodes; else all.

    Args:
      pairs: [m] of the graph as it is.
      present: [m] bool.
      plan: what is matched, and whether pairs have a direction.
      data: of the reference.
    """
    n, targets = num_nodes(data.arrays.graph), data.arrays.nodes
    if targets is None:
        return jnp.ones(data.num_joinable, bool)
    matching = plan.matching
    hops = max(matching.model.num_hops(layer) for layer in matching.layers)
    pairs = Pairs(*(jnp.concatenate(sides) for sides in zip(pairs, data.fixed, strict=True)))
    present = jnp.concatenate([present, jnp.ones(data.fixed.senders.shape, bool)])
    near = jnp.zeros(n, bool).at[targets].set(True)
    for _ in range(hops - 1):
        reached = near.at[pairs.senders].max(present & near[pairs.receivers])
        if not plan.directed:
            reached = reached.at[pairs.receivers].max(present & near[pairs.senders])
        near = reached
    near = near if data.nodes is None else near[data.nodes]
    return near | ~near.any()


def near_pairs(
    key: jax.Array, num: int, near: jax.Array, directed: bool, nodes: jax.Array | None = None
) -> Pairs:
    """Draw pairs that end in some of the nodes, with replacement.

    Args:
      key: typed random key.
      num: number of pairs, static.
      near: [p] bool, at least one.
      directed: whether (i, j) differs from (j, i); if not, the smaller node comes first.
      nodes: [p] ascending numbers of the nodes; None: their places.

    Example:
      >>> pairs = near_pairs(jax.random.key(0), 50, jnp.array([False, True, False]), directed=True)
      >>> sorted(set(zip(pairs.senders.tolist(), pairs.receivers.tolist())))
      [(0, 1), (2, 1)]
    """
    upto = jnp.cumsum(near, dtype=jnp.int32)
    key_rank, key_other = jax.random.split(key)
    rank = jax.random.randint(key_rank, (num,), 0, upto[-1], jnp.int32)
    receiver = jnp.searchsorted(upto, rank, side="right").astype(jnp.int32)
    sender = jax.random.randint(key_other, (num,), 0, near.size - 1, jnp.int32)
    sender = sender + (sender >= receiver)
    if not directed:
        sender, receiver = jnp.minimum(sender, receiver), jnp.maximum(sender, receiver)
    return named(Pairs(sender, receiver), nodes)
