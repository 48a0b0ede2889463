"""Datasets that come with other packages and need no download: karate club and digits."""

import numpy as np

from jmetamer._base.arguments import Count, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.dataset import Dataset, Provenance, dataset_of
from jmetamer.graphs.edge_lists import simple_undirected
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.labels import Classes, per_class_split

_KARATE = Provenance(
    source="networkx.karate_club_graph",
    licence="BSD-3-Clause (networkx)",
    citation="W. W. Zachary (1977), An Information Flow Model for Conflict and Fission in Small "
    "Groups, Journal of Anthropological Research 33(4), doi:10.1086/jar.33.4.3629752",
)
_DIGITS = Provenance(
    source="sklearn.datasets.load_digits, with a nearest-neighbor graph of its pixels",
    licence="CC BY 4.0",
    citation="E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI "
    "Machine Learning Repository, doi:10.24432/C50P49",
)


@checked
def load_karate(*, seed: Seed = 0, train_per_class: Count = 4) -> Dataset:
    """34 members, 78 friendships (unweighted), one-hot identity features, 2 clubs as labels.

    Args:
      seed: draws the split; the graph does not depend on it.
      train_per_class: training nodes of each club; a third of the others is for validation.

    Example:
      >>> karate = load_karate()
      >>> karate.graph.senders.size, karate.num_classes, int(karate.train_mask.sum())
      (156, 2, 8)
    """
    import networkx  # slow to import, and few need it

    club = networkx.karate_club_graph()
    total = club.number_of_nodes()
    ends = np.array(club.edges)
    senders, receivers = simple_undirected(ends[:, 0], ends[:, 1], total)
    labels = np.array([club.nodes[i]["club"] == "Officer" for i in range(total)], np.int32)
    split = per_class_split(labels, seed, train_per_class=train_per_class)
    graph = make_graph(np.eye(total), senders, receivers)
    return dataset_of("karate", graph, Classes(labels, 2), split, _KARATE)


@checked
def load_digits(*, seed: Seed = 0, neighbors: Count = 10) -> Dataset:
    """1,797 images of 8 x 8 pixels in [0, 1]; each is joined to its nearest neighbors.

    Nodes i and j are joined if j is among the `neighbors` nearest of i, or i among those of j
    (Euclidean distance of the pixels; ties go to the smaller index). 20 training nodes a class,
    500 validation and 1,000 test nodes, drawn by `seed`.

    Args:
      seed: draws the split; the graph does not depend on it.
      neighbors: neighbors of a node before the graph is made symmetric, 1 to 1,796.

    Raises:
      InputError: `neighbors` is out of range.

    Example:
      >>> digits = load_digits()
      >>> digits.graph.nodes.shape, digits.feature_shape
      ((1797, 64), (8, 8))
    """
    from sklearn import datasets  # slow to import, and only this loader needs it

    pixels, labels = datasets.load_digits(return_X_y=True)
    total = pixels.shape[0]
    if not 1 <= neighbors < total:
        raise InputError(
            f"`neighbors` is {neighbors}; allowed: 1 to {total - 1}, as there are {total} images."
        )
    nearest = _nearest(pixels, neighbors)
    senders, receivers = simple_undirected(
        nearest.ravel(), np.repeat(np.arange(total), neighbors), total
    )
    return dataset_of(
        "digits",
        make_graph(pixels / 16, senders, receivers),
        Classes(labels.astype(np.int32), 10),
        per_class_split(labels, seed),
        _DIGITS,
        feature_range=(0.0, 1.0),
        feature_shape=(8, 8),
    )


def _nearest(points: np.ndarray, neighbors: int) -> np.ndarray:
    """Return [n, neighbors] indices; points are whole numbers, so distances and ties are exact."""
    norms = (points**2).sum(axis=1)
    squared = norms[:, None] + norms[None, :] - 2 * points @ points.T
    total = points.shape[0]
    ranks = squared.astype(np.int64) * total + np.arange(total)
    np.fill_diagonal(ranks, np.iinfo(np.int64).max)
    return np.argpartition(ranks, neighbors - 1, axis=1)[:, :neighbors]
