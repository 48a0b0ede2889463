"""Log-determinant of an operator too large for a dense decomposition."""

import numpy as np

from jmetamer._base.arguments import Key, Natural, checked
from jmetamer.geometry.lanczos import Operator
from jmetamer.geometry.stochastic_trace import (
    DEFAULT,
    Estimate,
    QuadratureSettings,
    stochastic_trace,
)


@checked
def log_determinant(
    operator: Operator,
    size: Natural,
    *,
    key: Key,
    settings: QuadratureSettings = DEFAULT,
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
