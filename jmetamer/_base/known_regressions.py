"""Releases of jaxlib that are known to be slow at what this library does most: adding messages.

Every entry is a public report; a release is listed only where somebody measured it.
"""

import importlib.metadata
import re
from typing import NamedTuple


class Regression(NamedTuple):
    """A defect of a range of releases.

    Attributes:
      first, last: releases of jaxlib between which it was seen, both included.
      platforms: JAX's names of the backends concerned.
      effect: what it does, in the words of a warning.
      remedy: what to do.
      issues: where it was reported.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]
    platforms: tuple[str, ...]
    effect: str
    remedy: str
    issues: tuple[str, ...]


REGRESSIONS = (
    Regression(
        (0, 10, 2),
        (0, 11, 0),
        ("gpu", "cuda"),
        "float32 sums over edges run up to thousands of times slower where many edges meet in one "
        "node, because native atomic additions are replaced by a retry loop",
        "use jaxlib 0.11.1 or later",
        (
            "https://github.com/jax-ml/jax/issues/38806",
            "https://github.com/openxla/xla/issues/46225",
        ),
    ),
    Regression(
        (0, 9, 2),
        (0, 11, 0),
        ("gpu", "cuda"),
        "sums over edges of many lanes at once use a strided memory layout, about 5 times slower",
        "compare with a later jaxlib",
        (
            "https://github.com/jax-ml/jax/issues/39959",
            "https://github.com/openxla/xla/issues/47203",
        ),
    ),
)


def regressions_of(version: str, platform: str) -> list[Regression]:
    """Return the known regressions of a release on a backend.

    Args:
      version: of jaxlib; letters after the third number are left out.
      platform: JAX's name of the backend.

    Example:
      >>> len(regressions_of("0.11.0", "gpu")), regressions_of("0.11.0", "cpu")
      (2, [])
    """
    release = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    return [
        one for one in REGRESSIONS if one.first <= release <= one.last and platform in one.platforms
    ]


_warned: set[str] = set()


def untold_warnings(platform: str) -> list[str]:
    """Return the warnings that this process has not asked for yet, so that each is given once.

    Args:
      platform: JAX's name of the backend.

    Example:
      >>> untold_warnings("cpu")
      []
    """
    fresh = [line for line in regression_warnings(platform) if line not in _warned]
    _warned.update(fresh)
    return fresh


def regression_warnings(platform: str, version: str | None = None) -> list[str]:
    """Return one line for every known regression of the installed jaxlib.

    Args:
      platform: JAX's name of the backend.
      version: of jaxlib; None takes the installed one.

    Example:
      >>> regression_warnings("gpu", "0.11.1")
      []
    """
    version = version or importlib.metadata.version("jaxlib")
    return [
        f"warning: jaxlib {version} on {platform}: {one.effect}; {one.remedy} "
        f"({', '.join(one.issues)})"
        for one in regressions_of(version, platform)
    ]
