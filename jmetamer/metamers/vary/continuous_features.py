"""`ContinuousFeatures`: node features vary as real numbers, the edges stay."""

import dataclasses
from typing import ClassVar, Protocol

import jax
import jax.numpy as jnp
import jraph

from jmetamer._base.arguments import Key, Matrix, checked
from jmetamer._base.errors import InputError
from jmetamer.metamers.vary.initialization import GlobalNoise, Initialization
from jmetamer.metamers.vary.protocol import Vary, require_shape


class Domain(Protocol):
    """The set in which feature values are legal; hashable."""

    def project(self, features: jax.Array) -> jax.Array:
        """Return the nearest legal values, [n, d]."""
        ...


@checked
@dataclasses.dataclass(frozen=True)
class Free:
    """All real numbers.

    Example:
      >>> Free().project(jnp.array([-2.0]))
      Array([-2.], dtype=float32)
    """

    def project(self, features: jax.Array) -> jax.Array:
        """Return `features` as they are."""
        return features


@checked
@dataclasses.dataclass(frozen=True)
class Box:
    """The interval [low, high] for every entry.

    Raises:
      InputError: `low` is not smaller than `high`.

    Example:
      >>> Box(0.0, 1.0).project(jnp.array([-2.0, 0.5, 3.0]))
      Array([0. , 0.5, 1. ], dtype=float32)
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(
                f"`low`={self.low} must be smaller than `high`={self.high}: "
                "an empty box holds no features; swap or widen the bounds"
            )

    def project(self, features: jax.Array) -> jax.Array:
        """Return the values clipped to [low, high]."""
        return jnp.clip(features, self.low, self.high)


@checked
@dataclasses.dataclass(frozen=True)
class NonNegative:
    """All numbers from zero upward.

    Example:
      >>> NonNegative().project(jnp.array([-2.0, 0.5]))
      Array([0. , 0.5], dtype=float32)
    """

    def project(self, features: jax.Array) -> jax.Array:
        """Return the values clipped below at zero."""
        return jnp.maximum(features, 0)


DOMAINS = {"free": Free, "box": Box, "non_negative": NonNegative}


@checked
@dataclasses.dataclass(frozen=True)
class ContinuousFeatures(Vary):
    """Node features are free real numbers, or real numbers in a domain; theta is X' [n, d].

    Attributes:
      domain: `Free()`, `Box(low, high)` or `NonNegative()`; kept by clipping after every step.
      initialization: `GlobalNoise()`, `PerFeatureNoise()` or `PermutedRows()`.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> graph = make_graph([[0.5], [2.0]], senders=[0, 1], receivers=[1, 0])
      >>> vary = ContinuousFeatures(Box(0.0, 1.0))
      >>> vary.decode(vary.project(vary.encode(graph), graph), graph).nodes.tolist()
      [[0.5], [1.0]]
    """

    domain: Domain = Free()
    initialization: Initialization = GlobalNoise()
    part: ClassVar[str] = "features"
    kind: ClassVar[str] = "continuous"

    @property
    def is_free(self) -> bool:
        """Whether all real features are legal."""
        return self.domain == Free()

    def init(self, key: Key, reference: jraph.GraphsTuple) -> jax.Array:
        """Return noise [n, d] inside the domain."""
        return self.domain.project(self.initialization(key, reference.nodes))

    def encode(self, reference: jraph.GraphsTuple) -> jax.Array:
        """Return the reference's features [n, d]."""
        return jnp.asarray(reference.nodes)

    def decode(self, theta: Matrix, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the reference with features `theta` [n, d]."""
        require_shape(theta, reference.nodes.shape)
        return reference._replace(nodes=theta)

    def project(self, theta: Matrix, reference: jraph.GraphsTuple) -> jax.Array:
        """Return `theta` clipped to the domain, [n, d]."""
        return self.domain.project(theta)
