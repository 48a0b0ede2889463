"""From weights between 0 and 1 to edges that are there or not."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

# The rule that `Rounded.rule` names; larger numbers are draws.
THRESHOLD, TOP_K, FIRST_DRAW = 0, 1, 2


class Rounded(NamedTuple):
    """The best of several hard graphs.

    Attributes:
      hard: [m] 0 or 1, of the dtype of the weights.
      loss: [] its loss.
      rule: [] int32, which one it is: 0 the threshold, 1 the largest, from 2 on the draws.
      losses: [draws + 2] loss of each.
    """

    hard: jax.Array
    loss: jax.Array
    rule: jax.Array
    losses: jax.Array


def best_rounding(
    key: jax.Array,
    weight: jax.Array,
    is_pair: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
    draws: int = 20,
) -> Rounded:
    """Round weights in several ways and return the one of smallest loss.

    The ways are: one where the weight is at least 1/2; one at the k largest weights, with k the
    rounded sum of weights; and random graphs where pair i is present with probability w_i. Each is
    judged by `loss` on the hard graph, one after the other, so that memory does not grow with their
    number. Of equal losses the first wins; one that is not finite never does, unless all are.

    Args:
      key: typed random key.
      weight: [m] in [0, 1].
      is_pair: [m] bool; False: padding, which stays 0.
      loss: from weights [m] to a scalar.
      draws: number of random graphs, static.

    Example:
      >>> weight, is_pair = jnp.array([0.9, 0.4, 0.4]), jnp.ones(3, bool)
      >>> rounded = best_rounding(jax.random.key(0), weight, is_pair, lambda w: (w.sum() - 2) ** 2)
      >>> rounded.hard.tolist(), float(rounded.loss), int(rounded.rule) == TOP_K
      ([1.0, 1.0, 0.0], 0.0, True)
    """
    weight = jnp.where(is_pair, weight, 0)
    ordered = jnp.argsort(jnp.where(is_pair, -weight, jnp.inf), stable=True)
    count = jnp.round(jnp.sum(weight)).astype(jnp.int32)
    rank = jnp.arange(weight.size, dtype=jnp.int32)
    is_largest = jnp.zeros(weight.shape, bool).at[ordered].set(rank < count)

    def rounded(rule: jax.Array) -> jax.Array:
        # Made again from its number when it has won: all at once would be `draws + 2` vectors.
        drawn = jax.random.uniform(jax.random.fold_in(key, rule), weight.shape, weight.dtype)
        hard = jnp.where(
            rule == THRESHOLD, weight >= 0.5, jnp.where(rule == TOP_K, is_largest, drawn < weight)
        )
        return (hard & is_pair).astype(weight.dtype)

    rules = jnp.arange(FIRST_DRAW + draws, dtype=jnp.int32)
    losses = jax.lax.map(lambda rule: loss(rounded(rule)), rules)
    best = jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf)).astype(jnp.int32)
    return Rounded(rounded(best), losses[best], best, losses)
