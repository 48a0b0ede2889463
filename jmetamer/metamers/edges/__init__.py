"""Edges that come and go: how a graph with other edges and the same activations is found."""
