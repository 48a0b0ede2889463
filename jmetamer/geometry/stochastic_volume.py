"""Log-volume of a Jacobian too large to hold, and what an activation does to it."""

from typing import NamedTuple

import jax
import numpy as np

from jmetamer._base.arguments import AnArray, Key, Natural, checked
from jmetamer._base.errors import InputError
from jmetamer.geometry import stochastic_trace as traces
from jmetamer.geometry.lanczos import Operator


class ActivatedOperator(NamedTuple):
    """K_h = D K_z D without the rows and columns of inactive units.

    Attributes:
      operator: [size, b] -> [size, b].
      size: active outputs.
      num_inactive: outputs that were dropped.
    """

    operator: Operator
    size: Natural
    num_inactive: int


class VolumeSplit(NamedTuple):
    """The log-volume before a ReLU, split into what it keeps and what it loses.

    Attributes:
      kept: nats, logvol(J_h) = logvol(J_z[active]), of dimension num_active.
      lost: nats, of dimension `rank_loss`; kept + lost = logvol(J_z). -inf and SINGULAR where
        J_z has no full row rank, which leaves it undefined.
      rank_loss: int, rank J_z - rank J_h; -1 (unknown) where J_z has no full row rank, for an
        inactive unit need not cost rank there.
      num_active: int, outputs with sigma'(z) != 0.
      num_dead: int, units (last axis of z) inactive at every node of the target.
    """

    kept: traces.Estimate
    lost: traces.Estimate
    rank_loss: int
    num_active: int
    num_dead: int


@checked
def stochastic_log_volume(
    operator: Operator,
    size: Natural,
    *,
    key: Key,
    settings: traces.QuadratureSettings = traces.DEFAULT,
) -> traces.Estimate:
    """Estimate logvol(J) = 1/2 logdet(J J^T) of a Jacobian of full row rank.

    Args:
      operator: K = J J^T, [q, b] -> [q, b]: `JacobianOperator.gram`.
      size: q; 0 gives 0.
      key: random key of the probes.
      settings: how many probes and steps.

    Returns:
      The `Estimate`, in nats; -inf and SINGULAR where rows of J depend on each other.

    Raises:
      InputError: as `log_determinant`.

    Example:
      >>> eigenvalues = np.array([[1.0], [np.e**2]])
      >>> result = stochastic_log_volume(lambda v: eigenvalues * v, 2, key=jax.random.key(0))
      >>> round(result.value, 12)
      1.0
    """
    return traces.log_determinant(operator, size, key=key, settings=settings).scaled(0.5)


def activated_operator(operator: Operator, log_derivatives: AnArray) -> ActivatedOperator:
    """Return J_h J_h^T = D J_z J_z^T D, with inactive rows dropped.

    A unit with sigma'(z) = 0 has a row of zeros in J_h = D J_z. Dropping it changes neither rank
    nor log-volume, exactly, and removes the zero eigenvalue that stochastic quadrature cannot
    deal with.

    Args:
      operator: K_z = J_z J_z^T, [q, b] -> [q, b].
      log_derivatives: q numbers of any shape, log|sigma'(z)|; -inf where sigma' = 0.

    Returns:
      An `ActivatedOperator`.

    Example:
      >>> result = activated_operator(lambda v: 3 * v, [0.0, -np.inf, np.log(2)])
      >>> result.operator(np.ones((2, 1))).ravel().round(12), result.num_inactive
      (array([ 3., 12.]), 1)
    """
    logs = _logs(log_derivatives)
    active = np.flatnonzero(logs > -np.inf)
    slope = np.exp(logs[active])[:, None]

    def apply(columns: np.ndarray) -> np.ndarray:
        whole = np.zeros((len(logs), columns.shape[1]))
        whole[active] = slope * columns
        return slope * np.asarray(operator(whole))[active]

    return ActivatedOperator(apply, len(active), len(logs) - len(active))


@checked
def stochastic_volume_split(
    operator: Operator,
    log_derivatives: AnArray,
    *,
    key: Key,
    settings: traces.QuadratureSettings = traces.DEFAULT,
) -> VolumeSplit:
    """Estimate what a ReLU keeps of the log-volume and what it loses.

    With a the active and b the inactive outputs, logvol(J_h) = logvol(J_z[a]). If J_z has full
    row rank, logvol(J_z) = logvol(J_z[a]) + logvol(J_z[b] (I - P)), P the projector on the row
    space of J_z[a]; the second term is lost, together with #b dimensions. Its estimate is the
    difference of the two others, from independent probes. An inactive unit's derivative must be
    0 and an active one's 1; for other activations take `stochastic_volume_change`.

    Args:
      operator: K_z = J_z J_z^T, [q, b] -> [q, b].
      log_derivatives: log|sigma'(z)| shaped [units] or [nodes, units]; 0 or -inf.
      key: random key of the probes.
      settings: how many probes and steps.

    Returns:
      A `VolumeSplit`.

    Raises:
      InputError: if a derivative is neither 0 nor 1, or as `log_determinant`.

    Example:
      >>> eigenvalues = np.array([[1.0], [np.e**2]])
      >>> split = stochastic_volume_split(
      ...     lambda v: eigenvalues * v, [0.0, -np.inf], key=jax.random.key(0)
      ... )
      >>> round(split.kept.value, 12), round(split.lost.value, 12), split.rank_loss
      (0.0, 1.0, 1)
    """
    logs = np.atleast_1d(np.asarray(log_derivatives, np.float64))
    active = logs > -np.inf
    if (logs[active] != 0).any():
        other = logs[active][logs[active] != 0][0]
        raise InputError(
            f"`log_derivatives` holds {other:.3g}; only 0 (active) and -inf (inactive) split a "
            "volume in two. Take `stochastic_volume_change`."
        )
    reduced = activated_operator(operator, logs)
    key_kept, key_whole = jax.random.split(key)
    kept = stochastic_log_volume(reduced.operator, reduced.size, key=key_kept, settings=settings)
    if reduced.num_inactive == 0:
        lost = traces.exact_estimate(0.0)
    else:
        whole = stochastic_log_volume(operator, logs.size, key=key_whole, settings=settings)
        lost = _difference(whole, kept)
    sure = traces.EstimateStatus.SINGULAR not in (lost.status, kept.status)
    num_dead = int(np.sum(~active.any(axis=tuple(range(active.ndim - 1)))))
    return VolumeSplit(kept, lost, reduced.num_inactive if sure else -1, reduced.size, num_dead)


@checked
def stochastic_volume_change(
    project: Operator,
    rank: Natural,
    log_derivatives: AnArray,
    *,
    key: Key,
    settings: traces.QuadratureSettings = traces.DEFAULT,
) -> traces.Estimate:
    """Estimate the change of log-volume by an activation, given the range of J_z.

    With P the orthogonal projector on the range of J_z and D = diag(sigma'(z)), delta =
    1/2 logdet of P D^2 P restricted to that range, estimated with probes P v. Its condition number
    is at most (max|sigma'| / min|sigma'|)^2 however ill-conditioned J_z is, so few steps suffice.
    A common factor of D is taken out, which lowers the scatter of the probes. Where the rank is q
    the answer is sum_i log|sigma'(z_i)|, without any probe.

    Args:
      project: P, [q, b] -> [q, b]; for one linear layer with all features varying it is the
        Kronecker product of the projectors on the ranges of the propagation and of the weights.
      rank: r, the trace of P.
      log_derivatives: q numbers of any shape, log|sigma'(z)|; -inf where sigma' = 0.
      key: random key of the probes.
      settings: how many probes and steps.

    Returns:
      The `Estimate`, in nats. -inf and SINGULAR where units with sigma' = 0 cost rank, or the
      squares of the derivatives span more than float64 resolves: the two volumes then cannot be
      compared this way.

    Raises:
      InputError: if `rank` is out of range.

    Example:
      >>> ones = np.full((4, 4), 0.25)  # projector on the constants
      >>> change = stochastic_volume_change(
      ...     lambda v: ones @ v, 1, np.log([1.0, 1.0, 2.0, 2.0]), key=jax.random.key(0)
      ... )
      >>> round(float(np.exp(2 * change.value)), 12)
      2.5
    """
    logs = _logs(log_derivatives)
    if not 0 <= rank <= logs.size:
        raise InputError(
            f"`rank` is {rank} but there are {logs.size} outputs; give the trace of the projector."
        )
    if rank == 0:
        return traces.exact_estimate(0.0)
    active = logs > -np.inf
    if rank == logs.size or not active.any():
        return traces.exact_estimate(float(np.sum(logs)) if rank == logs.size else -np.inf)
    center = float(np.mean(logs[active]))
    square = np.exp(2 * (logs - center))[:, None]

    def apply(columns: np.ndarray) -> np.ndarray:
        return np.asarray(project(square * np.asarray(project(columns))))

    (change,) = traces.stochastic_trace(
        apply, logs.size, [np.log], key=key, settings=settings, project=project
    )
    return change.scaled(0.5, rank * center)


def _logs(log_derivatives: AnArray) -> np.ndarray:
    logs = np.asarray(log_derivatives, np.float64).reshape(-1)
    if np.isnan(logs).any() or (logs == np.inf).any():
        raise InputError(
            "`log_derivatives` holds NaN or inf; give log|sigma'(z)| of finite z, -inf for 0."
        )
    return logs


def _difference(whole: traces.Estimate, part: traces.Estimate) -> traces.Estimate:
    """Whole - part, from independent probes."""
    status = max(whole.status, part.status)
    if status is traces.EstimateStatus.SINGULAR:
        return traces.Estimate(-np.inf, np.inf, np.inf, whole.steps, whole.num_probes, status)
    return traces.Estimate(
        whole.value - part.value,
        float(np.hypot(whole.standard_error, part.standard_error)),
        whole.quadrature_error + part.quadrature_error,
        max(whole.steps, part.steps),
        whole.num_probes,
        status,
    )
