"""Memory bandwidth of this machine, measured as the engine would use it."""

import concurrent.futures
import functools
import os
import time

import jax
import jax.numpy as jnp

_PASSES = 8
_BYTES_PER_ENTRY = 3 * 4  # two arrays are read and one is written, float32


@functools.partial(jax.jit, donate_argnums=0)
def _triad(a: jax.Array, b: jax.Array) -> jax.Array:
    """Compute `a = b + s a` eight times, in place, so that no fresh pages are touched."""

    def once(_: int, a: jax.Array) -> jax.Array:
        return jax.lax.optimization_barrier(b + jnp.float32(0.5) * a)

    return jax.lax.fori_loop(0, _PASSES, once, a)


def measured_bandwidth(entries: int | None = None, repeats: int = 3) -> dict[str, float | int]:
    """Return bytes a second of the triad `a = b + s a` on arrays larger than any cache.

    Counted as STREAM does: two arrays read, one written, and nothing for fetching what is
    overwritten.

    Args:
      entries: length of each array; by default 32 million on a processor (128 MB) and 256 million
        on an accelerator.
      repeats: the fastest of so many tries counts.

    Returns:
      "one_call": one call at a time. "call_per_core": as many at once as there are cores, which is
      how the engine runs lanes on a processor; equal to "one_call" on an accelerator. "best": the
      larger of the two, which shares refer to.
    """
    on_cpu = jax.default_backend() == "cpu"
    entries = entries or (32_000_000 if on_cpu else 256_000_000)
    one = _best(entries, 1, repeats)
    workers = (os.cpu_count() or 1) if on_cpu else 1
    each = one if workers == 1 else _best(max(1, entries // workers), workers, repeats)
    return {"one_call": one, "call_per_core": each, "best": max(one, each), "entries": entries}


def _best(entries: int, workers: int, repeats: int) -> float:
    b = jnp.ones(entries, jnp.float32)
    state = [jnp.ones(entries, jnp.float32) for _ in range(workers)]
    fastest = float("inf")
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for _ in range(repeats + 1):  # the first one compiles
            jax.block_until_ready(state)
            start = time.perf_counter()
            state = list(pool.map(lambda a: jax.block_until_ready(_triad(a, b)), state))
            fastest = min(fastest, time.perf_counter() - start)
    return workers * _PASSES * entries * _BYTES_PER_ENTRY / fastest
