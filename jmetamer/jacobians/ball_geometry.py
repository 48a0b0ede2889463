"""Local geometry at single nodes from their neighborhoods alone, many times faster than from all.

The numbers are those of `local_geometry` with inputs "ball", which runs the network on the whole
graph for each row of each Jacobian and therefore needs no `num_hops` that is true.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from jmetamer.geometry import (
    LOG_DERIVATIVES,
    after_activation,
    compress_rows,
    spectrum_of,
    stack_spectra,
    stack_volume_changes,
)
from jmetamer.geometry import volume_change as change_of_volume
from jmetamer.jacobians.ball_jacobians import ball_jacobians
from jmetamer.jacobians.local_geometry import LocalGeometry
from jmetamer.jacobians.row_coordinates import float64_activations, row_coordinates
from jmetamer.metamers.problem import Problem


def ball_geometry(problem: Problem, nodes: Sequence[int]) -> LocalGeometry:
    """Return spectra before and after the nonlinearity and the change of volume, node by node.

    `J = d h_v / d x` by the features x of all nodes that the layer can see from v, in float64.

    Args:
      problem: network, reference and layer; of several layers, the activations side by side.
      nodes: target nodes.

    Raises:
      InputError: unknown node; a network that sees more than its `num_hops`.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.jacobians.ball_geometry import ball_geometry
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> ball_geometry(jm.Problem(trained, data.graph, layer="conv1"), [0, 1]).before.rank
      array([4, 4], dtype=int32)
    """
    model = problem.trained.model
    checked = Problem(problem.trained, problem.graph, problem.layer, nodes=nodes)
    targets = np.asarray(checked.nodes, np.int32)
    params, graph = jax.tree.map(np.asarray, (problem.trained.params, problem.graph))
    x = row_coordinates(model, params, graph.nodes)
    outputs = float64_activations(model, params, graph, x)
    sigmas = tuple(model.nonlinearity(name) for name in problem.layers)
    names = tuple(
        f"{name}.pre" if sigma else name for name, sigma in zip(problem.layers, sigmas, strict=True)
    )
    widths = tuple(outputs[name].shape[1] for name in names)
    num_features = graph.nodes.shape[1]
    parts = []
    for part in ball_jacobians(model, params, graph, x, names, targets, outputs):
        union = part.union
        for ball in range(union.num_balls):
            ids = union.node_ids[union.starts[ball] : union.starts[ball + 1]]
            node = targets[union.first + ball]
            seen = _Seen(
                part.of(ball),
                np.concatenate([outputs[name][node] for name in names]),
                np.concatenate([outputs[name][node] for name in problem.layers]),
                len(ids) * num_features,
                float(np.sqrt(x.energy[ids].sum())),
            )
            parts.append(_geometry_of(seen, sigmas, widths))
    before = [one.before for one in parts if one.before is not None]
    change = [one.change for one in parts if one.change is not None]
    return LocalGeometry(
        targets,
        stack_spectra(before) if before else None,
        stack_spectra([one.after for one in parts]),
        stack_volume_changes(change) if change else None,
    )


class _Seen(NamedTuple):
    """One node: its Jacobian before the nonlinearity [q, k r], and both activations [q]."""

    jacobian: np.ndarray
    before: np.ndarray
    after: np.ndarray
    num_inputs: int
    input_norm: float


def _geometry_of(
    seen: _Seen, sigmas: tuple[str | None, ...], widths: tuple[int, ...]
) -> LocalGeometry:
    small = compress_rows(seen.jacobian)
    describe = functools.partial(
        spectrum_of, num_inputs=seen.num_inputs, input_norm=seen.input_norm
    )
    before = describe(small, output_norm=float(np.linalg.norm(seen.before)))
    if not any(sigmas):
        return LocalGeometry(np.zeros(1, np.int32), None, before, None)

    def log_derivative(z: np.ndarray) -> np.ndarray:
        rows = np.split(np.asarray(z).reshape(-1), np.cumsum(widths)[:-1])
        return np.concatenate(
            [
                LOG_DERIVATIVES[sigma](row) if sigma else np.zeros(len(row))
                for sigma, row in zip(sigmas, rows, strict=True)
            ]
        )

    logs = log_derivative(seen.before)
    after = describe(
        after_activation(small, logs),
        output_norm=float(np.linalg.norm(seen.after)),
        structural_bound=int(np.sum(logs > -np.inf)),
    )
    change = change_of_volume(small, before, seen.before, log_derivative)
    return LocalGeometry(np.zeros(1, np.int32), before, after, change)
