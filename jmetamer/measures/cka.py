"""Deviation of the geometry of node features: which rows are alike, whatever their coordinates."""

from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer.measures.features import feature_measure, unless_nonfinite
from jmetamer.measures.pairs_of_rows import check_pairs, inner_products

_LEAST_NODES = 4  # three or fewer inner products of different rows always center to 0


def cka_distance(reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return 1 - CKA, the debiased linear centered kernel alignment, in [0, 2].

    CKA = <U, U'> / (|U| |U'|), where U are the inner products of different rows, doubly centered
    without the diagonal (Szekely and Rizzo, 2014); that is the ratio of unbiased estimates of HSIC
    (Song et al., 2012). It is debiased for every shape of the features: the ordinary one calls
    independent features alike unless d is far below n, as it hardly is in a graph (0.87 for 30 rows
    of 200 entries). Unrelated features are at 1, whatever n and d.

    Blind to rotation, to a common scale and to a common shift of all rows. Where U is zero (all
    rows equal, or all at right angles: no two are more alike than others) of both it counts 0, of
    one 1. O(n^2 d) time, O(n^2) memory.

    Returns:
      Scalar; 0 for less than 4 nodes.

    Raises:
      InputError: more nodes than pairs of them fit memory.

    Example:
      >>> rows = jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [3.0, 0.0]])
      >>> cka_distance(rows, 7 - 2 * rows[:, ::-1]).round(6)
      Array(0., dtype=float32)
    """
    if check_pairs("features/cka", reference) < _LEAST_NODES:
        return unless_nonfinite(jnp.zeros((), reference.dtype), reference, metamer)
    left, left_zero = _unit_products(reference, jnp)
    right, right_zero = _unit_products(metamer, jnp)
    # Half the squared distance of unit vectors: it does not cancel for small deviations.
    halved = jnp.sum(jnp.square(left - right)) / 2
    return unless_nonfinite(
        jnp.where(left_zero != right_zero, 1.0, jnp.minimum(halved, 2.0)), reference, metamer
    )


def cka_chance(reference: np.ndarray) -> float:
    """Return the mean distance over all reorderings of the reference's own rows.

    Exactly 1: the mean of doubly centered products over all orders is 0. 0 where they are 0.

    Example:
      >>> cka_chance(np.array([[0.0], [1.0], [2.0], [4.0]])), cka_chance(np.eye(5))
      (1.0, 0.0)
    """
    rows = np.asarray(reference, np.float32)
    if check_pairs("features/cka", rows) < _LEAST_NODES:
        return 0.0
    return 1.0 - float(_unit_products(rows, np)[1])


def _unit_products(features: AnArray, xp: ModuleType) -> tuple[AnArray, AnArray]:
    """Return centered products of different rows at norm 1, [n, n], and whether they are zero."""
    n, eps = features.shape[0], np.finfo(features.dtype).eps
    largest = xp.abs(features).max(initial=0.0)
    centered = features / xp.where(largest == 0, 1.0, largest)
    centered = centered - centered.mean(axis=0)
    spread = xp.abs(centered).max(initial=0.0)
    # Equal rows: what is left of them is rounding.
    centered = centered * ~(spread <= 8 * eps) / xp.where(spread == 0, 1.0, spread)
    apart = 1 - xp.eye(n, dtype=features.dtype)
    products = inner_products(centered, centered) * apart
    share = products.sum(axis=1) / (n - 2)
    total = products.sum() / ((n - 1) * (n - 2))
    doubly = (products - share[:, None] - share[None, :] + total) * apart
    norm = xp.sqrt((doubly * doubly).sum())
    zero = norm <= 64 * eps * xp.sqrt((products * products).sum())
    return doubly * ~zero / xp.where(zero, 1.0, norm), zero


CKA_MEASURES = (
    feature_measure(
        name="features/cka",
        function=cka_distance,
        chance=cka_chance,
        high=2.0,
        formula="1 - <U, U'> / (|U| |U'|), U = centered inner products of different rows",
        default=False,
    ),
)
