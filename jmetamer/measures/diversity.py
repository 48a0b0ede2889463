"""How different the metamers of one reference are from each other."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jraph
import numpy as np
import scipy.sparse

from jmetamer._base.arguments import Matrix, Numbers, checked
from jmetamer._base.errors import InputError, unknown_name
from jmetamer.measures.edge_set import EdgeSet, edge_set
from jmetamer.measures.structure import edge_jaccard_distance
from jmetamer.measures.table import FEATURE_KINDS

_BLOCK_BYTES = 2**26


class Diversity(NamedTuple):
    """Distances among b metamers.

    Attributes:
      distances: [b, b] float64 in [0, 1], symmetric, 0 on the diagonal; NaN in row and column of a
        metamer with values that are not finite.
      mean, minimum: over all pairs of different metamers, NaN for less than two; a minimum of 0
        means that two searches ended in the same place.
      effective_number: from 1 for copies of one metamer to b for metamers that share nothing.
    """

    distances: np.ndarray
    mean: float
    minimum: float
    effective_number: float


@checked
def diversity(distances: Matrix) -> Diversity:
    """Return mean, minimum and effective number of pairwise distances in [0, 1].

    Args:
      distances: [b, b], symmetric with a diagonal of 0.

    Raises:
      InputError: not such a table.

    Example:
      >>> two_kinds = 1.0 - np.kron(np.eye(2), np.ones((3, 3)))  # 2 metamers, each found 3 times
      >>> result = diversity(two_kinds)
      >>> round(result.mean, 6), result.minimum, round(result.effective_number, 6)
      (0.6, 0.0, 2.0)
    """
    table = np.asarray(distances, np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise InputError(f"`distances` has shape {table.shape}; [metamers, metamers] is needed")
    clean = np.where(np.isnan(table), 0.0, table)
    if not (np.allclose(clean, clean.T, atol=1e-9) and np.allclose(np.diag(clean), 0, atol=1e-9)):
        raise InputError("`distances` must be symmetric, with 0 from each metamer to itself")
    if clean.size and not (clean.min() >= 0 and clean.max() <= 1 + 1e-9):
        raise InputError(
            f"`distances` lie in [{clean.min():g}, {clean.max():g}]; allowed: 0 to 1, so that 1 - "
            "distance is a similarity. Divide by the largest that is possible"
        )
    pairs = table[np.triu_indices(len(table), 1)]
    nothing = float("nan")
    mean, least = (float(pairs.mean()), float(pairs.min())) if pairs.size else (nothing, nothing)
    return Diversity(table, mean, least, effective_number(table))


@checked
def effective_number(distances: Matrix) -> float:
    """Return the Vendi score `exp(-sum_i l_i log l_i)`, l the eigenvalues of `(1 - d) / b`.

    The effective number of different metamers (Friedman and Dieng, 2023): the exponential of the
    entropy of the normalized similarities. Of b copies it is 1, of b metamers at distance 1 of each
    other b, of k groups of equally many copies k. `1 - d` is positive semidefinite for the Jaccard
    distance; where it is not, as may happen for other distances, eigenvalues below 0 count as 0 and
    the others are divided by their sum.

    Args:
      distances: [b, b] in [0, 1], symmetric with a diagonal of 0.

    Returns:
      Number in [1, b]; NaN without metamers or where a distance is NaN. O(b^3) time.

    Example:
      >>> round(effective_number(np.zeros((5, 5))), 6), round(effective_number(1 - np.eye(5)), 6)
      (1.0, 5.0)
    """
    if not distances.size or not np.isfinite(distances).all():
        return float("nan")
    values = np.linalg.eigvalsh((1 - distances) / len(distances))
    shares = values[values > 0] / values[values > 0].sum()
    return float(np.clip(np.exp(-np.sum(shares * np.log(shares))), 1.0, len(distances)))


@checked
def feature_diversity(
    metamer_features: Numbers, feature_kind: str, *, block_bytes: int = _BLOCK_BYTES
) -> Diversity:
    """Measure how different the features of metamers are from each other, nodes aligned.

    Distances are normalized Euclidean, `|X - Y|_F / (|X|_F + |Y|_F)`, for continuous features and
    Jaccard, `1 - #(X and Y) / #(X or Y)`, for 0/1 features; see `features/normalized_euclidean` and
    `features/jaccard`. All come from inner products, summed over a few nodes at a time.

    Args:
      metamer_features: [b, n, d]; anything that can be sliced, as an array of a store.
      feature_kind: "binary", "one_hot" or "continuous".
      block_bytes: upper bound of the bytes of features looked at together (one node at least); the
        table of distances takes a few times 8 b^2 bytes beside.

    Returns:
      `Diversity`.

    Raises:
      InputError: the kind is unknown, the shape is another, or features called binary or one-hot
        hold other values than 0 and 1.

    Example:
      >>> result = feature_diversity(np.stack([np.eye(2), np.eye(2), 1 - np.eye(2)]), "binary")
      >>> round(result.mean, 6), result.minimum, round(result.effective_number, 4)
      (0.666667, 0.0, 1.8899)
    """
    if feature_kind not in FEATURE_KINDS:
        raise unknown_name("feature kind", feature_kind, FEATURE_KINDS)
    if getattr(metamer_features, "ndim", 0) != 3:
        raise InputError(
            f"`metamer_features` has shape {getattr(metamer_features, 'shape', None)}; an array "
            "[metamers, n, d] is needed"
        )
    count, zero_one = len(metamer_features), feature_kind != "continuous"
    sizes, products, finite = np.zeros(count), np.zeros((count, count)), np.ones(count, bool)
    for block in _flat_blocks(metamer_features, block_bytes):
        finite &= np.isfinite(block).all(axis=1)
        rows = np.where(np.isfinite(block), block, 0.0)
        if zero_one and not np.isin(rows, (0, 1)).all():
            raise InputError(
                "`metamer_features` hold values other than 0 and 1, but `feature_kind` is "
                f"{feature_kind!r}; pass 'continuous'"
            )
        sizes += (rows * rows).sum(axis=1)
        # Differences do not depend on the origin, and lose less far from it than around it.
        moved = rows if zero_one else rows - rows[:1]
        products += moved @ moved.T
    own = np.diag(products)
    if zero_one:
        union = own[:, None] + own[None, :] - products
        table = _share(union - products, union)
    else:
        table = _share(_lengths(own, products), np.sqrt(sizes)[:, None] + np.sqrt(sizes)[None, :])
    table[~finite], table[:, ~finite] = np.nan, np.nan
    return diversity(table)


@checked
def edge_diversity(metamers: Iterable[jraph.GraphsTuple]) -> Diversity:
    """Measure how different the edges of metamers are from each other, nodes aligned.

    Distances are Jaccard's, `1 - sum min(w, w') / sum max(w, w')`; see `structure/edge_jaccard`.

    Args:
      metamers: graphs of the same nodes, one at a time where they come from a store; only their
        edges are kept.

    Returns:
      `Diversity`.

    Raises:
      InputError: graphs have different numbers of nodes.

    Example:
      >>> import jmetamer as jm
      >>> pair = jm.make_graph(np.eye(3), [0, 1], [1, 0])
      >>> other = jm.make_graph(np.eye(3), [0, 2], [2, 0])
      >>> result = edge_diversity([pair, other])
      >>> result.mean, round(result.effective_number, 6)
      (1.0, 2.0)
    """
    sets = [edge_set(graph)._replace(features=None) for graph in metamers]
    if len({edges.num_nodes for edges in sets}) > 1:
        raise InputError(
            f"`metamers` have {sorted({edges.num_nodes for edges in sets})} nodes; edges are "
            "compared between the same nodes"
        )
    if sets and all((edges.weight == 1).all() for edges in sets):
        return diversity(_simple_distances(sets))
    table = np.zeros((len(sets), len(sets)))
    for i, j in itertools.combinations(range(len(sets)), 2):
        table[i, j] = table[j, i] = edge_jaccard_distance(sets[i], sets[j])
    return diversity(table)


def _simple_distances(sets: list[EdgeSet]) -> np.ndarray:
    """Return all Jaccard distances from one sparse product of which edge is where."""
    sizes = np.array([edges.numbers.size for edges in sets])
    numbers, place = np.unique(
        np.concatenate([edges.numbers for edges in sets]), return_inverse=True
    )
    rows = np.repeat(np.arange(len(sets)), sizes)
    where = scipy.sparse.csr_array(
        (np.ones(place.size), (rows, place)), shape=(len(sets), numbers.size)
    )
    shared = (where @ where.T).toarray()
    union = sizes[:, None] + sizes[None, :] - shared
    return _share(union - shared, union)


def _flat_blocks(metamers: np.ndarray, block_bytes: int) -> Iterator[np.ndarray]:
    """Yield [b, some nodes * d] float64."""
    count, n, d = metamers.shape
    length = max(1, block_bytes // max(8 * count * d, 1))
    for start in range(0, n, length):
        block = np.asarray(metamers[:, start : start + length], np.float64)
        yield block.reshape(count, block.shape[1] * d)


def _lengths(own: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Return |x - y| from inner products; exactly 0 where rounding could have made it up."""
    total = own[:, None] + own[None, :]
    squares = total - 2 * products
    return np.sqrt(np.where(squares <= 16 * np.finfo(float).eps * total, 0.0, squares))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, 0 where both are 0, with an exact diagonal and symmetry."""
    table = part / np.where(whole == 0, 1.0, whole)
    table = np.clip((table + table.T) / 2, 0.0, 1.0)
    np.fill_diagonal(table, 0.0)
    return table
