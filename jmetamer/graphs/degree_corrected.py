"""Degree-corrected block model: exactly m edges between n nodes, in memory proportional to m.

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

import numpy as np

from jmetamer._base.errors import InputError

# Of all pairs at most this share may become edges: near to all, most draws would repeat edges.
_LARGEST_DENSITY = 0.125
_ROUNDS, _LEAST_DRAWN = 100, 1024


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


def sample_weighted_edges(
    labels: np.ndarray,
    weights: np.ndarray,
    num_edges: int,
    within: float,
    rng: np.random.Generator,
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
    if not 0 <= within < 1:
        raise InputError(
            f"`within` is {within}; allowed: a probability from 0 to below 1; at 1 no edge would "
            "leave a class."
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
