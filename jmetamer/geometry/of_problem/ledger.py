"""Where the dimension of a problem's metamer set comes from: its ledger over the layers."""

from collections.abc import Sequence
from typing import NamedTuple

import jraph
import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.geometry import (
    Spectrum,
    compress_rows,
    ledger,
    log_derivative,
    spectrum_of,
    stack_spectra,
)
from jmetamer.geometry.batched_spectra import spectra_after
from jmetamer.geometry.of_problem.local_geometry import Inputs
from jmetamer.geometry.of_problem.reference_point import ReferencePoint, target_nodes
from jmetamer.geometry.spectrum import largest_rank
from jmetamer.geometry.tolerance import tolerance_dimensions
from jmetamer.graphs import num_nodes
from jmetamer.graphs.ego import ball_unions, hop_distances
from jmetamer.metamers.problem import Problem
from jmetamer.models.protocol import Model
from jmetamer.models.structure import operator_matrix, passes_through

LARGEST_LEDGER = 2048  # outputs of a layer that are looked at together; the time grows cubically
_MEMORY = 2 * 2**30  # bytes that the Jacobians of one target may take
_AGREEMENT = 1e-8  # relative difference to the whole graph that round-off explains
_ADVICE = "Take nodes with fewer neighbors, an earlier layer, or a narrower network."


class LightCone(NamedTuple):
    """A target, the nodes that it can see, and those of each layer on the way.

    Attributes:
      center: the target node, or None for all nodes together.
      node_ids: [m] int64, the number in the whole graph of every node in sight, ascending.
      node_ids_padded: [M] the same with padding, M places in the graph.
      visible: for each layer, [c] places of the nodes whose activation the target depends on.
      places: for each layer, the same filled up with the last place.
      graph: edges between the places.
    """

    center: int | None
    node_ids: np.ndarray
    node_ids_padded: np.ndarray
    visible: tuple[np.ndarray, ...]
    places: tuple[np.ndarray, ...]
    graph: jraph.GraphsTuple

    def varied(self, inputs: str) -> np.ndarray:
        """Return the places whose features vary: of the target itself ("node"), else all."""
        if inputs == "node" and self.center is not None:
            return np.searchsorted(self.node_ids, [self.center])
        return np.arange(len(self.node_ids))


def light_cones(
    model: Model, graph: jraph.GraphsTuple, layers: tuple[str, ...], nodes: np.ndarray | None
) -> list[LightCone]:
    """Return the cone of each node, all of one shape.

    With r(k) the hops of layer k and K the last layer, the target depends on layer k at the nodes
    from which it is reached in at most r(K) - r(k) steps.

    Args:
      model: the network.
      graph: host arrays.
      layers: names, from the first to the target's.
      nodes: [b] target nodes, or None for all together.

    Raises:
      InputError: a node that does not exist.

    Example:
      >>> import jmetamer as jm
      >>> graph = jm.make_graph(np.eye(4), [0, 1, 2], [1, 2, 3])
      >>> (cone,) = light_cones(jm.GCN(), graph, ("conv1", "logits"), np.array([3]))
      >>> cone.node_ids, cone.node_ids[cone.visible[0]], cone.node_ids[cone.visible[1]]
      (array([1, 2, 3]), array([2, 3]), array([3]))
    """
    if nodes is None:
        everything = np.arange(num_nodes(graph))
        all_places = (everything,) * len(layers)
        bare = graph._replace(nodes=None)
        return [LightCone(None, everything, everything, all_places, all_places, bare)]
    hops = [model.num_hops(name) for name in layers]
    unions = list(ball_unions(graph, nodes, hops[-1], None))
    inside = [union.node_ids[: union.starts[-1]] for union in unions]
    distances = (hop_distances(graph, int(node), hops[-1]) for node in nodes)
    visible = [
        tuple(np.flatnonzero(distance[ids] <= hops[-1] - reach) for reach in hops)
        for ids, distance in zip(inside, distances, strict=True)
    ]
    widest = [max(len(one[layer]) for one in visible) for layer in range(len(layers))]
    last = len(unions[0].node_ids) - 1  # the place of padding
    return [
        LightCone(
            int(node),
            ids,
            union.node_ids,
            own,
            tuple(
                np.concatenate([at, np.full(size - len(at), last)])
                for at, size in zip(own, widest, strict=True)
            ),
            union.graph,
        )
        for node, ids, union, own in zip(nodes, inside, unions, visible, strict=True)
    ]


class LayerLedger(NamedTuple):
    """Ledger of a problem's layer: L layers, their 2 L activations, b targets.

    Attributes:
      nodes: [b] int32 target nodes, or None for all nodes as one target.
      layers: L names of layers, in order; the last one is the problem's.
      nonlinearities: L names, None where a layer has none.
      spectra: 2 L `Spectrum`s of the cumulative Jacobians, before and after each nonlinearity; a
        layer without one has the same twice.
      ranks: dimensions that each step hides; they sum to `num_inputs - rank` of the last.
      entry: the first step in two: what the weights hide, and what the propagation hides.
      volumes: change of the log-volume in each step.
      ceiling: [2 L, b] int64, largest rank that the structure allows.
      tolerance_dimension: [2 L, b, t] int64, at 1e-2, 1e-3 and 1e-6.
    """

    nodes: np.ndarray | None
    layers: tuple[str, ...]
    nonlinearities: tuple[str | None, ...]
    spectra: tuple[Spectrum, ...]
    ranks: ledger.RankLedger
    entry: ledger.EntrySplit
    volumes: ledger.VolumeLedger
    ceiling: np.ndarray
    tolerance_dimension: np.ndarray


class _Target(NamedTuple):
    """One target: spectra of all steps, and the first step's split."""

    spectra: list[Spectrum]
    ceiling: list[int]
    tolerance_dimension: list[np.ndarray]
    hidden_by_entry: int


@checked
def rank_ledger_of(
    problem: Problem,
    nodes: int | Sequence[int] | None = None,
    inputs: Inputs = "ball",
    *,
    largest: int = LARGEST_LEDGER,
) -> LayerLedger:
    """Account for the dimension of the metamer set layer by layer, at nodes or the whole graph.

    At a node v and a layer K, the Jacobian J_k of the step k is that of layer k at every node that
    `h_K(v)` depends on there: the targets shrink from v's neighborhood to v itself. Each step is a
    function of the one before, so with J_0 the identity of p inputs the ranks can only fall, and

        sum_k [rank J_h(k-1) - rank J_z(k)] + [rank J_z(k) - rank J_h(k)] = p - rank J_h(K)

    is the local dimension at v that `jacobian_spectrum` gives. Log-volumes telescope the same way.
    The first step is split: the k varied nodes lose `k (d - rank W)` dimensions to the first
    weights W, and the rest to the propagation.

    Args:
      problem: network, reference and one layer.
      nodes: a node, or several with a ledger each; None takes all nodes of the graph as a single
        target, for small graphs.
      inputs: what varies: features of all nodes that the layer can see ("ball"), of the whole
        graph ("all"), or of the node itself ("node").
      largest: outputs of one step, nodes times width, beyond which no dense Jacobian is taken.

    Raises:
      InputError: unknown node or inputs; several layers at once; a target too large; a network
        that is no chain, or that sees more than its `num_hops`.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.geometry.of_problem.ledger import rank_ledger_of
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> result = rank_ledger_of(jm.Problem(trained, data.graph, layer="logits"), nodes=11)
      >>> result.layers, result.entry.entry  # 17 nodes in sight, 34 features, 4 units
      (('conv1', 'logits'), array([510]))
      >>> result.ranks.dimension == 17 * 34 - result.spectra[-1].rank
      array([ True])
    """
    layers = _chain(problem)
    if nodes is None and inputs == "node":
        raise InputError(
            "`inputs` is 'node', but `nodes` is None, all nodes as one target; name nodes, or vary "
            "'all' features."
        )
    point, chosen = ReferencePoint(problem, layers), None
    if nodes is not None:
        chosen = target_nodes(problem, [nodes] if isinstance(nodes, int | np.integer) else nodes)
    cones = light_cones(point.model, point.graph, layers, chosen)
    _require_size(point, cones, largest)
    return _joined(point, chosen, [_ledger_at(point, cone, inputs) for cone in cones])


def ledger_size(problem: Problem, node: int) -> int:
    """Return the outputs of the largest step of a node's ledger, nodes times width.

    Args:
      problem: network, reference and one layer.
      node: target node.

    Raises:
      InputError: several layers at once.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.geometry.of_problem.ledger import ledger_size
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> ledger_size(jm.Problem(trained, data.graph, layer="logits"), 11)  # two nodes of 4 units
      8
    """
    layers = _chain(problem)
    point = ReferencePoint(problem, layers)
    (cone,) = light_cones(point.model, point.graph, layers, np.array([node]))
    return _outputs(point, cone)


def _chain(problem: Problem) -> tuple[str, ...]:
    """Return the layers up to the problem's, each a function of the one before."""
    if len(problem.layers) != 1:
        raise InputError(
            f"the problem matches {len(problem.layers)} layers, {', '.join(problem.layers)}; a "
            "ledger follows one chain of layers, so give a problem with one of them."
        )
    (last,) = problem.layers
    before = passes_through(problem.trained.model, last)
    return (*(name for name in before if not name.endswith(".pre")), last)


def _outputs(point: ReferencePoint, cone: LightCone) -> int:
    sizes = zip(point.names, cone.visible, strict=True)
    return max(len(places) * _width(point, name) for name, places in sizes)


def _width(point: ReferencePoint, name: str) -> int:
    return int(point.activations[name].shape[-1])


def _require_size(point: ReferencePoint, cones: Sequence[LightCone], largest: int) -> None:
    for cone in cones:
        outputs, columns = _outputs(point, cone), len(cone.node_ids) * point.x.width
        target = "the whole graph" if cone.center is None else f"node {cone.center}"
        if outputs > largest:
            raise InputError(
                f"the ledger of {target} looks at {outputs} units of one layer together; allowed "
                f"are `largest` = {largest}, for time grows with the cube. {_ADVICE}"
            )
        total = sum(
            len(at) * _width(point, name) for name, at in zip(point.names, cone.places, strict=True)
        )
        needed = 8 * total * columns
        if needed > _MEMORY:
            raise InputError(
                f"the ledger of {target} needs Jacobians of {needed / 2**30:.1f} GiB; allowed are "
                f"{_MEMORY / 2**30:.0f} GiB. {_ADVICE}"
            )


def _ledger_at(point: ReferencePoint, cone: LightCone, inputs: Inputs) -> _Target:
    """Return the spectra of all steps at one target."""
    varied = cone.varied(inputs)
    total = len(point.graph.nodes) if inputs == "all" else len(varied)
    num_inputs = total * point.num_features
    energy = point.x.energy if inputs == "all" else point.x.energy[cone.node_ids[varied]]
    input_norm = float(np.sqrt(energy.sum()))
    steps = _Target([], [], [], total * (point.num_features - point.entry_rank))
    bound = min(num_inputs, _first_bound(point, cone, varied))

    def add(spectrum: Spectrum, name: str, nodes: np.ndarray) -> None:
        steps.spectra.append(spectrum)
        steps.ceiling.append(bound)
        output_norm = np.linalg.norm(point.activations[name][nodes])
        steps.tolerance_dimension.append(
            tolerance_dimensions(spectrum, input_norm=input_norm, output_norm=output_norm)
        )

    for place, jacobian in enumerate(_jacobians(point, cone, varied)):
        nodes, sigma = cone.node_ids[cone.visible[place]], point.sigmas[place]
        name, small = point.names[place], compress_rows(jacobian)
        saturation = float(point.attenuation([name])[:, cone.node_ids].max(axis=1).sum())
        bound = min(bound, len(jacobian))
        before = spectrum_of(
            small,
            output_norm=float(np.linalg.norm(point.activations[name][nodes])),
            input_norm=input_norm,
            structural_bound=bound,
            num_inputs=num_inputs,
            saturation=saturation,
        )
        add(before, name, nodes)
        if sigma is None:
            add(before, name, nodes)
            continue
        logs = log_derivative(sigma)(point.activations[name][nodes]).reshape(1, -1)
        bound = min(bound, int(np.sum(logs > -np.inf)))
        after = spectra_after([small], before, logs, saturation=saturation)
        add(after, point.layers[place], nodes)
    return steps


def _first_bound(point: ReferencePoint, cone: LightCone, varied: np.ndarray) -> int:
    """Return the largest rank that the first matrix and the operator before it allow."""
    first, hops = point.first, point.model.num_hops
    bound = len(varied) * point.entry_rank
    if first and first.operator and hops(first.layer) == hops(point.layers[0]):
        part = operator_matrix(first.operator, cone.graph, varied)[cone.visible[0]]
        bound = min(bound, largest_rank(part) * point.entry_rank)
    return bound


def _jacobians(point: ReferencePoint, cone: LightCone, varied: np.ndarray) -> list[np.ndarray]:
    """Return the Jacobian [q, p] of each layer before its nonlinearity."""
    rows = point.x.base[cone.node_ids_padded]
    linear = point.linearize(rows, None, cone.places, cone.graph)
    jacobian = linear.jacobian.reshape(len(linear.value), len(rows), point.x.width)
    jacobians, start = [], 0
    for name, places, visible in zip(point.names, cone.places, cone.visible, strict=True):
        width = _width(point, name)
        kept = slice(start, start + len(visible) * width)
        _require_local(linear.value[kept], point.activations[name][cone.node_ids[visible]], name)
        jacobians.append(jacobian[kept][:, varied].reshape(kept.stop - start, -1))
        start += len(places) * width
    return jacobians


def _require_local(value: np.ndarray, expected: np.ndarray, name: str) -> None:
    """Refuse a network that sees something else near the target than in the whole graph."""
    size = max(float(np.abs(expected).max(initial=0.0)), float(np.finfo(np.float64).tiny))
    worst = float(np.abs(value - expected.reshape(-1)).max(initial=0.0)) / size
    if not worst <= _AGREEMENT:
        raise InputError(
            f"{name} differs by {worst:.2g} (relative, allowed {_AGREEMENT:g}) between the whole "
            "graph and the neighborhood of the node, so the network sees more than its `num_hops` "
            "say, and a ledger at single nodes does not exist; take `nodes`=None."
        )


def _joined(
    point: ReferencePoint, nodes: np.ndarray | None, targets: Sequence[_Target]
) -> LayerLedger:
    columns = zip(*(one.spectra for one in targets), strict=True)
    spectra = tuple(stack_spectra(column) for column in columns)
    ranks = ledger.rank_ledger(spectra)
    entry = np.array([one.hidden_by_entry for one in targets], np.int64)
    dimensions = np.array([one.tolerance_dimension for one in targets])  # [b, 2 L, 1, t]
    return LayerLedger(
        nodes,
        point.layers,
        point.sigmas,
        spectra,
        ranks,
        ledger.EntrySplit(entry, ranks.linear[0] - entry),
        ledger.volume_ledger(spectra),
        np.array([one.ceiling for one in targets], np.int64).T,
        dimensions[:, :, 0].transpose(1, 0, 2),
    )
