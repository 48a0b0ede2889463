"""Jacobians of a representation: what the matched layers see of the input, to first order.

`representation` says of what and by what is differentiated. `local_geometry` looks at single nodes,
`node_maps` at all of them, `joint_spectrum` at several together, `whole_graph` at targets too large
for a dense matrix, `ledger` at what every layer loses; `survey` is what a sweep keeps. The numbers
themselves are made in `jmetamer.geometry`.
"""

from jmetamer.geometry.of_problem.ledger import LayerLedger, rank_ledger_of
from jmetamer.geometry.of_problem.local_geometry import (
    LocalGeometry,
    jacobian_spectrum,
    local_geometry,
    volume_change,
)
from jmetamer.geometry.of_problem.map_correlations import (
    MapCorrelations,
    map_correlation,
    map_correlations,
)
from jmetamer.geometry.of_problem.node_maps import NodeMap, NodeMaps, node_maps
from jmetamer.geometry.of_problem.representation import (
    Representation,
    jacobian_operator,
    representation,
)
from jmetamer.geometry.of_problem.structural_bound import structural_bound
from jmetamer.geometry.of_problem.whole_graph import (
    WholeGraphVolume,
    joint_spectrum,
    leading_spectrum,
    whole_graph_volume,
)

__all__ = [
    "LayerLedger",
    "LocalGeometry",
    "MapCorrelations",
    "NodeMap",
    "NodeMaps",
    "Representation",
    "WholeGraphVolume",
    "jacobian_operator",
    "jacobian_spectrum",
    "joint_spectrum",
    "leading_spectrum",
    "local_geometry",
    "map_correlation",
    "map_correlations",
    "node_maps",
    "rank_ledger_of",
    "representation",
    "structural_bound",
    "volume_change",
    "whole_graph_volume",
]
