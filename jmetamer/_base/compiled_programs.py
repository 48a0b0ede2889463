"""Compiled programs are given back before the process runs out of memory maps."""

import gc
from pathlib import Path

import jax

_MAPS, _MOST_MAPS = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")


def release_when_crowded(share: float = 0.5, maps: Path = _MAPS, most: Path = _MOST_MAPS) -> bool:
    """Forget all compiled programs if the process has used up much of its memory maps.

    XLA maps the code of every compiled program into memory by itself, about six maps each, and
    JAX keeps the programs. Linux allows a process 65,530 maps by default (`vm.max_map_count`);
    beyond that the next compilation ends in a segmentation fault (seen with jax 0.10.2 after some
    ten thousand programs). What is needed again is compiled again.

    Args:
      share: of the allowed maps, from which on programs are given back.
      maps: file with one line a map.
      most: file with the number allowed; where either is missing, as on other systems, nothing
        is done.

    Returns:
      Whether programs were given back.

    Example:
      >>> release_when_crowded(share=1.0)
      False
    """
    try:
        with maps.open() as lines:
            used = sum(1 for _ in lines)
        allowed = int(most.read_text())
    except (OSError, ValueError):
        return False
    if used <= share * allowed:
        return False
    jax.clear_caches()
    gc.collect()
    return True
