"""The most probable class of a node given everything else, where a block model made the graph.

It is known for any features and any edges, so for a metamer too (Gosch, Sturm, Geisler and
Guennemann 2023, Revisiting Robustness in Graph Machine Learning, arXiv:2305.00851).
"""

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from jax.scipy.special import xlog1py, xlogy

from jmetamer._base.arguments import Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.block_model import BlockModel

IMPOSSIBLE = -1  # label of a node whose features and edges have probability 0 in every class


@checked
def bayes_labels(model: BlockModel, graph: jraph.GraphsTuple, labels: Numbers) -> jax.Array:
    """Return the most probable class of every node given everything else, pure jax.

        arg max_k  prior_k * Normal(x_v; means_k, noise^2 I)
                   * prod over u != v of  P_kl^a_vu (1 - P_kl)^(1 - a_vu),  l = y_u,

    which is the Bayes-optimal label of v given its features, its edges and the other nodes'
    classes; with `1 - (1 - P_kl)^(w_v w_u)` in place of P_kl where the model has weights.
    `graphs.block_model.class_posterior` gives the probabilities, in float64 on the host; here the
    scores have the type of the features, so that a near tie may fall otherwise.

    Args:
      model: the parameters that generated the reference (`Dataset.block_model`).
      graph: undirected simple graph, both directions stored; an edge of weight above 0 is present,
        self loops are ignored. With `model.means`, nodes are [n, d].
      labels: [n] classes of the nodes; those of a metamer's nodes are the reference's.

    Returns:
      [n] int32; -1 where every class has probability 0 or the features are not finite.

    Example:
      >>> from jmetamer.graphs import load_dataset
      >>> data = load_dataset("csbm", num_nodes=60, signal=5.0)
      >>> result = jax.jit(bayes_labels)(data.block_model, data.graph, data.labels)
      >>> bool((result == data.oracle_labels).all())
      True
    """
    if np.shape(labels)[-1] != graph.nodes.shape[0]:
        raise InputError(f"`labels` has shape {np.shape(labels)}; one a node is needed")
    dtype = jnp.result_type(jnp.asarray(graph.nodes).dtype, jnp.float32)
    prior, probability = (
        jnp.asarray(array, dtype) for array in (model.class_prior, model.edge_probability)
    )
    score = jnp.log(prior) + _edge_scores(model, probability, graph, jnp.asarray(labels))
    if model.means is not None:
        means = jnp.asarray(model.means, dtype)
        # Without |x|^2, which all classes share and which would cost digits far from the means.
        inner = jnp.dot(graph.nodes, means.T, precision=jax.lax.Precision.HIGHEST)
        score = score + (inner - (means**2).sum(-1) / 2) / model.noise**2
    best = score.max(-1)
    return jnp.where(jnp.isfinite(best), score.argmax(-1), IMPOSSIBLE).astype(jnp.int32)


def _edge_scores(
    model: BlockModel, probability: jax.Array, graph: jraph.GraphsTuple, labels: jax.Array
) -> jax.Array:
    """Return the log-likelihood of each node's edges and non-edges in each class, [n, c]."""
    senders, receivers, nodes = graph.senders, graph.receivers, len(labels)
    present = (graph.edges.weight > 0) & (senders != receivers)
    ones = jnp.ones(nodes) if model.weights is None else model.weights
    weights = jnp.asarray(ones, probability.dtype)[:, None]
    classes = weights * jax.nn.one_hot(labels, len(probability), dtype=probability.dtype)
    joined = jax.ops.segment_sum(present[:, None] * classes[senders], receivers, nodes)
    apart = classes.sum(0) - classes - joined  # [n, c]: other nodes that are not neighbors

    def of_class(row: jax.Array) -> jax.Array:
        absent = xlog1py(weights * apart, -row).sum(-1)
        if model.weights is None:
            return absent + xlogy(joined, row).sum(-1)
        both = (weights[senders] * weights[receivers])[:, 0]
        chance = jnp.log(-jnp.expm1(both * jnp.log1p(-row[labels[senders]])))
        return absent + jax.ops.segment_sum(jnp.where(present, chance, 0), receivers, nodes)

    return jax.lax.map(of_class, probability).T  # one class at a time, for memory
