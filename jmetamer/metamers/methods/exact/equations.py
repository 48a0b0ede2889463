"""`Equations`: a residual that must vanish, and minimum-norm steps toward that."""

import functools
from typing import Protocol

import numpy as np

from jmetamer.metamers.methods.exact.dense_steps import Steps, dense_steps
from jmetamer.metamers.methods.exact.iterative_steps import IterativeSteps
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.exact.preconditioner import Preconditioner, choose_preconditioner
from jmetamer.metamers.methods.exact.residual import ResidualMap

# Up to here a Jacobian is kept dense: rows, and operations of one decomposition (rows^2 columns),
# about a second of one core. Beyond, products with it reach a solution sooner.
DENSE_OUTPUTS = 4096
DENSE_WORK = 5e9


class Equations(Protocol):
    """A residual of coordinates x [p]."""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the residual [q] and L_act."""
        ...

    def steps(self, x: np.ndarray) -> Steps:
        """Return what solves with the Jacobian at x."""
        ...


class MatchingEquations:
    """The residual of a problem around given features.

    Args:
      search: what all seeds share.
      features: [n, d] where coordinates are zero.
    """

    def __init__(self, search: "Search", features: np.ndarray) -> None:
        self._search, self._base = search, search.map.base(features)

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the residual [q] and L_act."""
        return self._search.map(x, self._base)

    def steps(self, x: np.ndarray) -> Steps:
        """Return what solves with the Jacobian at x [p]."""
        search = self._search
        if search.dense:
            return dense_steps(search.map.jacobian(x, self._base))
        return IterativeSteps(search.map, x, self._base, search.preconditioner)


class Search:
    """The residual of a problem, and how its Jacobian is handled.

    Args:
      point: the problem in float64.
      dense: keep Jacobians; None decides by their size.
      strict: compare before every nonlinearity, a ReLU too.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> search = Search(Point(jm.Problem(trained, data.graph, layer="conv1", nodes=[0])))
      >>> search.dense, search.map.num_outputs
      (True, 4)
    """

    def __init__(self, point: Point, *, dense: bool | None = None, strict: bool = False) -> None:
        self.map = ResidualMap(point, strict=strict)
        rows, columns = self.map.num_outputs, self.map.num_inputs
        small = rows <= DENSE_OUTPUTS and rows**2 * columns <= DENSE_WORK
        self.dense = small if dense is None else dense

    @functools.cached_property
    def preconditioner(self) -> Preconditioner | None:
        """Of conjugate gradients; made at the first use."""
        return choose_preconditioner(self.map)

    def around(self, features: np.ndarray) -> MatchingEquations:
        """Return the equations in coordinates that are zero at `features` [n, d]."""
        return MatchingEquations(self, features)
