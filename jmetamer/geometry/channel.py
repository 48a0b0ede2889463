"""The Jacobian as a Gaussian channel: information and effective dimension, at every rank."""

from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray, Key, Natural, NonNegative, Numbers, Positive, checked
from jmetamer._base.errors import InputError
from jmetamer.geometry import stochastic_trace as traces
from jmetamer.geometry.lanczos import Operator


class Channel(NamedTuple):
    """Estimates for an operator, from the same probes.

    Attributes:
      information: nats.
      effective_dimension: a number of directions, between 0 and the rank.
    """

    information: traces.Estimate
    effective_dimension: traces.Estimate


@checked
def channel_information(
    values: Numbers, *, input_std: NonNegative, noise_std: Positive
) -> np.ndarray:
    """Return the information that a noisy activation carries about the input, in nats.

    For inputs theta + tau e and activations F + s n with standard normal e and n, linearized,

        I_s = 1/2 logdet(I + (tau / s)^2 J J^T) = 1/2 sum_i log(1 + (tau sigma_i / s)^2).

    It is finite at every rank, so networks of different architectures may be compared; as s -> 0
    it is logvol(J) - r log(s / tau) + o(1).

    Args:
      values: [..., k] singular values; NaN padding is ignored.
      input_std: tau, standard deviation of the input, at least 0, in units of the input.
      noise_std: s, standard deviation of the activation's noise, above 0, in units of it.

    Returns:
      [...] float64.

    Raises:
      InputError: if a standard deviation is out of range or a singular value negative.

    Example:
      >>> channel_information([np.sqrt(np.e - 1), 0.0], input_std=1.0, noise_std=1.0).round(12)
      np.float64(0.5)
    """
    ratio = _signal_to_noise(values, input_std, noise_std)
    # log(1 + x^2) / 2 with neither overflow for large x nor cancellation for small x.
    large = np.maximum(ratio, 1.0)
    small = np.minimum(ratio, 1.0)
    return np.sum(np.log(large) + 0.5 * np.log1p((small / large) ** 2), axis=-1)


@checked
def effective_dimension(
    values: Numbers, *, input_std: NonNegative, noise_std: Positive
) -> np.ndarray:
    """Return how many input directions stand out of the noise, as a smooth count.

    With K = J J^T, d_eff = tr K (K + (s / tau)^2 I)^-1 = sum_i sigma_i^2 / (sigma_i^2 +
    (s / tau)^2), which tends to the rank as s -> 0 and equals -s dI_s / ds.

    Args:
      values: [..., k] singular values; NaN padding is ignored.
      input_std: tau, at least 0.
      noise_std: s, above 0.

    Returns:
      [...] float64, between 0 and k.

    Raises:
      InputError: if a standard deviation is out of range or a singular value negative.

    Example:
      >>> effective_dimension([1.0, 1e9, 0.0], input_std=1.0, noise_std=1.0)
      np.float64(1.5)
    """
    ratio = _signal_to_noise(values, input_std, noise_std)
    large = np.maximum(ratio, 1.0)
    return np.sum((ratio / large) ** 2 / ((ratio / large) ** 2 + (1 / large) ** 2), axis=-1)


@checked
def stochastic_channel(
    operator: Operator,
    size: Natural,
    *,
    input_std: NonNegative,
    noise_std: Positive,
    key: Key,
    settings: traces.QuadratureSettings = traces.DEFAULT,
) -> Channel:
    """Estimate information and effective dimension from products with K = J J^T.

    The noise bounds the spectrum from below, so few Lanczos steps suffice even where K is
    singular. See `channel_information`, `effective_dimension` and `stochastic_trace`.

    Args:
      operator: K, [q, b] -> [q, b], float64 on the host.
      size: q; 0 gives 0.
      input_std: tau, at least 0.
      noise_std: s, above 0. Below about 1e-7 of tau times the largest singular value, zero
        eigenvalues of K cannot be told from the noise; the status then is SINGULAR.
      key: random key of the probes.
      settings: how many probes and steps.

    Returns:
      The `Channel`.

    Raises:
      InputError: if a standard deviation is out of range, or the operator returns what it may not.

    Example:
      >>> import jax
      >>> eigenvalues = np.array([[1.0], [0.0]])
      >>> result = stochastic_channel(
      ...     lambda v: eigenvalues * v, 2, input_std=1.0, noise_std=1.0, key=jax.random.key(0)
      ... )
      >>> round(result.effective_dimension.value, 12), result.information.converged
      (0.5, True)
    """
    gain = (input_std / noise_std) ** 2

    def information(eigenvalues: np.ndarray) -> np.ndarray:
        return 0.5 * np.log1p(gain * eigenvalues)

    def dimension(eigenvalues: np.ndarray) -> np.ndarray:
        return gain * eigenvalues / (1 + gain * eigenvalues)

    functions = (information, dimension)
    return Channel(*traces.stochastic_trace(operator, size, functions, key=key, settings=settings))


def _signal_to_noise(values: AnArray, input_std: float, noise_std: float) -> np.ndarray:
    values = np.nan_to_num(np.asarray(values, np.float64), nan=0.0)
    if (values < 0).any() or np.isinf(values).any():
        raise InputError("`values` must be finite and not negative; give singular values.")
    return values * (input_std / noise_std)
