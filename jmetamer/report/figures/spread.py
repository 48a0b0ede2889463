"""Points of many metamers side by side: strips that stay readable with one metamer or thousands."""

import numpy as np

_MAX_POINTS = 100


def thinned(numbers: np.ndarray) -> np.ndarray:
    """Return at most 100 of the finite numbers, evenly over their ranks, extremes included.

    Example:
      >>> thinned(np.arange(10_000.0))[[0, -1]].tolist(), len(thinned(np.arange(10_000.0)))
      ([0.0, 9999.0], 100)
    """
    finite = np.sort(np.asarray(numbers, float)[np.isfinite(numbers)])
    if finite.size <= _MAX_POINTS:
        return finite
    return finite[np.linspace(0, finite.size - 1, _MAX_POINTS).round().astype(int)]


def jitter(count: int, width: float) -> np.ndarray:
    """Return `count` offsets in [-width, width] that look random and are the same every time.

    Example:
      >>> offsets = jitter(100, 0.2)
      >>> bool(abs(offsets).max() <= 0.2), len(set(offsets))
      (True, 100)
    """
    golden = (np.sqrt(5.0) - 1) / 2
    return width * (2 * ((np.arange(count) * golden) % 1.0) - 1)
