"""`ToHost`: large arrays on their way from the device, a few at a time."""

import collections
from collections.abc import Callable, Sequence

import jax
import numpy as np

# More of them under way would fill the device.
_UNDER_WAY = 4


class ToHost:
    """Takes one float32 array of each seed to the host while the device goes on.

    Args:
      pack: array -> what is kept of it.

    Example:
      >>> arrays = ToHost(lambda array: array > 1)
      >>> arrays.add(3, jax.numpy.array([0.0, 2.0]))
      >>> arrays.of([3], (2,)).tolist()
      [[False, True]]
    """

    def __init__(self, pack: Callable[[np.ndarray], np.ndarray] = np.asarray) -> None:
        self._pack = pack
        self._coming: collections.deque[tuple[int, jax.Array]] = collections.deque()
        self._here: dict[int, np.ndarray] = {}

    def add(self, seed_id: int, array: jax.Array) -> None:
        """Start with one more array, and wait for earlier ones until few are under way.

        Args:
          seed_id: whose it is.
          array: on the device.
        """
        array.copy_to_host_async()
        self._coming.append((seed_id, array))
        self._wait(_UNDER_WAY)

    def of(self, seeds: Sequence[int], shape: tuple[int, ...]) -> np.ndarray:
        """Return what is kept of some seeds, one row each.

        Args:
          seeds: all of them added before.
          shape: of one array.
        """
        self._wait(0)
        if not seeds:
            return self._pack(np.zeros((0, *shape), np.float32))
        return np.stack([self._here[seed] for seed in seeds])

    def _wait(self, left: int) -> None:
        while len(self._coming) > left:
            seed_id, array = self._coming.popleft()
            self._here[seed_id] = self._pack(np.asarray(array))
