"""Parts of a graph that vary together, and `Together`, which moves them as one."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import jraph

from jmetamer._base.errors import InputError
from jmetamer.metamers.vary.protocol import Theta, Vary


@dataclasses.dataclass(frozen=True)
class Together(Vary):
    """Several parts, or none: theta has one entry a part, and graphs are decoded in their order.

    Each part starts where it would alone.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> graph = make_graph([[1.0], [2.0]], [], [])
      >>> Together(()).decode((), graph) is graph
      True
    """

    parts: tuple[Vary, ...]
    part: ClassVar[str] = "several"
    kind: ClassVar[str] = "several"

    def init(self, key: jax.Array, reference: jraph.GraphsTuple) -> tuple[Theta, ...]:
        """Return a random start of each part."""
        keys = jax.random.split(key, len(self.parts))
        return tuple(p.init(k, reference) for p, k in zip(self.parts, keys, strict=True))

    def draw(
        self, base_seed: int | jax.Array, seed_id: int | jax.Array, reference: jraph.GraphsTuple
    ) -> tuple[Theta, ...]:
        """Return the start of each part for one seed."""
        return tuple(part.draw(base_seed, seed_id, reference) for part in self.parts)

    def encode(self, reference: jraph.GraphsTuple) -> tuple[Theta, ...]:
        """Return the reference's coordinates of each part."""
        return tuple(part.encode(reference) for part in self.parts)

    def decode(self, theta: tuple[Theta, ...], reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph with all parts decoded, one after the other."""
        for part, own in zip(self.parts, theta, strict=True):
            reference = part.decode(own, reference)
        return reference

    def project(self, theta: tuple[Theta, ...], reference: jraph.GraphsTuple) -> tuple[Theta, ...]:
        """Return the nearest legal coordinates of each part."""
        each = zip(self.parts, theta, strict=True)
        return tuple(part.project(own, reference) for part, own in each)

    def harden(self, theta: tuple[Theta, ...], reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph with all parts hardened, one after the other."""
        for part, own in zip(self.parts, theta, strict=True):
            reference = part.harden(own, reference)
        return reference

    def penalty(self, theta: tuple[Theta, ...], reference: jraph.GraphsTuple) -> jax.Array:
        """Return the sum of the penalties."""
        each = zip(self.parts, theta, strict=True)
        return sum((p.penalty(own, reference) for p, own in each), jnp.zeros((), jnp.float32))


def parts_of(vary: Vary | Sequence[Vary]) -> tuple[Vary, ...]:
    """Return the parts that vary, features first, in whatever order they are named.

    Args:
      vary: one part, or several.

    Raises:
      InputError: no part, two of one part of the graph, or one that is not searched, alone.

    Example:
      >>> import jmetamer as jm
      >>> [part.part for part in parts_of((jm.BinaryEdges(), jm.ContinuousFeatures()))]
      ['features', 'edges']
    """
    several = tuple(vary) if isinstance(vary, Sequence) else (vary,)
    parts = tuple(sorted(several, key=lambda part: part.part, reverse=True))
    if not parts:
        raise InputError("`vary` is empty; name at least one part, as `ContinuousFeatures()`")
    names = [part.part for part in parts]
    if len(set(names)) < len(names) or {"edges", "edge_weights"} <= {*names}:
        raise InputError(
            f"`vary` names {' and '.join(type(part).__name__ for part in parts)}, of which two say "
            "how the same part of the graph varies; leave one of them out"
        )
    if not any(part.searched for part in parts):
        raise InputError(
            f"`vary` is {parts[0]!r}, which is drawn for each seed and not searched for; give "
            f"features beside it, as `vary=(ContinuousFeatures(), {type(parts[0]).__name__}())`"
        )
    return parts
