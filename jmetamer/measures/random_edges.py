"""Graphs with the edges of a reference between random pairs of nodes: what chance gives."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from jmetamer.measures.edge_set import EdgeSet
from jmetamer.measures.measure import Measure

RANDOM_EDGES = "the reference's edges between pairs of nodes drawn at random"
_DRAWS, _SEED = 32, 0
_edge_measure = functools.partial(
    Measure,
    null=RANDOM_EDGES,
    low=0.0,
    high=1.0,
    symmetric=True,
    applies_to=("simple_edges",),
    permutation="separate",
    reads="edges",
)


def mean_over_random_edges(
    function: Callable[[EdgeSet, EdgeSet], float], reference: EdgeSet, draws: int = _DRAWS
) -> float:
    """Return the mean of a deviation over graphs of `random_edges`, always the same ones.

    Args:
      function: of the edges of reference and metamer; NaN where it is not defined.
      reference: its edges.
      draws: number of graphs.

    Returns:
      The mean over the graphs where it is defined; NaN if there are none.

    Example:
      >>> pair = EdgeSet(2, np.array([1, 2]), np.ones(2))  # the only graph of its kind
      >>> mean_over_random_edges(lambda one, other: float(other.degree.sum()), pair)
      2.0
    """
    rng = np.random.default_rng(_SEED)
    values = np.array([function(reference, random_edges(rng, reference)) for _ in range(draws)])
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def edge_measure(function: Callable[..., float], *, draws: int = _DRAWS, **fields: Any) -> Measure:
    """Return a measure of edges with what most of them share; `chance` is over random edges.

    Args:
      function: of the edges of reference and metamer.
      draws: number of graphs for the chance level.
      fields: of `Measure`; those that most measures of edges share may be left out.

    Example:
      >>> edge_measure(lambda one, other: 0.0, name="structure/none", formula="0").applies_to
      ('simple_edges',)
    """
    fields.setdefault("chance", functools.partial(mean_over_random_edges, function, draws=draws))
    return _edge_measure(function=function, **fields)


def random_edges(rng: np.random.Generator, reference: EdgeSet) -> EdgeSet:
    """Return the weights of a graph on different pairs of nodes drawn at random.

    The graph is undirected where the reference is: a pair then has one weight both ways.

    Args:
      rng: NumPy generator.
      reference: edges whose number and weights are kept, and its features.

    Example:
      >>> path = EdgeSet(3, np.array([1, 3, 5, 7]), np.ones(4))  # 0 - 1 - 2
      >>> random_edges(np.random.default_rng(0), path).degree.tolist()
      [1.0, 1.0, 2.0]
    """
    n = reference.num_nodes
    if not reference.weight.size:
        return reference
    one, other = np.divmod(reference.numbers, n)
    if is_directed(reference):
        numbers, weight = _arcs(rng, n, one.size), reference.weight
    else:
        weight = reference.weight[one < other]
        one, other = _pairs(rng, n, weight.size)
        numbers = np.append(one * n + other, other * n + one)
        weight = np.append(weight, weight)
    order = np.argsort(numbers)
    return EdgeSet(n, numbers[order], weight[order], reference.features)


def is_directed(edges: EdgeSet) -> bool:
    """Return whether some edge has no counterpart of the same weight the other way.

    Example:
      >>> is_directed(EdgeSet(2, np.array([1, 2]), np.ones(2)))
      False
      >>> is_directed(EdgeSet(2, np.array([1]), np.ones(1)))
      True
    """
    one, other = np.divmod(edges.numbers, max(edges.num_nodes, 1))
    back = other * edges.num_nodes + one
    order = np.argsort(back)
    same = np.array_equal(back[order], edges.numbers)
    return not (same and np.array_equal(edges.weight[order], edges.weight))


def _arcs(rng: np.random.Generator, n: int, count: int) -> np.ndarray:
    """Return the numbers of different ordered pairs of different nodes, in random order."""
    one, rest = np.divmod(rng.permutation(rng.choice(n * (n - 1), count, replace=False)), n - 1)
    return one * n + rest + (rest >= one)


def _pairs(rng: np.random.Generator, n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both nodes of different pairs i < j, in random order."""
    # Pairs are numbered row by row; row i begins where all rows before it end.
    first = np.concatenate([[0], np.cumsum(np.arange(n - 1, 0, -1, dtype=np.int64))])
    chosen = rng.permutation(rng.choice(first[-1], count, replace=False))
    one = np.searchsorted(first, chosen, side="right") - 1
    return one, chosen - first[one] + one + 1
