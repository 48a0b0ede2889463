"""`Walk`: a long way through the metamers, along directions that change nothing to first order."""

import dataclasses
from typing import Annotated, ClassVar

import numpy as np

from jmetamer._base.arguments import Count, OneOf, Positive, checked
from jmetamer.metamers.methods.exact.construction import Construction, ExactMetamer
from jmetamer.metamers.methods.exact.equations import Equations, Search
from jmetamer.metamers.methods.exact.gauss_newton import retract
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.optimize.coordinates import COORDINATES
from jmetamer.metamers.status import Status

# Halvings of one stride after which the walk has come to an end.
_MOST_HALVINGS = 10


@checked
@dataclasses.dataclass(frozen=True)
class Walk(Construction[Search]):
    """From the reference in a straight line, as far as the curved set of metamers has one.

    The seed's start gives a direction u. Every stride removes from u what changes the activation,
    `u <- (I - J^+ J) u / |u|`, goes `theta + s u` and back onto the metamers by `retract`; s is
    halved where that fails. In row-space coordinates (the default where they are exact) no stride
    uses what the first matrix cannot see, so the distance is invariance beyond the trivial one;
    with `coordinates="features"` it is all of it.

    Attributes:
      steps: number of strides.
      stride: s relative to the norm of the reference in the same coordinates.
      aim: L_act of every stop.
      corrections: largest number of Gauss-Newton steps a stride.
      coordinates: in which the search moves: "auto" (the row space of the first matrix, where that
        is exact), "row_space" or "features".

    Raises:
      InputError: a number outside its range.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> point = Point(jm.Problem(trained, data.graph, layer="logits", nodes=[0]))
      >>> method = Walk(steps=3)
      >>> made = method.make(point.features[::-1], point, method.prepare(point))
      >>> point.loss(made.features) < 1e-13, len(made.curve)
      (True, 4)
    """

    steps: Count = 60
    stride: Positive = 0.3
    aim: Positive = 1e-14
    corrections: Count = 12
    coordinates: Annotated[str, OneOf(COORDINATES)] = "auto"
    name: ClassVar[str] = "walk"
    solves: ClassVar[bool] = True
    begins_at: ClassVar[str] = "the reference"

    def prepare(self, point: Point) -> Search:
        """Return the residual as a function of the coordinates."""
        point.require_reference("walk")
        return Search(point)

    def make(self, start: np.ndarray, point: Point, prepared: Search) -> ExactMetamer:
        """Return the end of the walk in the direction of `start`."""
        search = prepared
        equations = search.around(point.features)
        x = np.zeros(search.map.num_inputs)
        stride = self.stride * float(np.linalg.norm(search.map.coordinates(point.features)))
        direction = search.map.coordinates(start - np.mean(start)).reshape(-1)
        curve, status = [equations(x)[1]], Status.RUNNING
        for _ in range(self.steps):
            heading = equations.steps(x).remove_rows(direction)
            size = float(np.linalg.norm(heading))
            if not size > 1e-12 * float(np.linalg.norm(direction)):
                status = Status.STALLED  # nothing may move: the set of metamers is a point here
                break
            direction = heading / size
            stop = self._stride(equations, x, direction, stride)
            if stop is None:
                status = Status.STALLED
                break
            x, match = stop
            curve.append(match)
        return ExactMetamer(point.features + search.map.lift(x), np.array(curve), status)

    def _stride(
        self, equations: Equations, x: np.ndarray, direction: np.ndarray, stride: float
    ) -> tuple[np.ndarray, float] | None:
        """Return the next metamer and its L_act, or None where even the shortest stride fails."""
        for _ in range(_MOST_HALVINGS):
            ahead = x + stride * direction
            ended = retract(equations, ahead, self.aim, self.corrections, 0.0)
            if ended.status == Status.RUNNING:
                return ended.x, float(ended.curve[-1])
            stride /= 2
        return None
