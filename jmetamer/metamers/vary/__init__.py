"""What may vary: one file a part of the graph, one line in the table."""

from jmetamer.metamers.vary.binary_edges import BinaryEdges
from jmetamer.metamers.vary.binary_features import BinaryFeatures, BinaryTheta
from jmetamer.metamers.vary.continuous_features import (
    DOMAINS,
    Box,
    ContinuousFeatures,
    Domain,
    Free,
    NonNegative,
)
from jmetamer.metamers.vary.edge_weights import EdgeWeights
from jmetamer.metamers.vary.protocol import Theta, Vary
from jmetamer.metamers.vary.random_edges import RandomEdges

VARY: dict[str, type[Vary]] = {
    "continuous_features": ContinuousFeatures,
    "binary_features": BinaryFeatures,
    "binary_edges": BinaryEdges,
    "random_edges": RandomEdges,
    "edge_weights": EdgeWeights,
}

__all__ = [
    "DOMAINS",
    "VARY",
    "BinaryEdges",
    "BinaryFeatures",
    "BinaryTheta",
    "Box",
    "ContinuousFeatures",
    "Domain",
    "EdgeWeights",
    "Free",
    "NonNegative",
    "RandomEdges",
    "Theta",
    "Vary",
]
