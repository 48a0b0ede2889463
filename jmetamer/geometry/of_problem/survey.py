"""Everything that a sweep keeps of a problem's local geometry: layers, maps and ledgers."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import unknown_name
from jmetamer.geometry import Spectrum
from jmetamer.geometry.of_problem.ledger import LayerLedger, ledger_size, rank_ledger_of
from jmetamer.geometry.of_problem.local_geometry import (
    Inputs,
    LocalGeometry,
    local_geometry,
    node_geometry,
)
from jmetamer.geometry.of_problem.map_correlations import (
    MapCorrelations,
    map_correlations,
    neighborhood_statistics,
)
from jmetamer.geometry.of_problem.node_maps import NodeMap, node_maps
from jmetamer.geometry.of_problem.reference_point import ReferencePoint
from jmetamer.geometry.of_problem.structural_bound import structural_bound
from jmetamer.geometry.tolerance import TOLERANCES, tolerance_dimensions
from jmetamer.graphs import ego_graph, num_nodes
from jmetamer.graphs.edge_lists import present_edges
from jmetamer.metamers.problem import Problem

CORRELATED = ("rank", "dimension", "nu", "nu_centered", "log_volume")
# Numbers in the Jacobians of all nodes together, beyond which "auto" takes no maps: about ten
# seconds on two processor cores.
AFFORDABLE_MAPS = 25 * 10**7
# Units of a node's ledger, nodes times width: about a second.
AFFORDABLE_LEDGER = 512


class LayerGeometry(NamedTuple):
    """Jacobians of w activations of a network at b nodes.

    Attributes:
      nodes: [b] int32 target nodes.
      layers: w names, as "conv1.pre" before a nonlinearity and "conv1" after it.
      spectra: one `Spectrum` of the b nodes for each name.
      ceiling: [b, w] int64, the largest rank that the structure allows.
      tolerance_dimension: [b, w, t] int64, dimension at each of `tolerances`.
      tolerances: t relative tolerances.
    """

    nodes: np.ndarray
    layers: tuple[str, ...]
    spectra: tuple[Spectrum, ...]
    ceiling: np.ndarray
    tolerance_dimension: np.ndarray
    tolerances: tuple[float, ...]


def layer_geometry(
    problem: Problem,
    nodes: Sequence[int],
    inputs: Inputs = "ball",
    layers: str | Sequence[str] = "all",
    *,
    matched: LocalGeometry | None = None,
) -> LayerGeometry:
    """Return the spectra of a network's layers at each node, before and after each activation.

    Every layer is a target of its own, `J = d h_v / d x` by the features that it can see, as in
    `jacobian_spectrum`; `dimension = num_inputs - rank`. The ceiling is that of `structural_bound`,
    the tolerance dimension `D_eps = p - #{ i : sigma_i |x| / |h_v| > eps }`.

    Args:
      problem: network, reference and matched layers.
      nodes: target nodes, one Jacobian a layer each.
      inputs: what varies: features of the node itself ("node"), of all nodes the layer can see
        from it ("ball"), or of the whole graph ("all").
      layers: "matched" the problem's own, "all" of the network, or names; one with a nonlinearity
        is looked at before and after it.
      matched: geometry of the problem's own layer at these nodes, where it is known already.

    Raises:
      InputError: unknown node, inputs or layer.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.geometry.of_problem.survey import layer_geometry
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> result = layer_geometry(jm.Problem(trained, data.graph, layer="conv1"), nodes=[0, 1])
      >>> result.layers, result.ceiling.shape, result.tolerance_dimension.shape
      (('conv1.pre', 'conv1', 'logits'), (2, 3), (2, 3, 3))
    """
    parts: dict[str, Spectrum] = {}
    for name in _select_layers(problem, layers):
        if matched is not None and problem.layers == (name,):
            geometry = matched
        else:
            one = Problem(problem.trained, problem.graph, layer=name)
            geometry = local_geometry(one, nodes, inputs)
        if geometry.before is not None:
            parts.setdefault(f"{name}.pre", geometry.before)
        parts.setdefault(name, geometry.after)
    names = tuple(name for name in problem.trained.model.layer_names if name in parts)
    targets = np.asarray(nodes, np.int32)
    spectra = tuple(parts[name] for name in names)
    ceilings = [[_ceiling(problem, name, int(node), inputs) for name in names] for node in targets]
    point = ReferencePoint(problem)
    dimensions = [
        tolerance_dimensions(
            spectrum,
            input_norm=[_input_norm(point, name, int(node), inputs) for node in targets],
            output_norm=np.linalg.norm(point.activations[name][targets], axis=1),
        )
        for name, spectrum in zip(names, spectra, strict=True)
    ]
    return LayerGeometry(
        targets,
        names,
        spectra,
        np.array(ceilings, np.int64).reshape(len(targets), len(names)),
        np.stack(dimensions, axis=1),
        TOLERANCES,
    )


def _select_layers(problem: Problem, layers: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of layers, each once."""
    every = problem.trained.model.layer_names
    if layers == "matched":
        return problem.layers
    if layers == "all":
        return tuple(name for name in every if not name.endswith(".pre"))
    names = (layers,) if isinstance(layers, str) else tuple(dict.fromkeys(layers))
    for name in names:
        if name not in every:
            raise unknown_name("layer in `layers`", name, ("matched", "all", *every))
    return names


def _ceiling(problem: Problem, name: str, node: int, inputs: Inputs) -> int:
    plain = name.removesuffix(".pre")
    model = problem.trained.model
    before = plain != name and model.nonlinearity(plain) is not None
    one = Problem(problem.trained, problem.graph, layer=plain if before else name)
    return structural_bound(one, node, inputs, before=before)


def _input_norm(point: ReferencePoint, name: str, node: int, inputs: Inputs) -> float:
    """Return the Euclidean norm of what varies."""
    places = np.arange(num_nodes(point.graph))
    if inputs == "node":
        places = np.array([node])
    elif inputs == "ball":
        places = np.asarray(ego_graph(point.graph, node, point.model.num_hops(name))[1])
    return float(np.sqrt(point.x.energy[places].sum()))


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
      >>> from jmetamer.geometry.of_problem.survey import map_survey
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
      >>> from jmetamer.geometry.of_problem.survey import map_entries
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> map_entries(jm.Problem(trained, data.graph, layer="conv1"))  # (34 + 2 x 78) x 4 x 4
      3040
    """
    graph, model = problem.graph, problem.trained.model
    total = num_nodes(graph)
    senders, receivers, _ = present_edges(graph, loops=False)
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


class GeometrySurvey(NamedTuple):
    """Local geometry of a problem.

    Attributes:
      local: the matched layer at the target nodes.
      layers: every layer asked for at the same nodes.
      own: the matched layer by the features of each target node alone, or None.
      maps: the matched layer at all nodes, or None.
      ledger: over the layers, of the first target nodes that are small enough, or None.
      channel: standard deviations of input and noise, or None.
    """

    local: LocalGeometry
    layers: LayerGeometry
    maps: MapSurvey | None = None
    ledger: LayerLedger | None = None
    channel: tuple[float, float] | None = None
    own: LocalGeometry | None = None


def survey(
    problem: Problem,
    nodes: Sequence[int],
    inputs: Inputs = "ball",
    *,
    layers: str | Sequence[str] = "all",
    maps: bool | Literal["auto"] = "auto",
    ledger: bool | int = False,
    labels: AnArray | None = None,
    channel: tuple[float, float] | None = None,
) -> GeometrySurvey:
    """Return spectra, maps and ledgers of a problem.

    Args:
      problem: network, reference and layer.
      nodes: target nodes of spectra and ledgers.
      inputs: what varies: "node", "ball" or "all"; maps always take the ball.
      layers: "matched", "all", or names of layers.
      maps: whether to map all nodes of the graph; "auto" does where it takes seconds.
      ledger: of how many target nodes, the first whose layers have at most 512 units in sight;
        True for all of them, False or 0 for none. Of several matched layers, of the last.
      labels: [n] classes for the maps; none if None.
      channel: standard deviations of input and noise; kept as they are.

    Raises:
      InputError: unknown node, inputs or layer; labels that do not fit the graph.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.geometry.of_problem.survey import survey
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> result = survey(problem, nodes=[0, 1], maps=True, ledger=1, labels=data.labels)
      >>> result.layers.layers, len(result.maps.degree), result.ledger.nodes
      (('conv1.pre', 'conv1', 'logits'), 34, array([0], dtype=int32))
    """
    local = local_geometry(problem, nodes, inputs)
    result = GeometrySurvey(
        local,
        layer_geometry(problem, nodes, inputs, layers, matched=local),
        channel=channel,
        own=_own(problem, nodes, inputs, local),
    )
    if maps is True or (maps == "auto" and map_entries(problem) <= AFFORDABLE_MAPS):
        result = result._replace(maps=map_survey(problem, labels))
    if ledger:
        deepest = max(problem.layers, key=problem.trained.model.layer_names.index)
        last = Problem(problem.trained, problem.graph, layer=deepest)
        small = [int(node) for node in nodes if ledger_size(last, int(node)) <= AFFORDABLE_LEDGER]
        chosen = small if ledger is True else small[:ledger]
        if chosen:
            result = result._replace(ledger=rank_ledger_of(last, chosen, inputs))
    return result


def _own(
    problem: Problem, nodes: Sequence[int], inputs: Inputs, local: LocalGeometry
) -> LocalGeometry:
    """Return the geometry by each node's own features, by the cheapest way that exists."""
    if inputs == "node":
        return local
    if inputs == "ball":
        return node_geometry(problem, nodes)
    return local_geometry(problem, nodes, "node")
