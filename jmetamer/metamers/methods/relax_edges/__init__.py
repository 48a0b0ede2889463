"""Structure metamers: other edges that the network cannot tell apart."""

from jmetamer.metamers.methods.relax_edges.annealing import Annealing
from jmetamer.metamers.methods.relax_edges.swap_search import SwapSearch
from jmetamer.metamers.vary.edges import (
    STRUCTURES,
    BinaryEdges,
    FeaturesAndEdges,
    FeaturesGivenEdges,
)

__all__ = [
    "STRUCTURES",
    "Annealing",
    "BinaryEdges",
    "FeaturesAndEdges",
    "FeaturesGivenEdges",
    "SwapSearch",
]
