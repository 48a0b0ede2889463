"""A fixed edge list laid out so that sums over neighbors need no scatter.

Nodes are put in order of falling number of neighbors. Slot k holds the k-th neighbor of every node
that has more than k: the first nodes of that order, so a slot is added to a leading block of rows.
The few nodes with very many neighbors keep the tail of theirs in a scattered rest. Every edge is
read once, rows are copied whole, and the transposed sum has a layout of its own.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# A slot that serves fewer nodes costs more in overhead than its edges cost in a scatter.
_SMALLEST_SLOT = 24
_MOST_SLOTS = 64


class Slots(NamedTuple):
    """One direction of a layout; n nodes, s slots.

    Attributes:
      sources: s arrays [n_k], the node that edge k of each node comes from.
      edges: s arrays [n_k], the number of that edge in the edge list.
      rest_rows, rest_sources, rest_edges: [m] edges beyond the slots; rows in the falling order.
      place: [n] position of each node in the falling order.
    """

    sources: tuple[Any, ...]
    edges: tuple[Any, ...]
    rest_rows: Any
    rest_sources: Any
    rest_edges: Any
    place: Any


class NeighborSlots(NamedTuple):
    """Layout of an edge list, for sums over the edges into a node and out of it.

    Attributes:
      into: sums at receivers.
      out: sums at senders, which the backward pass takes.
    """

    into: Slots
    out: Slots


def neighbor_slots(senders: Any, receivers: Any, num_nodes: int) -> NeighborSlots:
    """Lay out an edge list; takes place on the host, once a graph.

    Args:
      senders: [e] integer index of each edge's source.
      receivers: [e] integer index of each edge's destination.
      num_nodes: number of nodes n.

    Example:
      >>> layout = neighbor_slots([1, 2], [0, 0], 3)
      >>> layout.into.rest_sources, layout.into.place
      (array([1, 2], dtype=int32), array([0, 1, 2], dtype=int32))
    """
    senders, receivers = np.asarray(senders), np.asarray(receivers)
    return NeighborSlots(
        _slots(senders, receivers, num_nodes), _slots(receivers, senders, num_nodes)
    )


def _slots(sources: np.ndarray, rows: np.ndarray, num_nodes: int) -> Slots:
    degree = np.bincount(rows, minlength=num_nodes)
    by_degree = np.argsort(-degree, kind="stable")
    place = np.argsort(by_degree, kind="stable")
    by_row = np.argsort(rows, kind="stable")
    first = np.concatenate([[0], np.cumsum(degree)])
    served = [int((degree > k).sum()) for k in range(min(_MOST_SLOTS, int(degree.max(initial=0))))]
    num_slots = sum(count >= _SMALLEST_SLOT for count in served)
    edges = [by_row[first[by_degree[: served[k]]] + k] for k in range(num_slots)]
    position = np.arange(len(rows)) - np.repeat(first[:-1], degree)
    rest = by_row[position >= num_slots]

    def index(array: np.ndarray) -> np.ndarray:
        return array.astype(np.int32)

    return Slots(
        tuple(index(sources[slot]) for slot in edges),
        tuple(index(slot) for slot in edges),
        index(place[rows[rest]]),
        index(sources[rest]),
        index(rest),
        index(place),
    )


@jax.custom_vjp
def propagate_slots(
    nodes: jax.Array,
    weight: jax.Array,
    senders: jax.Array,
    receivers: jax.Array,
    layout: NeighborSlots,
) -> jax.Array:
    """Return `sum_u w_uv x_u` at every node v.

    Args:
      nodes: [n, ...] node values.
      weight: [e, ...] edge weights, with leading axes of `nodes` after the first, or none.
      senders: [e] the edge list that `layout` was made of.
      receivers: [e] likewise.
      layout: from `neighbor_slots`.

    Returns:
      [n, ...]. The derivative is taken in reverse mode only.

    Example:
      >>> senders, receivers = jnp.array([1, 2]), jnp.array([0, 0])
      >>> layout = neighbor_slots(senders, receivers, 3)
      >>> propagate_slots(jnp.array([1., 2., 4.]), jnp.array([1., .5]), senders, receivers, layout)
      Array([4., 0., 0.], dtype=float32)
    """
    return _sum_slots(nodes, weight, layout.into)


def _sum_slots(nodes: jax.Array, weight: jax.Array, slots: Slots) -> jax.Array:
    # Else XLA computes what made the values again for every edge that reads them.
    nodes, weight = jax.lax.optimization_barrier((nodes, weight))
    total = jnp.zeros(nodes.shape, jnp.result_type(nodes, weight))
    for source, edge in zip(slots.sources, slots.edges, strict=True):
        total = total.at[: len(source)].add(nodes[source] * _like(weight[edge], nodes))
    if slots.rest_rows.shape[0]:
        rest = nodes[slots.rest_sources] * _like(weight[slots.rest_edges], nodes)
        total = total.at[slots.rest_rows].add(rest)
    return total[slots.place]


def _like(weight: jax.Array, nodes: jax.Array) -> jax.Array:
    """Append axes of length one so that [e, ...] broadcasts against rows of `nodes`."""
    return weight.reshape(weight.shape + (1,) * (nodes.ndim - weight.ndim))


def _forward(
    nodes: jax.Array,
    weight: jax.Array,
    senders: jax.Array,
    receivers: jax.Array,
    layout: NeighborSlots,
) -> tuple[jax.Array, Any]:
    saved = nodes, weight, senders, receivers, layout
    return _sum_slots(nodes, weight, layout.into), saved


def _backward(saved: Any, cotangent: jax.Array) -> tuple[Any, ...]:
    nodes, weight, senders, receivers, layout = saved
    of_nodes = _sum_slots(cotangent, weight, layout.out).astype(nodes.dtype)
    product = nodes[senders] * cotangent[receivers]
    of_weight = product.sum(axis=tuple(range(weight.ndim, product.ndim))).astype(weight.dtype)
    return of_nodes, of_weight, None, None, None


propagate_slots.defvjp(_forward, _backward)
