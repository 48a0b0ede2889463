"""Minimum-norm steps from a dense Jacobian."""

from typing import Protocol

import numpy as np
import scipy.linalg

# Beyond this many equations singular vectors cost more than the iterations that they save.
_MOST_SINGULAR_VECTORS = 256
_EPS = float(np.finfo(np.float64).eps)


class Steps(Protocol):
    """Solutions with one Jacobian J [q, p].

    Attributes:
      scale: [] about the largest squared singular value.
    """

    scale: float

    def solve(self, rhs: np.ndarray, damping: float) -> np.ndarray:
        """Return `J^T (J J^T + damping I)^-1 rhs`, [p]."""
        ...

    def remove_rows(self, direction: np.ndarray) -> np.ndarray:
        """Return `(I - J^+ J) direction`, [p]."""
        ...


class SingularSteps:
    """By singular values: accurate at any condition number, for a few hundred rows.

    Args:
      jacobian: [q, p].

    Example:
      >>> steps = SingularSteps(np.array([[2.0, 0.0, 0.0]]))
      >>> steps.solve(np.array([4.0]), 0.0), steps.remove_rows(np.ones(3))
      (array([2., 0., 0.]), array([0., 1., 1.]))
    """

    def __init__(self, jacobian: np.ndarray) -> None:
        wide = jacobian.shape[1] > jacobian.shape[0]
        # J = R^T Q^T has the singular values and left vectors of R^T; Q is never formed.
        left = scipy.linalg.qr(jacobian.T, mode="r")[0][: len(jacobian)].T if wide else jacobian
        u, s, _ = scipy.linalg.svd(left, full_matrices=False, check_finite=False)
        largest = s[0] if s.size else 0.0
        kept = s > _EPS * max(jacobian.shape) * largest
        self._jacobian, self._u, self._s = jacobian, u[:, kept], s[kept]
        self.scale = float(largest**2)

    def solve(self, rhs: np.ndarray, damping: float) -> np.ndarray:
        """Return the damped minimum-norm solution."""
        weights = (rhs @ self._u) / (self._s**2 + damping)
        return np.asarray((self._u @ weights) @ self._jacobian)

    def remove_rows(self, direction: np.ndarray) -> np.ndarray:
        """Return the direction without its part in the row space."""
        for _ in range(3):  # every time removes the one before's rounding
            direction = direction - self.solve(self._jacobian @ direction, 0.0)
        return direction


class GramSteps:
    """By a Cholesky factor of `J J^T + damping I`: for thousands of rows.

    Squares the condition number, so directions below `1e-7` of the largest singular value wait
    for the next step.

    Args:
      jacobian: [q, p].

    Example:
      >>> steps = GramSteps(np.array([[2.0, 0.0, 0.0]]))
      >>> steps.solve(np.array([4.0]), 0.0).round(9)
      array([2., 0., 0.])
    """

    def __init__(self, jacobian: np.ndarray) -> None:
        self._jacobian, self._gram = jacobian, jacobian @ jacobian.T
        # The trace bounds the largest eigenvalue; dividing by q would underrate it.
        self.scale = float(np.trace(self._gram))

    def solve(self, rhs: np.ndarray, damping: float) -> np.ndarray:
        """Return the damped minimum-norm solution."""
        if self.scale == 0:
            return np.zeros(self._jacobian.shape[1])
        floor = 4 * _EPS * self.scale
        diagonal = (damping + floor) * np.eye(len(self._gram))
        factor = scipy.linalg.cho_factor(self._gram + diagonal, check_finite=False)
        return np.asarray(scipy.linalg.cho_solve(factor, rhs) @ self._jacobian)

    def remove_rows(self, direction: np.ndarray) -> np.ndarray:
        """Return the direction without its part in the row space."""
        for _ in range(3):
            direction = direction - self.solve(self._jacobian @ direction, 0.0)
        return direction


def dense_steps(jacobian: np.ndarray) -> Steps:
    """Return the solver that suits the number of rows.

    Args:
      jacobian: [q, p].

    Example:
      >>> type(dense_steps(np.eye(2))).__name__
      'SingularSteps'
    """
    few = min(jacobian.shape) <= _MOST_SINGULAR_VECTORS
    return SingularSteps(jacobian) if few else GramSteps(jacobian)
