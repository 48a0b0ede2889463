"""The gradient of a loss with respect to the weights of pairs that are not in the graph.

Of a few pairs it is one backward pass with the pairs appended at weight 0. Of all n^2 pairs it is a
product of thin matrices, where the network aggregates neighbors linearly: weight w of edge i -> j
enters layer l as `w <G_j, M_i>` to first order, with M what is aggregated and G the gradient of the
loss at the aggregate. So the best of all pairs come from blocks of inner products.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph

from jmetamer.graphs.message_passing import (
    mean_propagation,
    split_self_loops,
    symmetric_propagation,
)
from jmetamer.graphs.pairs import Pairs
from jmetamer.models.aggregation import aggregations, laid_open
from jmetamer.models.protocol import Model, Params
from jmetamer.models.structure import linear_aggregation


def sampled_gradient(
    loss: Callable[[Pairs, jax.Array], jax.Array], pairs: Pairs, weight: jax.Array, pool: Pairs
) -> jax.Array:
    """Return the gradient at weight 0 of pairs that are appended to a graph, [p].

    Works with every network that keeps the edge-weight contract: its gradients are finite at
    weight 0. Of a pair that the graph holds already it is the gradient of a second copy.

    Args:
      loss: from pairs [m + p] and weights [m + p] to a scalar.
      pairs: [m].
      weight: [m].
      pool: [p].

    Example:
      >>> pairs, pool = Pairs(jnp.array([0]), jnp.array([1])), Pairs(jnp.array([0]), jnp.array([2]))
      >>> def loss(pairs, weight):
      ...     return jnp.sum(weight * pairs.receivers) ** 2
      >>> sampled_gradient(loss, pairs, jnp.ones(1), pool).tolist()
      [4.0]
    """
    joined = Pairs(*(jnp.concatenate(sides) for sides in zip(pairs, pool, strict=True)))

    def at(added: jax.Array) -> jax.Array:
        return loss(joined, jnp.concatenate([weight, added]))

    return jax.grad(at)(jnp.zeros(pool.senders.shape, weight.dtype))


class PairFactors(NamedTuple):
    """The gradient of all edges: that of i -> j is `<sender_i, receiver_j> + offset_j`.

    Attributes:
      sender: [n, r], r the sum of the widths of what the layers aggregate.
      receiver: [n, r].
      offset: [n]; by the degree of the receiver, whoever the sender.
    """

    sender: jax.Array
    receiver: jax.Array
    offset: jax.Array


def pair_factors(
    model: Model,
    params: Params,
    graph: jraph.GraphsTuple,
    loss: Callable[[Mapping[str, jax.Array]], jax.Array],
    *,
    entry: jax.Array | None = None,
    identity_backward: tuple[str, ...] = (),
) -> PairFactors | None:
    """Return the gradient of a loss with respect to the weight of every edge that could be.

    With M_l the values that layer l aggregates, Z_l the aggregate and G_l = dL/dZ_l, edge i -> j
    has the gradient, summed over layers (the degree counts loops, as in the layer):

      sum (GIN):        <G_j, M_i>
      mean (GraphSAGE): <G_j, M_i - Z_j> / t_j,  t_j the total weight into j
                        (<G_j, M_i> where t_j = 0, as the mean is left at 0 there)
      symmetric (GCN):  <G_j, M_i> / sqrt(deg_i deg_j) + delta_j,
                        delta_j = -(<G_j, Z_j> + <(S^T G)_j, M_j>) / (2 deg_j)

    The gradient of an edge of the graph is the same, whatever its weight.

    Args:
      model: the network.
      params: its parameters.
      graph: the current graph, nodes [n, d], weights of any value.
      loss: from activations, as `model.activations` returns them, to a scalar.
      entry, identity_backward: as in `Model.activations`.

    Returns:
      Factors of r = sum of widths columns; None where the network has no such form (attention,
      maximum, own code that says nothing of its aggregation): use `sampled_gradient`.

    Example:
      >>> import numpy as np
      >>> from jmetamer.graphs.graph import make_graph
      >>> from jmetamer.models import GAT, GCN
      >>> graph = make_graph(np.eye(3), [0, 1], [1, 0])
      >>> params = {"params": {"conv1": {"kernel": np.ones((3, 2)), "bias": np.zeros(2)}}}
      >>> model = GCN(layers=1, num_outputs=2)
      >>> factors = pair_factors(model, params, graph, lambda found: found["logits"].sum())
      >>> factors.sender.shape
      (3, 2)
      >>> pair_factors(GAT(num_outputs=2), None, graph, None) is None
      True
    """
    aggregation, network = linear_aggregation(model), laid_open(model)
    if aggregation is None or network is None:
        return None
    of_layer = _BY_AGGREGATION[aggregation]

    def forward(
        probes: Mapping[str, jax.Array] | None,
    ) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        opened = aggregations(
            network, params, graph, probes, entry=entry, identity_backward=identity_backward
        )
        return loss(opened.activations), opened.values

    shapes = jax.eval_shape(lambda: forward(None)[1])
    if len(shapes) != network.layers:
        return None  # a convolution of its own that does not pass its values on
    probes = {name: jnp.zeros(shape.shape, shape.dtype) for name, shape in shapes.items()}
    cotangents, values = jax.grad(forward, has_aux=True)(probes)
    layers = [of_layer(values[name], cotangents[name], graph) for name in values]
    return PairFactors(
        jnp.concatenate([layer.sender for layer in layers], axis=1),
        jnp.concatenate([layer.receiver for layer in layers], axis=1),
        sum((layer.offset for layer in layers[1:]), layers[0].offset),
    )


class BestPairs(NamedTuple):
    """Pairs by their gradient, the most negative first.

    Attributes:
      pairs: [num]; padding where there are fewer.
      gradient: [num], ascending; 0 for padding.
    """

    pairs: Pairs
    gradient: jax.Array


def best_pairs(
    factors: PairFactors,
    num: int,
    block_rows: int = 64,
    allowed_rows: jax.Array | None = None,
    directed: bool = False,
) -> BestPairs:
    """Return the pairs of most negative gradient among all n^2, in memory O(n * block_rows).

    Edges that the graph has already are among them: `refilled` leaves them out, so ask for more.

    Args:
      factors: from `pair_factors`.
      num: number of pairs, static.
      block_rows: rows of the n x n gradient looked at together, static.
      allowed_rows: [k] int32, all different: only pairs with an end in these nodes, for directed
        ones the receiver; negative numbers are padding; None for all nodes. For target nodes of a
        network of K layers all other gradients are 0 but for nodes within K - 1 hops.
      directed: whether (i, j) differs from (j, i); if not, both directions are added and the
        smaller node comes first.

    Example:
      >>> factors = PairFactors(jnp.eye(3), -jnp.arange(9.0).reshape(3, 3), jnp.zeros(3))
      >>> found = best_pairs(factors, 2)
      >>> list(zip(found.pairs.senders.tolist(), found.pairs.receivers.tolist()))
      [(1, 2), (0, 2)]
      >>> found.gradient.tolist()
      [-12.0, -8.0]
    """
    factors = PairFactors(*map(jnp.asarray, factors))
    num_nodes = factors.offset.shape[0]
    rows = jnp.arange(num_nodes) if allowed_rows is None else jnp.asarray(allowed_rows)
    rows = rows.astype(jnp.int32)
    is_row = jnp.zeros(num_nodes, bool).at[jnp.where(rows < 0, num_nodes, rows)].set(True)
    columns = jnp.arange(num_nodes, dtype=jnp.int32)
    # Places within a block are 32-bit numbers.
    block_rows = min(block_rows, rows.size, max(1, (2**31 - 1) // num_nodes))
    rows = jnp.pad(rows, (0, -rows.size % block_rows), constant_values=-1)

    def look(best: BestPairs, block: jax.Array) -> tuple[BestPairs, None]:
        gradient = _rows_of_gradient(factors, block, directed)
        row = block[:, None]
        counted = (row >= 0) & (row != columns)
        if not directed:  # a pair of two rows is met twice
            counted &= ~is_row | (row < columns)
        gradient = jnp.where(counted, gradient, jnp.inf)
        flat = gradient.reshape(-1)
        lowest, place = jax.lax.top_k(-flat, min(num, flat.size))
        row, column = block[place // num_nodes], (place % num_nodes).astype(jnp.int32)
        pairs = (
            Pairs(column, row)
            if directed
            else Pairs(jnp.minimum(row, column), jnp.maximum(row, column))
        )
        joined = BestPairs(
            Pairs(*(jnp.concatenate(side) for side in zip(best.pairs, pairs, strict=True))),
            jnp.concatenate([best.gradient, -lowest]),
        )
        order = jax.lax.top_k(-joined.gradient, num)[1]
        return jax.tree.map(lambda array: array[order], joined), None

    nothing = jnp.zeros(num, jnp.int32)
    start = BestPairs(Pairs(nothing, nothing), jnp.full(num, jnp.inf, factors.offset.dtype))
    (pairs, gradient), _ = jax.lax.scan(look, start, rows.reshape(-1, block_rows))
    is_pair = jnp.isfinite(gradient)
    pairs = Pairs(*(jnp.where(is_pair, side, 0) for side in pairs))
    return BestPairs(pairs, jnp.where(is_pair, gradient, 0))


def _rows_of_gradient(factors: PairFactors, rows: jax.Array, directed: bool) -> jax.Array:
    """Return [b, n]: gradients of all edges into the rows, or of both directions together."""
    sender, receiver, offset = factors
    gradient = receiver[rows] @ sender.T + offset[rows][:, None]
    if directed:
        return gradient
    return gradient + sender[rows] @ receiver.T + offset[None, :]


def _of_sum(values: jax.Array, cotangent: jax.Array, graph: jraph.GraphsTuple) -> PairFactors:
    return PairFactors(values, cotangent, jnp.zeros(values.shape[0], values.dtype))


def _of_mean(values: jax.Array, cotangent: jax.Array, graph: jraph.GraphsTuple) -> PairFactors:
    edges = graph.senders, graph.receivers, graph.edges.weight
    total = jax.ops.segment_sum(graph.edges.weight, graph.receivers, values.shape[0])
    receiver = cotangent / jnp.where(total > 0, total, 1)[:, None]
    # Where nothing arrives the mean is 0, and so is the offset.
    return PairFactors(values, receiver, -jnp.sum(receiver * mean_propagation(values, *edges), 1))


def _of_symmetric(values: jax.Array, cotangent: jax.Array, graph: jraph.GraphsTuple) -> PairFactors:
    num_nodes = values.shape[0]
    edges = graph.senders, graph.receivers, graph.edges.weight
    loop, between = split_self_loops(*edges, num_nodes)
    degree = loop + jax.ops.segment_sum(between, graph.receivers, num_nodes)
    scale = jax.lax.rsqrt(degree)[:, None]
    aggregate, transposed = jax.vjp(lambda values: symmetric_propagation(values, *edges), values)
    (arriving,) = transposed(cotangent)  # S^T G
    offset = -jnp.sum(cotangent * aggregate + arriving * values, axis=1) / (2 * degree)
    return PairFactors(scale * values, scale * cotangent, offset)


_Of = Callable[[jax.Array, jax.Array, jraph.GraphsTuple], PairFactors]
_BY_AGGREGATION: Mapping[str, _Of] = MappingProxyType(
    {"sum": _of_sum, "mean": _of_mean, "symmetric": _of_symmetric}
)
