"""`dcsbm`: a degree-corrected block model of any size, to see how cost grows with the graph."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from jmetamer._base.arguments import Count, Natural, NonNegative, Positive, Seed, Share, checked
from jmetamer.graphs.block_model import BlockModel, require_nodes
from jmetamer.graphs.dataset import Dataset, drawn_dataset
from jmetamer.graphs.degree_corrected import (
    edge_probabilities,
    power_law_weights,
    sample_weighted_edges,
)
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.symmetry import simple_undirected

# The size of ogbn-arxiv (169,343 papers, 1,166,243 citations), rounded up. Edges are counted as
# `load_dcsbm` counts them.
ARXIV_SIZE: Mapping[str, int] = MappingProxyType(
    {"num_nodes": 170_000, "num_edges": 1_200_000, "num_classes": 40, "num_features": 128}
)

_CITATION = (
    "B. Karrer and M. E. J. Newman (2011), Stochastic Blockmodels and Community Structure "
    "in Networks, Physical Review E 83, 016107, arXiv:1008.3926"
)


@checked
def load_dcsbm(
    *,
    seed: Seed = 0,
    num_nodes: Count = 1000,
    num_edges: Natural = 7000,
    num_classes: Count = 10,
    num_features: Count = 32,
    within: Share = 0.6,
    exponent: Positive = 2.5,
    signal: NonNegative = 2.0,
) -> Dataset:
    """Draw classes, weights, edges, features and split by `seed`; the sizes are exact.

    Classes are equally likely. Degrees follow a power law: with the defaults the mean degree is 14,
    as in ogbn-arxiv, and the largest of n degrees grows as n^(2/3); some nodes have no edge.
    `load_dataset("dcsbm", **ARXIV_SIZE)` has the size of ogbn-arxiv. The features of a node are its
    class mean, a random direction of length `signal`, plus standard normal noise. Time and memory
    grow in proportion to nodes times features, and to edges; time also to both times classes.

    `oracle_labels` are the arg max of `block_model.class_posterior`: optimal for a node given all
    features, all edges, the weights and the true classes of all other nodes, in the model whose
    pairs are independent with the rates of this draw (here the number of edges is fixed instead).

    Args:
      seed: draws everything.
      num_nodes: nodes, n.
      num_edges: undirected edges, m: pairs of different nodes, each counted once. The graph stores
        both directions, 2 m entries; none twice, no loops.
      num_classes: equally likely classes.
      num_features: features of a node.
      within: probability that an edge is drawn within a class, from 0 to below 1; of the others
        about one in `num_classes` falls into a class too.
      exponent: of the power law of degrees, above 2; the larger, the more equal they are.
      signal: length of every class mean, in standard deviations of the noise.

    Raises:
      InputError: an option is out of range.

    Example:
      >>> dcsbm = load_dcsbm(num_nodes=300, num_edges=900)
      >>> dcsbm.graph.nodes.shape, dcsbm.graph.senders.shape
      ((300, 32), (1800,))
    """
    require_nodes(num_nodes, num_classes)
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=num_nodes, dtype=np.int32)
    weights = power_law_weights(num_nodes, exponent, rng)
    one, other, draws = sample_weighted_edges(labels, weights, num_edges, within, rng)
    means, nodes = _features(labels, num_classes, num_features, signal, rng)
    graph = make_graph(nodes, *simple_undirected(one, other, num_nodes))
    chance = edge_probabilities(labels, weights, num_classes, draws, within)
    prior = np.full(num_classes, 1 / num_classes)
    model = BlockModel(prior, chance, means.astype(np.float64), weights=weights)
    return drawn_dataset("dcsbm", graph, labels, model, seed, "continuous", _CITATION)


def _features(
    labels: np.ndarray, num_classes: int, num_features: int, signal: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw [c, d] means and [n, d] float32 features, without a copy in float64."""
    means = rng.standard_normal((num_classes, num_features), dtype=np.float32)
    means *= np.float32(signal) / np.linalg.norm(means, axis=1, keepdims=True)
    nodes = rng.standard_normal((labels.size, num_features), dtype=np.float32)
    nodes += means[labels]
    return means, nodes
