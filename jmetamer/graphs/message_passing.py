"""Message passing with edge weights: what every layer is made of.

One contract holds for all of them: weights in {0, 1} give what the edge list without the
weight-0 edges gives. A weight between 0 and 1 is a relaxed edge. Gradients are finite everywhere,
at weight 0 and at nodes without neighbors too.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmetamer._base.platform import platform

# Largest exponent of an absent edge's score above the present ones: exp(30) = 1e13 keeps the
# gradient at weight 0 finite in float32 and is exact for all scores seen in practice.
_LARGEST_EXCESS = 30.0


class Dense(NamedTuple):
    """Up to where a sum over neighbors is a product with the matrix of all pairs of nodes.

    Attributes:
      nodes: largest n, by the memory of n^2 numbers.
      pairs_per_edge: largest n^2 / e: what a product multiplies by zero costs nothing to fetch.
    """

    nodes: int
    pairs_per_edge: int


# By `experiments/tpu`, from what the compiler says of both forms; where it was not asked, as of
# GPUs, and on processors, where the clock was, sums go edge by edge.
DENSE = {"tpu": Dense(16_384, 1_300)}
_edge_by_edge = contextvars.ContextVar("_edge_by_edge", default=False)
# Graphs are validated, so no index is looked at again: a check would read every message once more.
_VALID = "promise_in_bounds"


@contextlib.contextmanager
def edge_by_edge(differ: bool = True) -> Iterator[None]:
    """Trace sums edge by edge on every platform, where each seed would have a matrix of its own.

    Args:
      differ: whether edges differ between seeds that step together; False changes nothing.
    """
    outer = _edge_by_edge.set(differ or _edge_by_edge.get())
    try:
        yield
    finally:
        _edge_by_edge.reset(outer)


def _is_dense(num_nodes: int, num_edges: int) -> bool:
    limits = DENSE.get(platform())
    if limits is None or _edge_by_edge.get():
        return False
    return num_nodes <= limits.nodes and num_nodes**2 <= limits.pairs_per_edge * num_edges


def values_at(values: jax.Array, index: jax.Array) -> jax.Array:
    """Return `values[index]` along the first axis; an index out of range is not noticed.

    Args:
      values: [n, ...].
      index: [e] integers in [0, n).

    Example:
      >>> values_at(jnp.array([1., 2., 4.]), jnp.array([2, 0]))
      Array([4., 1.], dtype=float32)
    """
    return jnp.asarray(values).at[index].get(mode=_VALID)


def sum_at(values: jax.Array, index: jax.Array, num_nodes: int) -> jax.Array:
    """Sum the values that have the same index; an index out of range is not noticed.

    Args:
      values: [e, ...].
      index: [e] integers in [0, num_nodes).
      num_nodes: number of sums, static.

    Example:
      >>> sum_at(jnp.array([1., 2., 4.]), jnp.array([1, 0, 1]), 3)
      Array([2., 5., 0.], dtype=float32)
    """
    return jax.ops.segment_sum(values, index, num_nodes, mode=_VALID)


def sum_messages(
    messages: jax.Array, receivers: jax.Array, weight: jax.Array, num_nodes: int
) -> jax.Array:
    """Sum the messages that arrive at each node: `sum_u w_uv m_uv`.

    Args:
      messages: [e, ...] one message an edge.
      receivers: [e] integer index of the node that each edge points to.
      weight: [e] edge weights, or with more leading axes of `messages`.
      num_nodes: number of nodes n, static.

    Returns:
      [n, ...]; zero where nothing arrives.

    Example:
      >>> sum_messages(jnp.array([1., 2., 4.]), jnp.array([0, 0, 1]), jnp.array([1., 1., 0.]), 2)
      Array([3., 0.], dtype=float32)
    """
    gated = messages * _along_first(weight, messages.ndim)
    return sum_at(gated, receivers, num_nodes)


def propagate(
    nodes: jax.Array, senders: jax.Array, receivers: jax.Array, weight: jax.Array
) -> jax.Array:
    """Sum the values of each node's neighbors: `sum_u w_uv x_u`.

    On processors edge by edge: gathering from padded lists of neighbors is up to twice as fast
    alone, but not within a step, and takes several times as long to compile
    (`experiments/benchmark`). Up to `DENSE` a product with the matrix of all pairs of nodes, which
    moves an eighth of the bytes on a TPU (`experiments/tpu`).

    Args:
      nodes: [n, ...] node values.
      senders: [e] integer index of the node that each edge starts from.
      receivers: [e] integer index of the node that each edge points to.
      weight: [e] edge weights, or [e, heads] for nodes [n, heads, ...].

    Returns:
      [n, ...]; zero where nothing arrives.

    Example:
      >>> senders, receivers = jnp.array([1, 2, 0]), jnp.array([0, 0, 1])
      >>> propagate(jnp.array([1., 2., 4.]), senders, receivers, jnp.array([1., 1., 0.]))
      Array([6., 0., 0.], dtype=float32)
    """
    num_nodes = nodes.shape[0]
    if weight.ndim == 1 and nodes.ndim == 2 and _is_dense(num_nodes, len(senders)):
        matrix = jnp.zeros((num_nodes, num_nodes), weight.dtype)
        return matrix.at[receivers, senders].add(weight, mode=_VALID) @ nodes
    return sum_messages(values_at(nodes, senders), receivers, weight, num_nodes)


def mean_propagation(
    nodes: jax.Array, senders: jax.Array, receivers: jax.Array, weight: jax.Array
) -> jax.Array:
    """Average the values of each node's neighbors: `sum_u w_uv x_u / sum_u w_uv`.

    Args:
      nodes: [n, ...] node values.
      senders: [e] integer index of the node that each edge starts from.
      receivers: [e] integer index of the node that each edge points to.
      weight: [e] edge weights.

    Returns:
      [n, ...]; zero where nothing arrives.

    Example:
      >>> senders, receivers = jnp.array([1, 2, 0]), jnp.array([0, 0, 1])
      >>> mean_propagation(jnp.array([1., 2., 4.]), senders, receivers, jnp.array([1., 1., 0.]))
      Array([3., 0., 0.], dtype=float32)
    """
    total = sum_at(weight, receivers, nodes.shape[0])
    divisor = jnp.where(total > 0, total, 1)
    summed = propagate(nodes, senders, receivers, weight)
    return summed / _along_first(divisor, summed.ndim)


def max_messages(
    messages: jax.Array, receivers: jax.Array, weight: jax.Array, num_nodes: int
) -> jax.Array:
    """Take the largest message that arrives at each node over edges of positive weight.

    The weight only says whether an edge is present; the maximum is not continuous in it, so its
    gradient with respect to `weight` is zero and edges cannot be searched by gradients through it.

    Args:
      messages: [e, ...] one message an edge.
      receivers: [e] integer index of the node that each edge points to.
      weight: [e] edge weights.
      num_nodes: number of nodes n, static.

    Returns:
      [n, ...]; zero where nothing arrives.

    Example:
      >>> max_messages(jnp.array([1., 3., 9.]), jnp.array([0, 0, 0]), jnp.array([1., 1., 0.]), 2)
      Array([3., 0.], dtype=float32)
    """
    present = weight > 0
    masked = jnp.where(_along_first(present, messages.ndim), messages, -jnp.inf)
    largest = jax.ops.segment_max(masked, receivers, num_nodes)
    occupied = jax.ops.segment_max(present.astype(jnp.int32), receivers, num_nodes) > 0
    return jnp.where(_along_first(occupied, largest.ndim), largest, 0)


def attention_coefficients(
    scores: jax.Array, receivers: jax.Array, weight: jax.Array, num_nodes: int
) -> jax.Array:
    """Normalize scores over the edges that arrive at each node, gated inside the softmax.

    `alpha_uv = w_uv exp(e_uv) / sum_u' w_u'v exp(e_u'v)`. The maximum that keeps the exponential
    in range is taken over present edges only, so that an absent edge cannot change the result.

    Args:
      scores: [e, ...] raw scores e_uv, one column a head.
      receivers: [e] integer index of the node that each edge points to.
      weight: [e] edge weights.
      num_nodes: number of nodes n, static.

    Returns:
      [e, ...]; sums to one over the edges of each node that has a present edge, else zero.

    Example:
      >>> attention_coefficients(jnp.zeros(3), jnp.zeros(3, int), jnp.array([1., 1., 0.]), 1)
      Array([0.5, 0.5, 0. ], dtype=float32)
    """
    gate = _along_first(weight, scores.ndim)
    present_scores = jnp.where(gate > 0, scores, -jnp.inf)
    largest = jax.ops.segment_max(jax.lax.stop_gradient(present_scores), receivers, num_nodes)
    largest = jnp.where(jnp.isfinite(largest), largest, 0)
    excess = scores - values_at(largest, receivers)
    numerator = gate * jnp.exp(jnp.minimum(excess, _LARGEST_EXCESS))
    total = sum_at(numerator, receivers, num_nodes)
    return numerator / values_at(jnp.where(total > 0, total, 1), receivers)


def symmetric_propagation(
    nodes: jax.Array, senders: jax.Array, receivers: jax.Array, weight: jax.Array
) -> jax.Array:
    """Apply `D^-1/2 (A + I) D^-1/2` with `deg_v = loop_v + sum_(u != v) w_uv` (Kipf, Welling 2017).

    Every node has one self loop: its weight is the largest positive weight among the loops that
    the edge list holds at the node, or one where there is none.

    Args:
      nodes: [n, h] node values.
      senders: [e] integer index of the node that each edge starts from.
      receivers: [e] integer index of the node that each edge points to.
      weight: [e] edge weights.

    Returns:
      [n, h].

    Example:
      >>> pair = jnp.array([0, 1]), jnp.array([1, 0]), jnp.array([1., 1.])
      >>> symmetric_propagation(jnp.array([[1.], [3.]]), *pair).round(3)
      Array([[2.],
             [2.]], dtype=float32)
    """
    num_nodes = nodes.shape[0]
    loop, between = split_self_loops(senders, receivers, weight, num_nodes)
    degree = loop + sum_at(between, receivers, num_nodes)
    scale = jax.lax.rsqrt(degree)[:, None]
    scaled = nodes * scale
    neighbors = propagate(scaled, senders, receivers, between)
    return scale * (neighbors + loop[:, None] * scaled)


def split_self_loops(
    senders: jax.Array, receivers: jax.Array, weight: jax.Array, num_nodes: int
) -> tuple[jax.Array, jax.Array]:
    """Separate self loops from the edges between different nodes.

    Args:
      senders: [e] integer index of the node that each edge starts from.
      receivers: [e] integer index of the node that each edge points to.
      weight: [e] edge weights.
      num_nodes: number of nodes n, static.

    Returns:
      loop [n]: the largest positive loop weight at each node, one where there is none;
      between [e]: `weight` with zeros at the loops.

    Example:
      >>> split_self_loops(jnp.array([0, 1]), jnp.array([0, 0]), jnp.array([.5, 1.]), 2)
      (Array([0.5, 1. ], dtype=float32), Array([0., 1.], dtype=float32))
    """
    is_loop = senders == receivers
    loop_weight = jnp.where(is_loop & (weight > 0), weight, -jnp.inf)
    loop = jax.ops.segment_max(loop_weight, receivers, num_nodes)
    return jnp.where(jnp.isfinite(loop), loop, 1), jnp.where(is_loop, 0, weight)


def _along_first(values: jax.Array, ndim: int) -> jax.Array:
    """Append axes of length one so that `values` broadcast against more axes."""
    return values.reshape(values.shape + (1,) * (ndim - values.ndim))
