"""What the optimizer minimizes so that activations match.

Reported is always the relative squared error `L_act = |h' - h|^2 / |h|^2`; a loss says which
residual is driven to zero to get there.
"""

import dataclasses
from typing import Protocol

import jax
import jax.numpy as jnp

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError


class Loss(Protocol):
    """Residual of one layer; hashable, because it is a static argument of compiled functions."""

    def residual(
        self, pre: jax.Array | None, post: jax.Array, target: jax.Array, nonlinearity: str | None
    ) -> jax.Array:
        """Return the residual [t, c], zero exactly where the activation matches.

        Args:
          pre: [t, c] input of the layer's nonlinearity, or None where it has none.
          post: [t, c] activation.
          target: [t, c] activation to be matched.
          nonlinearity: name of the nonlinearity between `pre` and `post`, or None.
        """
        ...


@checked
@dataclasses.dataclass(frozen=True)
class RelativeSquared:
    """The plain residual `h' - h` of the paper.

    At a ReLU output its gradient is zero for a unit that should be active and is not, so synthesis
    can stall there; `Complementarity` has no such dead zone.

    Example:
      >>> RelativeSquared().residual(None, jnp.array([[2.0]]), jnp.array([[3.0]]), None)
      Array([[-1.]], dtype=float32)
    """

    def residual(
        self, pre: jax.Array | None, post: jax.Array, target: jax.Array, nonlinearity: str | None
    ) -> jax.Array:
        """Return `post - target`, [t, c]."""
        _require_alike(post, target=target)
        return post - target


@checked
@dataclasses.dataclass(frozen=True)
class Complementarity:
    """The residual without a dead zone at a ReLU output; elsewhere the plain one.

    With pre-activation z and target h: `r = z - h` where `h > 0`, and `r = max(z, 0)` where
    `h = 0`. Then `r = 0` if and only if `relu(z) = h`, and `|relu(z) - h| <= |r|`, so a small
    loss is a small `L_act`.

    Example:
      >>> pre = jnp.array([[-1.0, -1.0]])
      >>> target = jnp.array([[3.0, 0.0]])
      >>> Complementarity().residual(pre, jax.nn.relu(pre), target, "relu")
      Array([[-4.,  0.]], dtype=float32)
    """

    def residual(
        self, pre: jax.Array | None, post: jax.Array, target: jax.Array, nonlinearity: str | None
    ) -> jax.Array:
        """Return the residual [t, c]."""
        _require_alike(post, target=target, pre=post if pre is None else pre)
        if nonlinearity != "relu" or pre is None:
            return post - target
        return jnp.where(target > 0, pre - target, jnp.maximum(pre, 0))


def _require_alike(post: jax.Array, **others: jax.Array) -> None:
    """Refuse activations of another shape, which would be broadcast or end in an error of JAX."""
    for name, array in others.items():
        if jnp.shape(array) != jnp.shape(post):
            raise InputError(
                f"`{name}` has shape {jnp.shape(array)}, but `post` has {jnp.shape(post)}; give "
                "activations of the same nodes and layer"
            )


LOSSES = {"relative_squared": RelativeSquared, "complementarity": Complementarity}
