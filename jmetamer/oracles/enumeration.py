"""The exact set of structure metamers of a small graph: every graph on its nodes is tried.

On six nodes there are 2^15 = 32,768 labelled simple graphs; all of them pass through the network
in one call. What a search finds can then be held against all that there is.

A graph has a number, its code: bit k, of value 2^k, says whether pair k is an edge, and the pairs
(i, j), i < j, are counted by i, then by j: of six nodes (0, 1), (0, 2), ..., (0, 5), (1, 2), ...,
(4, 5). Self loops of the reference belong to no code: they stay.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.precision import highest_precision
from jmetamer.graphs import num_nodes
from jmetamer.graphs.pairs import (
    Loops,
    Pairs,
    graph_of_pairs_and_loops,
    loops_of_graph,
    pair_numbers,
    pairs_of_graph,
    simple_graph,
)
from jmetamer.measures import relative_squared_error
from jmetamer.metamers.problem import Arrays, Problem, select
from jmetamer.models.protocol import Model

# Seven nodes are 2 million graphs (some minutes); eight would be 268 million.
MOST_NODES = 7
# Graphs that pass through the network side by side: few enough for the processor's caches.
_AT_ONCE = 2048


class ExactSet(NamedTuple):
    """All graphs other than the reference that match it within a tolerance.

    Attributes:
      codes: [c] int64, ascending.
      losses: [c] float32 L_act of each.
      reference: code of the reference.
      tolerance: largest L_act within the set.
      least_beyond: smallest L_act of a graph outside, infinite where there is none. Where it lies
        orders of magnitude above the tolerance the set does not hang on the tolerance's value.
    """

    codes: np.ndarray
    losses: np.ndarray
    reference: int
    tolerance: float
    least_beyond: float


def all_pairs(total: int) -> Pairs:
    """Return all pairs of nodes in the order of a code's bits, [n (n - 1) / 2].

    Args:
      total: number of nodes n.

    Example:
      >>> pairs = all_pairs(3)
      >>> list(zip(pairs.senders.tolist(), pairs.receivers.tolist()))
      [(0, 1), (0, 2), (1, 2)]
    """
    senders, receivers = np.triu_indices(total, 1)
    return Pairs(senders.astype(np.int32), receivers.astype(np.int32))


def graph_code(graph: jraph.GraphsTuple) -> int:
    """Return the code of a simple undirected graph of any size; features and loops do not count.

    Args:
      graph: simple; edges of weight 0 count as absent.

    Raises:
      InputError: the graph is not simple, or an edge goes one way only.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> graph_code(make_graph(np.eye(3), [0, 1, 2, 1], [1, 0, 1, 2]))
      5
    """
    total = num_nodes(graph)
    present = pair_numbers(pairs_of_graph(graph, directed=False), total)
    bits = np.searchsorted(pair_numbers(all_pairs(total), total), present)
    return sum(1 << int(bit) for bit in bits)


def graph_of_code(reference: jraph.GraphsTuple, code: int) -> jraph.GraphsTuple:
    """Return the graph of a code: the reference's nodes and self loops, and the code's edges.

    Args:
      reference: its nodes and loops are taken.
      code: from 0 to 2^(n (n - 1) / 2) - 1.

    Raises:
      InputError: the graph has too few pairs for this code.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> path = graph_of_code(make_graph(np.eye(3), [], []), 5)
      >>> path.senders.tolist(), path.receivers.tolist()
      ([1, 0, 2, 1], [0, 1, 1, 2])
    """
    pairs = all_pairs(num_nodes(reference))
    count = len(pairs.senders)
    if not 0 <= code < 1 << count:
        raise InputError(
            f"`code` is {code}; allowed: 0 to 2^{count} - 1, as the graph has {count} pairs of "
            "nodes, one bit each"
        )
    present = [bool(int(code) >> bit & 1) for bit in range(count)]
    return simple_graph(reference, pairs, present, directed=False)


def enumerate_losses(problem: Problem) -> np.ndarray:
    """Return L_act of every labelled simple graph on the reference's nodes.

    `L_act = |h' - h|^2 / |h|^2` over the target nodes, of several layers the largest, float32 at
    the highest matmul precision. What the problem lets vary is not read: features stay, all pairs
    of nodes vary. Equal matches leave round-off of about 1e-13.

    Args:
      problem: network, reference of at most seven nodes, layers and target nodes.

    Returns:
      [2^(n (n - 1) / 2)] float32, by code; NaN where the network overflows.

    Raises:
      InputError: too many nodes, a reference that is not simple and undirected, or a target of
        zeros, by which L_act is not defined.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> path = jm.make_graph(np.eye(3, 34), [0, 1, 2, 1], [1, 0, 1, 2])
      >>> losses = enumerate_losses(jm.Problem(trained, path, layer="conv1.pre"))
      >>> len(losses), np.flatnonzero(losses < 1e-10).tolist()
      (8, [5])
    """
    total = num_nodes(problem.graph)
    if total > MOST_NODES:
        raise InputError(
            f"`graph` has {total} nodes, so there are 2^{total * (total - 1) // 2} graphs to try; "
            f"allowed are {MOST_NODES} nodes at most (six take a second); "
            "cut a smaller graph out with `ego_graph`"
        )
    pairs_of_graph(problem.graph, directed=False)  # refuses what is not simple
    if problem.zero_target:
        raise InputError(
            "the target activation is all zero, so the relative loss L_act is undefined; "
            "choose another layer or other target nodes"
        )
    arrays = problem.arrays
    # Without its edges, so that references of different edges share one compilation.
    bare = arrays.graph._replace(edges=None, senders=None, receivers=None, n_edge=None)
    with highest_precision():
        losses = _losses(
            problem.matching.model,
            problem.layers,
            arrays._replace(graph=bare),
            loops_of_graph(problem.graph),
        )
    return np.asarray(losses)


@compile_function(static=2)
def _losses(model: Model, layers: tuple[str, ...], arrays: Arrays, loops: Loops) -> jax.Array:
    pairs = all_pairs(num_nodes(arrays.graph))
    bits = jnp.arange(len(pairs.senders), dtype=jnp.int32)

    def loss(code: jax.Array) -> jax.Array:
        weight = (code >> bits & 1).astype(jnp.float32)
        graph = graph_of_pairs_and_loops(arrays.graph, pairs, weight, loops, directed=False)
        activations = model.activations(arrays.params, graph)
        errors = [
            relative_squared_error(arrays.targets[name], select(activations[name], arrays.nodes))
            for name in layers
        ]
        return jnp.max(jnp.stack(errors))

    count = 1 << len(pairs.senders)
    codes = jnp.arange(count, dtype=jnp.int32).reshape(-1, min(count, _AT_ONCE))
    losses: jax.Array = jax.lax.map(jax.vmap(loss), codes).reshape(-1)
    return losses


def exact_set(problem: Problem, tolerance: float, losses: np.ndarray | None = None) -> ExactSet:
    """Return every structure metamer: all graphs but the reference with `L_act <= tolerance`.

    Args:
      problem: network, reference of at most seven nodes, layers and target nodes.
      tolerance: largest L_act that counts as matched; above the round-off of 1e-13.
      losses: `enumerate_losses(problem)`, where it is at hand, as for several tolerances.

    Raises:
      InputError: a negative tolerance; see also `enumerate_losses`.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GAT(hidden=8), data, settings=jm.TrainSettings(epochs=0))
      >>> path = jm.make_graph(np.eye(34)[[0, 0, 0]], [0, 1, 2, 1], [1, 0, 1, 2])
      >>> result = exact_set(jm.Problem(trained, path, layer="conv1"), 1e-8)
      >>> result.codes.tolist()  # attention over equal features sees no edge at all
      [0, 1, 2, 3, 4, 6, 7]
    """
    if not tolerance >= 0:
        raise InputError(
            f"`tolerance` is {tolerance}; allowed: 0 or more, as L_act is never negative; "
            "1e-6 parts exact metamers from others in most networks"
        )
    losses = enumerate_losses(problem) if losses is None else np.asarray(losses)
    reference = graph_code(problem.graph)
    others = np.arange(losses.size) != reference
    within = losses <= tolerance
    codes = np.flatnonzero(within & others)
    least_beyond = np.min(losses, where=~within & others & np.isfinite(losses), initial=np.inf)
    return ExactSet(codes, losses[codes], reference, float(tolerance), float(least_beyond))
