"""Random keys: one base seed a run, and one table of what draws from which stream of it.

A key is a node of one tree: `key(base_seed)`, folded with a `Stream`, folded with the number of a
metamer, and where a use draws several times with a counter. In threefry part i of a split and the
i-th bits drawn are a fold with i, so a key is either drawn from, once, or folded, never both.
"""

import enum
import zlib

import jax
import numpy as np


class Stream(enum.IntEnum):
    """What draws from a seed: each use has a line here, and no other use has its number.

    The numbers decide every draw: a new use gets a new one, and none is given again.
    """

    # Of a base seed, in training (`base_key`).
    INITIALIZATION = 0  # parameters of a network
    DROPOUT = 1  # and noise on features; folded with the epoch
    TRAIN_LABELS = 2  # permuted
    VALIDATION_LABELS = 3  # permuted
    # Of a run's base seed.
    NULL_PAIRS = 4  # pairs of a null test; folded with the number of the pair
    # Of one metamer (`stream_key`).
    PART = 5  # start of what gradients move, as features; folded with the part's name (`part_key`)
    EDGES = 6  # start of edges that come and go
    CANDIDATES = 7  # first block beside them
    DENSITY = 8  # of a start of any density, and which pairs are edges
    NUDGES = 9  # of weights away from 0 and 1, where a walk begins
    EXCHANGES = 10  # fresh candidates, and which old ones go; folded with the step
    ROUNDING = 11  # folded with the number of the draw
    FLIPS = 12  # kicks, or rounds of joint flips; folded with their number
    SWAPS = 13  # proposals of `SwapSearch`
    COLOR_SWAPS = 14  # walk of `ColorSwaps`, on the host
    CONTROL_FEATURES = 15  # features moved or flipped as far as in the metamer
    CONTROL_WEIGHTS = 16  # weights moved as far; folded with both ends of an edge
    CONTROL_FLIPS = 17  # as many edges flipped, on the host
    CONTROL_EDGES = 18  # random graph, on the host


def base_key(base_seed: int | jax.Array, stream: Stream) -> jax.Array:
    """Return the key of one stream of a base seed."""
    return jax.random.fold_in(jax.random.key(base_seed), int(stream))


def stream_key(base_seed: int | jax.Array, seed_id: int | jax.Array, stream: Stream) -> jax.Array:
    """Return the key from which one use of one metamer draws.

    The key depends on nothing but these numbers, so a metamer can be made again alone, in any
    batch, in any lane and on any number of devices.

    Args:
      base_seed: seed of the run, scalar integer.
      seed_id: number of the metamer within the run, scalar integer.
      stream: what draws.

    Returns:
      A typed scalar key.

    Example:
      >>> expected = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 6), 3)
      >>> bool(stream_key(0, 3, Stream.EDGES) == expected)
      True
    """
    return jax.random.fold_in(base_key(base_seed, stream), seed_id)


def part_key(base_seed: int | jax.Array, seed_id: int | jax.Array, part: str) -> jax.Array:
    """Return the key of the start of one part of a metamer, such as "features"."""
    number = np.uint32(zlib.crc32(part.encode()))
    return jax.random.fold_in(stream_key(base_seed, seed_id, Stream.PART), number)


def host_generator(key: jax.Array) -> np.random.Generator:
    """Return a generator of NumPy's that draws from a key in place of JAX's own."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
