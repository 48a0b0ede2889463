"""`MaxDistance`: of all metamers with the reference's norm, the least similar one."""

import dataclasses
from typing import Annotated, ClassVar, NamedTuple

import numpy as np

from jmetamer._base.arguments import Count, NonNegative, OneOf, Positive, checked
from jmetamer._base.errors import InputError
from jmetamer.metamers.methods.exact.construction import Construction, ExactMetamer
from jmetamer.metamers.methods.exact.dense_steps import Steps
from jmetamer.metamers.methods.exact.equations import MatchingEquations, Search
from jmetamer.metamers.methods.exact.gauss_newton import Retraction, retract
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.optimize.coordinates import COORDINATES
from jmetamer.metamers.status import Status

_MOST_HALVINGS = 12


class Sphere:
    """Matching, and the norm of the reference: coordinates are `(C, nu)`.

    C are the coordinates in which features matter to the target; everything else (what the first
    matrix cannot see, and nodes too far away) is best kept parallel to the reference's own, as
    `nu` times its unit vector, so one number stands for it.

    Args:
      search: of the problem.
      point: the problem in float64.
    """

    def __init__(self, search: Search, point: Point) -> None:
        self._search = search
        # Coordinates are absolute here: zero is where all that matters is zero.
        visible = search.map.coordinates(point.features)
        self._rest = point.features - search.map.lift(visible)
        free = float(np.linalg.norm(self._rest))
        # What rounding leaves of nothing is nothing.
        self.free = free if free > 1e-9 * float(np.linalg.norm(point.features)) else 0.0
        self.reference = np.append(visible.reshape(-1), self.free)
        self.square = float(self.reference @ self.reference)
        self._equations: MatchingEquations = search.around(self._rest)

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return features [n, d]."""
        rest = self._rest * (x[-1] / self.free) if self.free > 0 else self._rest
        return rest + self._search.map.lift(x[:-1])

    def coordinates(self, features: np.ndarray) -> np.ndarray:
        """Return the nearest coordinates of features [n, d]."""
        visible = self._search.map.coordinates(features)
        beside = float(np.sum(features * self._rest)) / self.free if self.free > 0 else 0.0
        return np.append(visible.reshape(-1), beside)

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the residual with the norm's [q + 1], and L_act."""
        residual, match = self._equations(x[:-1])
        return np.append(residual, (x @ x / self.square - 1) / 2), match

    def steps(self, x: np.ndarray) -> Steps:
        """Return what solves with the Jacobian of both."""
        return _WithNorm(self._equations.steps(x[:-1]), x, self.square)


class _WithNorm:
    """Minimum-norm steps of `J` and one more row, that of the norm, over `(C, nu)`."""

    def __init__(self, inner: Steps, x: np.ndarray, square: float) -> None:
        self._inner, self._row, self.scale = inner, x / square, inner.scale
        self._normal = self._hidden(self._row)
        length = float(self._normal @ self._normal)
        # A norm that the activations fix already leaves nothing of its row but rounding.
        independent = length > 1e-20 * float(self._row @ self._row)
        self._inverse = 1 / length if independent else 0.0

    def _hidden(self, direction: np.ndarray) -> np.ndarray:
        """Return the direction without the row space of J; nu does not enter J."""
        return np.append(self._inner.remove_rows(direction[:-1]), direction[-1])

    def solve(self, rhs: np.ndarray, damping: float) -> np.ndarray:
        """Return the minimum-norm solution: J's own, and the rest along the normal."""
        step = np.append(self._inner.solve(rhs[:-1], damping), 0.0)
        return step + self._inverse * (rhs[-1] - self._row @ step) * self._normal

    def remove_rows(self, direction: np.ndarray) -> np.ndarray:
        """Return the direction without both row spaces."""
        rest = self._hidden(direction)
        return rest - self._inverse * (self._normal @ rest) * self._normal


@checked
@dataclasses.dataclass(frozen=True)
class MaxDistance(Construction[Sphere]):
    """Minimizes `<X', X>` over metamers with `|X'| = |X|`, by steps along the set of metamers.

    Every step goes along `-(I - Q Q^T) X`, Q spanning the rows of the Jacobian and of the norm,
    and back onto the set by `retract`; it is halved until the similarity falls. The start is the
    reflection, moved a little aside by the seed's noise, or the noise itself where the network
    sees everything. Of a linear map the optimum is `2 P X - X` with P the projector on its rows,
    `cos(X', X) = 2 |P X|^2 / |X|^2 - 1`; otherwise that number, taken at the reference, is a
    first-order prediction and no bound, and the end is a local optimum: seeds agree where there is
    only one, as at a first layer before its nonlinearity.

    Attributes:
      steps: largest number of steps.
      spread: size of the seed's displacement of the start, relative to |X|.
      flatness: relative size of the remaining slope at which to stop.
      aim: L_act of every iterate.
      corrections: largest number of Gauss-Newton steps for one step.
      coordinates: in which the search moves: "auto" (the row space of the first matrix, where that
        is exact), "row_space" or "features".

    Raises:
      InputError: a number outside its range.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> point = Point(jm.Problem(trained, data.graph, layer="conv1.pre"))
      >>> method, x = MaxDistance(), point.features
      >>> made = method.make(x[::-1], point, method.prepare(point))
      >>> bool(np.sum(made.features * x) < -0.7 * np.sum(x * x)), point.loss(made.features) < 1e-13
      (True, True)
    """

    steps: Count = 200
    spread: NonNegative = 0.1
    flatness: Positive = 1e-5
    aim: Positive = 1e-14
    corrections: Count = 12
    coordinates: Annotated[str, OneOf(COORDINATES)] = "auto"
    name: ClassVar[str] = "max_distance"
    solves: ClassVar[bool] = True
    begins_at: ClassVar[str] = "the reflection of the reference"

    def prepare(self, point: Point) -> Sphere:
        """Return the equations of matching and norm."""
        point.require_reference("max_distance")
        if not np.any(point.features):
            raise InputError(
                "method 'max_distance' needs a reference with features that are not all zero: "
                "no direction leads away from zero at norm zero. Use 'gauss_newton'"
            )
        return Sphere(Search(point), point)

    def make(self, start: np.ndarray, point: Point, prepared: Sphere) -> ExactMetamer:
        """Return the least similar metamer that the descent from the seed's start finds."""
        sphere = prepared
        begun = self._begin(sphere, start)
        if begun.status != Status.RUNNING:
            return ExactMetamer(sphere.features(begun.x), begun.curve, begun.status)
        x, trace, length = begun.x, [float(begun.curve[-1])], 1.0
        for _ in range(self.steps):
            slope = sphere.steps(x).remove_rows(sphere.reference)
            if np.linalg.norm(slope) <= self.flatness * np.sqrt(sphere.square):
                break
            descent = self._descend(sphere, x, slope, length)
            if descent is None:
                break  # no shorter step lowers the similarity: as flat as rounding allows
            x, length = descent.x, 2 * descent.length
            trace.append(descent.match)
        return ExactMetamer(sphere.features(x), np.array(trace))

    def _begin(self, sphere: Sphere, start: np.ndarray) -> Retraction:
        """Return the seed's first metamer of the right norm."""
        noise = sphere.coordinates(start)
        noise *= np.sqrt(sphere.square) / max(float(np.linalg.norm(noise)), 1e-300)
        if sphere.free == 0:
            return retract(sphere, noise, self.aim, 4 * self.corrections, 1e-3)
        x = sphere.reference.copy()
        x[-1] = -sphere.free
        if self.spread > 0:
            x = x + self.spread * sphere.steps(x).remove_rows(noise)
        return retract(sphere, x, self.aim, 4 * self.corrections, 0.0)

    def _descend(
        self, sphere: Sphere, x: np.ndarray, slope: np.ndarray, length: float
    ) -> "_Descent | None":
        """Return the first point of enough decrease along the slope, or None."""
        value, decrease = float(x @ sphere.reference), float(slope @ slope)
        for _ in range(_MOST_HALVINGS):
            ended = retract(sphere, x - length * slope, self.aim, self.corrections, 0.0)
            lower = value - float(ended.x @ sphere.reference) >= 0.1 * length * decrease
            if ended.status == Status.RUNNING and lower:
                return _Descent(ended.x, length, float(ended.curve[-1]))
            length /= 2
        return None


class _Descent(NamedTuple):
    x: np.ndarray
    length: float
    match: float
