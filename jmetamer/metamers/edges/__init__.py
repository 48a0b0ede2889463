"""Edges that come and go: how a graph with other edges and the same activations is found."""

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
