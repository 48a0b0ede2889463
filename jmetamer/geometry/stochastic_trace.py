"""Traces of functions and log-determinants of large operators, by stochastic Lanczos quadrature."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import jax
import numpy as np

from jmetamer._base.arguments import Count, Key, Natural, Range, checked
from jmetamer._base.errors import ConfigError, InputError
from jmetamer._base.outcome import Outcome
from jmetamer.geometry.lanczos import Operator, Tridiagonalization, gauss_rule, tridiagonalize

ROUND_OFF = 1e-14  # Ritz values below this share of the largest cannot be told from zero
NO_WEIGHT = 1e-20  # of a node; round-off brings such nodes in, and their share of a sum is none
EXACT = 1e-10  # relative change that counts as none, where probes do not scatter

SpectralFunction = Callable[[np.ndarray], np.ndarray]


class EstimateStatus(Outcome):
    """How an estimate ended.

    Attributes:
      message: what happened.
      remedy: what to do.

    Example:
      >>> print(EstimateStatus.SINGULAR.message)
      the result depends on eigenvalues that float64 cannot tell from zero
    """

    CONVERGED = 0, "doubling the steps changed less than the standard error", "none needed"
    STEPS_EXHAUSTED = (
        1,
        "doubling the steps still changed more than the standard error",
        "raise `max_steps`, or take the Gaussian-channel information, which needs few steps",
    )
    SINGULAR = (
        2,
        "the result depends on eigenvalues that float64 cannot tell from zero",
        "drop the rows of inactive units (exact for a ReLU), or take the Gaussian-channel "
        "information; for the change by an activation project on the range of the Jacobian",
    )


class Estimate(NamedTuple):
    """A number estimated from random probes.

    Attributes:
      value: the estimate; -inf for the log-determinant of a singular operator.
      standard_error: over the probes; 0 where exact, inf where `value` is infinite.
      quadrature_error: |value - value at half the steps|; 0 where every Krylov space was
        exhausted. Not contained in `standard_error`.
      steps: Lanczos steps of the last doubling.
      num_probes: probes used.
      status: whether the steps sufficed.
    """

    value: float
    standard_error: float
    quadrature_error: float
    steps: int
    num_probes: int
    status: EstimateStatus

    @property
    def converged(self) -> bool:
        """Whether doubling the steps changed less than the standard error."""
        return self.status is EstimateStatus.CONVERGED

    @checked
    def scaled(self, factor: float, offset: float = 0.0) -> "Estimate":
        """Return factor * estimate + offset, its errors scaled too.

        Example:
          >>> Estimate(2.0, 0.5, 0.1, 8, 4, EstimateStatus.CONVERGED).scaled(0.5)[:3]
          (1.0, 0.25, 0.05)
        """
        return self._replace(
            value=factor * self.value + offset,
            standard_error=abs(factor) * self.standard_error,
            quadrature_error=abs(factor) * self.quadrature_error,
        )


@checked
@dataclasses.dataclass(frozen=True)
class QuadratureSettings:
    """How many probes and steps.

    Attributes:
      num_probes: N, at least 2. An operator of at most N rows is probed with unit vectors, which
        leaves no randomness.
      steps: Lanczos steps of the first attempt, at least 2.
      max_steps: the steps double up to this number.
      batch: probes at a time; memory is `steps * q * batch` numbers.

    Example:
      >>> QuadratureSettings(num_probes=64).batch
      8
    """

    num_probes: Annotated[int, Range(2)] = 32
    steps: Annotated[int, Range(2)] = 16
    max_steps: Count = 256
    batch: Count = 8

    def __post_init__(self) -> None:
        if self.max_steps < self.steps:
            raise ConfigError(f"`max_steps` is {self.max_steps}; give at least {self.steps}.")


DEFAULT = QuadratureSettings()


def exact_estimate(value: float) -> Estimate:
    """Return a number that needs no probes."""
    if np.isfinite(value):
        return Estimate(value, 0.0, 0.0, 0, 0, EstimateStatus.CONVERGED)
    return Estimate(value, np.inf, np.inf, 0, 0, EstimateStatus.SINGULAR)


def stochastic_trace(
    operator: Operator,
    size: int,
    functions: Sequence[SpectralFunction],
    *,
    key: jax.Array,
    settings: QuadratureSettings = DEFAULT,
    project: Operator | None = None,
) -> list[Estimate]:
    """Estimate tr f(K) for functions f of a symmetric positive semidefinite operator.

    For probes v with independent signs, E v^T f(K) v = tr f(K), and Gauss quadrature from m
    Lanczos steps replaces v^T f(K) v by q sum_j w_j f(theta_j) (Ubaru, Chen and Saad, SIAM J.
    Matrix Anal. Appl. 38, 2017). The variance of the mean over N probes is
    2 (|f(K)|_F^2 - sum_i f(K)_ii^2) / N. The standard error does not see the quadrature's bias,
    so the steps are doubled until the value changes by less than the standard error.

    No Ritz value is discarded: it is a node of a quadrature and no eigenvalue. One below 1e-14 of
    the largest does prove that K has an eigenvalue that small; it is then taken as 0, and the
    status is SINGULAR where f changes noticeably between 0 and there.

    Args:
      operator: K, [q, b] -> [q, b], float64 on the host.
      size: q; 0 gives 0.
      functions: from [k] eigenvalues at least 0 to [k] values; one run of Lanczos serves all.
      key: random key of the probes.
      settings: how many probes and steps.
      project: P, an orthogonal projector [q, b] -> [q, b] that commutes with K; the estimates are
        then of tr P f(K).

    Returns:
      One `Estimate` for each function.

    Raises:
      InputError: if the operator has a clearly negative eigenvalue, or returns what it may not.

    Example:
      >>> eigenvalues = np.array([[1.0], [4.0]])
      >>> (root,) = stochastic_trace(
      ...     lambda v: eigenvalues * v, 2, [np.sqrt], key=jax.random.key(0)
      ... )
      >>> round(root.value, 12), root.standard_error, root.converged
      (3.0, 0.0, True)
    """
    if size == 0:
        return [exact_estimate(0.0) for _ in functions]
    probes, exhaustive = _probes(size, key, settings)
    if project is not None:
        probes = np.asarray(project(probes), np.float64)
    steps = min(settings.steps, size)
    while True:
        samples = _samples(operator, probes, functions, steps, settings.batch)
        estimates = [
            _estimate(full, half, doubtful, exhaustive, steps) for full, half, doubtful in samples
        ]
        limit = min(settings.max_steps, size)
        again = EstimateStatus.STEPS_EXHAUSTED
        if steps >= limit or all(e.status is not again for e in estimates):
            return estimates
        steps = min(2 * steps, limit)


def _probes(size: int, key: jax.Array, settings: QuadratureSettings) -> tuple[np.ndarray, bool]:
    if size <= settings.num_probes:
        return np.eye(size), True
    # NumPy draws in float64 without a compilation for each shape.
    draw = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    return draw.choice([-1.0, 1.0], size=(size, settings.num_probes)), False


def _samples(
    operator: Operator,
    probes: np.ndarray,
    functions: Sequence[SpectralFunction],
    steps: int,
    batch: int,
) -> np.ndarray:
    """Return what each of N probes contributes to each trace, [functions, 3, N].

    By all steps, by half of them, and how far it depends on eigenvalues that round-off hides.
    """
    count = probes.shape[1]
    table = np.zeros((len(functions), 3, count))
    for first in range(0, count, batch):
        done = tridiagonalize(operator, probes[:, first : first + batch], steps)
        for column in np.flatnonzero(done.start_norm > 0):
            table[:, :, first + column] = _of_one_probe(done, int(column), functions)
    return table


def _of_one_probe(
    done: Tridiagonalization, column: int, functions: Sequence[SpectralFunction]
) -> list[list[float]]:
    steps = len(done.diagonal)
    nodes, weights = gauss_rule(done, column, steps)
    cutoff = max(ROUND_OFF * np.abs(nodes).max(), -nodes.min())
    if cutoff > 1e-6 * nodes.max() and cutoff > 0:
        raise InputError(
            f"`operator` has the Ritz value {nodes.min():.3g} beside the largest "
            f"{nodes.max():.3g}; it must be symmetric with no negative eigenvalue, as J J^T is."
        )
    half = gauss_rule(done, column, steps // 2 or 1)
    if done.exhausted()[column]:
        half = nodes, weights
    energy = float(done.start_norm[column] ** 2)
    rows = []
    for function in functions:
        totals = [_sum(function, *rule, cutoff) for rule in ((nodes, weights), half)]
        hidden = float(np.sum(weights[(nodes <= cutoff) & (weights > NO_WEIGHT)]))
        rows.append([*(energy * t for t in totals), energy * _doubt(function, cutoff, hidden)])
    return rows


def _sum(
    function: SpectralFunction, nodes: np.ndarray, weights: np.ndarray, cutoff: float
) -> float:
    present = weights > NO_WEIGHT
    nodes, weights = nodes[present], weights[present]
    with np.errstate(divide="ignore"):
        return float(np.sum(weights * function(np.where(nodes <= cutoff, 0.0, nodes))))


def _doubt(function: SpectralFunction, cutoff: float, hidden: float) -> float:
    """How far weight `hidden` between 0 and the cutoff can move the sum."""
    if hidden == 0:
        return 0.0
    with np.errstate(divide="ignore"):
        low, high = function(np.array([0.0, cutoff]))
    return hidden * abs(high - low) if np.isfinite(low) else np.inf


def _estimate(
    full: np.ndarray, half: np.ndarray, doubtful: np.ndarray, exhaustive: bool, steps: int
) -> Estimate:
    count = len(full)
    share = 1.0 if exhaustive else 1.0 / count
    value = float(np.sum(full) * share)
    if not np.isfinite(value):
        return Estimate(value, np.inf, np.inf, steps, count, EstimateStatus.SINGULAR)
    error = 0.0 if exhaustive else float(np.std(full, ddof=1) / np.sqrt(count))
    change = abs(value - float(np.sum(half) * share))
    slack = max(error, EXACT * abs(value))
    status = EstimateStatus.CONVERGED if change <= slack else EstimateStatus.STEPS_EXHAUSTED
    if np.sum(doubtful) * share > slack:
        status = EstimateStatus.SINGULAR
    return Estimate(value, error, change, steps, count, status)


@checked
def log_determinant(
    operator: Operator, size: Natural, *, key: Key, settings: QuadratureSettings = DEFAULT
) -> Estimate:
    """Estimate log det K = tr log K of a symmetric positive definite operator.

    See `stochastic_trace`. With m steps the quadrature is too large by an amount that falls like
    rho^(-2m), rho = (sqrt kappa + 1) / (sqrt kappa - 1), kappa the condition number: an
    ill-conditioned K needs many steps, and `quadrature_error` shows whether it had them. A
    singular K has log-determinant -inf and the status SINGULAR; the pseudo-determinant is not
    within reach of this method, because no threshold on Ritz values separates the zero
    eigenvalues from the others. Drop the inactive rows (`activated_operator`), or take
    `stochastic_channel`.

    Args:
      operator: K, [q, b] -> [q, b], float64 on the host: `JacobianOperator.gram`, or what
        `on_host` makes.
      size: q; 0 gives 0.
      key: random key of the probes.
      settings: how many probes and steps.

    Returns:
      The `Estimate`, in nats.

    Raises:
      InputError: if the operator has a clearly negative eigenvalue, or returns what it may not.

    Example:
      >>> import jax
      >>> eigenvalues = np.array([[1.0], [np.e], [np.e]])
      >>> result = log_determinant(lambda v: eigenvalues * v, 3, key=jax.random.key(0))
      >>> round(result.value, 12), result.converged
      (2.0, True)
      >>> log_determinant(lambda v: 0 * v, 3, key=jax.random.key(0)).value
      -inf
    """
    return stochastic_trace(operator, size, [np.log], key=key, settings=settings)[0]
