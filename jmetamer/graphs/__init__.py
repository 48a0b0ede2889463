"""Graphs with labels: the graph type, datasets and their loaders, message passing."""

from jmetamer.graphs.dataset import Dataset, Provenance, content_digest, validate_dataset
from jmetamer.graphs.edge_lists import is_symmetric, pad_graph, symmetrize
from jmetamer.graphs.ego import ego_graph
from jmetamer.graphs.graph import Edges, make_graph, num_nodes, validate_graph, with_nodes
from jmetamer.graphs.graph_npz import save_graph_npz
from jmetamer.graphs.load import DATASETS, load_dataset

__all__ = [
    "DATASETS",
    "Dataset",
    "Edges",
    "Provenance",
    "content_digest",
    "ego_graph",
    "is_symmetric",
    "load_dataset",
    "make_graph",
    "num_nodes",
    "pad_graph",
    "save_graph_npz",
    "symmetrize",
    "validate_dataset",
    "validate_graph",
    "with_nodes",
]
