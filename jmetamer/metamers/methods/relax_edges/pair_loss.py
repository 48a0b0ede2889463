"""The loss of weighted pairs: what a graph of them gives the network, and how far it has walked."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import jraph

from jmetamer.graphs.pairs import Pairs, graph_of_pairs_and_loops
from jmetamer.metamers.matching_loss import matching_loss, matching_residual
from jmetamer.metamers.methods.relax_edges.plan import Data, Plan
from jmetamer.metamers.vary.protocol import Theta


def loss_of_pairs(
    pairs: Pairs, weight: jax.Array, features: Theta, plan: Plan, data: Data
) -> tuple[jax.Array, jax.Array]:
    """Return the objective and L_act of the graph that weighted pairs and features make.

    Args:
      pairs: [m].
      weight: [m].
      features: theta of the features.
      plan: what is matched.
      data: of the reference.
    """
    activations = _activations(pairs, weight, features, plan, data)
    return matching_loss(activations, plan.matching, data.arrays)


def residual_of_pairs(
    pairs: Pairs, weight: jax.Array, features: Theta, plan: Plan, data: Data
) -> jax.Array:
    """Return the residuals of all matched layers side by side, [t, c]; their squares add up to the
    objective of `loss_of_pairs`.

    Args:
      pairs, weight, features, plan, data: as for `loss_of_pairs`.
    """
    activations = _activations(pairs, weight, features, plan, data)
    return matching_residual(activations, plan.matching, data.arrays)


def _activations(
    pairs: Pairs, weight: jax.Array, features: Theta, plan: Plan, data: Data
) -> Mapping[str, jax.Array]:
    matching = plan.matching
    # A network that reads its features otherwise has no entry to give.
    entry = {} if data.entry is None else {"entry": data.entry}
    return matching.model.activations(
        data.arrays.params,
        weighted_graph(pairs, weight, features, plan, data),
        identity_backward=matching.identity_backward,
        **entry,
    )


def weighted_graph(
    pairs: Pairs, weight: jax.Array, features: Theta, plan: Plan, data: Data
) -> jraph.GraphsTuple:
    """Return the graph that the network sees: weighted pairs, and the edges that stay."""
    num_fixed = data.fixed.senders.shape[0]
    if num_fixed:
        pairs = Pairs(*(jnp.concatenate(sides) for sides in zip(pairs, data.fixed, strict=True)))
        weight = jnp.concatenate([weight, jnp.ones(num_fixed, weight.dtype)])
    decoded = plan.matching.vary.decode(features, data.arrays.graph)
    return graph_of_pairs_and_loops(decoded, pairs, weight, data.loops, directed=plan.directed)


def shortfall(weight: jax.Array, from_start: jax.Array, distance: jax.Array) -> jax.Array:
    """Return how much a walk lacks of its distance: `max(0, distance - J(w))`.

    `J(w) = 1 - sum_E w / (#E + sum_B w)` is the Jaccard distance of hard edges from those of the
    start E, with the block B outside of it.

    Args:
      weight: [m].
      from_start: [m], 1 at the start's edges.
      distance: [] to reach.

    Example:
      >>> weight, from_start = jnp.array([1.0, 0.0, 1.0]), jnp.array([1.0, 1.0, 0.0])
      >>> round(float(shortfall(weight, from_start, 1.0)), 6)  # one edge of three in both graphs
      0.333333
    """
    kept = jnp.sum(weight * from_start)
    union = jnp.sum(from_start) + jnp.sum(weight * (1 - from_start))
    return jnp.maximum(0, distance - (1 - kept / union))


def is_from_start(data: Data, plan: Plan) -> jax.Array:
    """Return [E + B]: 1 at the start's edges, 0 at the block."""
    num_edges = data.pairs.senders.shape[0]
    return (jnp.arange(num_edges + plan.num_block) < num_edges).astype(jnp.float32)
