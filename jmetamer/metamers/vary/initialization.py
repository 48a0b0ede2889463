"""Where a metamer starts: noise that shares statistics with the reference and nothing else.

`X0 = mu + tau * eps` with standard normal `eps`, as in the paper (arXiv 2510.17378); the classes
differ in what `mu` and `tau` are, or permute the reference's rows instead.
"""

import dataclasses
from typing import Protocol

import jax
import jax.numpy as jnp

from jmetamer._base.arguments import Finite, Key, Matrix, NonNegative, checked
from jmetamer._base.errors import InputError
from jmetamer._base.noise import standard_normal


class Initialization(Protocol):
    """Draws a start; hashable, because it is a static argument of compiled functions."""

    def __call__(self, key: jax.Array, features: jax.Array) -> jax.Array:
        """Return a start [n, d] of the dtype of `features` [n, d]."""
        ...


@checked
@dataclasses.dataclass(frozen=True)
class GlobalNoise:
    """Normal noise with the mean and the standard deviation of all entries of the reference.

    Attributes:
      mean, std: numbers to use in place of the reference's; both or none. They make the start
        independent of the reference.

    Raises:
      InputError: only one of the two is given, or `std` is negative.

    Example:
      >>> features = jnp.arange(6.0).reshape(3, 2)
      >>> GlobalNoise()(jax.random.key(0), features).shape
      (3, 2)
    """

    mean: Finite | None = None
    std: NonNegative | None = None

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise InputError(
                f"`mean`={self.mean} and `std`={self.std}: give both, or none to use the "
                "reference's"
            )

    def __call__(self, key: Key, features: Matrix) -> jax.Array:
        """Return `mean(X) + std(X) * eps`, [n, d]."""
        noise = standard_normal(key, features.shape)
        if self.mean is not None and self.std is not None:
            return self.mean + self.std * noise
        mean, spread = _moments(features, None)
        return mean + spread * noise


@checked
@dataclasses.dataclass(frozen=True)
class PerFeatureNoise:
    """Normal noise with the mean and the standard deviation of each column of the reference.

    Example:
      >>> features = jnp.array([[0.0, 5.0], [0.0, 7.0]])
      >>> PerFeatureNoise()(jax.random.key(0), features)[:, 0]
      Array([0., 0.], dtype=float32)
    """

    def __call__(self, key: Key, features: Matrix) -> jax.Array:
        """Return `mean_v(X) + std_v(X) * eps` with one mean and deviation a column, [n, d]."""
        noise = standard_normal(key, features.shape)
        mean, spread = _moments(features, 0)
        return mean + spread * noise


@checked
@dataclasses.dataclass(frozen=True)
class PermutedRows:
    """The reference's own rows in random order: every column keeps its values exactly.

    Example:
      >>> features = jnp.arange(6.0).reshape(3, 2)
      >>> start = PermutedRows()(jax.random.key(0), features)
      >>> bool((jnp.sort(start, axis=0) == features).all())
      True
    """

    def __call__(self, key: Key, features: Matrix) -> jax.Array:
        """Return the rows of `features` in random order, [n, d]."""
        return jax.random.permutation(key, features, axis=0)


def _moments(features: jax.Array, axis: int | None) -> tuple[jax.Array, jax.Array]:
    """Return mean and standard deviation; of equal numbers their value and 0, without round-off."""
    low, high = jnp.min(features, axis), jnp.max(features, axis)
    mean = jnp.where(low == high, low, jnp.mean(features, axis))
    return mean, jnp.where(low == high, 0.0, jnp.std(features, axis))


INITIALIZATIONS = {
    "global": GlobalNoise,
    "per_feature": PerFeatureNoise,
    "permuted": PermutedRows,
}
