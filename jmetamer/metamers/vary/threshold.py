"""The K-th largest of many numbers without sorting them.

Sorting Cora's 3.9 million feature entries costs far more than the network's own work, and any
threshold that leaves exactly K entries at or above it will do. It is searched on the ordered
integers behind float32: outward from the last known threshold until bracketed, then by
interpolation between the counts at both ends, with a bisection every third pass as a guard.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_FIRST_STRIDE = 2**17  # about 1/64 of the guess: how far a threshold drifts in an optimizer's step
_LARGEST_STRIDE = 2**25


def _ordered(values: jax.Array) -> jax.Array:
    """Map float32 to int32 so that the order is kept."""
    bits = jax.lax.bitcast_convert_type(values, jnp.int32)
    return jnp.where(bits < 0, jnp.int32(-(2**31)) - bits, bits)


def _unordered(integers: jax.Array) -> jax.Array:
    """Invert `_ordered`."""
    bits = jnp.where(integers < 0, jnp.int32(-(2**31)) - integers, integers)
    return jax.lax.bitcast_convert_type(bits, jnp.float32)


def _unsigned(integers: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type(integers, jnp.uint32)


def _signed(integers: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type(integers, jnp.int32)


class _Bracket(NamedTuple):
    """Ordered integers around the threshold and how many values are at or above each."""

    low: jax.Array
    number_low: jax.Array
    high: jax.Array
    number_high: jax.Array
    has_low: jax.Array
    has_high: jax.Array
    stride: jax.Array
    passes: jax.Array
    is_final: jax.Array


def _next_try(bracket: _Bracket, start: jax.Array, count: jax.Array) -> jax.Array:
    """Return the ordered integer to count at next."""
    # Differences wrap around int32 when the bracket spans zero; uint32 holds them exactly.
    width = _unsigned(bracket.high) - _unsigned(bracket.low)
    share = (bracket.number_low - count) / jnp.maximum(bracket.number_low - bracket.number_high, 1)
    share = jnp.where(bracket.passes % 3 == 2, 0.5, share)
    offset = (share * width.astype(jnp.float32)).astype(jnp.uint32)
    offset = jnp.clip(offset, 1, jnp.maximum(width, 2) - 1)
    inside = _signed(_unsigned(bracket.low) + offset)
    limit = _ordered(jnp.float32(jnp.inf))
    up = bracket.low + jnp.minimum(bracket.stride, limit - bracket.low)
    down = bracket.high - jnp.minimum(bracket.stride, bracket.high + limit)
    outside = jnp.where(bracket.has_low, up, jnp.where(bracket.has_high, down, start))
    return jnp.where(bracket.has_low & bracket.has_high, inside, outside)


def kth_largest_threshold(values: jax.Array, count: jax.Array, guess: jax.Array) -> jax.Array:
    """Return a threshold t with `sum(values >= t) == count`, or the K-th largest value on a tie.

    Args:
      values: [..., *m] float32 without NaN; the axes that `guess` lacks are counted over.
      count: [...] int32 in [0, m].
      guess: [...] float32, a threshold that was right for nearby values. Any number works, a good
        one saves passes.

    Returns:
      [...] float32 threshold. Where several entries tie at the K-th place, more than `count`
      entries are at or above it; `exact_top` breaks such ties by index.

    Example:
      >>> values = jnp.array([0.1, 0.9, 0.5, 0.7])
      >>> t = kth_largest_threshold(values, jnp.int32(2), jnp.float32(0.0))
      >>> (values >= t).tolist()
      [False, True, False, True]
    """
    # Not side by side in one axis: on a TPU that would copy the values, as its tiles are others.
    counted = tuple(range(guess.ndim, values.ndim))
    start = _ordered(jnp.where(jnp.isnan(guess), 0, guess))
    limit = _ordered(jnp.float32(jnp.inf))
    no, zero = jnp.zeros(guess.shape, bool), jnp.zeros(guess.shape, jnp.int32)

    def unfinished(bracket: _Bracket) -> jax.Array:
        return ~jnp.all(bracket.is_final)

    def narrow(bracket: _Bracket) -> _Bracket:
        middle = _next_try(bracket, start, count)
        tried = jnp.expand_dims(_unordered(middle), counted)
        number = jnp.sum(values >= tried, axis=counted, dtype=jnp.int32)
        enough = number >= count
        low = jnp.where(enough, middle, bracket.low)
        high = jnp.where(enough, bracket.high, middle)
        has_low, has_high = bracket.has_low | enough, bracket.has_high | ~enough
        adjacent = has_low & has_high & (_unsigned(high) - _unsigned(low) <= 1)
        # Nothing lies beyond infinity; NaN entries count nowhere and would be searched for ever.
        exhausted = (has_low & ~has_high & (low >= limit)) | (
            has_high & ~has_low & (high <= -limit)
        )
        moved = _Bracket(
            low,
            jnp.where(enough, number, bracket.number_low),
            high,
            jnp.where(enough, bracket.number_high, number),
            has_low,
            has_high,
            jnp.minimum(bracket.stride, _LARGEST_STRIDE) * 8,
            bracket.passes + (has_low & has_high),
            # A threshold that fits exactly has become `low`, which is what is returned.
            (number == count) | adjacent | exhausted,
        )
        return jax.tree.map(lambda new, old: jnp.where(bracket.is_final, old, new), moved, bracket)

    first = _Bracket(start, zero, start, zero, no, no, zero + _FIRST_STRIDE, zero, no)
    return _unordered(jax.lax.while_loop(unfinished, narrow, first).low)


def exact_top(values: jax.Array, count: jax.Array, threshold: jax.Array) -> jax.Array:
    """Return exactly `count` entries at or above `threshold`, ties broken by the smaller index.

    Args:
      values: [..., m] float32.
      count: [...] int32.
      threshold: [...] float32 from `kth_largest_threshold`.

    Returns:
      [..., m] bool with exactly `count` true entries along the last axis.

    Example:
      >>> exact_top(jnp.array([1.0, 2.0, 1.0]), jnp.int32(2), jnp.float32(1.0)).tolist()
      [True, True, False]
    """
    at_least = values >= threshold[..., None]
    surplus = jnp.sum(at_least, axis=-1, dtype=jnp.int32) - count
    smallest = jnp.min(jnp.where(at_least, values, jnp.inf), axis=-1, keepdims=True)
    tied = at_least & (values == smallest)
    later_ties = jnp.cumsum(tied[..., ::-1], axis=-1, dtype=jnp.int32)[..., ::-1]
    return at_least & ~(tied & (later_ties <= surplus[..., None]))
