"""`digits`: scikit-learn's handwritten digits on a nearest-neighbor graph; needs no download."""

import numpy as np

from jmetamer._base.arguments import Count, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.dataset import Dataset, Provenance, sealed
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.split import per_class_split
from jmetamer.graphs.symmetry import simple_undirected

_PROVENANCE = Provenance(
    source="sklearn.datasets.load_digits, with a nearest-neighbor graph of its pixels",
    sha256="",
    licence="CC BY 4.0",
    citation="E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI "
    "Machine Learning Repository, doi:10.24432/C50P49",
)


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
    labels = labels.astype(np.int32)
    split = per_class_split(labels, seed)
    return sealed(
        Dataset(
            name="digits",
            graph=make_graph(pixels / 16, senders, receivers),
            labels=labels,
            **split._asdict(),
            num_classes=10,
            feature_kind="continuous",
            provenance=_PROVENANCE,
            feature_range=(0.0, 1.0),
            feature_shape=(8, 8),
        )
    )


def _nearest(points: np.ndarray, neighbors: int) -> np.ndarray:
    """Return [n, neighbors] indices; points are whole numbers, so distances and ties are exact."""
    norms = (points**2).sum(axis=1)
    squared = norms[:, None] + norms[None, :] - 2 * points @ points.T
    total = points.shape[0]
    ranks = squared.astype(np.int64) * total + np.arange(total)
    np.fill_diagonal(ranks, np.iinfo(np.int64).max)
    return np.argpartition(ranks, neighbors - 1, axis=1)[:, :neighbors]
