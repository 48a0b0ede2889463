"""`Parameterization`: what of the graph varies, and in which coordinates."""

from typing import Any, ClassVar, Protocol

import jax
import jraph

from jmetamer._base.errors import InputError

Theta = Any  # a pytree of arrays


def require_shape(theta: Any, shape: tuple[int, ...]) -> None:
    """Raise `InputError` where coordinates are of another shape than those of the reference."""
    if theta.shape != shape:
        raise InputError(
            f"`theta` has shape {theta.shape}, but the coordinates of this `reference` have "
            f"{shape}; give those of `init` or `encode` of the same reference"
        )


class Parameterization(Protocol):
    """Pure functions between coordinates theta and graphs; hashable, compared by value.

    `reference` is a graph on the device. Nothing here reads its features except `init`,
    `encode` and whatever a legal set is defined by (such as a number of ones).

    Attributes:
      default_method: name of the method that finds such metamers best.
      smooth: whether the loss is a smooth function of theta, with gradients that are its own.
      tolerance: L_act at which a metamer counts as matched by default: 0 is not reached in floating
        point, and where numbers are whole it may be out of reach altogether.
    """

    default_method: ClassVar[str] = "optimize"
    smooth: ClassVar[bool]
    tolerance: ClassVar[float]

    def check(self, reference: jraph.GraphsTuple) -> None:
        """Raise `InputError` where this reference has no such coordinates."""
        ...

    def init(self, key: jax.Array, reference: jraph.GraphsTuple) -> Theta:
        """Return a random start."""
        ...

    def encode(self, reference: jraph.GraphsTuple) -> Theta:
        """Return coordinates of the reference itself: `harden(encode(G)) = G`."""
        ...

    def decode(self, theta: Theta, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph that the network sees during synthesis; differentiable."""
        ...

    def project(self, theta: Theta, reference: jraph.GraphsTuple) -> Theta:
        """Return the nearest legal coordinates; idempotent."""
        ...

    def harden(self, theta: Theta, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph that is reported and stored: real features, real edges."""
        ...

    def penalty(self, theta: Theta, reference: jraph.GraphsTuple) -> jax.Array:
        """Return a scalar added to the loss and logged apart from it."""
        ...
