"""How strongly metamers of one reference push each other apart, and in which direction."""

import jax
import jax.numpy as jnp

from jmetamer._base.precision import highest_precision

# Squared distances below this share of the squared lengths may be rounding of their difference.
_ROUNDING = 16


def repulsion(features: jax.Array, present: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the repulsion that each of b sets of features feels, and its gradient by that set.

    `R_i = mean_{j != i} (1 - d_ij)^2` with the normalized Euclidean distance
    `d_ij = |X_i - X_j| / (|X_i| + |X_j|)`, 0 where two metamers are as far apart as can be and 1
    where they are the same. The gradient is that of R_i by X_i, all others held; since
    `d_ij = d_ji`, it is also that of b/2 times the mean over pairs. All distances come from one
    product `X X^T` and all gradients from another one, at the highest precision: with
    `a_ij = 2 (1 - d_ij) / ((b - 1) |X_i - X_j| (|X_i| + |X_j|))`,

    `dR_i/dX_i = sum_j a_ij (X_j - X_i) + a_ij |X_i - X_j|^2 / (|X_i| (|X_i| + |X_j|)) X_i`.

    Two sets that are equal up to rounding do not know in which direction to part: their
    gradient by each other is 0.

    Args:
      features: [b, n, d] float32.
      present: [b] bool; the others neither push nor are pushed, and so those that are not finite.

    Returns:
      [b] repulsion, and its gradients [b, n, d]; 0 for one that is alone.

    Example:
      >>> pair = jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]])
      >>> felt, gradient = repulsion(pair, jnp.array([True, True]))
      >>> [round(float(one), 4) for one in felt]  # (1 - 1 / sqrt(2))^2
      [0.0858, 0.0858]
      >>> bool(gradient[0, 0, 1] > 0)  # downhill is away from the other
      True
    """
    rows = features.reshape(features.shape[0], -1)
    present = present & jnp.isfinite(jnp.sum(jnp.square(rows), axis=1))
    rows = jnp.where(present[:, None], rows, 0)
    with highest_precision():
        products = rows @ rows.T
    squares = jnp.diagonal(products)
    lengths = jnp.sqrt(squares)
    pairs = present[:, None] & present & ~jnp.eye(len(rows), dtype=bool)
    both, total = squares[:, None] + squares, lengths[:, None] + lengths
    between = both - 2 * products
    apart = pairs & (between > _ROUNDING * jnp.finfo(rows.dtype).eps * both)
    gap = jnp.sqrt(jnp.where(apart, between, 1))
    total = jnp.where(apart, total, 1)
    distance = jnp.where(apart, jnp.minimum(gap / total, 1), 0)
    others = jnp.maximum(jnp.sum(present) - 1, 1)
    felt = jnp.sum(jnp.where(pairs, jnp.square(1 - distance), 0), axis=1) / others
    pull = jnp.where(apart, 2 * (1 - distance) / (others * gap * total), 0)
    own = jnp.where(squares > 0, lengths, 1)[:, None]
    inward = jnp.sum(pull * (jnp.square(gap) / (own * total) - 1), axis=1)
    with highest_precision():
        gradient = pull @ rows + inward[:, None] * rows
    return felt, gradient.reshape(features.shape)
