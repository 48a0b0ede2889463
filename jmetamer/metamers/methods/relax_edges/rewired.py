"""Random graphs to start from: of the reference's degrees, or of its number of edges alone."""

import jax
import jax.numpy as jnp

from jmetamer._base.errors import InputError
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.refill import (
    filled_slots,
    uniform_pairs,
    unseen,
    with_spares,
)
from jmetamer.metamers.methods.relax_edges.swaps import propose_swap, swapped


def rewired_pairs(key: jax.Array, pairs: Pairs, num_swaps: int, directed: bool = False) -> Pairs:
    """Rewire a simple graph at random so that every node keeps its degree.

    A Markov chain of double-edge swaps (a, u), (b, v) -> (a, v), (b, u); a proposal that would make
    a loop or a double edge leaves the graph as it is, which makes the chain symmetric: on the
    graphs that it reaches its stationary distribution is uniform (Fosdick et al. 2018, arXiv
    1608.00607). About ten proposals an edge are customary. Each looks at all m pairs.

    Args:
      key: typed random key.
      pairs: [m] edges, none twice; undirected ones with the smaller node first.
      num_swaps: number of proposals, legal or not.
      directed: whether in- and out-degrees are kept apart, static.

    Returns:
      Pairs [m]; padding stays where it is.

    Example:
      >>> ring = Pairs(jnp.array([0, 1, 2, 3, 4, 0]), jnp.array([1, 2, 3, 4, 5, 5]))
      >>> jnp.bincount(jnp.concatenate(rewired_pairs(jax.random.key(0), ring, 20))).tolist()
      [2, 2, 2, 2, 2, 2]
    """
    pairs = Pairs(*(jnp.asarray(side, jnp.int32) for side in pairs))
    present = pairs.is_pair

    def propose(step: int, pairs: Pairs) -> Pairs:
        swap = propose_swap(jax.random.fold_in(key, step), pairs, present, directed)
        return swapped(pairs, swap)

    return jax.lax.fori_loop(0, num_swaps, propose, pairs)


def random_pairs(key: jax.Array, num: int, num_nodes: int, directed: bool = False) -> Pairs:
    """Draw a uniform random graph of exactly `num` edges (Erdos and Renyi's G(n, m)).

    Pairs are drawn with replacement and each is taken unless it is there already, until there are
    enough; so every set of `num` pairs is equally likely. Draws come in rounds of a little more
    than `num`, of which a sparse graph needs one or two.

    Args:
      key: typed random key.
      num: number of edges, static.
      num_nodes: number of nodes, static.
      directed: whether (i, j) differs from (j, i), static.

    Returns:
      Pairs [num], all different, in random order; undirected ones with the smaller node first.

    Raises:
      InputError: there are not that many pairs.

    Example:
      >>> pairs = random_pairs(jax.random.key(0), 3, 3)
      >>> sorted(zip(pairs.senders.tolist(), pairs.receivers.tolist()))
      [(0, 1), (0, 2), (1, 2)]
    """
    possible = num_nodes * (num_nodes - 1) // (1 if directed else 2)
    if not 0 <= num <= possible:
        raise InputError(
            f"`num` is {num}, but {num_nodes} nodes have {possible} pairs: allowed are 0 to "
            f"{possible}"
        )
    nothing = jnp.zeros(num, jnp.int32)
    if num == 0:
        return Pairs(nothing, nothing)

    def draw(state: tuple[jax.Array, Pairs]) -> tuple[jax.Array, Pairs]:
        round_, pairs = state
        drawn = jax.random.fold_in(key, round_)
        fresh = uniform_pairs(drawn, with_spares(num), num_nodes, directed)
        return round_ + 1, filled_slots(pairs, fresh, unseen(fresh, [pairs]))

    def is_short(state: tuple[jax.Array, Pairs]) -> jax.Array:
        return ~jnp.all(state[1].is_pair)

    return jax.lax.while_loop(is_short, draw, (jnp.int32(0), Pairs(nothing, nothing)))[1]
