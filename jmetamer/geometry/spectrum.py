"""Singular values, the rank they support, and the dimension of the metamer set."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg

from jmetamer._base.arguments import FromZero, Natural, NonNegative, Numbers, Vector, checked
from jmetamer._base.errors import InputError

CLEAR_GAP = 1e3  # ratio of neighboring singular values that counts as a gap, not as a slope
CLEAR_OF_CUTOFF = 100.0  # how far above the cutoff the last value of a full rank must lie
# The same where the entries' error is measured, so that the cutoff is the norm of that error, while
# round-off is only known to stay below its own.
CLEAR_OF_ERROR = 50.0
ROUND_OFF = float(np.finfo(np.float64).eps)


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


@checked
def compress_rows(jacobian: Numbers) -> np.ndarray:
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


@checked
def singular_values(jacobian: Numbers) -> np.ndarray:
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


@checked
def numerical_rank(
    values: Vector,
    num_outputs: int,
    num_inputs: int,
    scale: NonNegative = 0.0,
    structural_bound: Natural | None = None,
    *,
    entry_error: NonNegative = ROUND_OFF,
    saturation: FromZero = 0.0,
) -> RankDecision:
    """Decide the rank of a matrix from its singular values.

    A value counts if it is above t = eps * max(q, p) * max(sigma_1, s0), with eps of float64 and
    s0 = ||F|| / ||theta||. The second term is an absolute floor: without it a Jacobian that is
    round-off and nothing else would be given a positive rank. The rank r is certified if it
    reaches its upper bound with sigma_r > 100 t, or if sigma_r / sigma_(r+1) >= 1000. Otherwise
    it is ambiguous, between #{sigma_i > 1000 t} and the upper bound. The upper bound is
    min(q, p), or `structural_bound` where that is smaller.

    A matrix of independent normal errors has a norm below sqrt(q) + sqrt(p) + 3 deviations but
    for 1 in 90 (Davidson and Szarek 2001), and by Weyl's inequality moves no singular value by
    more. Where that exceeds the cutoff, it is the cutoff, both ratios are 50, and the gap is taken
    to the error. A spectrum that falls steeply may go on below: of four values or more the gap must
    exceed the ratio of the last two, of three its root; two show no course. A value below the norm
    of the error is seen by no rule, so that certified means: if none lies there.

    A gap says nothing where it need not come from the rank: if the floor alone draws the line,
    nothing is certified; behind saturated units, whose derivatives may have pushed a direction
    below the cutoff, sigma_r exp(-saturation) <= t, it certifies the lower end alone.

    Args:
      values: [min(q, p)] singular values, descending, finite.
      num_outputs: q, rows.
      num_inputs: p, columns.
      scale: s0 in units of the singular values; 0 leaves the relative rule alone.
      structural_bound: largest rank that theory allows, or None.
      entry_error: standard deviation of an entry's error over sigma_1. The default takes entries
        to be exact but for round-off of float64: then noise of 1e-10, as of a matrix that was
        measured or computed in float32, counts as rank, and certified.
      saturation: nats, at least 0; minus the least log-derivatives of the layers before, summed.

    Returns:
      The `RankDecision`.

    Raises:
      InputError: if values are not finite, not descending or of the wrong number, or a bound,
        scale, error or saturation is negative.

    Example:
      >>> numerical_rank([2.0, 1.0, 1e-17], 3, 10)[:4]
      (2, 2, 2, True)
      >>> numerical_rank([2.0, 1e-14, 1e-15], 3, 10)[:4]  # a slope, not a gap
      (2, 1, 3, False)
      >>> numerical_rank([2.0, 1.0, 1e-9], 3, 10, entry_error=1e-9)[:4]
      (2, 2, 2, True)
    """
    values = _checked_values(values, num_outputs, num_inputs)
    high = len(values)
    if structural_bound is not None:
        high = min(high, structural_bound)
    if len(values) == 0:
        return RankDecision(0, 0, 0, True, 0.0, np.inf)
    first, largest = float(values[0]), max(float(values[0]), float(scale))
    round_off = ROUND_OFF * max(num_outputs, num_inputs)
    error = entry_error * (np.sqrt(num_outputs) + np.sqrt(num_inputs) + 3)
    error = error if (measured := entry_error > ROUND_OFF and error > round_off) else 0.0
    cutoff = max(round_off * largest, error * first)
    rank = min(int(np.sum(values > cutoff)), high)
    gap = _gap(values, rank, cutoff, error * first)
    clear, needed, sure = CLEAR_OF_CUTOFF, CLEAR_GAP, CLEAR_GAP
    if measured:
        clear = sure = CLEAR_OF_ERROR
        course = min(max(rank - 2, 0) / 2, 1.0)
        needed = max(CLEAR_OF_ERROR, (values[rank - 2] / values[rank - 1]) ** course if rank else 0)
    # Weyl: errors move a singular value by about the cutoff, so one that is clear of it is real
    # and the rank is at least r; the bound says at most r. Where values beyond the bound exceed
    # the cutoff, they show how large the noise really is.
    noise = max(cutoff, float(values[rank]) if rank < len(values) else 0.0)
    if rank == high and (rank == 0 or values[rank - 1] > clear * noise):
        return RankDecision(rank, rank, rank, True, cutoff, gap)
    low = min(int(np.sum(values > sure * cutoff)), high)
    by_floor = rank < min(int(np.sum(values > max(round_off, error) * first)), high)
    if gap < needed or rank == len(values) or by_floor:
        return RankDecision(rank, low, high, False, cutoff, gap)
    last, relative = (values[rank - 1], cutoff) if rank else (1.0, max(round_off, error))
    if last * np.exp(-saturation) <= relative:
        return RankDecision(rank, rank, high, False, cutoff, gap)
    return RankDecision(rank, rank, rank, True, cutoff, gap)


@checked
def spectrum_of(
    jacobian: Numbers,
    *,
    output_norm: float = 0.0,
    input_norm: float = 0.0,
    structural_bound: Natural | None = None,
    num_inputs: int | None = None,
    entry_error: NonNegative = ROUND_OFF,
    saturation: FromZero = 0.0,
) -> Spectrum:
    """Return the spectrum of one Jacobian, with a leading axis of length 1.

    The rank follows `numerical_rank` with s0 = output_norm / input_norm (0 where the input is
    zero); the log-volume is sum_{i <= rank} log sigma_i = 1/2 log pdet(J J^T).

    Rows far smaller than others are round-off, or saturated units whose directions count as any
    other's: a matrix alone does not say which. Where rows differ in size by more than 1000, the
    rank of the rows scaled to one size is counted too, and what lies between both is not
    certain (unless `entry_error` says what is error). `spectra_after` knows the derivatives and
    carries the rank of J over to D J.

    Args:
      jacobian: [q, p], or what `compress_rows` made of it, with `num_inputs` then given.
      output_norm: ||F(theta)||, Euclidean.
      input_norm: ||theta||, Euclidean.
      structural_bound: largest rank that theory allows, or None.
      num_inputs: p, where `jacobian` is compressed.
      entry_error: standard deviation of an entry's error over the largest singular value. Without
        it entries are taken to be exact but for float64 round-off: of a matrix with larger errors
        the noise is then counted as rank, and certified.
      saturation: as in `numerical_rank`.

    Returns:
      A `Spectrum` with b = 1.

    Raises:
      InputError: if `jacobian` is not a finite matrix.

    Example:
      >>> spectrum = spectrum_of([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], output_norm=1, input_norm=1)
      >>> spectrum.rank, spectrum.dimension, bool(spectrum.certified[0])
      (array([2], dtype=int32), array([1]), True)
      >>> saturated = spectrum_of(np.diag([1.0, 1.0, 1e-18, 1e-18]))
      >>> saturated.rank_low, saturated.rank_high
      (array([2], dtype=int32), array([4], dtype=int32))
    """
    matrix = _finite_matrix(jacobian)
    num_outputs, columns = matrix.shape
    total_inputs = columns if num_inputs is None else num_inputs
    if total_inputs < columns:
        raise InputError(
            f"`num_inputs` is {num_inputs} but `jacobian` has {columns} columns; give the number "
            "of columns before compression."
        )
    scale = output_norm / input_norm if input_norm > 0 else 0.0
    bound = columns if structural_bound is None else min(structural_bound, columns)

    def decided(rows: np.ndarray, floor: float) -> tuple[np.ndarray, RankDecision]:
        values = singular_values(rows)
        padded = np.pad(values, (0, min(num_outputs, total_inputs) - len(values)))
        return padded, numerical_rank(
            padded, num_outputs, total_inputs, floor, bound,
            entry_error=entry_error, saturation=saturation,
        )  # fmt: skip

    values, decision = decided(matrix, scale)
    norms = np.abs(matrix).max(axis=1, initial=0.0)  # squares of tiny numbers would be zero
    alive = norms[norms > 0]
    if entry_error <= ROUND_OFF and alive.size and alive.min() * CLEAR_GAP < alive.max():
        rows = matrix / np.where(norms > 0, norms, 1.0)[:, None]
        scaled = decided(rows, 0.0)[1]  # what holds whichever of both decisions is right
        low, high = min(decision.low, scaled.low), max(decision.high, scaled.high)
        decision = decision._replace(low=low, high=high, certified=low == high)
    volume = np.sum(np.log(values[: decision.rank]), keepdims=True)
    return assemble(values[None], [decision], volume, np.array([total_inputs]), num_outputs)


def assemble(
    values: np.ndarray,
    decisions: Sequence[RankDecision],
    log_volume: np.ndarray,
    num_inputs: np.ndarray,
    num_outputs: int,
) -> Spectrum:
    """Return the spectra of singular values [b, k] whose ranks are decided."""
    rank, low, high, certified, cutoff, gap = map(np.array, zip(*decisions, strict=True))
    return Spectrum(
        singular_values=values,
        rank=rank.astype(np.int32),
        rank_low=low.astype(np.int32),
        rank_high=high.astype(np.int32),
        certified=certified,
        cutoff=cutoff,
        log_volume=log_volume,
        log_volume_error=np.zeros(len(values)),
        num_inputs=num_inputs.astype(np.int64),
        num_outputs=np.full(len(values), num_outputs, np.int64),
        gap=gap,
    )


def largest_rank(matrix: Numbers) -> int:
    """Return the largest rank that a matrix may have, by rows, by columns and by their sizes."""
    high = int(spectrum_of(matrix).rank_high[0])
    full = high == min(np.shape(matrix))
    return high if full else max(high, int(spectrum_of(np.asarray(matrix).T).rank_high[0]))


@checked
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
    rows = [spectrum.singular_values for spectrum in spectra]
    width = max(row.shape[1] for row in rows)
    joined = [np.concatenate(parts) for parts in zip(*(s[1:] for s in spectra), strict=True)]
    pads = [((0, 0), (0, width - row.shape[1])) for row in rows]
    values = [np.pad(row, pad, constant_values=np.nan) for row, pad in zip(rows, pads, strict=True)]
    return Spectrum(np.concatenate(values), *joined)


def _finite_matrix(jacobian: Numbers) -> np.ndarray:
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


def _checked_values(values: Numbers, num_outputs: int, num_inputs: int) -> np.ndarray:
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


def _gap(values: np.ndarray, rank: int, cutoff: float, error: float) -> float:
    """Return the ratio of the values on both sides of the rank, none of them below the error."""
    tiny = np.finfo(np.float64).tiny
    above = values[rank - 1] if rank else values[0]
    below = values[rank] if rank < len(values) else cutoff
    if above == 0:  # the zero matrix: nothing on either side
        return float(np.inf)
    with np.errstate(over="ignore"):
        return float(above / max(below, error, tiny))
