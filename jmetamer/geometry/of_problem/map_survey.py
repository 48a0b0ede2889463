"""The maps of a problem's layer over all nodes of its graph, with what they go with."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer.geometry.of_problem.map_correlations import (
    MapCorrelations,
    map_correlations,
    neighborhood_statistics,
)
from jmetamer.geometry.of_problem.node_maps import NodeMap, node_maps
from jmetamer.graphs import num_nodes
from jmetamer.metamers.problem import Problem

CORRELATED = ("rank", "dimension", "nu", "nu_centered", "log_volume")


class MapSurvey(NamedTuple):
    """Maps over all n nodes, before and after the nonlinearity where there is one.

    Attributes:
      layers: s names, as "conv1.pre" and "conv1".
      values: for each name a mapping to [n] arrays: `rank`, `certified`, `dimension`, `nu`,
        `nu_centered` and `log_volume`; see `NodeMap`.
      ball_size: [n] number of nodes that the layer can see.
      degree: [n] number of neighbors.
      homophily: [n] share of neighbors of the same class, NaN without neighbors; None without
        classes.
      correlations: for each name a mapping from `CORRELATED` to `MapCorrelations`, or None for
        log-volumes of nodes with different ranks, which have different units. Empty without
        classes.
    """

    layers: tuple[str, ...]
    values: tuple[Mapping[str, np.ndarray], ...]
    ball_size: np.ndarray
    degree: np.ndarray
    homophily: np.ndarray | None
    correlations: tuple[Mapping[str, MapCorrelations | None], ...]


def map_survey(problem: Problem, labels: AnArray | None = None) -> MapSurvey:
    """Return the maps of the problem's layer over all nodes, and what they go with.

    Args:
      problem: network, reference and layer; of several layers, the activations side by side.
      labels: [n] classes of the nodes, or None.

    Raises:
      InputError: labels that do not fit the graph; see `node_maps`.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.geometry.of_problem.map_survey import map_survey
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> result = map_survey(jm.Problem(trained, data.graph, layer="conv1"), data.labels)
      >>> result.layers, result.values[1]["nu"].shape
      (('conv1.pre', 'conv1'), (34,))
      >>> round(result.correlations[0]["dimension"].degree.rho, 6)  # 34 inputs a node in sight
      1.0
    """
    total = num_nodes(problem.graph)
    classes = None if labels is None else np.asarray(labels)
    counted = np.zeros(total, np.int64) if classes is None else classes
    degree, homophily = neighborhood_statistics(problem.graph, counted)
    maps = node_maps(problem, range(total))
    name = "+".join(problem.layers)
    sides = {f"{name}.pre": maps.before, name: maps.after}
    values = {side: _values(one) for side, one in sides.items() if one is not None}
    correlations = tuple(
        {key: _correlated(key, side, problem, counted) for key in CORRELATED}
        for side in (() if classes is None else values.values())
    )
    return MapSurvey(
        tuple(values),
        tuple(values.values()),
        maps.ball_size,
        degree,
        None if classes is None else homophily,
        correlations,
    )


def map_entries(problem: Problem) -> int:
    """Return at most how many numbers the Jacobians of all nodes hold together.

    A node's Jacobian has a row for each output and r columns for each node of its ball, with r
    coordinates of the features. Balls are counted by walks, so nodes reached twice count twice.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.geometry.of_problem.map_survey import map_entries
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> map_entries(jm.Problem(trained, data.graph, layer="conv1"))  # (34 + 2 x 78) x 4 x 4
      3040
    """
    graph, model = problem.graph, problem.trained.model
    total = num_nodes(graph)
    weight = np.asarray(graph.edges.weight)
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    between = (weight > 0) & (senders != receivers)
    senders, receivers = senders[between], receivers[between]
    balls = np.ones(total)
    for _ in range(max(model.num_hops(name) for name in problem.layers)):
        balls = np.minimum(1.0 + np.bincount(receivers, balls[senders], total), total)
    first = model.first_layer(problem.trained.params)
    width = int(np.shape(graph.nodes)[1])
    width = width if first is None else min(width, int(np.shape(first.weights)[1]))
    outputs = sum(int(np.shape(problem.arrays.targets[name])[-1]) for name in problem.layers)
    return int(balls.sum()) * width * outputs


def _values(side: NodeMap) -> dict[str, np.ndarray]:
    return {
        "rank": side.spectrum.rank,
        "certified": side.spectrum.certified,
        "dimension": side.dimension,
        "nu": side.nu,
        "nu_centered": side.nu_centered,
        "log_volume": side.spectrum.log_volume,
    }


def _correlated(
    key: str, side: Mapping[str, np.ndarray], problem: Problem, labels: np.ndarray
) -> MapCorrelations | None:
    if key == "log_volume" and np.ptp(side["rank"]) > 0:
        return None
    return map_correlations(side[key], problem.graph, labels)
