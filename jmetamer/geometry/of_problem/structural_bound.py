"""Upper bounds of a Jacobian's rank that need no Jacobian: active units, widths, propagation."""

import functools
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jmetamer._base.arguments import AnArray, checked
from jmetamer._base.precision import float64_on_host
from jmetamer.geometry.of_problem.representation import Inputs, Of, Representation, representation
from jmetamer.geometry.spectrum import largest_rank
from jmetamer.graphs import num_nodes
from jmetamer.graphs.ego import hop_distances
from jmetamer.metamers.float64_view import Float64View
from jmetamer.metamers.problem import Problem
from jmetamer.models.protocol import Model
from jmetamer.models.structure import operator_matrix, passes_through
from jmetamer.models.trained_model import compiled_activations

_Values = Mapping[str, AnArray]  # activations by name
LARGEST_PROPAGATION = 1500  # nodes of a graph whose propagation matrix is decomposed


@checked
def structural_bound(
    problem: Problem,
    of: Of = "targets",
    inputs: Inputs = "ball",
    *,
    before: bool = False,
    pairs: Sequence[tuple[int, int]] | np.ndarray | None = None,
) -> int:
    """Return the largest rank that the Jacobian of a representation can have.

    The least of: outputs q and inputs p; units that a ReLU lets pass at the layer itself, and for
    features at every earlier layer that all passes through, as the network says; `k rank(W)` for
    the k varied nodes in sight and the first matrices W; and where one operator S over nodes is
    before them `rank(S) rank(W)`, between the nodes in sight and the varied ones.

    Args:
      problem: network, reference and layer.
      of: what is looked at, as in `representation`.
      inputs: what varies.
      before: take the pre-activation.
      pairs: candidates of "edges".

    Returns:
      The bound, at least 0.

    Raises:
      InputError: see `representation`.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> structural_bound(problem, of="all", before=True)
      136
      >>> structural_bound(problem, of="all") < 136  # a ReLU switches units off
      True
    """
    target = representation(problem, of, inputs, before=before, pairs=pairs)
    return bound_of(problem, target)


def bound_of(problem: Problem, target: Representation) -> int:
    """Return the bound of a representation that was built already.

    Args:
      problem: what `target` was built from.
      target: the representation.
    """
    values = _activations(problem)
    sight = _Sight(problem, target.nodes)
    by_layer = [_layer_bound(sight, name, values, target) for name in target.names]
    bounds = [target.num_inputs, sum(by_layer)]
    if target.coordinates in ("features", "row_space"):
        bounds += _entry_bounds(problem, sight, target.places)
    return int(min(bounds))


class _Sight:
    """Which nodes can be seen from the targets in so many hops."""

    def __init__(self, problem: Problem, nodes: np.ndarray | None) -> None:
        self.model: Model = problem.trained.model
        self.graph, self.total = problem.graph, num_nodes(problem.graph)
        self.nodes = np.arange(self.total) if nodes is None else nodes

    @functools.lru_cache(maxsize=32)  # noqa: B019 - lives as long as one bound is computed
    def __call__(self, hops: int) -> np.ndarray:
        if hops <= 0 or len(self.nodes) == self.total:
            return self.nodes
        return np.flatnonzero(hop_distances(self.graph, self.nodes, hops) <= hops)


def _layer_bound(sight: _Sight, name: str, values: _Values, target: Representation) -> int:
    """Return the bound of one layer by its own units and those before it."""
    value = values[name]
    if value.ndim != 2 or value.shape[0] != sight.total:  # a readout of the model's own
        return int(value.size)
    width = value.shape[1]
    passing = np.ones((len(sight.nodes), width), bool)
    if sight.model.nonlinearity(name) == "relu":
        passing = values[f"{name}.pre"][sight.nodes] > 0
    own = int(passing.any(axis=0).sum() if target.pool else passing.sum())
    if target.coordinates == "edge_weights":
        return own
    return min([own, *_bottlenecks(sight, name, values)])


def _bottlenecks(sight: _Sight, name: str, values: _Values) -> list[int]:
    """Return how many units of each earlier layer that all passes through can be passed."""
    model, counts = sight.model, []
    for earlier in passes_through(model, name):
        if earlier.endswith(".pre"):
            continue
        nodes = sight(model.num_hops(name) - model.num_hops(earlier))
        if model.nonlinearity(earlier) == "relu":
            counts.append(int((values[f"{earlier}.pre"][nodes] > 0).sum()))
        else:
            counts.append(len(nodes) * values[earlier].shape[1])
    return counts


def _entry_bounds(problem: Problem, sight: _Sight, places: np.ndarray) -> list[int]:
    """Return bounds by the first linear map, over the varied nodes that are in sight."""
    model, view = sight.model, Float64View(problem)
    first = view.first
    hops = max(model.num_hops(name) for name in problem.layers)
    varied = np.intersect1d(places, sight(hops))
    if first is None:
        return [len(varied) * np.shape(problem.graph.nodes)[1]]
    rank = largest_rank(view.weights)
    bounds = [len(varied) * rank]
    if first.operator and sight.total <= LARGEST_PROPAGATION and len(varied):
        rows = sight(hops - model.num_hops(first.layer))
        part = operator_matrix(first.operator, problem.graph, varied)[rows]
        bounds.append(largest_rank(part) * rank)
    return bounds


def _activations(problem: Problem) -> _Values:
    """Return every activation in float64, where units switch exactly as in the Jacobian.

    Where no unit switches off, shapes are all that is needed.
    """
    model: Model = problem.trained.model
    switched = any(model.nonlinearity(name) == "relu" for name in model.layer_names)
    with float64_on_host():
        view = Float64View(problem)
        raised = view.params, view.graph
        if not switched:
            return jax.eval_shape(model.activations, *raised)
        return jax.tree.map(np.asarray, compiled_activations(model, *raised))
