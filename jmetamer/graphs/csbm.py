"""`csbm`: the contextual stochastic block model, whose Bayes-optimal labels are known."""

import numpy as np

from jmetamer._base.arguments import Count, NonNegative, Seed, Share, checked
from jmetamer.graphs.block_model import (
    BlockModel,
    planted_partition,
    sample_edges,
    sample_features,
    sample_labels,
)
from jmetamer.graphs.dataset import Dataset, drawn_dataset
from jmetamer.graphs.graph import make_graph

_CITATION = (
    "Y. Deshpande, S. Sen, A. Montanari and E. Mossel (2018), Contextual Stochastic Block "
    "Models, arXiv:1807.09596"
)


@checked
def csbm_model(
    *,
    seed: Seed = 0,
    num_nodes: Count = 500,
    num_classes: Count = 2,
    num_features: Count = 16,
    p_in: Share = 0.03,
    p_out: Share = 0.01,
    signal: NonNegative = 1.0,
) -> BlockModel:
    """Return the generating model of `load_csbm` with the same arguments.

    A loaded dataset holds it as `block_model`. Use it with `block_model.class_posterior` to ask for
    the Bayes-optimal labels of a graph whose features or edges were changed.

    Args: see `load_csbm`.

    Raises:
      InputError: an option is out of range.

    Example:
      >>> csbm_model(num_features=3).means.shape
      (2, 3)
    """
    model = planted_partition(num_nodes, num_classes, p_in, p_out)
    # A stream of its own, so that the means stay the same when the number of nodes changes.
    directions = np.random.default_rng([seed, 1]).standard_normal((num_classes, num_features))
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    return model._replace(means=signal * directions / lengths)


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
    node given all features, all edges and the true classes of all other nodes.

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
    model = csbm_model(
        seed=seed,
        num_nodes=num_nodes,
        num_classes=num_classes,
        num_features=num_features,
        p_in=p_in,
        p_out=p_out,
        signal=signal,
    )
    rng = np.random.default_rng(seed)
    labels = sample_labels(model, num_nodes, rng)
    edges = sample_edges(model, labels, rng)
    graph = make_graph(sample_features(model, labels, rng), *edges)
    return drawn_dataset("csbm", graph, labels, model, seed, "continuous", _CITATION)
