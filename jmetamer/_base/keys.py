"""Random keys: one base seed a run, one folded key a metamer."""

import jax


def seed_key(base_seed: int | jax.Array, seed_id: int | jax.Array) -> jax.Array:
    """Return the key of one metamer: `fold_in(key(base_seed), seed_id)`.

    The key depends on nothing but the two numbers, so a metamer can be made again alone, in any
    batch, in any lane and on any number of devices.

    Args:
      base_seed: seed of the run, scalar integer.
      seed_id: number of the metamer within the run, scalar integer.

    Returns:
      A typed scalar key.

    Example:
      >>> bool((seed_key(0, 3) == jax.random.fold_in(jax.random.key(0), 3)).all())
      True
    """
    return jax.random.fold_in(jax.random.key(base_seed), seed_id)
