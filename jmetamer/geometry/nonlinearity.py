"""log |sigma'(z)| of the usual activations, in forms that neither underflow nor cancel.

The derivative itself underflows where the activation saturates (tanh beyond |z| = 20 in float64),
so its logarithm is written down in closed form rather than taken from automatic differentiation.
At a kink the value of `jax.nn` is kept: relu'(0) = 0, leaky_relu'(0) = 1.
"""

import math
from collections.abc import Callable

import numpy as np
import scipy.special

from jmetamer._base.arguments import AnArray, checked
from jmetamer._base.errors import unknown_name

LogDerivative = Callable[[AnArray], np.ndarray]

LEAKY_SLOPE = 0.01  # the default of jax.nn.leaky_relu


def identity(z: AnArray) -> np.ndarray:
    """Return log|d z / dz| = 0.

    Example:
      >>> identity([-1.0, 2.0])
      array([0., 0.])
    """
    return np.zeros_like(_float64(z))


def relu(z: AnArray) -> np.ndarray:
    """Return 0 where z > 0, else -inf (the unit is inactive and its row of the Jacobian zero).

    Example:
      >>> relu([-1.0, 0.0, 2.0])
      array([-inf, -inf, 0.])
    """
    return np.where(_float64(z) > 0, 0.0, -np.inf)


def leaky_relu(z: AnArray) -> np.ndarray:
    """Return 0 where z >= 0, else log 0.01.

    Example:
      >>> leaky_relu([-1.0, 2.0]).round(4)
      array([-4.6052, 0. ])
    """
    return np.where(_float64(z) >= 0, 0.0, math.log(LEAKY_SLOPE))


def elu(z: AnArray) -> np.ndarray:
    """Return min(z, 0), for alpha = 1.

    Example:
      >>> elu([-50.0, 2.0])
      array([-50., 0.])
    """
    return np.minimum(_float64(z), 0.0)


def tanh(z: AnArray) -> np.ndarray:
    """Return log(1 - tanh^2 z) = 2 (log 2 - |z| - log1p(exp(-2 |z|))).

    Example:
      >>> tanh([0.0, 100.0]).round(4)
      array([ 0. , -198.6137])
    """
    size = np.abs(_float64(z))
    return 2 * (math.log(2) - size - np.log1p(np.exp(-2 * size)))


def sigmoid(z: AnArray) -> np.ndarray:
    """Return log(s (1 - s)) = -|z| - 2 log1p(exp(-|z|)), with s = 1 / (1 + exp(-z)).

    Example:
      >>> sigmoid([0.0, -800.0]).round(4)
      array([ -1.3863, -800. ])
    """
    size = np.abs(_float64(z))
    return -size - 2 * np.log1p(np.exp(-size))


def softplus(z: AnArray) -> np.ndarray:
    """Return log(1 / (1 + exp(-z))) = min(z, 0) - log1p(exp(-|z|)).

    Example:
      >>> softplus([-80.0, 0.0]).round(4)
      array([-80. , -0.6931])
    """
    z = _float64(z)
    return np.minimum(z, 0.0) - np.log1p(np.exp(-np.abs(z)))


def gelu_tanh(z: AnArray) -> np.ndarray:
    """Return log|g'| of g = z s(2u), u = sqrt(2/pi) (z + 0.044715 z^3), the default of jax.nn.gelu.

    With s the logistic function, g' = s(2u) (1 + 2 z u' s(-2u)). It vanishes at z = -0.75246.

    Example:
      >>> gelu_tanh([0.0, 40.0]).round(4)
      array([-0.6931, 0. ])
    """
    z = _float64(z)
    factor = math.sqrt(2 / math.pi)
    u = factor * (z + 0.044715 * z**3)
    slope = factor * (1 + 3 * 0.044715 * z**2)
    with np.errstate(divide="ignore"):
        bracket = np.log(np.abs(1 + 2 * z * slope * scipy.special.expit(-2 * u)))
    return scipy.special.log_expit(2 * u) + bracket


def gelu(z: AnArray) -> np.ndarray:
    """Return log|g'| of g = z Phi(z), Phi the normal distribution: jax.nn.gelu(approximate=False).

    g' = Phi(z) + z phi(z), vanishing at z = -0.75179. For z < 0 the density is taken out,
    g' = phi(z) (m(-z) + z), with m(x) = sqrt(pi/2) erfcx(x / sqrt 2) the Mills ratio.

    Example:
      >>> gelu([0.0, 40.0]).round(4)
      array([-0.6931, 0. ])
    """
    z = _float64(z)
    lower = np.minimum(z, 0.0)
    upper = np.maximum(z, 0.0)
    log_density = -0.5 * math.log(2 * math.pi) - 0.5 * lower**2
    mills = math.sqrt(math.pi / 2) * scipy.special.erfcx(-lower / math.sqrt(2))
    density = np.exp(-0.5 * upper**2) / math.sqrt(2 * math.pi)
    with np.errstate(divide="ignore"):
        below = log_density + np.log(np.abs(mills + lower))
    above = np.log(scipy.special.ndtr(upper) + upper * density)
    return np.where(z < 0, below, above)


_ACTIVATIONS = (identity, relu, leaky_relu, elu, tanh, sigmoid, softplus, gelu_tanh, gelu)
LOG_DERIVATIVES: dict[str, LogDerivative] = {each.__name__: each for each in _ACTIVATIONS}


@checked
def log_derivative(name: str) -> LogDerivative:
    """Return the function z -> log|sigma'(z)| of an activation by its name.

    Args:
      name: key of `LOG_DERIVATIVES`.

    Returns:
      A function from an array to a float64 array of its shape, in nats, -inf where sigma' = 0.

    Raises:
      InputError: if the name is in no table, with the nearest match.

    Example:
      >>> log_derivative("elu")([-3.0])
      array([-3.])
    """
    if name not in LOG_DERIVATIVES:
        raise unknown_name("activation", name, LOG_DERIVATIVES)
    return LOG_DERIVATIVES[name]


def _float64(z: AnArray) -> np.ndarray:
    return np.asarray(z, np.float64)
