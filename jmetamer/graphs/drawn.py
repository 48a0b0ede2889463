"""Datasets drawn from block models, whose optimal labels are known: `sbm`, `csbm`, `dcsbm`."""

from collections.abc import Mapping
from types import MappingProxyType

import jraph
import numpy as np

from jmetamer._base.arguments import (
    Count,
    Natural,
    NonNegative,
    Positive,
    Rate,
    Seed,
    Share,
    checked,
)
from jmetamer.graphs import block_model
from jmetamer.graphs.dataset import Dataset, Provenance, dataset_of
from jmetamer.graphs.edge_lists import simple_undirected
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.labels import Classes, per_class_split

_HOLLAND_1983 = (
    "P. W. Holland, K. B. Laskey and S. Leinhardt (1983), Stochastic Blockmodels: First "
    "Steps, Social Networks 5(2), doi:10.1016/0378-8733(83)90021-7"
)
_DESHPANDE_2018 = (
    "Y. Deshpande, S. Sen, A. Montanari and E. Mossel (2018), Contextual Stochastic Block "
    "Models, arXiv:1807.09596"
)
# The size of ogbn-arxiv (169,343 papers, 1,166,243 citations), rounded up. Edges are counted as
# `load_dcsbm` counts them.
ARXIV_SIZE: Mapping[str, int] = MappingProxyType(
    {"num_nodes": 170_000, "num_edges": 1_200_000, "num_classes": 40, "num_features": 128}
)
_KARRER_2011 = (
    "B. Karrer and M. E. J. Newman (2011), Stochastic Blockmodels and Community Structure "
    "in Networks, Physical Review E 83, 016107, arXiv:1008.3926"
)


@checked
def load_sbm(
    *,
    seed: Seed = 0,
    num_nodes: Count = 200,
    num_classes: Count = 4,
    p_in: Share = 0.15,
    p_out: Share = 0.01,
) -> Dataset:
    """Draw classes, edges and split by `seed`; node features are the rows of the identity.

    `oracle_labels` are the arg max of `block_model.class_posterior`: optimal for a node given all
    edges and the true classes of all other nodes.

    Args:
      seed: draws everything.
      num_nodes: nodes.
      num_classes: equally likely classes.
      p_in: probability of an edge within a class.
      p_out: probability of an edge between two classes.

    Raises:
      InputError: an option is out of range.

    Example:
      >>> load_sbm(num_nodes=40).graph.nodes.shape
      (40, 40)
    """
    model = block_model.planted_partition(num_nodes, num_classes, p_in, p_out)
    rng = np.random.default_rng(seed)
    labels = block_model.sample_labels(model, num_nodes, rng)
    graph = make_graph(np.eye(num_nodes), *block_model.sample_edges(model, labels, rng))
    return _drawn("sbm", graph, labels, model, seed, _HOLLAND_1983)


@checked
def load_csbm(
    *,
    seed: Seed = 0,
    num_nodes: Count = 500,
    num_classes: Count = 2,
    num_features: Count = 16,
    p_in: Share = 0.03,
    p_out: Share = 0.01,
    signal: NonNegative = 1.0,
) -> Dataset:
    """Draw means, classes, edges, features and split by `seed`.

    The features of a node are its class mean, a random direction of length `signal`, plus standard
    normal noise. `oracle_labels` are the arg max of `block_model.class_posterior`: optimal for a
    node given all features, all edges and the true classes of all other nodes. With the dataset's
    `block_model` it says the same of a graph whose features or edges were changed.

    Args:
      seed: draws everything.
      num_nodes: nodes.
      num_classes: equally likely classes.
      num_features: features of a node.
      p_in: probability of an edge within a class.
      p_out: probability of an edge between two classes.
      signal: length of every class mean, in standard deviations of the noise.

    Raises:
      InputError: an option is out of range.

    Example:
      >>> csbm = load_csbm(num_nodes=60, num_features=5)
      >>> csbm.graph.nodes.shape, csbm.oracle_labels.shape
      ((60, 5), (60,))
    """
    model = block_model.planted_partition(num_nodes, num_classes, p_in, p_out)
    # A stream of its own, so that the means stay the same when the number of nodes changes.
    directions = np.random.default_rng([seed, 1]).standard_normal((num_classes, num_features))
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    model = model._replace(means=signal * directions / lengths)
    rng = np.random.default_rng(seed)
    labels = block_model.sample_labels(model, num_nodes, rng)
    edges = block_model.sample_edges(model, labels, rng)
    graph = make_graph(block_model.sample_features(model, labels, rng), *edges)
    return _drawn("csbm", graph, labels, model, seed, _DESHPANDE_2018)


@checked
def load_dcsbm(
    *,
    seed: Seed = 0,
    num_nodes: Count = 1000,
    num_edges: Natural = 7000,
    num_classes: Count = 10,
    num_features: Count = 32,
    within: Rate = 0.6,
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
    block_model.require_nodes(num_nodes, num_classes)
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=num_nodes, dtype=np.int32)
    weights = block_model.power_law_weights(num_nodes, exponent, rng)
    one, other, draws = block_model.sample_weighted_edges(labels, weights, num_edges, within, rng)
    means, nodes = _features(labels, num_classes, num_features, signal, rng)
    graph = make_graph(nodes, *simple_undirected(one, other, num_nodes))
    chance = block_model.edge_probabilities(labels, weights, num_classes, draws, within)
    prior = np.full(num_classes, 1 / num_classes)
    model = block_model.BlockModel(prior, chance, means.astype(np.float64), weights=weights)
    return _drawn("dcsbm", graph, labels, model, seed, _KARRER_2011)


def _features(
    labels: np.ndarray, num_classes: int, num_features: int, signal: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw [c, d] means and [n, d] float32 features, without a copy in float64."""
    means = rng.standard_normal((num_classes, num_features), dtype=np.float32)
    means *= np.float32(signal) / np.linalg.norm(means, axis=1, keepdims=True)
    nodes = rng.standard_normal((labels.size, num_features), dtype=np.float32)
    nodes += means[labels]
    return means, nodes


def _drawn(
    name: str,
    graph: jraph.GraphsTuple,
    labels: np.ndarray,
    model: block_model.BlockModel,
    seed: int,
    citation: str,
) -> Dataset:
    """Return what a block model drew, with a split by `seed` and the labels that are optimal."""
    optimal = block_model.class_posterior(model, graph, labels).argmax(axis=1)
    return dataset_of(
        name,
        graph,
        Classes(labels, model.class_prior.size),
        per_class_split(labels, seed),
        Provenance(
            f"{__name__}.load_{name}", licence="generated, free of rights", citation=citation
        ),
        oracle_labels=optimal.astype(np.int32),
        block_model=model,
    )
