"""What the optimizer minimizes so that activations match.

A loss steers the search and nothing else: tolerance, status and verdict are always those of the
relative squared error `L_act = |h' - h|^2 / |h|^2`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jmetamer._base.arguments import NonNegative, checked, require_alike
from jmetamer._base.errors import InputError, unknown_name


class MatchedLayer(NamedTuple):
    """One layer to be matched, at the target nodes.

    Attributes:
      name: of the layer.
      pre: [t, c] input of the layer's nonlinearity, or None where it has none.
      post: [t, c] activation.
      target: [t, c] activation to be matched.
      nonlinearity: name of the nonlinearity between `pre` and `post`, or None.
      scale: [] |target|^2, or 1 where that is zero.
    """

    name: str
    pre: jax.Array | None
    post: jax.Array
    target: jax.Array
    nonlinearity: str | None = None
    scale: jax.Array | float = 1.0


class Loss(Protocol):
    """From activations to the number that a search minimizes.

    Hashable and equal by value, because it is a static argument of compiled functions. A class that
    inherits from it needs `residual` alone, or `has_residual = False` and `objective`.

    Attributes:
      has_residual: whether there is a residual, zero exactly where the activation matches, whose
        squares add up to the objective; without, methods that solve equations refuse the loss.
      skips_nonlinearity: whether its residual reads what enters a nonlinearity, so that no
        gradient has to pass it.
    """

    has_residual: ClassVar[bool] = True
    skips_nonlinearity: ClassVar[bool] = False

    def residual(self, layer: MatchedLayer) -> jax.Array:
        """Return the residual [t, c] of one layer, in units of its activation.

        Raises:
          InputError: there is none.
        """
        raise InputError(without_residual(self))

    def objective(self, layers: Sequence[MatchedLayer]) -> jax.Array:
        """Return the scalar to minimize: the mean over layers of `|residual|^2 / |target|^2`."""
        total = jnp.zeros(())
        for layer in layers:
            total += jnp.sum(jnp.square(self.residual(layer))) / layer.scale / len(layers)
        return total

    def check(self, layers: Sequence[str]) -> None:
        """Raise `InputError` where the loss does not fit the names of the matched layers."""
        return


def without_residual(loss: Loss) -> str:
    """Say that a loss has no residual for a method that solves equations."""
    return (
        f"the loss {loss!r} has no residual, which this method drives to zero; take "
        "`Complementarity()` or `RelativeSquared()`, or another method"
    )


@checked
@dataclasses.dataclass(frozen=True)
class RelativeSquared(Loss):
    """The plain residual `h' - h` of the paper.

    At a ReLU output its gradient is zero for a unit that should be active and is not, so synthesis
    can stall there; `Complementarity` has no such dead zone.

    Example:
      >>> layer = MatchedLayer("logits", None, jnp.array([[2.0]]), jnp.array([[3.0]]))
      >>> RelativeSquared().residual(layer)
      Array([[-1.]], dtype=float32)
    """

    def residual(self, layer: MatchedLayer) -> jax.Array:
        """Return `post - target`, [t, c]."""
        _require_alike(layer)
        return layer.post - layer.target


@checked
@dataclasses.dataclass(frozen=True)
class Complementarity(Loss):
    """The residual without a dead zone at a ReLU output; elsewhere the plain one.

    With pre-activation z and target h: `r = z - h` where `h > 0`, and `r = max(z, 0)` where
    `h = 0`. Then `r = 0` if and only if `relu(z) = h`, and `|relu(z) - h| <= |r|`, so a small
    loss is a small `L_act`.

    Example:
      >>> z, target = jnp.array([[-1.0, -1.0]]), jnp.array([[3.0, 0.0]])
      >>> Complementarity().residual(MatchedLayer("conv1", z, jax.nn.relu(z), target, "relu"))
      Array([[-4.,  0.]], dtype=float32)
    """

    skips_nonlinearity: ClassVar[bool] = True

    def residual(self, layer: MatchedLayer) -> jax.Array:
        """Return the residual [t, c]."""
        _require_alike(layer)
        if layer.nonlinearity != "relu" or layer.pre is None:
            return layer.post - layer.target
        return jnp.where(layer.target > 0, layer.pre - layer.target, jnp.maximum(layer.pre, 0))


@checked
@dataclasses.dataclass(frozen=True)
class Cosine(Loss):
    """Direction and norm apart: the mean over nodes of `1 - cos(h', h) + norm (|h'| / |h| - 1)^2`.

    Every node counts alike, whatever its norm. With `norm` 0 the loss is blind to scale and ends
    at `L_act` 0 only by chance. Where a target is zero at a node, its term is `|h'|^2` in units of
    the mean squared norm. It has no residual, and the dead zone of `RelativeSquared` at a ReLU.

    Attributes:
      norm: weight of the norm beside the direction.

    Raises:
      InputError: a negative weight.

    Example:
      >>> layer = MatchedLayer("logits", None, jnp.array([[0.0, 2.0]]), jnp.array([[1.0, 0.0]]))
      >>> Cosine().objective([layer]), Cosine(norm=0.0).objective([layer])
      (Array(2., dtype=float32), Array(1., dtype=float32))
    """

    norm: NonNegative = 1.0
    has_residual: ClassVar[bool] = False

    def objective(self, layers: Sequence[MatchedLayer]) -> jax.Array:
        """Return the scalar to minimize."""
        total = jnp.zeros(())
        for layer in layers:
            _require_alike(layer)
            post, target = (rows.reshape(len(rows), -1) for rows in (layer.post, layer.target))
            (length, heading), (wanted, aim) = _polar(post), _polar(target)
            ratio = length / jnp.where(wanted > 0, wanted, 1.0)
            term = 1 - jnp.sum(heading * aim, axis=1) + self.norm * jnp.square(ratio - 1)
            at_zero = jnp.sum(jnp.square(post), axis=1) / (layer.scale / len(target))
            total += jnp.mean(jnp.where(wanted > 0, term, at_zero)) / len(layers)
        return total


@checked
@dataclasses.dataclass(frozen=True)
class Weighted(Loss):
    """Another loss with a factor for each layer, so that some are matched before others.

    The error that is reported and judged is of the worst layer, unweighted. A layer of weight 0
    steers nothing and is judged all the same.

    Attributes:
      layers: factor of each layer; 1 for those that are not named.
      loss: what is weighted.

    Raises:
      InputError: a negative factor; in a `Problem`, a layer that it does not match.

    Example:
      >>> loss = Weighted({"logits": 4.0}, RelativeSquared())
      >>> loss.residual(MatchedLayer("logits", None, jnp.array([[2.0]]), jnp.array([[3.0]])))
      Array([[-2.]], dtype=float32)
    """

    layers: Mapping[str, NonNegative] = dataclasses.field(default_factory=dict)
    loss: Loss = Complementarity()

    def __hash__(self) -> int:
        return hash((frozenset(self.layers.items()), self.loss))

    @property
    def has_residual(self) -> bool:  # type: ignore[override]
        """As the loss that is weighted."""
        return self.loss.has_residual

    @property
    def skips_nonlinearity(self) -> bool:  # type: ignore[override]
        """As the loss that is weighted."""
        return self.loss.skips_nonlinearity

    def residual(self, layer: MatchedLayer) -> jax.Array:
        """Return the residual [t, c] times the root of the layer's factor."""
        return self.layers.get(layer.name, 1.0) ** 0.5 * self.loss.residual(layer)

    def objective(self, layers: Sequence[MatchedLayer]) -> jax.Array:
        """Return the mean over layers of their objectives times their factors."""
        factors = [self.layers.get(layer.name, 1.0) / len(layers) for layer in layers]
        parts = [self.loss.objective([layer]) for layer in layers]
        return sum((f * part for f, part in zip(factors, parts, strict=True)), jnp.zeros(()))

    def check(self, layers: Sequence[str]) -> None:
        """Refuse factors of layers that are not matched."""
        for name in self.layers:
            if name not in layers:
                raise unknown_name("matched layer in the weights of the loss", name, layers)
        self.loss.check(layers)


def _polar(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return norm and direction of each row, both 0 with gradient 0 where the row is zero."""
    largest = jax.lax.stop_gradient(jnp.abs(rows).max(axis=1, initial=0.0))
    unit = jnp.where(largest > 0, largest, 1.0)  # squares of large or tiny entries leave float32
    scaled = rows / unit[:, None]
    squared = jnp.sum(jnp.square(scaled), axis=1)
    root = jnp.sqrt(jnp.where(squared > 0, squared, 1.0))
    return jnp.where(squared > 0, root, 0.0) * unit, scaled / root[:, None]


def _require_alike(layer: MatchedLayer) -> None:
    pre = {} if layer.pre is None else {"pre": layer.pre}
    require_alike(post=layer.post, target=layer.target, **pre)


# A new loss is added here; what `LOSSES` makes without arguments its conformance tests cover.
LOSSES: dict[str, Callable[[], Loss]] = {
    "relative_squared": RelativeSquared,
    "complementarity": Complementarity,
    "cosine": Cosine,
    "weighted": Weighted,
}
