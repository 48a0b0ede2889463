"""Operators known only by their products: Lanczos tridiagonalization, and leading singular values.

Tridiagonalization takes many start vectors of a symmetric operator at a time. All is float64.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import scipy.linalg

from jmetamer._base.arguments import AnArray, Key, checked
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.precision import float64_on_host

Operator = Callable[[np.ndarray], np.ndarray]

BREAKDOWN = 1e-13  # a new direction below this share of the operator's size is round-off
SPARE = 8  # columns beyond the wanted ones, which speed up the last of them
NEGLIGIBLE = 1e-14  # a direction below this share of the largest value is round-off


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


class LeadingValues(NamedTuple):
    """Leading singular values with an error bound each.

    Attributes:
      singular_values: [k] float64, descending; none exceeds the true one of its place.
      error: [k] float64; a true singular value lies within `error` of each of them.
      steps: int, products with J^T (and with J), each with a block of columns.
      converged: bool, whether every error is below the tolerance times the largest value.
    """

    singular_values: np.ndarray
    error: np.ndarray
    steps: int
    converged: bool


class _Basis(NamedTuple):
    """left [q, m] orthonormal with J^T left = right @ core, right [p, k] orthonormal."""

    left: np.ndarray
    right: np.ndarray
    core: np.ndarray


@checked
def leading_singular_values(
    matvec: Operator,
    rmatvec: Operator,
    num_outputs: int,
    num_inputs: int,
    count: int,
    *,
    key: Key,
    tolerance: float = 1e-6,
    max_basis: int | None = None,
    max_steps: int = 200,
) -> LeadingValues:
    """Return the largest singular values of J from products with J and J^T.

    Block Golub-Kahan bidiagonalization with full reorthogonalization of both bases and thick
    restart (Wu and Simon, SIAM J. Matrix Anal. Appl. 22, 2000): J^T U = V B with U and V
    orthonormal, and (s, u, v) from the singular value decomposition of B. J^T u = s v then holds
    exactly, so a singular value lies within |J v - s u| / sqrt 2 of s, and s_i <= sigma_i. The
    block has more columns than wanted values, so that values of any multiplicity are found, and
    no product J J^T is formed, which would square the condition number. Small values are out of
    reach all the same: a rank or a log-volume needs the dense spectrum, or `log_determinant`.

    Args:
      matvec: J, [p, b] -> [q, b] float64 on the host: `JacobianOperator.matmat`, or `on_host`.
      rmatvec: J^T, [q, b] -> [p, b]: `JacobianOperator.rmatmat`.
      num_outputs: q.
      num_inputs: p.
      count: k, how many values; from 0 to min(q, p).
      key: random key of the start block.
      tolerance: largest error wanted, relative to the largest singular value. It is a bound; a
        value at a distance g from the others is off by about its square over g.
      max_basis: columns of each basis before a restart, at least 2 (k + 8); 4 (k + 8) unless
        given. Memory: (q + p) max_basis numbers.
      max_steps: steps after which it stops unconverged.

    Returns:
      The `LeadingValues`.

    Raises:
      InputError: if `count` or `max_basis` does not fit, or an operator returns what it may not.

    Example:
      >>> scale = np.array([[3.0], [2.0], [1.0], [0.0]])
      >>> multiply = lambda columns: scale * columns
      >>> result = leading_singular_values(multiply, multiply, 4, 4, 2, key=jax.random.key(0))
      >>> result.singular_values.round(12), result.converged
      (array([3., 2.]), True)
    """
    block = min(count + SPARE, num_outputs)
    room = 4 * block if max_basis is None else max_basis
    _require_fit(num_outputs, num_inputs, count, room, block)
    if count == 0:
        return LeadingValues(np.zeros(0), np.zeros(0), 0, True)
    # NumPy draws in float64 without a compilation for each shape.
    start = np.random.default_rng(np.asarray(jax.random.key_data(key))).normal(
        size=(num_outputs, block)
    )
    basis = _Basis(np.zeros((num_outputs, 0)), np.zeros((num_inputs, 0)), np.zeros((0, 0)))
    new = np.linalg.qr(start)[0]
    for step in range(1, max_steps + 1):
        basis = _extended(basis, new, rmatvec)
        if basis.right.shape[1] == 0:  # J^T of a random block vanishes: J is zero
            return LeadingValues(np.zeros(count), np.zeros(count), step, True)
        inner, values, outer = scipy.linalg.svd(basis.core, full_matrices=False)
        keep = min(block, len(values))
        left = basis.left @ outer[:keep].T
        right = basis.right @ inner[:, :keep]
        residual = apply_checked(matvec, right, num_outputs) - left * values[:keep]
        error = np.linalg.norm(residual, axis=0) / np.sqrt(2)
        if (error[:count] <= tolerance * values[:1].sum()).all():
            return _result(values, error, count, step, True)
        if basis.left.shape[1] + block > room:
            kept = min(max(room - block, block), len(values))
            left, right = basis.left @ outer[:kept].T, basis.right @ inner[:, :kept]
            basis = _Basis(left, right, np.diag(values[:kept]))
        new = _split(basis.left, residual, values[0])[0]
        if new.shape[1] == 0:
            break
    return _result(values, error, count, step, False)


def _require_fit(num_outputs: int, num_inputs: int, count: int, room: int, block: int) -> None:
    most = min(num_outputs, num_inputs)
    if not 0 <= count <= most:
        raise InputError(
            f"`count` is {count} but a {num_outputs} x {num_inputs} Jacobian has {most} singular "
            f"values; give a number from 0 to {most}."
        )
    if room < 2 * block:
        raise InputError(
            f"`max_basis` is {room}, too small to restart with {count} values; give at least "
            f"{2 * block}, or ask for fewer values."
        )


def _extended(basis: _Basis, new: np.ndarray, rmatvec: Operator) -> _Basis:
    image = apply_checked(rmatvec, new, basis.right.shape[0])
    size = max(np.linalg.norm(part, axis=0).max(initial=0.0) for part in (image, basis.core))
    extra, coefficients = _split(basis.right, image, float(size))
    rows, columns = basis.core.shape
    core = np.zeros((rows + extra.shape[1], columns + new.shape[1]))
    core[:rows, :columns] = basis.core
    core[:, columns:] = coefficients
    return _Basis(np.hstack([basis.left, new]), np.hstack([basis.right, extra]), core)


def _split(basis: np.ndarray, columns: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return `extra` orthonormal and C with columns = [basis, extra] C up to round-off."""
    inside = basis.T @ columns
    extra, triangle = _orthonormal(columns - basis @ inside, NEGLIGIBLE * size)
    # Once more: what round-off left of the basis in small columns was just magnified.
    again = basis.T @ extra
    extra, second = _orthonormal(extra - basis @ again, 0.5)
    return extra, np.vstack([inside + again @ triangle, second @ triangle])


def _orthonormal(columns: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    # Pivoting reveals the rank, but is slow on a tall matrix; so the small factor is pivoted.
    tall, square = np.linalg.qr(columns)
    turn, triangle, order = scipy.linalg.qr(square, mode="economic", pivoting=True)
    kept = int(np.sum(np.abs(np.diag(triangle)) > floor))
    unordered = np.zeros((kept, columns.shape[1]))
    unordered[:, order] = triangle[:kept]
    return tall @ turn[:, :kept], unordered


def _result(
    values: np.ndarray, error: np.ndarray, count: int, steps: int, converged: bool
) -> LeadingValues:
    """Pad with zeros: a random block wider than the rank proves that no further value exists."""
    parts = values[:count], error[:count]
    padded, bound = (np.pad(part, (0, count - len(part))) for part in parts)
    noise = NEGLIGIBLE * values[:1].sum()
    return LeadingValues(padded, np.maximum(bound, noise), steps, converged)
