"""Where lanes live: divided among all devices of this process, in blocks of equal size.

Every device runs the one-device program on its own lanes (`jax.shard_map`), so there is nothing
that a collective could exchange: the loop cannot wait for another device, and a seed meets the
same arithmetic wherever its lane lies.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

_T = TypeVar("_T")
_Whole = TypeVar("_Whole")
_R = TypeVar("_R")
_AXIS = "lane"
_WHOLE, _DIVIDED = PartitionSpec(), PartitionSpec(_AXIS)


@dataclasses.dataclass(frozen=True)
class LaneDevices:
    """The devices among which lanes are divided; hashable, compared by value.

    Attributes:
      devices: several devices of this process; none stand for JAX's default device.

    Example:
      >>> LaneDevices().padded(5)
      5
    """

    devices: tuple[jax.Device, ...] = ()

    @property
    def count(self) -> int:
        """Number of devices."""
        return max(1, len(self.devices))

    @property
    def platform(self) -> str:
        """Kind of the devices: "cpu", "gpu" or "tpu".

        Example:
          >>> LaneDevices(tuple(jax.devices("cpu"))).platform
          'cpu'
        """
        return self.devices[0].platform if self.devices else jax.default_backend()

    def padded(self, lanes: int) -> int:
        """Return the smallest number of lanes, at least `lanes`, that the devices divide."""
        return -(-lanes // self.count) * self.count

    def replicated(self, tree: _T) -> _T:
        """Return the arrays with a copy on every device; untouched where there is one device."""
        if self.count == 1:
            return tree
        return jax.device_put(tree, NamedSharding(self._mesh(), _WHOLE))

    def each(self, function: Callable[[_T, _Whole], _R]) -> Callable[[_T, _Whole], _R]:
        """Return `function(divided, whole)` as run by every device on its part.

        Args:
          function: takes a tree whose leading axis is divided among the devices and a tree that
            all devices hold whole; returns a tree whose leading axis is divided.
        """
        if self.count == 1:
            return function
        # The check of replication would refuse loops that begin with constants; nothing here is
        # reduced over devices, so there is nothing for it to find.
        return jax.shard_map(
            function,
            mesh=self._mesh(),
            in_specs=(_DIVIDED, _WHOLE),
            out_specs=_DIVIDED,
            check_vma=False,
        )

    def part(self, tree: _T, device: int) -> _T:
        """Return what one device holds of divided arrays, moved to the first device.

        Args:
          tree: divided arrays.
          device: index into `devices`.
        """

        def held(array: jax.Array) -> jax.Array:
            shards = {shard.device: shard.data for shard in array.addressable_shards}
            return jax.device_put(shards[self.devices[device]], self.devices[0])

        return jax.tree.map(held, tree)

    def groups(self, places: Sequence[int], lanes: int, size: int) -> list[list[list[int]]]:
        """Return the places in groups with at most `size` of every device.

        Args:
          places: among all lanes.
          lanes: number of lanes in all.
          size: of a device's share of a group.

        Returns:
          Groups; each lists the places of every device.

        Example:
          >>> LaneDevices().groups([2, 5, 6], 8, size=2)
          [[[2, 5]], [[6]]]
        """
        share = lanes // self.count
        held = [[place for place in places if place // share == d] for d in range(self.count)]
        starts = range(0, max(map(len, held)), size)
        return [[of_device[start : start + size] for of_device in held] for start in starts]

    def local(self, group: Sequence[Sequence[int]], lanes: int, size: int) -> np.ndarray:
        """Return [devices * size] int32 places among the lanes of each device.

        Args:
          group: places among all lanes, of every device.
          lanes: number of lanes in all.
          size: as for `groups`.

        Returns:
          Places, out of range behind the last one of each device.

        Example:
          >>> LaneDevices().local([[2, 5]], 8, size=3).tolist()
          [2, 5, 8]
        """
        share = lanes // self.count
        padded = [
            [place - device * share for place in of_device] + [share] * (size - len(of_device))
            for device, of_device in enumerate(group)
        ]
        return np.array(padded, np.int32).ravel()

    def _mesh(self) -> Mesh:
        # Not `jax.make_mesh`: its explicit axes make batched scatters a type error.
        return Mesh(np.array(self.devices, dtype=object), (_AXIS,))


def local_devices() -> LaneDevices:
    """Return all devices of this process.

    Those of other processes are left to them: their seeds are their own, and a process that dies
    takes no other with it.

    Example:
      >>> local_devices().count == jax.local_device_count()
      True
    """
    devices = jax.local_devices()
    return LaneDevices(tuple(devices) if len(devices) > 1 else ())
