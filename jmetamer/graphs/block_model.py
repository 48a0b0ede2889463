"""Stochastic block models, with and without features, and the exact class posterior of a node.

The model: each of n nodes has a class y_i, drawn independently from `class_prior`. Each pair i < j
is joined with probability `edge_probability[y_i, y_j]`, independently. In the contextual model
node i has features x_i ~ Normal(means[y_i], noise^2 I) (Deshpande, Sen, Montanari and Mossel 2018,
Contextual Stochastic Block Models, arXiv:1807.09596, with one mean a class). In the
degree-corrected model node i has a weight w_i, and i and j are joined with probability
`1 - (1 - P)^(w_i w_j)`, P that of their classes: the chance that some of Poisson many edges of rate
`-w_i w_j log(1 - P)` falls on the pair (Karrer and Newman 2011, arXiv:1008.3926). Weights of 1 are
the plain model.
"""

from typing import NamedTuple

import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.graphs.symmetry import simple_undirected

_BLOCK = 1024
_NEVER = -1e200  # log of a probability of 0: finite, so that no times it is 0


class BlockModel(NamedTuple):
    """The parameters of a stochastic block model with c classes.

    Attributes:
      class_prior: [c], sums to one.
      edge_probability: [c, c], symmetric, in [0, 1]; with `weights`, of two nodes of weight 1.
      means: [c, d] feature means, or None where features tell nothing of the class.
      noise: standard deviation of every feature around its mean.
      weights: [n] positive, of a degree-corrected model; None for the plain one.
    """

    class_prior: np.ndarray
    edge_probability: np.ndarray
    means: np.ndarray | None = None
    noise: float = 1.0
    weights: np.ndarray | None = None


def planted_partition(num_nodes: int, num_classes: int, p_in: float, p_out: float) -> BlockModel:
    """Return the model with equally likely classes and two edge probabilities.

    Args:
      num_nodes: size that is asked for, checked only.
      num_classes: number of classes, 2 or more.
      p_in: probability of an edge within a class.
      p_out: probability of an edge between two classes.

    Raises:
      InputError: a number is out of range.

    Example:
      >>> planted_partition(10, 2, 0.5, 0.1).edge_probability
      array([[0.5, 0.1],
             [0.1, 0.5]])
    """
    if num_classes < 2:
        raise InputError(f"`num_classes` is {num_classes}; allowed: 2 or more.")
    require_nodes(num_nodes, num_classes)
    for name, probability in (("p_in", p_in), ("p_out", p_out)):
        if not 0 <= probability <= 1:
            raise InputError(f"`{name}` is {probability}; allowed: a probability, 0 to 1.")
    same = np.eye(num_classes, dtype=bool)
    return BlockModel(np.full(num_classes, 1 / num_classes), np.where(same, p_in, p_out))


def require_nodes(num_nodes: int, num_classes: int) -> None:
    """Refuse fewer nodes than two for each class."""
    if num_nodes < 2 * num_classes:
        raise InputError(
            f"`num_nodes` is {num_nodes}; allowed: {2 * num_classes} or more, twice the "
            f"{num_classes} classes."
        )


def sample_labels(model: BlockModel, num_nodes: int, rng: np.random.Generator) -> np.ndarray:
    """Draw [n] int32 classes independently from the prior."""
    return rng.choice(model.class_prior.size, size=num_nodes, p=model.class_prior).astype(np.int32)


def sample_edges(
    model: BlockModel, labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the edges given the classes; senders and receivers, both directions, [e] int32."""
    first, second = [], []
    for start in range(0, labels.size, _BLOCK):  # never all pairs in memory at once
        rows, columns = labels[start : start + _BLOCK], labels[start:]
        probability = model.edge_probability[rows[:, None], columns]
        joined = np.triu(rng.random(probability.shape) < probability, k=1).nonzero()
        first.append(joined[0] + start)
        second.append(joined[1] + start)
    return simple_undirected(np.concatenate(first), np.concatenate(second), labels.size)


def sample_features(model: BlockModel, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw [n, d] float64 features given the classes."""
    if model.means is None:
        raise InputError("`means` is None; features need the class means of the model.")
    noise = rng.standard_normal((labels.size, model.means.shape[1]))
    return model.means[labels] + model.noise * noise


def class_posterior(model: BlockModel, graph: jraph.GraphsTuple, labels: np.ndarray) -> np.ndarray:
    """Return P(y_i = k | all features, all edges, the true classes of all other nodes).

    Given the others' classes, nothing but node i's own features and its own edges and non-edges
    tell of y_i, so this full conditional is exact:

        P(y_i = k | ...)  ~  prior_k * Normal(x_i; means_k, noise^2 I)
                             * prod over j != i of  P_kl^a_ij (1 - P_kl)^(1 - a_ij),  l = y_j,

    with `1 - (1 - P_kl)^(w_i w_j)` in place of P_kl where the model has weights.

    Its arg max is the Bayes-optimal label for a node that joins a graph whose other labels are
    known (Gosch, Sturm, Geisler and Guennemann 2023, Revisiting Robustness in Graph Machine
    Learning, arXiv:2305.00851), and no classifier that sees less has a smaller expected error.
    The posterior that must infer all labels at once is intractable and is not what this returns.

    Args:
      model: the parameters that generated the graph, or that are supposed to have.
      graph: undirected graph; an edge of weight above 0 is present; repeats and self loops are
        ignored. With `model.means`, nodes are [n, d].
      labels: [n] classes of the nodes.

    Returns:
      [n, c] float64, rows sum to one.

    Raises:
      InputError: an edge or the absence of one has probability zero under every class.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> model = planted_partition(4, 2, p_in=1.0, p_out=0.5)
      >>> graph = make_graph(np.zeros((3, 1)), [0, 1], [1, 0])
      >>> class_posterior(model, graph, np.array([0, 0, 1])).argmax(axis=1).tolist()
      [0, 0, 1]
    """
    present = np.asarray(graph.edges.weight) > 0
    senders, receivers = simple_undirected(
        np.asarray(graph.senders)[present], np.asarray(graph.receivers)[present], labels.size
    )
    score = np.log(model.class_prior) + _edge_scores(model, senders, receivers, labels)
    if model.means is not None:
        # Without |x|^2, which all classes share; a block at a time, as they become float64.
        blocks = np.split(np.asarray(graph.nodes), range(_BLOCK, labels.size, _BLOCK))
        inner = np.concatenate([rows.astype(np.float64) @ model.means.T for rows in blocks])
        score += (inner - (model.means**2).sum(axis=-1) / 2) / model.noise**2
    best = score.max(axis=1, keepdims=True)
    impossible = np.flatnonzero(best <= _NEVER)
    if impossible.size:
        raise InputError(
            f"node {impossible[0]} has edges or non-edges of probability 0 under every class; the "
            "graph and the labels cannot come from this `model`."
        )
    odds = np.exp(score - best)
    return odds / odds.sum(axis=1, keepdims=True)


def _edge_scores(
    model: BlockModel, senders: np.ndarray, receivers: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Return the log-likelihood of each node's edges and non-edges in each class, [n, c]."""
    shape = labels.size, model.class_prior.size
    weights = np.ones(labels.size) if model.weights is None else model.weights
    with np.errstate(divide="ignore"):
        absent = np.maximum(np.log1p(-model.edge_probability), _NEVER)
        present = np.maximum(np.log(model.edge_probability), _NEVER)

    def by_class(values: np.ndarray) -> np.ndarray:
        """Sum values of a node's edges by its neighbor's class, [n, c]."""
        place = receivers * shape[1] + labels[senders]
        return np.bincount(place, values, minlength=shape[0] * shape[1]).reshape(shape)

    apart = np.bincount(labels, weights, minlength=shape[1]) - by_class(weights[senders])
    apart[np.arange(labels.size), labels] -= weights  # [n, c]: other nodes, not neighbors
    scores = weights[:, None] * (apart @ absent)
    if model.weights is None:
        return scores + by_class(np.ones(senders.size)) @ present
    both = weights[senders] * weights[receivers]
    for column, of_class in enumerate(absent):  # one at a time, for memory
        chance = np.log(-np.expm1(both * of_class[labels[senders]]))
        scores[:, column] += np.bincount(receivers, chance, minlength=labels.size)
    return scores
