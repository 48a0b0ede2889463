"""What may vary: one file per parameterization, one line in the table."""

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
from jmetamer.metamers.vary.protocol import Parameterization, Theta

PARAMETERIZATIONS = {
    "continuous_features": ContinuousFeatures,
    "binary_features": BinaryFeatures,
    "edge_weights": EdgeWeights,
}

__all__ = [
    "DOMAINS",
    "PARAMETERIZATIONS",
    "BinaryFeatures",
    "BinaryTheta",
    "Box",
    "ContinuousFeatures",
    "Domain",
    "EdgeWeights",
    "Free",
    "NonNegative",
    "Parameterization",
    "Theta",
]
