"""Structure metamers: other edges that the network cannot tell apart."""

from jmetamer.metamers.edges.annealing import Annealing
from jmetamer.metamers.edges.settings import (
    STRUCTURES,
    BinaryEdges,
    FeaturesAndEdges,
    FeaturesGivenEdges,
)
from jmetamer.metamers.edges.swap_search import SwapSearch

__all__ = [
    "STRUCTURES",
    "Annealing",
    "BinaryEdges",
    "FeaturesAndEdges",
    "FeaturesGivenEdges",
    "SwapSearch",
]
