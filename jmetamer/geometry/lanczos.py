"""Lanczos tridiagonalization of a symmetric operator, many start vectors at a time, in float64."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import scipy.linalg

from jmetamer._base.arguments import AnArray
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.precision import float64_on_host

Operator = Callable[[np.ndarray], np.ndarray]

BREAKDOWN = 1e-13  # a new direction below this share of the operator's size is round-off


class Tridiagonalization(NamedTuple):
    """Lanczos coefficients of b start vectors.

    Attributes:
      diagonal: [m, b] float64.
      off_diagonal: [m - 1, b] float64, positive up to the breakdown and 0 after it.
      length: [b] int, steps before the breakdown, at least 1; the leading `length` coefficients
        count. A length below m means that the Krylov space is exhausted: everything is exact.
      start_norm: [b] float64, Euclidean norms of the start vectors.
      size: q, the operator's rows.
    """

    diagonal: np.ndarray
    off_diagonal: np.ndarray
    length: np.ndarray
    start_norm: np.ndarray
    size: int

    def exhausted(self) -> np.ndarray:
        """[b] bool, whether the Krylov space of a start vector is complete and its rule exact."""
        steps = len(self.diagonal)
        return (self.length < steps) | (self.length >= self.size)


def on_host(function: Callable[[jax.Array], jax.Array]) -> Operator:
    """Turn a linear function of one vector, written with jax, into an operator on columns.

    It is compiled once for each number of columns and runs in float64 on the host.

    Args:
      function: maps [p] to [q], linear; for K = J J^T compose a `jax.vjp` and a `jax.jvp`.

    Returns:
      A function from [p, b] to [q, b], NumPy float64.

    Example:
      >>> on_host(lambda v: 2 * v)(np.ones((2, 3)))
      array([[2., 2., 2.], [2., 2., 2.]])
    """
    compiled = compile_function()(jax.vmap(function, in_axes=1, out_axes=1))

    def apply(columns: np.ndarray) -> np.ndarray:
        with float64_on_host():
            return np.asarray(compiled(np.asarray(columns, np.float64)))

    return apply


def apply_checked(operator: Operator, columns: np.ndarray, rows: int) -> np.ndarray:
    """Apply an operator and refuse what is not [rows, b] finite float64.

    Example:
      >>> apply_checked(lambda v: 3 * v, np.eye(2), 2)
      array([[3., 0.], [0., 3.]])
    """
    image = np.asarray(operator(columns))
    if image.shape != (rows, columns.shape[1]):
        raise InputError(
            f"`operator` returned shape {image.shape} for columns of shape {columns.shape}; "
            f"{(rows, columns.shape[1])} is needed: it maps each column to a column."
        )
    if image.dtype != np.float64:
        raise InputError(
            f"`operator` returned {image.dtype}; float64 is needed, for spectra of float32 "
            "operators are wrong at their small end. Build it with `on_host`."
        )
    if not np.isfinite(image).all():
        raise InputError(
            f"`operator` returned {int(np.sum(~np.isfinite(image)))} values that are not finite; "
            "check the point of linearization for NaN and for divisions by zero."
        )
    return image


def tridiagonalize(operator: Operator, start: AnArray, steps: int) -> Tridiagonalization:
    """Run Lanczos with full reorthogonalization from every column of `start`.

    After m steps Q^T K Q = T, with Q an orthonormal basis of span{v, K v, ..., K^(m-1) v} and T
    tridiagonal. Each new direction is orthogonalized twice against all earlier ones, so no
    eigenvalue appears twice by round-off. Where the Krylov space is exhausted (m exceeds the
    number of distinct eigenvalues that the start vector contains), the run of that vector ends
    and T is exact. Memory: m q b numbers.

    Args:
      operator: K [q, b] -> [q, b], symmetric, float64 on the host.
      start: [q, b] float64; a zero column is allowed.
      steps: m, at least 1; no more than q are made.

    Returns:
      The `Tridiagonalization`.

    Raises:
      InputError: if shapes or dtypes disagree, or a value is not finite.

    Example:
      >>> done = tridiagonalize(lambda v: 5 * v, np.ones((4, 1)), steps=3)
      >>> done.diagonal[: done.length[0], 0]
      array([5.])
    """
    start = np.asarray(start, np.float64)
    if start.ndim != 2 or start.shape[0] == 0 or steps < 1:
        raise InputError(
            f"`start` has shape {start.shape} and `steps` is {steps}; give a matrix with one start "
            "vector of at least one entry a column, and at least one step."
        )
    size, count = start.shape
    steps = min(steps, size)
    norm = np.linalg.norm(start, axis=0)
    diagonal, off_diagonal = np.zeros((steps, count)), np.zeros((steps - 1, count))
    length = np.ones(count, np.int64)
    live = norm > 0
    largest = np.zeros(count)
    basis = np.zeros((count, steps, size))
    vector = _divided(start, norm, live)
    for step in range(steps):
        basis[:, step] = vector.T
        image = apply_checked(operator, vector, size)
        diagonal[step] = np.sum(vector * image, axis=0)
        if step == steps - 1:
            break
        largest = np.maximum(largest, np.linalg.norm(image, axis=0))
        rest = _orthogonalized(basis[:, : step + 1], image)
        remaining = np.linalg.norm(rest, axis=0)
        live = live & (remaining > BREAKDOWN * largest)
        if not live.any():
            break
        length[live] = step + 2
        off_diagonal[step, live] = remaining[live]
        vector = _divided(rest, remaining, live)
    return Tridiagonalization(diagonal, off_diagonal, length, norm, size)


def gauss_rule(
    tridiagonalization: Tridiagonalization, column: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the Gauss quadrature of one start vector's spectral measure.

    With eigenpairs (theta_j, y_j) of the leading block of T, v^T f(K) v is approximated by
    |v|^2 sum_j w_j f(theta_j), w_j = y_j[0]^2 (Golub and Meurant, Matrices, Moments and
    Quadrature, 2010). It is exact for polynomials of degree below 2m.

    Args:
      tridiagonalization: what `tridiagonalize` returned.
      column: which start vector.
      steps: leading steps to use.

    Returns:
      Nodes theta [k] ascending and weights w [k], which sum to 1.

    Example:
      >>> done = tridiagonalize(lambda v: np.array([[1.0], [3.0]]) * v, np.ones((2, 1)), 2)
      >>> nodes, weights = gauss_rule(done, 0, 2)
      >>> nodes.round(12), weights.round(12)
      (array([1., 3.]), array([0.5, 0.5]))
    """
    used = int(min(tridiagonalization.length[column], steps))
    diagonal = tridiagonalization.diagonal[:used, column]
    off_diagonal = tridiagonalization.off_diagonal[: used - 1, column]
    nodes, vectors = scipy.linalg.eigh_tridiagonal(diagonal, off_diagonal)
    return nodes, vectors[0] ** 2


def _divided(columns: np.ndarray, norm: np.ndarray, live: np.ndarray) -> np.ndarray:
    return np.where(live, columns / np.where(live, norm, 1.0), 0.0)


def _orthogonalized(basis: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Remove [b, j, q] basis directions from [q, b] columns, twice, for once leaves round-off."""
    rest = image.T[:, :, None]
    for _ in range(2):
        rest = rest - basis.transpose(0, 2, 1) @ (basis @ rest)
    return rest[:, :, 0].T
