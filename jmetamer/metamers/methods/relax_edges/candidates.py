"""Candidate pairs by the gradient of the loss: those whose edge would lower it most."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.matching_loss import matching_loss
from jmetamer.metamers.methods.relax_edges.pair_gradient import (
    PairFactors,
    best_pairs,
    pair_factors,
    sampled_gradient,
)
from jmetamer.metamers.methods.relax_edges.pair_loss import loss_of_pairs, weighted_graph
from jmetamer.metamers.methods.relax_edges.plan import Data, Plan
from jmetamer.metamers.vary.movable import named
from jmetamer.metamers.vary.protocol import Theta


def best_candidates(
    pairs: Pairs, weight: jax.Array, features: Theta, drawn: Pairs, plan: Plan, data: Data
) -> Pairs:
    """Return candidates, best first.

    Where the gradient of all pairs is a product of thin matrices, the best of all of them come
    first and the drawn ones follow; elsewhere the drawn ones are sorted by their gradients.

    Args:
      pairs: [m] of the graph as it is.
      weight: [m].
      features: theta of the features.
      drawn: [f] random pairs.
      plan: what is matched.
      data: of the reference.

    Returns:
      Pairs, as many as drawn, or the block more.
    """
    matching = plan.matching

    def of_activations(activations: Mapping[str, jax.Array]) -> jax.Array:
        return matching_loss(activations, matching, data.arrays)[0]

    factors = pair_factors(
        matching.model,
        data.arrays.params,
        weighted_graph(pairs, weight, features, plan, data),
        of_activations,
        entry=data.entry,
        identity_backward=matching.identity_backward,
    )
    if factors is not None:
        if data.nodes is not None:
            factors = PairFactors(*(factor[data.nodes] for factor in factors))
        top = best_pairs(factors, plan.num_block, directed=plan.directed).pairs
        best = named(top, data.nodes)
        return Pairs(*(jnp.concatenate(sides) for sides in zip(best, drawn, strict=True)))

    def of_pairs(pairs: Pairs, weight: jax.Array) -> jax.Array:
        return loss_of_pairs(pairs, weight, features, plan, data)[0]

    order = jnp.argsort(sampled_gradient(of_pairs, pairs, weight, drawn))
    return Pairs(*(side[order] for side in drawn))
