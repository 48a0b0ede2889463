"""Local geometry at single nodes from their neighborhoods alone, many times faster than from all.

The numbers are those of `local_geometry` with inputs "ball", which runs the network on the whole
graph for each row of each Jacobian and therefore needs no `num_hops` that is true.
"""

import functools
from collections.abc import Sequence

import numpy as np

from jmetamer.geometry import (
    after_activation,
    compress_rows,
    spectrum_of,
    stack_spectra,
    stack_volume_changes,
)
from jmetamer.geometry import volume_change as change_of_volume
from jmetamer.jacobians.ball_jacobians import ball_jacobians
from jmetamer.jacobians.local_geometry import LocalGeometry
from jmetamer.jacobians.reference_point import ReferencePoint, target_nodes
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
    point, targets = ReferencePoint(problem), target_nodes(problem, nodes)
    parts = []
    for part in ball_jacobians(point, targets):
        union = part.union
        for ball in range(union.num_balls):
            ids = union.node_ids[union.starts[ball] : union.starts[ball + 1]]
            parts.append(_geometry_at(point, targets[union.first + ball], ids, part.of(ball)))
    before = [one.before for one in parts if one.before is not None]
    change = [one.change for one in parts if one.change is not None]
    return LocalGeometry(
        targets,
        stack_spectra(before) if before else None,
        stack_spectra([one.after for one in parts]),
        stack_volume_changes(change) if change else None,
    )


def _geometry_at(
    point: ReferencePoint, node: int, varied: np.ndarray, jacobian: np.ndarray
) -> LocalGeometry:
    """Return the geometry of one node from its Jacobian before the nonlinearity."""
    small = compress_rows(jacobian)
    z, h = (point.output(names, [node]) for names in (point.names, point.layers))
    describe = functools.partial(
        spectrum_of,
        num_inputs=len(varied) * point.num_features,
        input_norm=float(np.sqrt(point.x.energy[varied].sum())),
    )
    before = describe(small, output_norm=float(np.linalg.norm(z)))
    if point.names == point.layers:
        return LocalGeometry(np.array([node]), None, before, None)
    (logs,) = point.log_derivatives([node])
    after = describe(
        after_activation(small, logs),
        output_norm=float(np.linalg.norm(h)),
        structural_bound=int(np.sum(logs > -np.inf)),
    )
    change = change_of_volume(small, before, z[0], lambda _: logs)
    return LocalGeometry(np.array([node]), before, after, change)
