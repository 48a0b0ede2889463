"""Singular values, the rank they support, and the dimension of the metamer set."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from jmetamer._base.errors import InputError

CLEAR_GAP = 1e3  # ratio of neighboring singular values that counts as a gap, not as a slope
CLEAR_OF_CUTOFF = 100.0  # how far above the cutoff the last value of a full rank must lie


class RankDecision(NamedTuple):
    """A rank and how sure it is.

    Attributes:
      rank: number of singular values above `cutoff`, never more than the structural bound.
      low, high: interval that holds the rank; both equal `rank` where certified.
      certified: whether the spectrum leaves no doubt.
      cutoff: value above which a singular value counts, in units of the singular values.
      gap: sigma_rank / sigma_(rank + 1); at full rank sigma_rank / cutoff.
    """

    rank: int
    low: int
    high: int
    certified: bool
    cutoff: float
    gap: float


class Spectrum(NamedTuple):
    """Spectra of b Jacobians, one per target.

    Attributes:
      singular_values: [b, k] float64, descending, NaN after the last one of a target.
      rank, rank_low, rank_high: [b] int32, the numerical rank and its interval.
      certified: [b] bool, whether the interval is one point.
      cutoff: [b] float64, the value above which a singular value counts.
      log_volume: [b] float64, nats; sum of log sigma_i over the first `rank` values.
      log_volume_error: [b] float64, standard error of `log_volume`; 0 where computed exactly.
      num_inputs, num_outputs: [b] int64, columns and rows of the Jacobian.
      gap: [b] float64, ratio of the values on both sides of the rank.
    """

    singular_values: np.ndarray
    rank: np.ndarray
    rank_low: np.ndarray
    rank_high: np.ndarray
    certified: np.ndarray
    cutoff: np.ndarray
    log_volume: np.ndarray
    log_volume_error: np.ndarray
    num_inputs: np.ndarray
    num_outputs: np.ndarray
    gap: np.ndarray

    @property
    def dimension(self) -> np.ndarray:
        """[b] int64, first-order dimension of the metamer set: num_inputs - rank.

        It is the kernel's dimension, an upper bound of the fibre's; they differ where the rank is
        not locally constant.
        """
        return self.num_inputs.astype(np.int64) - self.rank


def compress_rows(jacobian: Any) -> np.ndarray:
    """Replace a wide Jacobian by a small matrix with the same row geometry.

    J^T = Q R gives C = R^T with J = C Q^T. C has the singular values and the left singular vectors
    of J, and so do its rows after any selection or scaling: D C and D J agree. Compress once, then
    ask for spectra before and after an activation. No Gram matrix is formed: that would square
    the condition number.

    Args:
      jacobian: [q, p], finite.

    Returns:
      [q, min(q, p)] float64; `jacobian` itself where it is not wide.

    Raises:
      InputError: if `jacobian` is not a matrix or has values that are not finite.

    Example:
      >>> abs(compress_rows(np.array([[3.0, 0.0, 4.0]])))
      array([[5.]])
    """
    matrix = _finite_matrix(jacobian)
    num_outputs, num_inputs = matrix.shape
    if num_outputs >= num_inputs or num_outputs == 0:
        return matrix
    (triangle,) = scipy.linalg.qr(matrix.T, mode="r", check_finite=False)
    return triangle[:num_outputs].T


def singular_values(jacobian: Any) -> np.ndarray:
    """Return all singular values of a Jacobian.

    Args:
      jacobian: [q, p], finite.

    Returns:
      [min(q, p)] float64, descending.

    Raises:
      InputError: if `jacobian` is not a matrix or has values that are not finite.

    Example:
      >>> singular_values(np.diag([1.0, 3.0]))
      array([3., 1.])
    """
    compressed = compress_rows(jacobian)
    if compressed.size == 0:
        return np.zeros(0)
    return scipy.linalg.svdvals(compressed, check_finite=False)


def numerical_rank(
    values: Any,
    num_outputs: int,
    num_inputs: int,
    scale: float = 0.0,
    structural_bound: int | None = None,
) -> RankDecision:
    """Decide the rank of a matrix from its singular values.

    A value counts if it is above t = eps * max(q, p) * max(sigma_1, s0), with eps of float64 and
    s0 = ||F|| / ||theta||. The second term is an absolute floor: without it a Jacobian that is
    round-off and nothing else would be given a positive rank. The rank r is certified if it
    reaches its upper bound with sigma_r > 100 t, or if sigma_r / sigma_(r+1) >= 1000. Otherwise
    it is ambiguous, between #{sigma_i > 1000 t} and the upper bound. The upper bound is
    min(q, p), or `structural_bound` where that is smaller.

    Args:
      values: [min(q, p)] singular values, descending, finite.
      num_outputs: q, rows.
      num_inputs: p, columns.
      scale: s0 in units of the singular values; 0 leaves the relative rule alone.
      structural_bound: largest rank that theory allows, or None.

    Returns:
      The `RankDecision`.

    Raises:
      InputError: if values are not finite, not descending or of the wrong number, or a bound or
        scale is negative.

    Example:
      >>> numerical_rank([2.0, 1.0, 1e-17], 3, 10)[:4]
      (2, 2, 2, True)
      >>> numerical_rank([2.0, 1e-14, 1e-15], 3, 10)[:4]  # a slope, not a gap
      (2, 1, 3, False)
    """
    values = _checked_values(values, num_outputs, num_inputs)
    if not scale >= 0 or np.isinf(scale):
        raise InputError(f"`scale` is {scale}; it is ||F|| / ||theta||, finite and at least 0.")
    high = len(values)
    if structural_bound is not None:
        if structural_bound < 0:
            raise InputError(f"`structural_bound` is {structural_bound}; a rank is at least 0.")
        high = min(high, structural_bound)
    if len(values) == 0:
        return RankDecision(0, 0, 0, True, 0.0, np.inf)
    largest = max(float(values[0]), float(scale))
    cutoff = np.finfo(np.float64).eps * max(num_outputs, num_inputs) * largest
    rank = min(int(np.sum(values > cutoff)), high)
    gap = _gap(values, rank, cutoff, largest)
    # Weyl: round-off moves a singular value by about the cutoff, so one 100 times above it is real
    # and the rank is at least r; the bound says at most r. Where values beyond the bound exceed
    # the cutoff, they show how large the noise really is.
    noise = max(cutoff, float(values[rank]) if rank < len(values) else 0.0)
    reached = rank == high and (rank == 0 or values[rank - 1] > CLEAR_OF_CUTOFF * noise)
    if reached or (rank < len(values) and gap >= CLEAR_GAP):
        return RankDecision(rank, rank, rank, True, cutoff, gap)
    low = min(int(np.sum(values > CLEAR_GAP * cutoff)), high)
    return RankDecision(rank, low, high, False, cutoff, gap)


def tolerance_dimension(
    values: Any,
    num_inputs: int,
    theta_norm: float,
    output_norm: float,
    eps: float,
) -> int:
    """Count the input directions that move the output by less than a relative tolerance.

    D_eps = p - #{ i : sigma_i ||theta|| / ||F|| > eps }: moving theta by its own length along such
    a direction moves F by less than eps ||F||, to first order. Use it where depth smooths the
    spectrum so far that no rank can be certified. For F = 0 every positive value counts.

    Args:
      values: singular values, any order; NaN padding is ignored.
      num_inputs: p.
      theta_norm: ||theta||, Euclidean.
      output_norm: ||F(theta)||, Euclidean.
      eps: relative tolerance, at least 0.

    Returns:
      D_eps, between p - len(values) and p.

    Raises:
      InputError: if a norm or `eps` is negative or not a number.

    Example:
      >>> tolerance_dimension([1.0, 1e-2, 1e-5], 10, theta_norm=2.0, output_norm=1.0, eps=1e-3)
      8
    """
    for name, number in (("theta_norm", theta_norm), ("output_norm", output_norm), ("eps", eps)):
        if not number >= 0:
            raise InputError(f"`{name}` is {number}; it must be a number, at least 0.")
    values = np.asarray(values, np.float64)
    return int(num_inputs - np.sum(values * theta_norm > eps * output_norm))


def spectrum_of(
    jacobian: Any,
    *,
    output_norm: float = 0.0,
    input_norm: float = 0.0,
    structural_bound: int | None = None,
    num_inputs: int | None = None,
) -> Spectrum:
    """Return the spectrum of one Jacobian, with a leading axis of length 1.

    The rank follows `numerical_rank` with s0 = output_norm / input_norm (0 where the input is
    zero); the log-volume is sum_{i <= rank} log sigma_i = 1/2 log pdet(J J^T).

    Args:
      jacobian: [q, p], or what `compress_rows` made of it, with `num_inputs` then given.
      output_norm: ||F(theta)||, Euclidean.
      input_norm: ||theta||, Euclidean.
      structural_bound: largest rank that theory allows, or None.
      num_inputs: p, where `jacobian` is compressed.

    Returns:
      A `Spectrum` with b = 1.

    Raises:
      InputError: if `jacobian` is not a finite matrix.

    Example:
      >>> spectrum = spectrum_of([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], output_norm=1, input_norm=1)
      >>> spectrum.rank, spectrum.dimension, bool(spectrum.certified[0])
      (array([2], dtype=int32), array([1]), True)
    """
    matrix = _finite_matrix(jacobian)
    num_outputs, columns = matrix.shape
    total_inputs = columns if num_inputs is None else num_inputs
    if total_inputs < columns:
        raise InputError(
            f"`num_inputs` is {num_inputs} but `jacobian` has {columns} columns; give the number "
            "of columns before compression."
        )
    values = singular_values(matrix)
    scale = output_norm / input_norm if input_norm > 0 else 0.0
    bound = columns if structural_bound is None else min(structural_bound, columns)
    padded = np.zeros(min(num_outputs, total_inputs))
    padded[: len(values)] = values
    decision = numerical_rank(padded, num_outputs, total_inputs, scale, bound)
    volume = float(np.sum(np.log(padded[: decision.rank])))
    return Spectrum(
        singular_values=padded[None],
        rank=np.array([decision.rank], np.int32),
        rank_low=np.array([decision.low], np.int32),
        rank_high=np.array([decision.high], np.int32),
        certified=np.array([decision.certified]),
        cutoff=np.array([decision.cutoff]),
        log_volume=np.array([volume]),
        log_volume_error=np.zeros(1),
        num_inputs=np.array([total_inputs], np.int64),
        num_outputs=np.array([num_outputs], np.int64),
        gap=np.array([decision.gap]),
    )


def stack_spectra(spectra: Sequence[Spectrum]) -> Spectrum:
    """Join spectra along the leading axis, with NaN after the last value of the shorter ones.

    Args:
      spectra: one or more, with any leading axes and any numbers of singular values.

    Returns:
      One `Spectrum`; its b is the sum of theirs.

    Raises:
      InputError: if `spectra` is empty.

    Example:
      >>> both = stack_spectra([spectrum_of(np.eye(2)), spectrum_of(np.eye(1))])
      >>> both.singular_values
      array([[ 1.,  1.], [ 1., nan]])
    """
    if not spectra:
        raise InputError("`spectra` is empty; give at least one spectrum to stack.")
    width = max(spectrum.singular_values.shape[1] for spectrum in spectra)
    joined = [np.concatenate(parts) for parts in zip(*(s[1:] for s in spectra), strict=True)]
    values = [
        np.pad(
            s.singular_values,
            ((0, 0), (0, width - s.singular_values.shape[1])),
            constant_values=np.nan,
        )
        for s in spectra
    ]
    return Spectrum(np.concatenate(values), *joined)


def _finite_matrix(jacobian: Any) -> np.ndarray:
    matrix = np.asarray(jacobian, np.float64)
    if matrix.ndim != 2:
        raise InputError(
            f"`jacobian` has shape {matrix.shape}; a matrix [outputs, inputs] is needed: flatten "
            "the output and the input."
        )
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise InputError(
            f"`jacobian` is {matrix[row, column]} at [{row}, {column}]; a rank needs finite "
            "numbers. Check the input for NaN and the network for a division by zero (an all-zero "
            "row that is normalized, a square root at 0)."
        )
    return matrix


def _checked_values(values: Any, num_outputs: int, num_inputs: int) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.shape != (min(num_outputs, num_inputs),):
        raise InputError(
            f"`values` has shape {values.shape}; a {num_outputs} x {num_inputs} matrix has "
            f"{min(num_outputs, num_inputs)} singular values."
        )
    if not np.isfinite(values).all() or (np.diff(values) > 0).any() or (values < 0).any():
        raise InputError(
            "`values` must be finite, not negative and descending; give the singular values as "
            "`singular_values` returns them, without NaN padding."
        )
    return values


def _gap(values: np.ndarray, rank: int, cutoff: float, largest: float) -> float:
    tiny = np.finfo(np.float64).tiny
    above = values[rank - 1] if rank else largest
    below = values[rank] if rank < len(values) else cutoff
    if above == 0:  # the zero matrix: nothing on either side
        return float(np.inf)
    with np.errstate(over="ignore"):
        return float(above / max(below, tiny))
