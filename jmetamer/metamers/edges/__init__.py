"""Edges that come and go: how a graph with other edges and the same activations is found."""

from jmetamer.metamers.edges.settings import (
    STRUCTURES,
    BinaryEdges,
    FeaturesAndEdges,
    FeaturesGivenEdges,
)

__all__ = ["STRUCTURES", "BinaryEdges", "FeaturesAndEdges", "FeaturesGivenEdges"]
