"""A sketch of what every flip does to the residual, by a few backward passes."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Columns of the residual that a sketch keeps apart; of more it holds random combinations.
_COLUMNS = 16
# Two flips act on the same target if their homes, in [-1, 1], are this near.
SAME_HOME = 1e-5


class Sketch(NamedTuple):
    """What each flip does to the residual, to first order.

    Attributes:
      linear: [m] gradient of the loss along the flip.
      effect: [k, m] change of the residual; of a flip that acts on one target node, up to a sign
        that belongs to the node, the change itself.
      home: [m] number that belongs to the node on which the flip acts; of several, between theirs.
      places: [t] those numbers.
    """

    linear: jax.Array
    effect: jax.Array
    home: jax.Array
    places: jax.Array

    @property
    def single(self) -> jax.Array:
        """[m] change of the loss by each flip alone, to second order."""
        return self.linear + jnp.sum(jnp.square(self.effect), axis=0)


def sketched(
    key: jax.Array,
    hard: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
    residual: Callable[[jax.Array], jax.Array],
) -> Sketch:
    """Return what each flip does to the residual.

    Args:
      key: typed random key.
      hard: [m] 0 or 1.
      loss: from weights [m] to a scalar.
      residual: from weights [m] to [t, c].

    Example:
      >>> def residual(weight):
      ...     return 2 * weight[:, None] - 1
      >>> sketch = sketched(jax.random.key(0), jnp.ones(2), lambda w: jnp.sum(residual(w) ** 2),
      ...     residual)
      >>> sketch.single.tolist(), bool(sketch.home[0] == sketch.home[1])
      ([0.0, 0.0], False)
    """
    along = 1 - 2 * hard
    value, backward = jax.vjp(residual, hard)
    num_targets, width = value.shape
    key_sign, key_place, key_columns, key_mixture = jax.random.split(key, 4)
    columns = jnp.eye(width)
    if width > _COLUMNS:
        columns = jax.random.normal(key_columns, (_COLUMNS, width)) / jnp.sqrt(_COLUMNS)
    sign = jax.random.rademacher(key_sign, (num_targets,), value.dtype)
    place = jax.random.uniform(key_place, (num_targets,), value.dtype, -1, 1)

    def effect_of(rows: jax.Array, column: jax.Array) -> jax.Array:
        return along * backward(rows[:, None] * column)[0]

    effect = jax.lax.map(lambda column: effect_of(sign, column), columns)
    # One random mixture of the columns tells the place: its rows without and with the factors.
    mixture = jax.random.normal(key_mixture, columns.shape[:1])
    plain = mixture @ effect
    home = effect_of(sign * place, mixture @ columns) / jnp.where(plain == 0, 1, plain)
    return Sketch(along * jax.grad(loss)(hard), effect, home, place)
