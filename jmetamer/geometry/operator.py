"""Jacobians that are applied and never stored, in float64 on the host."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse.linalg

from jmetamer._base.arguments import AnArray, Count, Numbers, checked
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.precision import float64_on_host
from jmetamer.geometry.gradient_check import NOT_CHECKED, GradientCheck, check_gradient, warn_of
from jmetamer.geometry.jacobian import ArrayFunction, require_float64, to_host

Tree = object  # a pytree of arrays
Pullback = Callable[[jax.Array], tuple[Tree, ...]]


@checked
class JacobianPrograms:
    """Compiled products with the Jacobian of one function, shared by all points of a shape.

    Build it once and call `at` for every target: what changes from target to target (a node's
    number, parameters, a graph) belongs in the arguments, as data. The forward pass of a point is
    run once; its intermediate values are kept for all products there.

    Args:
      function: maps (point, *args) to one array; written with jax; closes over host arrays only.
      chunk: vectors multiplied at a time by `matmat`, `rmatmat` and `dense`; memory grows with it.

    Raises:
      InputError: if `chunk` is not a positive integer.

    Example:
      >>> import jax.numpy as jnp
      >>> programs = JacobianPrograms(lambda x, row: jnp.sin(x)[row])
      >>> programs.at(np.zeros((3, 2)), 1).dense()
      array([[0., 0., 1., 0., 0., 0.],
             [0., 0., 0., 1., 0., 0.]])
    """

    def __init__(self, function: ArrayFunction, *, chunk: Count = 32) -> None:
        self.chunk = chunk

        @compile_function()
        def linearize(point: Tree, args: tuple[Tree, ...]) -> tuple[jax.Array, Pullback]:
            require_float64(function, point, args)  # while tracing only
            value, pullback = jax.vjp(lambda moved: function(moved, *args).reshape(-1), point)
            return value, pullback

        def pull(pullback: Pullback, cotangent: jax.Array) -> jax.Array:
            leaves = jax.tree.leaves(pullback(cotangent)[0])
            return jnp.concatenate([leaf.reshape(-1) for leaf in leaves])

        def push(pullback: Pullback, value: jax.Array, tangent: jax.Array) -> jax.Array:
            # The transpose of a pullback: exact, and it needs no second forward pass.
            transposed = jax.linear_transpose(lambda u: pull(pullback, u), value)
            return transposed(tangent)[0]

        def gram(pullback: Pullback, value: jax.Array, cotangent: jax.Array) -> jax.Array:
            return push(pullback, value, pull(pullback, cotangent))

        self.linearize = linearize
        self.pull = compile_function()(jax.vmap(pull, (None, 0)))
        self.push = compile_function()(jax.vmap(push, (None, None, 0)))
        self.gram = compile_function()(jax.vmap(gram, (None, None, 0)))

    def at(
        self,
        point: Tree,
        *args: Tree,
        check: bool = True,
        num_inputs: int | None = None,
        input_norm: float | None = None,
        coordinates: str = "inputs",
    ) -> "JacobianOperator":
        """Return the Jacobian at one point.

        Args:
          point: pytree of real arrays, p numbers in all; raised to float64.
          *args: further arguments of the function, not differentiated; floats become float64.
          check: compare the derivative with a finite difference along one random direction, and
            warn where the function cuts its gradient (see `check_gradient`).
          num_inputs: true number of inputs, where the point holds coordinates of them; p if None.
          input_norm: Euclidean norm of the true inputs; that of the point if None.
          coordinates: name of what the point holds.

        Raises:
          InputError: a point that is not real numbers; a function that computes in less than
            float64, returns no real array, or is not finite at the point.
        """
        return JacobianOperator(
            self,
            jax.tree.map(_real, point),
            jax.tree.map(to_host, args),
            check=check,
            num_inputs=num_inputs,
            input_norm=input_norm,
            coordinates=coordinates,
        )


@checked
class JacobianOperator:
    """The Jacobian J [q, p] of a function at a point, as products with vectors.

    J = d vec(F(x)) / d vec(x); the leaves of x in the order of `jax.tree.leaves`, each in row-major
    order. Made by `JacobianPrograms.at`, or by `JacobianOperator.of` for one point alone.

    Attributes:
      shape: (q, p).
      value: [q] float64, F(x).
      point: the pytree x, float64.
      num_inputs: true number of inputs; larger than p where x holds coordinates of a subspace
        outside which F does not change.
      input_norm, output_norm: Euclidean norms of the true inputs and of F(x).
      coordinates: name of what x holds.
      gradient: `GradientCheck` that was made at this point.

    Example:
      >>> operator = JacobianOperator.of(lambda x: x["a"] * x["b"], {"a": 2.0, "b": 3.0})
      >>> operator.matvec([1.0, 10.0]), operator.rmatvec([1.0])
      (array([23.]), array([3., 2.]))
    """

    dtype = np.dtype(np.float64)

    def __init__(
        self,
        programs: JacobianPrograms,
        point: Tree,
        args: tuple[Tree, ...],
        *,
        check: bool,
        num_inputs: int | None,
        input_norm: float | None,
        coordinates: str,
    ) -> None:
        self.point = point
        self.coordinates = coordinates
        self._programs, self._args = programs, args
        flat = self.ravel(point)
        with float64_on_host():
            self._value, self._pullback = programs.linearize(point, args)
        self.value = np.asarray(self._value)
        if not np.isfinite(self.value).all():
            raise InputError(
                f"`function` is {self.value[~np.isfinite(self.value)][0]} at the point; a "
                "Jacobian needs finite outputs. Check the input and the parameters for NaN."
            )
        self.shape = (self.value.size, flat.size)
        self.num_inputs = flat.size if num_inputs is None else int(num_inputs)
        if self.num_inputs < flat.size:
            raise InputError(
                f"`num_inputs` is {num_inputs}, but the point holds {flat.size} coordinates; there "
                "are never more coordinates than inputs."
            )
        self.input_norm = float(np.linalg.norm(flat) if input_norm is None else input_norm)
        self.output_norm = float(np.linalg.norm(self.value))
        self.gradient = self._check() if check and 0 not in self.shape else NOT_CHECKED
        warn_of(self.gradient)

    @classmethod
    def of(
        cls, function: ArrayFunction, point: Tree, *args: Tree, check: bool = True
    ) -> "JacobianOperator":
        """Return the Jacobian of a function at one point; keep `JacobianPrograms` for many points.

        Args:
          function: maps (point, *args) to one array; written with jax.
          point: pytree of real arrays.
          *args: further arguments, not differentiated.
          check: see `JacobianPrograms.at`.
        """
        return JacobianPrograms(function).at(point, *args, check=check)

    def matvec(self, vector: Numbers) -> np.ndarray:
        """Return J v, [q], for v [p]."""
        return self._push(_vector("vector", vector, self.shape[1])[None])[0]

    def rmatvec(self, vector: Numbers) -> np.ndarray:
        """Return J^T u, [p], for u [q]."""
        return self._pull(_vector("vector", vector, self.shape[0])[None])[0]

    def matmat(self, matrix: Numbers) -> np.ndarray:
        """Return J V, [q, k], for V [p, k]."""
        return self._push(_matrix(matrix, self.shape[1]).T).T

    def rmatmat(self, matrix: Numbers) -> np.ndarray:
        """Return J^T U, [p, k], for U [q, k]."""
        return self._pull(_matrix(matrix, self.shape[0]).T).T

    def gram(self, vector: Numbers) -> np.ndarray:
        """Return J J^T u, [q], for u [q]; [q, k] for a matrix of k columns.

        Its eigenvalues are squares of singular values: fine for solving and for log-volumes,
        never for a rank.
        """
        if np.ndim(vector) == 2:
            return self._gram(_matrix(vector, self.shape[0]).T).T
        return self._gram(_vector("vector", vector, self.shape[0])[None])[0]

    def dense(self) -> np.ndarray:
        """Return J [q, p] as an array, by rows or by columns, whichever are fewer.

        Example:
          >>> JacobianOperator.of(lambda x: 2.0 * x, np.ones(2)).dense()
          array([[2., 0.],
                 [0., 2.]])
        """
        num_outputs, num_inputs = self.shape
        return self._pull(num_outputs) if num_outputs <= num_inputs else self._push(num_inputs).T

    def as_linear_operator(self) -> scipy.sparse.linalg.LinearOperator:
        """Return the operator as `scipy.sparse.linalg` takes it (`svds`, `lsmr`, ...)."""
        return scipy.sparse.linalg.LinearOperator(
            self.shape,
            matvec=self.matvec,
            rmatvec=self.rmatvec,
            matmat=self.matmat,
            rmatmat=self.rmatmat,
            dtype=self.dtype,
        )

    def ravel(self, point: Tree) -> np.ndarray:
        """Return a pytree shaped like the point as one vector [p]."""
        leaves = [np.asarray(leaf, np.float64).reshape(-1) for leaf in jax.tree.leaves(point)]
        return np.concatenate(leaves) if leaves else np.zeros(0)

    def unravel(self, vector: Numbers) -> Tree:
        """Return a vector [p] as a pytree shaped like the point."""
        flat = _vector("vector", vector, self.shape[1])
        leaves, structure = jax.tree.flatten(self.point)
        parts = np.split(flat, np.cumsum([leaf.size for leaf in leaves])[:-1])
        shaped = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
        return jax.tree.unflatten(structure, shaped)

    def _pull(self, rows: np.ndarray | int) -> np.ndarray:
        return self._in_chunks(partial(self._programs.pull, self._pullback), rows, self.shape)

    def _push(self, rows: np.ndarray | int) -> np.ndarray:
        push = partial(self._programs.push, self._pullback, self._value)
        return self._in_chunks(push, rows, self.shape[::-1])

    def _gram(self, rows: np.ndarray | int) -> np.ndarray:
        gram = partial(self._programs.gram, self._pullback, self._value)
        return self._in_chunks(gram, rows, (self.shape[0], self.shape[0]))

    def _in_chunks(
        self,
        apply: Callable[[np.ndarray], jax.Array],
        rows: np.ndarray | int,
        lengths: tuple[int, int],
    ) -> np.ndarray:
        """Apply a product to each row, `chunk` at a time; a number stands for so many unit vectors.

        Args:
          apply: [k, lengths[0]] -> [k, lengths[1]].
          rows: [m, lengths[0]], or m.
          lengths: of a row before and after.
        """
        total = rows if isinstance(rows, int) else len(rows)
        result = np.zeros((total, lengths[1]))
        if 0 in (total, *lengths):
            return result
        # Few sizes of a batch, so that few programs are compiled.
        size = min(self._programs.chunk, 1 << (total - 1).bit_length())
        with float64_on_host():
            for start in range(0, total, size):
                filled = min(size, total - start)
                batch = np.zeros((size, lengths[0]))
                if isinstance(rows, int):
                    batch[np.arange(filled), start + np.arange(filled)] = 1.0
                else:
                    batch[:filled] = rows[start : start + filled]
                result[start : start + filled] = np.asarray(apply(batch))[:filled]
        if not np.isfinite(result).all():
            raise InputError(
                "a product with the Jacobian is not finite though the function is; look for a "
                "derivative of 0/0 (a norm or square root at 0: two nodes at one position, an "
                "all-zero row that is normalized), and check the vector."
            )
        return result

    def _check(self) -> GradientCheck:
        def evaluate(flat: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
            with float64_on_host():
                value, pullback = self._programs.linearize(self.unravel(flat), self._args)

            def push(direction: np.ndarray) -> np.ndarray:
                with float64_on_host():
                    return np.asarray(self._programs.push(pullback, value, direction[None])[0])

            return np.asarray(value), push

        return check_gradient(evaluate, self.ravel(self.point), self.ravel(_sizes(self.point)))


def _sizes(point: Tree) -> Tree:
    """Return the root mean square of each leaf in place of its entries; 1 for a leaf of zeros."""

    def size(leaf: np.ndarray) -> np.ndarray:
        rms = float(np.sqrt(np.mean(np.square(leaf)))) if leaf.size else 1.0
        return np.full(leaf.shape, rms or 1.0)

    return jax.tree.map(size, point)


def _real(leaf: object) -> np.ndarray:
    array = np.asarray(leaf)
    if not (jnp.issubdtype(array.dtype, jnp.floating) or array.dtype.kind in "iub"):
        raise InputError(
            f"`point` holds {array.dtype}; a derivative is taken by real numbers. Pass the rest "
            "as further arguments."
        )
    return array.astype(np.float64)


def _vector(name: str, values: AnArray, length: int) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.shape not in ((length,), (length, 1)):
        raise InputError(f"`{name}` has shape {array.shape}; allowed is ({length},).")
    return array.reshape(-1)


def _matrix(values: AnArray, length: int) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or array.shape[0] != length:
        raise InputError(f"`matrix` has shape {array.shape}; allowed is ({length}, k).")
    return array
