"""Does the derivative of a function describe the function? One random direction tells."""

import enum
import sys
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Value at a point, and the derivative there applied to a direction.
Evaluate = Callable[[np.ndarray], tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]]

SHIFT = 1e-3  # how far beside the point the check is made, in units of the point's size
STEP = 1e-5  # of the finite difference; larger than round-off, smaller than the shift
FAR = (0.3, 1.0, 3.0)  # where an output that does not move nearby is looked for
SMOOTH = 0.02  # forward and backward differences that agree so well straddle no kink
WRONG = 0.05  # derivative and difference that differ by more are not the same thing


class GradientStatus(enum.Enum):
    """What a comparison of derivative and finite difference says.

    Attributes:
      AGREES: the derivative is that of the function.
      CUT: it is not: something stops or replaces gradients.
      STEPS: it is zero everywhere, and yet the function changes: it is piecewise constant.
      UNDECIDED: not checked, or the function is not finite beside the point.

    Example:
      >>> GradientStatus.CUT.value
      'cut'
    """

    AGREES = "agrees"
    CUT = "cut"
    STEPS = "steps"
    UNDECIDED = "undecided"


class GradientCheck(NamedTuple):
    """Whether a Jacobian is that of its function.

    Attributes:
      status: the verdict.
      mismatch: share of the change along the random direction that the derivative gets wrong,
        0 to about 1; NaN where undecided.
    """

    status: GradientStatus
    mismatch: float


class GradientWarning(UserWarning):
    """A Jacobian that is not the derivative of its function, so that its rank means nothing.

    Example:
      >>> issubclass(GradientWarning, UserWarning)
      True
    """


NOT_CHECKED = GradientCheck(GradientStatus.UNDECIDED, float("nan"))
_ADVICE = {
    GradientStatus.CUT: (
        "The Jacobian is not the derivative of the function: along a random direction they "
        "differ by {share:.0%}. Ranks and volumes describe the gradients, not the function. Look "
        "for `stop_gradient`, a straight-through estimator or a derivative of your own making."
    ),
    GradientStatus.STEPS: (
        "The Jacobian is zero everywhere, and yet the function changes: it is constant between "
        "steps, so rank 0 does not mean that the input is ignored. Look for `round`, `sign`, "
        "`argmax`, a comparison or a cast to an integer type on the way to the output."
    ),
}


def check_gradient(evaluate: Evaluate, point: np.ndarray, scale: np.ndarray) -> GradientCheck:
    """Compare the derivative along a random direction v with both one-sided differences.

    The comparison `J v = (F(x + s v) - F(x - s v)) / 2s` is made beside the point, where no unit
    sits on its kink by construction (a zero row, an unused bias), and only for outputs whose
    forward and backward difference agree. Where all of them are exactly zero, the function is
    followed further: if it changes while its derivative stays zero, it consists of steps. Units
    that a ReLU has switched off wake up on the way and are told apart by that.

    Costs three evaluations and one product; six and three where the Jacobian is zero.

    Args:
      evaluate: x [p] -> (F(x) [q], v [p] -> J(x) v [q]), float64.
      point: [p] float64.
      scale: [p] positive, the natural size of each input; moves are multiples of it.

    Returns:
      The `GradientCheck`. It never reports a function that is differentiable almost everywhere
      with a derivative that is not zero, and it cannot see a cut that the direction misses.

    Example:
      >>> def rounded(x):
      ...     return np.round(4 * x), lambda v: np.zeros_like(v)
      >>> check_gradient(rounded, np.ones(3), np.ones(3)).status.value
      'steps'
    """
    rng = np.random.default_rng(0)
    # Upwards only: weights of edges that are absent may not become negative.
    beside = point + SHIFT * scale * rng.uniform(0.5, 1.5, point.shape)
    direction = scale * rng.uniform(0.5, 1.5, point.shape) * rng.choice([-1.0, 1.0], point.shape)
    value, push = evaluate(beside)
    slope = push(direction)
    forward = (evaluate(beside + STEP * direction)[0] - value) / STEP
    backward = (value - evaluate(beside - STEP * direction)[0]) / STEP
    if not all(np.isfinite(part).all() for part in (value, slope, forward, backward)):
        return NOT_CHECKED
    if not (slope.any() or forward.any() or backward.any()):
        return _follow(evaluate, beside, scale * rng.uniform(0.5, 1.5, point.shape), value)
    return _compare(slope, forward, backward, float(np.abs(value).max(initial=0.0)))


def warn_of(check: GradientCheck) -> None:
    """Issue a `GradientWarning` where the derivative is not that of the function.

    It points at the first line outside of this package that led here.

    Example:
      >>> warn_of(GradientCheck(GradientStatus.AGREES, 0.0))
    """
    if check.status in _ADVICE:
        text = _ADVICE[check.status].format(share=min(check.mismatch, 1.0))
        level, frame = 1, sys._getframe()
        while frame.f_back and frame.f_globals.get("__name__", "").startswith("jmetamer."):
            level, frame = level + 1, frame.f_back
        warnings.warn(text, GradientWarning, stacklevel=level)


def _compare(
    slope: np.ndarray, forward: np.ndarray, backward: np.ndarray, size_of_value: float
) -> GradientCheck:
    change = np.maximum(np.abs(forward), np.abs(backward))
    largest = np.maximum(change, np.abs(slope))
    noise = 1e-6 * largest.max() + 1e4 * np.finfo(np.float64).eps / STEP * size_of_value
    smooth = np.abs(forward - backward) <= SMOOTH * change + noise
    error = np.abs(slope - (forward + backward) / 2)
    wrong = smooth & (error > WRONG * largest + noise)
    if not wrong.any():
        return GradientCheck(GradientStatus.AGREES, 0.0)
    share = float(np.linalg.norm(error[wrong]) / np.linalg.norm(largest))
    return GradientCheck(GradientStatus.CUT, share)


def _follow(
    evaluate: Evaluate, start: np.ndarray, direction: np.ndarray, value: np.ndarray
) -> GradientCheck:
    """Decide about a function whose derivative and differences are all exactly zero at a point."""
    size = float(np.abs(value).max(initial=0.0))
    changes = False
    for step in FAR:
        there, push = evaluate(start + step * direction)
        if push(direction).any():
            return GradientCheck(GradientStatus.AGREES, 0.0)
        difference = np.abs(there - value).max(initial=0.0)
        changes = changes or bool(difference > 1e-6 * max(size, float(np.abs(there).max())))
    if changes:
        return GradientCheck(GradientStatus.STEPS, 1.0)
    return GradientCheck(GradientStatus.AGREES, 0.0)
