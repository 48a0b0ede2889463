"""Leading singular values of a Jacobian that is known only by its products."""

from typing import NamedTuple

import jax
import numpy as np
import scipy.linalg

from jmetamer._base.arguments import Key, checked
from jmetamer._base.errors import InputError
from jmetamer.geometry.lanczos import Operator, apply_checked

SPARE = 8  # columns beyond the wanted ones, which speed up the last of them
NEGLIGIBLE = 1e-14  # a direction below this share of the largest value is round-off


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
            basis = _restarted(basis, inner, values, outer, max(room - block, block))
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


def _restarted(
    basis: _Basis, inner: np.ndarray, values: np.ndarray, outer: np.ndarray, keep: int
) -> _Basis:
    keep = min(keep, len(values))
    left, right = basis.left @ outer[:keep].T, basis.right @ inner[:, :keep]
    return _Basis(left, right, np.diag(values[:keep]))


def _result(
    values: np.ndarray, error: np.ndarray, count: int, steps: int, converged: bool
) -> LeadingValues:
    """Pad with zeros: a random block wider than the rank proves that no further value exists."""
    parts = values[:count], error[:count]
    padded, bound = (np.pad(part, (0, count - len(part))) for part in parts)
    noise = NEGLIGIBLE * values[:1].sum()
    return LeadingValues(padded, np.maximum(bound, noise), steps, converged)
