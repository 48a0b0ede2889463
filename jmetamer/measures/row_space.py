"""Deviations inside and outside of what the first weights of a network can see of features."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.measures.deviation import BLOCK_BYTES, Deviations, deviations


class SplitDeviations(NamedTuple):
    """Deviations of b metamers in two parts of the feature space.

    Attributes:
      inside: of `X P`, what a network that starts with `X W` can see.
      outside: of `X (I - P)`, what it cannot: a deviation there costs nothing and shows nothing.
      rank: dimension of the inside.
    """

    inside: Deviations
    outside: Deviations
    rank: int


def split_deviations(
    reference_features: Any,
    metamer_features: Any,
    weights: Any,
    names: Sequence[str] | None = None,
    *,
    block_bytes: int = BLOCK_BYTES,
) -> SplitDeviations:
    """Measure deviations of features inside and outside of the row space of given weights.

    Where features enter a network only as `X W`, `P = W W^+` projects each row on what W sees, the
    row space of its transpose. `X P` and `X (I - P)` are measured separately, as continuous
    features. With several matrices at the entry, W is all of them side by side.

    Args:
      reference_features: X [n, d], finite.
      metamer_features: X' [b, n, d], or an iterable of arrays [b_i, n, d].
      weights: W [d, m].
      names: keys of `MEASURES` for continuous features, or None for all that are cheap.
      block_bytes: upper bound of the bytes of metamers moved at a time (two metamers at least).

    Returns:
      `SplitDeviations`, in the order of the metamers.

    Raises:
      InputError: as `deviations`, or `weights` have not one finite row for each feature.

    Example:
      >>> moved = np.array([[1.0, 9.0], [1.0, 9.0]])  # in the second feature only
      >>> split = split_deviations(np.ones((2, 2)), moved[None], np.array([[1.0], [0.0]]),
      ...                          ["features/normalized_euclidean"])
      >>> split.inside.values.tolist(), split.outside.values.round(6).tolist(), split.rank
      ([[0.0]], [[0.800000011920929]], 1)
    """
    reference = np.asarray(reference_features, np.float64)
    basis = row_space_basis(weights)
    if reference.ndim != 2 or reference.shape[1] != basis.shape[0]:
        raise InputError(
            f"`weights` has {basis.shape[0]} rows and `reference_features` shape "
            f"{reference.shape}; one row of weights for each feature is needed"
        )
    both: list[list[Deviations]] = [[], []]
    references = _split(reference, basis)
    for piece in _pieces(metamer_features, reference.nbytes, block_bytes):
        for found, original, part in zip(both, references, _split(piece, basis), strict=True):
            found.append(deviations(original, part, "continuous", names, block_bytes=block_bytes))
    inside, outside = (
        found[0]._replace(values=np.concatenate([part.values for part in found])) for found in both
    )
    return SplitDeviations(inside, outside, basis.shape[1])


def row_space_basis(weights: Any) -> np.ndarray:
    """Return an orthonormal basis Q [d, r] of what `X W` depends on: `X W = (X Q) (Q^T W)`.

    Singular values below `max(d, m) eps` of the largest, eps that of the given type, count as 0.

    Args:
      weights: W [d, m].

    Raises:
      InputError: not a matrix of finite numbers.

    Example:
      >>> abs(row_space_basis(np.array([[2.0, 4.0], [0.0, 0.0]]))).tolist()
      [[1.0], [0.0]]
    """
    given = np.asarray(weights)
    if given.ndim != 2 or not np.isfinite(given).all():
        raise InputError(
            f"`weights` has shape {given.shape}; a matrix [features, outputs] of finite numbers is "
            "needed"
        )
    eps = np.finfo(given.dtype if given.dtype.kind == "f" else np.float64).eps
    left, values, _ = np.linalg.svd(given.astype(np.float64), full_matrices=False)
    rank = int(np.sum(values > max(given.shape) * eps * values.max(initial=0.0)))
    return left[:, :rank]


def _split(rows: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = rows @ basis @ basis.T
    return inside, rows - inside


def _pieces(metamers: Any, bytes_each: int, block_bytes: int) -> Iterator[np.ndarray]:
    """Yield a few metamers at a time in float64; without any, one piece without metamers."""
    pieces: Iterable[Any] = [metamers] if hasattr(metamers, "shape") else metamers
    length = max(1, block_bytes // max(bytes_each, 1))
    nothing = True
    for piece in pieces:
        for start in range(0, max(len(piece), 1), length):
            nothing = False
            yield np.asarray(piece[start : start + length], np.float64)
    if nothing:
        raise InputError("`metamer_features` holds no block; give [metamers, n, d] or blocks of it")
