"""`sbm`: a stochastic block model with equally likely classes and identity features."""

import numpy as np

from jmetamer._base.arguments import Count, Seed, Share, checked
from jmetamer.graphs.block_model import planted_partition, sample_edges, sample_labels
from jmetamer.graphs.dataset import Dataset, drawn_dataset
from jmetamer.graphs.graph import make_graph

_CITATION = (
    "P. W. Holland, K. B. Laskey and S. Leinhardt (1983), Stochastic Blockmodels: First "
    "Steps, Social Networks 5(2), doi:10.1016/0378-8733(83)90021-7"
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
    model = planted_partition(num_nodes, num_classes, p_in, p_out)
    rng = np.random.default_rng(seed)
    labels = sample_labels(model, num_nodes, rng)
    graph = make_graph(np.eye(num_nodes), *sample_edges(model, labels, rng))
    return drawn_dataset(
        "sbm", graph, labels, model, seed, "one_hot", _CITATION, feature_range=(0.0, 1.0)
    )
