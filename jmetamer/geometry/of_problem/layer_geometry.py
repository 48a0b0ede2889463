"""Spectra of every layer at single nodes: before and after each activation, with their ceilings."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jmetamer._base.errors import unknown_name
from jmetamer.geometry import Spectrum
from jmetamer.geometry.of_problem.local_geometry import Inputs, LocalGeometry, local_geometry
from jmetamer.geometry.of_problem.reference_point import ReferencePoint
from jmetamer.geometry.of_problem.structural_bound import structural_bound
from jmetamer.geometry.tolerance import TOLERANCES, tolerance_dimensions
from jmetamer.graphs import ego_graph, num_nodes
from jmetamer.metamers.problem import Problem


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
      >>> from jmetamer.geometry.of_problem.layer_geometry import layer_geometry
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
