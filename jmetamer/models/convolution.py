"""`Convolution`: one step of message passing; each architecture has its own."""

from collections.abc import Callable
from typing import Any, TypeGuard

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import check_fields
from jmetamer._base.errors import InputError
from jmetamer.models.protocol import LayerStructure

Activate = Callable[[jax.Array], jax.Array]


class Convolution(nn.Module):
    """One step of message passing, without nonlinearity; each architecture has its own.

    A subclass defines `__call__(x, graph, *, product, training, activate)`:
    `x` is [n, d], or None where `product` is given; `product` is [n, m] or None and stands for `x`
    times the matrices applied directly to it, side by side; `training` switches dropout on;
    `activate` is the network's nonlinearity for an inner layer of the convolution. It returns
    [n, width].

    Attributes:
      width: number of output columns.
    """

    width: int

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__call__" in vars(cls) and "structure" not in vars(cls):
            cls.structure = Convolution.structure  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        check_fields(self, without=("parent",))
        super().__post_init__()

    @nn.nowrap
    def structure(self) -> LayerStructure:
        """Return what is known of it, with this convolution's own parameters as `params`.

        Where it names "sum", "mean" or "symmetric", it passes what it combines through
        `aggregation.tapped`. A subclass that computes otherwise and says nothing is unknown.
        """
        return LayerStructure()

    @nn.nowrap
    @staticmethod
    def aggregates_first(
        x: jax.Array | None, product: jax.Array | None, width: int
    ) -> TypeGuard[jax.Array]:
        """Return whether summing over neighbors is cheaper before the matrix than after it.

        A linear aggregation commutes with the matrix, and costs as much as its input is wide.

        Args:
          x: [n, d], or None where `product` is given.
          product: [n, width], or None.
          width: number of columns of the matrix.
        """
        return product is None and x is not None and x.shape[1] < width

    def multiply(
        self, x: jax.Array | None, product: jax.Array | None, **widths: int
    ) -> list[jax.Array]:
        """Return `x` times each of the named matrices, or the columns of `product` in their place.

        Args:
          x: [n, d], or None where `product` is given.
          product: [n, sum of widths], or None.
          widths: parameter name = number of columns, in the order of `Network.entry_kernels`.
        """
        if product is not None:
            ends = np.cumsum(list(widths.values()))[:-1]
            return jnp.split(product, ends, axis=1)
        if x is None:
            raise InputError("a convolution needs its input `x` or the `product`; got neither.")
        glorot = nn.initializers.glorot_uniform()
        return [x @ self.param(name, glorot, (x.shape[1], w)) for name, w in widths.items()]
