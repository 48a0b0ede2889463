"""`Vary`: one part of the graph that varies, and in which coordinates."""

from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import jraph

from jmetamer._base.errors import InputError
from jmetamer._base.keys import part_key

Theta = Any  # a pytree of arrays


def require_shape(theta: jax.Array, shape: tuple[int, ...]) -> None:
    """Raise `InputError` where coordinates are of another shape than those of the reference."""
    if theta.shape != shape:
        raise InputError(
            f"`theta` has shape {theta.shape}, but the coordinates of this `reference` have "
            f"{shape}; give those of `init` or `encode` of the same reference"
        )


class Vary(Protocol):
    """Pure functions between coordinates theta and graphs; hashable, compared by value.

    `reference` is a graph on the device. Nothing here reads what varies of it except `init`,
    `encode` and whatever a legal set is defined by (such as a number of ones).

    Attributes:
      part: "features", "edges" or "edge_weights"; parts of different names vary together.
      kind: by which measures are chosen: "continuous", "binary", "simple_edges" or "edge_weights".
      relaxed: whether gradients move theta; else theta is empty here, and a method makes the part.
      searched: whether it is searched for; else it is drawn for each seed and stays.
      smooth: whether the loss is a smooth function of theta, with gradients that are its own.
      tolerance: L_act at which a metamer counts as matched by default: 0 is not reached in floating
        point, and where numbers are whole it may be out of reach altogether.
      default_method: name of the method that finds such metamers best.
      by_entry: whether decoded nodes are the products of features with the network's first
        matrices, in the place of features.
    """

    part: ClassVar[str]
    kind: ClassVar[str]
    relaxed: ClassVar[bool] = True
    searched: ClassVar[bool] = True
    smooth: ClassVar[bool] = True
    tolerance: ClassVar[float] = 1e-4
    default_method: ClassVar[str] = "optimize"
    by_entry: ClassVar[bool] = False

    @property
    def is_free(self) -> bool:
        """Whether theta is features [n, d] of which all real numbers are legal."""
        return False

    def check(self, reference: jraph.GraphsTuple) -> None:
        """Raise `InputError` where this reference has no such coordinates."""
        return

    def init(self, key: jax.Array, reference: jraph.GraphsTuple) -> Theta:
        """Return a random start."""
        ...

    def draw(
        self, base_seed: int | jax.Array, seed_id: int | jax.Array, reference: jraph.GraphsTuple
    ) -> Theta:
        """Return the start of one seed: the same alone as beside other parts."""
        return self.init(part_key(base_seed, seed_id, self.part), reference)

    def begin(
        self, drawn: Theta, reference: jraph.GraphsTuple
    ) -> tuple[Theta, jraph.GraphsTuple, jraph.GraphsTuple]:
        """Return theta of a start, and the graphs in place of the reference for one seed.

        A wrapper of a part counts theta from the start itself. The graphs are that which `harden`
        takes, and that which `decode` takes, whose nodes may be fewer numbers.

        Args:
          drawn: from `init` of the part.
          reference: with what a wrapper needs beside it in `globals`.
        """
        return drawn, reference, reference

    def encode(self, reference: jraph.GraphsTuple) -> Theta:
        """Return coordinates of the reference itself: `harden(encode(G)) = G`."""
        ...

    def decode(self, theta: Theta, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph that the network sees during synthesis; differentiable."""
        ...

    def project(self, theta: Theta, reference: jraph.GraphsTuple) -> Theta:
        """Return the nearest legal coordinates; idempotent."""
        return theta

    def harden(self, theta: Theta, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph that is reported and stored: real features, real edges."""
        return self.decode(theta, reference)

    def penalty(self, theta: Theta, reference: jraph.GraphsTuple) -> jax.Array:
        """Return a scalar added to the loss and logged apart from it."""
        return jnp.zeros((), jnp.float32)
