"""Losses that were not computed: -1 on a device, NaN on the host.

A NaN that fills a place on a device would end a process with `JAX_DEBUG_NANS=1`, whose user looks
for one that something went wrong with.
"""

import numpy as np

UNDEFINED = np.float32(-1)


def to_host(values: object) -> np.ndarray:
    """Return numbers that are never negative, NaN where they are `UNDEFINED`.

    Example:
      >>> to_host([0.5, -1.0])
      array([0.5, nan])
    """
    array = np.asarray(values)
    return np.where(array < 0, array.dtype.type(np.nan), array)
