"""`GaussNewton`: the nearest metamer to a start, to first order, a few times over."""

import dataclasses
from typing import Annotated, ClassVar, NamedTuple

import numpy as np

from jmetamer._base.arguments import Count, NonNegative, OneOf, Positive, checked
from jmetamer.metamers.methods.exact.construction import Construction, ExactMetamer
from jmetamer.metamers.methods.exact.equations import Equations, Search
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.optimize.coordinates import COORDINATES
from jmetamer.metamers.status import Status

# Rejections in a row after which the damping exceeds every singular value by far.
_MOST_REJECTIONS = 16
# A step that takes less than this share off the residual counts as none; so many end the search.
_PROGRESS, _PATIENCE = 1e-3, 5


class Retraction(NamedTuple):
    """Where Gauss-Newton steps ended.

    Attributes:
      x: [p] coordinates.
      curve: [s + 1] L_act at the start and after each of s outer steps.
      status: RUNNING where the aim was reached, STALLED, STEPS_EXHAUSTED or NON_FINITE.
    """

    x: np.ndarray
    curve: np.ndarray
    status: Status


def retract(
    equations: Equations, start: np.ndarray, aim: float, steps: int, damping: float
) -> Retraction:
    """Go to the zeros of a residual by damped minimum-norm steps.

    `delta = -J^T (J J^T + mu I)^-1 r` with `mu = damping * min(1, |r| / |r_0|)^2 * s_1^2`
    (Levenberg 1944, Marquardt 1963). A step that does not lower |r| is taken back and the damping
    raised tenfold; after one that does it is lowered tenfold.

    Args:
      equations: residual and its Jacobian.
      start: [p] where to begin.
      aim: L_act at which to stop, where the residual is no larger than its square root either.
      steps: largest number of outer steps, one Jacobian each.
      damping: relative to the largest squared singular value.

    Returns:
      The last iterate, whose residual is the smallest.
    """
    x = np.array(start, np.float64).reshape(-1)
    r, match = equations(x)
    curve, first, idle = [match], max(float(np.linalg.norm(r)), 1e-300), 0
    # A target of norm zero has no relative error; its residual is absolute and decides alone.
    while not (match <= aim and float(np.sum(r**2)) <= 100 * aim):
        size = float(np.linalg.norm(r))
        if not np.isfinite(size):
            return Retraction(x, np.array(curve), Status.NON_FINITE)
        if len(curve) > steps:
            return Retraction(x, np.array(curve), Status.STEPS_EXHAUSTED)
        solver = equations.steps(x)
        for _ in range(_MOST_REJECTIONS):
            weight = damping * min(1.0, size / first) ** 2 * solver.scale
            trial = x - solver.solve(r, weight)
            r_trial, match_trial = equations(trial)
            if np.linalg.norm(r_trial) < size:
                break
            damping = max(10 * damping, 1e-9)
        else:
            return Retraction(x, np.array(curve), Status.STALLED)
        x, r, match, damping = trial, r_trial, match_trial, damping / 10
        curve.append(match)
        idle = idle + 1 if np.linalg.norm(r) > (1 - _PROGRESS) * size else 0
        if idle >= _PATIENCE:
            return Retraction(x, np.array(curve), Status.STALLED)
    return Retraction(x, np.array(curve), Status.RUNNING)


@checked
@dataclasses.dataclass(frozen=True)
class GaussNewton(Construction[Search]):
    """Minimum-norm Gauss-Newton projection of each seed's noise onto the metamers.

    Steps are those of `retract`, in row-space coordinates where the network begins with a matrix.
    At a ReLU the residual is that of `Complementarity`, without a dead zone; before a strictly
    monotone nonlinearity it is the difference of pre-activations.

    Attributes:
      steps: largest number of outer steps.
      aim: L_act at which to stop. The default is below what float32 features can tell apart.
      damping: first damping, relative to the largest squared singular value.
      strict: match what enters a ReLU too. That is more than the layer asks, but its equations
        never switch off: for all nodes of a large graph it converges in a few steps where the
        residual of `Complementarity` takes many.
      coordinates: in which the search moves: "auto" (the row space of the first matrix, where that
        is exact), "row_space" or "features".

    Raises:
      InputError: a number outside its range.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> point = Point(jm.Problem(trained, data.graph, layer="conv1", nodes=[0]))
      >>> method = GaussNewton(aim=1e-24)
      >>> made = method.make(point.features[::-1], point, method.prepare(point))
      >>> point.loss(made.features) < 1e-24
      True
    """

    steps: Count = 50
    aim: Positive = 1e-14
    damping: NonNegative = 1e-3
    strict: bool = False
    coordinates: Annotated[str, OneOf(COORDINATES)] = "auto"
    name: ClassVar[str] = "gauss_newton"
    solves: ClassVar[bool] = True

    def prepare(self, point: Point) -> Search:
        """Return the residual as a function of the coordinates."""
        return Search(point, strict=self.strict)

    def make(self, start: np.ndarray, point: Point, prepared: Search) -> ExactMetamer:
        """Return the projection of the start."""
        origin, limits = np.zeros(prepared.map.num_inputs), (self.aim, self.steps, self.damping)
        ended = retract(prepared.around(start), origin, *limits)
        features = start + prepared.map.lift(ended.x)
        return ExactMetamer(features, ended.curve, ended.status)
