"""What of a graph varies: its features, its edges, the weights of its edges."""

from typing import Any, Literal

import jax
import jraph
import numpy as np

from jmetamer.metamers.problem import Problem
from jmetamer.metamers.vary import EdgeWeights, Parameterization
from jmetamer.metamers.vary.edges import FixedFeatures, Structure, is_directed


def features_that_vary(vary: Any) -> Parameterization | None:
    """Return how the features vary, or None where they stay.

    Args:
      vary: of a problem.

    Example:
      >>> import jmetamer as jm
      >>> features_that_vary(jm.BinaryEdges()) is None
      True
    """
    features = vary.features if isinstance(vary, Structure) else vary
    return None if isinstance(features, FixedFeatures | EdgeWeights) else features


def edges_that_vary(vary: Any) -> Literal["simple_edges", "edge_weights"] | None:
    """Return the kind of the edges, by which measures are chosen, or None where they stay.

    Args:
      vary: of a problem.

    Example:
      >>> import jmetamer as jm
      >>> edges_that_vary(jm.FeaturesAndEdges())
      'simple_edges'
    """
    if isinstance(vary, Structure):
        return "simple_edges"
    return "edge_weights" if isinstance(vary, EdgeWeights) else None


def directed_edges(problem: Problem) -> bool:
    """Return whether (i, j) and (j, i) are two edges of a problem whose edges come and go."""
    vary = problem.vary
    assert isinstance(vary, Structure)
    return is_directed(problem.graph, vary.edges.directed)


def weighted_edges(problem: Problem) -> jraph.GraphsTuple:
    """Return the graph of host arrays that lists the edges of all metamers of edge weights."""
    vary = problem.vary
    assert isinstance(vary, EdgeWeights)
    graph = problem.arrays.graph
    return jax.tree.map(np.asarray, vary.decode(vary.encode(graph), graph))
