"""Log-volume of a Jacobian, and what one activation does to it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg

from jmetamer._base.arguments import AnArray, Matrix, Vector, checked
from jmetamer._base.errors import InputError
from jmetamer.geometry.nonlinearity import LogDerivative
from jmetamer.geometry.spectrum import Spectrum, compress_rows

TIE = 1e-12  # |z| below this share of the largest counts as exactly on the kink
LARGEST_SPREAD = 600.0  # nats between two derivatives whose ratio float64 can still hold


class VolumeChange(NamedTuple):
    """What an activation h = sigma(z) does to the volume, for b targets.

    Attributes:
      delta: [b] float64, nats; logvol(J_h) - logvol(J_z). NaN where ranks differ (the two volumes
        then have different units), and where derivatives span more than 600 nats.
      lower, upper: [b] float64, sums of the r smallest and r largest log|sigma'|; they enclose
        `delta` wherever it is defined.
      rank_loss: [b] int32, rank J_z - rank J_h in exact arithmetic; only units with sigma' = 0
        can cause it.
      log_volume_lost: [b] float64, nats; logvol(J_z) - logvol(J_z[active]), the volume of the
        inactive rows outside the span of the active ones, `rank_loss` dimensions of it. NaN
        unless J_z has full row rank.
      num_active: [b] int32, outputs with sigma'(z) != 0.
      num_dead: [b] int32, units (last axis of z) that are inactive at every node of the target.
      num_ties: [b] int32, outputs with |z| <= 1e-12 max|z|, where a kink at 0 leaves the
        derivative to convention.
    """

    delta: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    rank_loss: np.ndarray
    log_volume_lost: np.ndarray
    num_active: np.ndarray
    num_dead: np.ndarray
    num_ties: np.ndarray


@checked
def log_volume(values: Vector, rank: int) -> float:
    """Return sum_{i <= rank} log sigma_i = 1/2 log pdet(J J^T), in nats.

    Log-volumes of different rank have different units and may not be subtracted: scaling the
    input by c moves one by -rank log c.

    Args:
      values: singular values, descending.
      rank: how many of them count; 0 gives 0, the empty sum.

    Returns:
      The log-volume.

    Raises:
      InputError: if `rank` exceeds the number of positive values.

    Example:
      >>> round(log_volume([2.0, 0.5, 1e-17], rank=2), 12)
      0.0
    """
    kept = np.asarray(values, np.float64)[:rank]
    if len(kept) < rank or not (kept > 0).all():
        raise InputError(
            f"`rank` is {rank} but only {int(np.sum(kept > 0))} singular values are positive; "
            "the logarithm of the others does not exist. Give the rank that `numerical_rank` found."
        )
    return float(np.sum(np.log(kept)))


@checked
def after_activation(jacobian: Matrix, log_derivatives: AnArray) -> np.ndarray:
    """Return |D| J, the Jacobian after an activation up to the signs of its rows.

    D = diag(sigma'(z)). Signs of rows change neither singular values nor ranks. A derivative below
    exp(-600) is raised to it, so that float64 makes no unit inactive that is not.

    Args:
      jacobian: [q, p] before the activation, or what `compress_rows` made of it.
      log_derivatives: q numbers of any shape, log|sigma'(z)|; -inf where sigma' = 0.

    Returns:
      [q, p] float64.

    Raises:
      InputError: if the numbers of outputs differ.

    Example:
      >>> after_activation(np.eye(2), [0.0, -np.inf])
      array([[1., 0.], [0., 0.]])
    """
    matrix = np.asarray(jacobian, np.float64)
    logs = _matching(log_derivatives, matrix, "log_derivatives").reshape(-1)
    held = np.where(logs > -np.inf, np.maximum(logs, -LARGEST_SPREAD), logs)
    return np.exp(held)[:, None] * matrix


@checked
def count_ties(preactivation: AnArray) -> int:
    """Count entries on the kink: |z| <= 1e-12 max|z|; all of them if all are zero.

    Example:
      >>> count_ties([0.0, 1e-14, -1.0])
      2
    """
    size = np.abs(np.asarray(preactivation, np.float64))
    return int(np.sum(size <= TIE * size.max(initial=0.0)))


@checked
def volume_change(
    jacobian_pre: Matrix,
    spectrum_pre: Spectrum,
    preactivation: AnArray,
    log_derivative: LogDerivative,
) -> VolumeChange:
    """Return the change of log-volume that an elementwise activation causes at one target.

    With J_h = D J_z, D = diag(sigma'(z)), and the thin singular value decomposition
    J_z = U Sigma V^T of rank r, pdet(J_h J_h^T) = det(Sigma^2) det(U^T D^2 U), hence

        delta = logvol(J_h) - logvol(J_z) = 1/2 logdet(U^T D^2 U),

    which is sum_i log|sigma'(z_i)| if r = q; in general Poincare's separation theorem puts it
    between the sums of the r smallest and the r largest log|sigma'|. It depends on J_z through its
    column space alone. Units with sigma' = 0 can only lose rank: rank J_h = rank J_z[active], which
    is reported apart, as is the volume lost with it.

    Args:
      jacobian_pre: J_z [q, p], or what `compress_rows` made of it (cheaper).
      spectrum_pre: spectrum of J_z with b = 1; its rank and cutoff are used.
      preactivation: z, q numbers shaped [units] or [nodes, units].
      log_derivative: z -> log|sigma'(z)|, an entry of `LOG_DERIVATIVES`.

    Returns:
      A `VolumeChange` with b = 1.

    Raises:
      InputError: if shapes disagree, z has values that are not finite, or b is not 1.

    Example:
      >>> from jmetamer.geometry import LOG_DERIVATIVES, spectrum_of
      >>> change = volume_change(np.eye(2), spectrum_of(np.eye(2)), [-1.0, 3.0],
      ...                        LOG_DERIVATIVES["elu"])
      >>> change.delta, change.num_active
      (array([-1.]), array([2], dtype=int32))
    """
    if len(spectrum_pre.rank) != 1:
        raise InputError(
            f"`spectrum_pre` holds {len(spectrum_pre.rank)} spectra; give the one of this Jacobian."
        )
    matrix = compress_rows(jacobian_pre)
    z = _matching(preactivation, matrix, "preactivation")
    if not np.isfinite(z).all():
        raise InputError(
            f"`preactivation` holds {int(np.sum(~np.isfinite(z)))} values that are not finite; "
            "a derivative needs finite numbers."
        )
    logs = np.asarray(log_derivative(z), np.float64)
    active = logs > -np.inf
    rank = int(spectrum_pre.rank[0])
    kept = matrix[active.reshape(-1)]
    values_kept = scipy.linalg.svdvals(kept) if kept.size else np.zeros(0)
    # Each inactive row takes at most one from the rank.
    least = int(spectrum_pre.rank_low[0]) - int(np.sum(~active))
    rank_kept = min(max(int(np.sum(values_kept > spectrum_pre.cutoff[0])), least), rank)
    lost = np.nan
    if rank == len(matrix):
        lost = spectrum_pre.log_volume[0] - np.sum(np.log(values_kept[:rank_kept]))
    ordered = np.sort(logs.reshape(-1))
    units_active = active.any(axis=tuple(range(active.ndim - 1)))
    return VolumeChange(
        delta=np.array(
            [restricted_change(matrix, logs.reshape(-1), rank) if rank_kept == rank else np.nan]
        ),
        lower=np.array([np.sum(ordered[:rank])]),
        upper=np.array([np.sum(ordered[len(ordered) - rank :])]),
        rank_loss=np.array([rank - rank_kept], np.int32),
        log_volume_lost=np.array([lost]),
        num_active=np.array([np.sum(active)], np.int32),
        num_dead=np.array([np.sum(~units_active)], np.int32),
        num_ties=np.array([count_ties(z)], np.int32),
    )


@checked
def stack_volume_changes(changes: Sequence[VolumeChange]) -> VolumeChange:
    """Join volume changes along the leading axis.

    Args:
      changes: one or more.

    Returns:
      One `VolumeChange`; its b is the sum of theirs.

    Raises:
      InputError: if `changes` is empty.

    Example:
      >>> one = VolumeChange(*np.zeros((8, 1)))
      >>> stack_volume_changes([one, one]).delta
      array([0., 0.])
    """
    if not changes:
        raise InputError("`changes` is empty; give at least one volume change to stack.")
    return VolumeChange(*(np.concatenate(parts) for parts in zip(*changes, strict=True)))


def _matching(numbers: AnArray, matrix: np.ndarray, name: str) -> np.ndarray:
    array = np.atleast_1d(np.asarray(numbers, np.float64))
    if array.size != len(matrix):
        raise InputError(
            f"`{name}` has {array.size} numbers but the Jacobian has {len(matrix)} outputs; give "
            "one per output, in row-major order."
        )
    return array


def restricted_change(matrix: np.ndarray, logs: np.ndarray, rank: int) -> float:
    """Return logvol(D J) - logvol(J) = 1/2 logdet(U^T D^2 U), from a QR decomposition of D U."""
    if rank == 0:
        return 0.0
    if np.ptp(logs) == 0:  # one factor for all, as of a ReLU's active units
        return float(rank * logs[0])
    if rank == len(matrix):
        return float(np.sum(logs))
    left = scipy.linalg.svd(matrix, full_matrices=False)[0][:, :rank]
    # Rows sorted by size and pivoted columns keep the small rows' relative accuracy in Householder
    # QR, so a saturated unit's tiny derivative is not drowned by the large ones.
    order = np.argsort(-logs)
    order = order[logs[order] > -np.inf]
    if logs[order[0]] - logs[order[-1]] > LARGEST_SPREAD:
        return float(np.nan)
    rows = np.exp(logs[order] - logs[order[0]])[:, None] * left[order]
    triangle = scipy.linalg.qr(rows, mode="r", pivoting=True)[0]
    with np.errstate(divide="ignore"):
        return float(rank * logs[order[0]] + np.sum(np.log(np.abs(np.diag(triangle)[:rank]))))
