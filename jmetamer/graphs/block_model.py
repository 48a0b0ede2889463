"""Stochastic block models, with and without features, and the exact class posterior of a node.

The model: each of n nodes has a class y_i, drawn independently from `class_prior`. Each pair i < j
is joined with probability `edge_probability[y_i, y_j]`, independently. In the contextual model
node i has features x_i ~ Normal(means[y_i], noise^2 I) (Deshpande, Sen, Montanari and Mossel 2018,
Contextual Stochastic Block Models, arXiv:1807.09596, with one mean a class). In the
degree-corrected model node i has a weight w_i, and i and j are joined with probability
`1 - (1 - P)^(w_i w_j)`, P that of their classes: the chance that some of Poisson many edges of rate
`-w_i w_j log(1 - P)` falls on the pair (Karrer and Newman 2011, arXiv:1008.3926). Weights of 1 are
the plain model.

Of the degree-corrected model exactly m edges are drawn, in memory proportional to m.
Every node i has a class y_i and a weight w_i. Edges are drawn one after the other: one end is node
i with probability `w_i / W`, W the sum of all weights; with probability `within` the other end is a
node j of the same class, with probability `w_j / W_c` (W_c the weights of that class), otherwise
any node, with probability `w_j / W`. A loop, or an edge that is there already, is drawn again.
Before repeats are left out, i and j are joined at a rate in proportion to

    w_i w_j omega[y_i, y_j],  omega[c, c] = within / W_c + (1 - within) / W,
                              omega[c, d] = (1 - within) / W  for c != d,

which is the model of Karrer and Newman (2011), arXiv:1008.3926: the expected degree of a node is in
proportion to its weight, whatever its class. Nothing here has as many entries as there are pairs.
`edge_probabilities` is the same as a `BlockModel`, whose pairs are independent: with as many draws
as were made a pair is among them with probability `1 - exp(-2 draws w_i w_j omega / W)`.
"""

from typing import NamedTuple

import jraph
import numpy as np

from jmetamer._base.arguments import Rate, Share, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import present_edges, simple_undirected

_BLOCK = 1024
_NEVER = -1e200  # log of a probability of 0: finite, so that no times it is 0
# Of all pairs at most this share may become edges: near to all, most draws would repeat edges.
_LARGEST_DENSITY = 0.125
_ROUNDS, _LEAST_DRAWN = 100, 1024


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


@checked
def planted_partition(num_nodes: int, num_classes: int, p_in: Share, p_out: Share) -> BlockModel:
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
    senders, receivers = simple_undirected(*present_edges(graph)[:2], labels.size)
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


def power_law_weights(num_nodes: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Draw weights from 1 upwards whose density falls as `w^-exponent`.

    Args:
      num_nodes: how many.
      exponent: above 2, where the mean `(exponent - 1) / (exponent - 2)` is finite; the largest of
        n weights is about `n^(1 / (exponent - 1))`.
      rng: draws them.

    Returns:
      [n] float64.

    Raises:
      InputError: `exponent` is 2 or less.

    Example:
      >>> weights = power_law_weights(10_000, 3.5, np.random.default_rng(0))
      >>> bool(weights.min() >= 1), round(float(weights.mean()), 1)
      (True, 1.7)
    """
    if not (np.isfinite(exponent) and exponent > 2):
        raise InputError(
            f"`exponent` is {exponent}; allowed: a finite number above 2, or degrees have no mean."
        )
    return (1 - rng.random(num_nodes)) ** (-1 / (exponent - 1))


@checked
def sample_weighted_edges(
    labels: np.ndarray, weights: np.ndarray, num_edges: int, within: Rate, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Draw distinct undirected edges without loops; the model is at the top of this file.

    Args:
      labels: [n] class numbers, 0 or more.
      weights: [n] positive numbers.
      num_edges: how many pairs of nodes, each counted once, m.
      within: probability that an edge is drawn within a class, from 0 to below 1.
      rng: draws them.

    Returns:
      The two ends of every edge, the smaller node first: [m] int64 each, in the order in which
      they were drawn; and the number of draws up to the last of them, loops and repeats included.

    Raises:
      InputError: a number out of range, or so many edges that draws hardly find new ones.

    Example:
      >>> labels, weights = np.array([0, 0, 0, 1, 1, 1]), np.ones(6)
      >>> rng = np.random.default_rng(0)
      >>> one, other, draws = sample_weighted_edges(labels, weights, 1, 0.5, rng)
      >>> one.shape, bool((one < other).all()), draws >= 1
      ((1,), True, True)
    """
    total = labels.size
    most = int(_LARGEST_DENSITY * (total * (total - 1) // 2))
    if not 1 <= num_edges <= most:
        raise InputError(
            f"`num_edges` is {num_edges}; allowed: 1 to {most}, an eighth of all pairs of {total} "
            "nodes; use 'sbm' for denser graphs."
        )
    ends = _WeightedNodes(labels, weights)
    numbers = np.zeros(0, np.int64)  # of pairs; int64, as the square of 65,536 nodes needs
    places, draws = numbers, 0  # at which draw each of them came first
    for _ in range(_ROUNDS):
        if numbers.size == num_edges:
            return numbers // total, numbers % total, int(places[-1]) + 1
        drawn = max(_LEAST_DRAWN, int(1.1 * (num_edges - numbers.size)))
        one = ends.any(rng.random(drawn))
        same = rng.random(drawn) < within
        place = rng.random(drawn)
        other = np.where(same, ends.of_class(place, labels[one]), ends.any(place))
        low, high = np.minimum(one, other), np.maximum(one, other)
        fresh = np.flatnonzero(low < high)
        numbers = np.concatenate([numbers, (low * total + high)[fresh]])
        first = np.sort(np.unique(numbers, return_index=True)[1])[:num_edges]
        numbers, places = numbers[first], np.concatenate([places, draws + fresh])[first]
        draws += drawn
    raise InputError(
        f"`num_edges` is {num_edges}, but {_ROUNDS} rounds of draws found only {numbers.size} "
        f"different ones among {total} nodes: with `within` {within} they fall on few pairs. Ask "
        "for fewer edges, or for a smaller `within` or a larger `exponent`."
    )


def edge_probabilities(
    labels: np.ndarray, weights: np.ndarray, num_classes: int, draws: int, within: float
) -> np.ndarray:
    """Return how likely some draw joins two nodes of weight 1, [c, c] by their classes.

    Args:
      labels: [n] class numbers, 0 or more.
      weights: [n] positive numbers.
      num_classes: c.
      draws: made by `sample_weighted_edges`.
      within: probability that an edge is drawn within a class.

    Example:
      >>> edge_probabilities(np.array([0, 0, 1, 1]), np.ones(4), 2, draws=2, within=0.0).round(3)
      array([[0.221, 0.221],
             [0.221, 0.221]])
    """
    total, of_class = weights.sum(), np.bincount(labels, weights, minlength=num_classes)
    rates = np.full((num_classes, num_classes), (1 - within) / total)
    # Of a class without a node there is no pair within.
    inside = np.divide(within, of_class, out=np.zeros(num_classes), where=of_class > 0)
    return -np.expm1(-2 * draws / total * (rates + np.diag(inside)))


class _WeightedNodes:
    """Nodes drawn in proportion to their weight, from all or from a class, by bisection."""

    def __init__(self, labels: np.ndarray, weights: np.ndarray) -> None:
        self.order = np.argsort(labels, kind="stable")
        self.sums = np.cumsum(weights[self.order])
        self.ends = np.cumsum(np.bincount(labels))  # of every class, in that order
        self.begins = np.concatenate([[0], self.ends[:-1]])

    def any(self, place: np.ndarray) -> np.ndarray:
        """Return nodes at places from 0 to 1 of the sum of all weights."""
        return self._at(place * self.sums[-1], 0, self.order.size)

    def of_class(self, place: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Return nodes at places from 0 to 1 of the sum of the weights of a class."""
        begin, end = self.begins[label], self.ends[label]
        low = np.where(begin > 0, self.sums[begin - 1], 0.0)
        return self._at(low + place * (self.sums[end - 1] - low), begin, end)

    def _at(self, value: np.ndarray, begin: np.ndarray | int, end: np.ndarray | int) -> np.ndarray:
        places = np.searchsorted(self.sums, value, side="right")
        # A sum may be rounded across the border of a class.
        return self.order[np.clip(places, begin, np.asarray(end) - 1)]
