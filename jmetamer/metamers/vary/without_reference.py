"""A target without a reference: features that nobody gave are drawn from standard statistics."""

import dataclasses
from typing import Any

import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.graphs import num_nodes
from jmetamer.metamers.vary.initialization import GlobalNoise
from jmetamer.models.protocol import Model, Params


def has_features(graph: jraph.GraphsTuple) -> bool:
    """Return whether nodes carry at least one feature.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> has_features(make_graph(np.zeros((2, 0)), senders=[0], receivers=[1]))
      False
    """
    return np.shape(graph.nodes)[1:] != (0,)


def stand_in(
    model: Model, params: Params, graph: jraph.GraphsTuple, vary: Any
) -> tuple[jraph.GraphsTuple, Any]:
    """Give a graph without features as many as the network reads, and a start of its own to match.

    Args:
      model: the network; the number of features is that of its first linear operation.
      params: its parameters.
      graph: nodes [n, 0].
      vary: what may vary; its start must not ask the reference for statistics.

    Returns:
      The graph with zeros [n, d], and `vary` with `GlobalNoise()` replaced by
      `GlobalNoise(mean=0, std=1)`.

    Raises:
      InputError: the part or its start needs a reference's features, or the network
        does not say how many features it reads.
    """
    if getattr(vary, "kind", "several") != "continuous":
        raise InputError(
            f"`vary` is {vary!r}, which is defined by a reference's features, but the graph has "
            "none; give features, or use `ContinuousFeatures`"
        )
    start = getattr(vary, "initialization", None)
    if not isinstance(start, GlobalNoise):
        raise InputError(
            f"`initialization` is {start!r}, which needs a reference's features, but the graph "
            "has none; use `GlobalNoise(mean=..., std=...)`"
        )
    if start.mean is None:
        vary = dataclasses.replace(vary, initialization=GlobalNoise(mean=0.0, std=1.0))
    first = model.first_layer(params)
    if first is None:
        raise InputError(
            f"`graph` has no features, and {type(model).__name__} does not say how many it reads "
            "(`first_layer` is None); pass `nodes` of shape [n, d], which may all be zero, and "
            "`GlobalNoise(mean=..., std=...)`"
        )
    nodes = np.zeros((num_nodes(graph), first.weights.shape[0]), np.float32)
    return graph._replace(nodes=nodes), vary
