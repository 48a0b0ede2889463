"""The nonlinearities that a network may use, by name."""

import functools
from collections.abc import Callable
from types import MappingProxyType

import jax


def identity(z: jax.Array) -> jax.Array:
    """Return `z` itself: a linear network.

    Example:
      >>> identity(3.0)
      3.0
    """
    return z


# gelu is the exact one, `z Phi(z)`, as in PyTorch, not jax.nn's default tanh approximation.
ACTIVATIONS: MappingProxyType[str, Callable[[jax.Array], jax.Array]] = MappingProxyType(
    {
        "relu": jax.nn.relu,
        "elu": jax.nn.elu,
        "leaky_relu": jax.nn.leaky_relu,
        "tanh": jax.numpy.tanh,
        "gelu": functools.partial(jax.nn.gelu, approximate=False),
        "softplus": jax.nn.softplus,
        "identity": identity,
    }
)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def with_identity_backward(name: str, z: jax.Array) -> jax.Array:
    """Apply a nonlinearity whose derivative is taken to be one.

    The forward value is unchanged; gradients pass as if the layer were linear, so that units a
    ReLU has switched off still receive one.

    Args:
      name: key of `ACTIVATIONS`, static.
      z: array of any shape.

    Returns:
      `ACTIVATIONS[name](z)`, same shape as `z`.

    Example:
      >>> float(jax.grad(lambda z: with_identity_backward("relu", z))(-2.0))
      1.0
    """
    return ACTIVATIONS[name](z)


@with_identity_backward.defjvp
def _identity_jvp(
    name: str, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    return ACTIVATIONS[name](primals[0]), tangents[0]
