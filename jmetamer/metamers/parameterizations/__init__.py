"""What may vary: one file per parameterization, one line in the table."""

from jmetamer.metamers.parameterizations.binary_features import BinaryFeatures, BinaryTheta
from jmetamer.metamers.parameterizations.continuous_features import (
    DOMAINS,
    Box,
    ContinuousFeatures,
    Domain,
    Free,
    NonNegative,
)
from jmetamer.metamers.parameterizations.edge_weights import EdgeWeights
from jmetamer.metamers.parameterizations.protocol import Parameterization, Theta

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
