"""Harm: where a network left the most probable class, or came back to it, and the same of controls.

Right is what agrees with the most probable class given the other nodes' labels, of the graph that
is read: of the reference before, of the metamer now (`bayes_labels`). An invariance is harmful
where that class changed and the network did not follow; where the network had been wrong, the same
invariance may be a repair. A graph that is no metamer does harm where the network is misled, too:
the part of harm at which the network kept its class is the one to compare metamers with it by.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

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


# Code of an outcome -> its name; twice the fault before and once the fault now.
HARM_OUTCOMES: Mapping[int, str] = MappingProxyType(
    {0: "kept right", 1: "harmful", 2: "repaired", 3: "still wrong", -1: "unknown"}
)
_UNKNOWN = -1


class Harm(NamedTuple):
    """What became of the target nodes of b graphs: shares of those whose outcome is known.

    The four shares sum to 1. NaN for a graph without a node of known outcome.

    Attributes:
      harmful: [b] float64, right before and wrong now.
      repaired: [b] float64, wrong before and right now.
      still_wrong: [b] float64, wrong before and now.
      kept_right: [b] float64, right before and now.
      unseen: [b] float64, the part of `harmful` where the network kept its class, so that the most
        probable class is what changed.
      outcome: [b, n] int8, a code of `HARM_OUTCOMES`; -1 where the most probable class or the
        network's class of either graph is unknown.
      same_class: [b, n] bool, whether the network kept its class.
    """

    harmful: np.ndarray
    repaired: np.ndarray
    still_wrong: np.ndarray
    kept_right: np.ndarray
    unseen: np.ndarray
    outcome: np.ndarray
    same_class: np.ndarray


@checked
def harm_outcomes(
    reference_labels: Numbers,
    metamer_labels: Numbers,
    reference_classes: Numbers,
    metamer_classes: Numbers,
) -> Harm:
    """Return where a network was right before and is right now, node by node.

        outcome = 2 [c != y] + [c' != y'],

    c and c' the network's classes of reference and metamer, y and y' their most probable ones.

    Args:
      reference_labels: [n] `bayes_labels` of the reference, at the nodes that count.
      metamer_labels: [b, n] of the metamers, or of their controls.
      reference_classes: [n] classes that the network predicts on the reference; -1: unknown.
      metamer_classes: [b, n] on the metamers.

    Returns:
      `Harm`.

    Raises:
      InputError: shapes disagree, or there is no node.

    Example:
      >>> result = harm_outcomes([0, 1, 1], [[0, 0, 0]], [0, 1, 0], [[0, 1, 0]])
      >>> [HARM_OUTCOMES[code] for code in result.outcome[0].tolist()]
      ['kept right', 'harmful', 'repaired']
    """
    arrays = (reference_labels, metamer_labels, reference_classes, metamer_classes)
    before, after, class_before, class_after = (np.asarray(one) for one in arrays)
    shapes = [np.shape(one) for one in arrays]
    nodes, count = before.shape[-1:], after.shape[:1]
    if shapes != [nodes, count + nodes] * 2 or before.ndim != 1 or not before.size:
        raise InputError(
            f"labels and classes have the shapes {shapes}; [n], [b, n], [n] and [b, n] of the same "
            "n nodes, at least one, and b metamers are needed."
        )
    defined = np.minimum(before, class_before) > IMPOSSIBLE
    defined = defined & (np.minimum(after, class_after) > IMPOSSIBLE)
    codes = 2 * (class_before != before) + (class_after != after)
    return harm_of(np.where(defined, codes, _UNKNOWN), class_after == class_before)


@checked
def harm_of(outcome: Numbers, same_class: Numbers) -> Harm:
    """Return the shares of outcomes that are stored.

    Args:
      outcome: [b, n] codes of `HARM_OUTCOMES`.
      same_class: [b, n] bool, whether the network kept its class.

    Example:
      >>> result = harm_of([[0, 1, 1, 2, -1]], [[True, True, False, True, True]])
      >>> result.harmful, result.unseen
      (array([0.5]), array([0.25]))
    """
    codes, same = np.asarray(outcome, np.int8), np.asarray(same_class, bool)
    if codes.shape != same.shape:
        raise InputError(f"`same_class` has shape {same.shape}; allowed: that of `outcome`")
    parts = [codes == code for code in range(4)]
    counts = np.stack([part.sum(-1) for part in (*parts, parts[1] & same)]).astype(float)
    total = counts[:4].sum(0)
    shares = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    kept, harmful, repaired, still, unseen = shares
    return Harm(harmful, repaired, still, kept, unseen, codes, same)


def unseen_harm(*arguments: object, **options: object) -> Harm:
    """Refuse: what it called harmful counted repairs; `harm_outcomes` tells them apart."""
    raise InputError(
        "`unseen_harm` is no longer there: it counted repairs as harm. Use `harm_outcomes` with "
        "the same arguments; its `harmful` are nodes that were right before and are wrong now."
    )
