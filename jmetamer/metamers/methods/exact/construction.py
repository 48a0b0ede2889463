"""`Construction`: what every exact method offers, and what it hands back."""

from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.status import Status


class Made(NamedTuple):
    """One exact metamer.

    Attributes:
      features: [n, d] float64.
      curve: [s + 1] float64 L_act of the start and after each of s outer steps.
      status: RUNNING where the loss decides, or the reason of an early end.
    """

    features: np.ndarray
    curve: np.ndarray
    status: Status = Status.RUNNING


class Construction(Protocol):
    """An exact method; hashable, with its settings as attributes.

    Attributes:
      steps: largest number of outer steps.
      repeats: whether every seed gives the same metamer.
      begins: at what it begins; empty where that is the noise of the seed.
    """

    begins: ClassVar[str]

    @property
    def steps(self) -> int:
        """Largest number of outer steps."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether every seed gives the same metamer, so that one is all there is."""
        ...

    def prepare(self, point: Point) -> Any:
        """Return what all seeds share.

        Raises:
          InputError: the method does not apply to this problem.
        """
        ...

    def make(self, start: np.ndarray, point: Point, prepared: Any) -> Made:
        """Return the metamer of one seed.

        Args:
          start: [n, d] float64 noise of the seed.
          point: the problem in float64.
          prepared: from `prepare`.
        """
        ...
