"""Dense Jacobians in float64 on the host, for targets with few outputs."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import AnArray, Count, Numbers, checked
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.precision import float64_on_host

ArrayFunction = Callable[..., jax.Array]


class Linearization(NamedTuple):
    """A function's value and derivative at one point.

    Attributes:
      value: [q] float64, the flattened output.
      jacobian: [q, p] float64, derivative of the flattened output by the flattened input.
    """

    value: np.ndarray
    jacobian: np.ndarray


Linearize = Callable[..., Linearization]


@checked
def linearizer(function: ArrayFunction, *, chunk: Count = 32) -> Linearize:
    """Build `linearize(x, *args)`, which compiles once for all points and arguments of a shape.

    J = d vec(F(x, *args)) / d vec(x), with vec in row-major order, by reverse mode: one pullback
    per output, `chunk` of them at a time, so q outputs cost about q backward passes however many
    inputs there are. Keep what this returns and call it for many targets: pass what changes from
    target to target (a node's number, parameters) in `args`. Floating arguments are raised to
    float64. Close over host (NumPy) arrays only.

    Args:
      function: maps (x, *args) to one array; written with jax.
      chunk: outputs pulled back at a time; memory grows with it.

    Returns:
      A function of x (any shape) and `args` (pytrees of arrays) that returns a `Linearization`.

    Raises:
      InputError: if `chunk` is not a positive integer, and at the first call with a shape if
        `function` computes in less than float64 or does not return one real array.

    Example:
      >>> import jax.numpy as jnp
      >>> linearize = linearizer(lambda x, row: jnp.sin(x)[row])
      >>> x = np.zeros((3, 2))
      >>> linearize(x, 0).jacobian
      array([[1., 0., 0., 0., 0., 0.],
             [0., 1., 0., 0., 0., 0.]])
      >>> linearize(x, 2).value  # the same compiled program
      array([0., 0.])
    """

    @compile_function()
    def compiled(x: jax.Array, args: tuple[object, ...]) -> tuple[jax.Array, jax.Array]:
        # Runs while tracing only, so the checks cost nothing after the first call with a shape.
        require_float64(function, x, args)
        value, pullback = jax.vjp(lambda point: function(point, *args).reshape(-1), x)
        if value.size == 0 or x.size == 0:
            return value, jnp.zeros((value.size, x.size), jnp.float64)

        def row(index: jax.Array) -> jax.Array:
            cotangent = jax.nn.one_hot(index, value.size, dtype=value.dtype)
            return pullback(cotangent)[0].reshape(-1)

        return value, jax.lax.map(row, jnp.arange(value.size), batch_size=min(chunk, value.size))

    def linearize(x: AnArray, *args: object) -> Linearization:
        with float64_on_host():
            value, jacobian = compiled(to_host(x, force=True), jax.tree.map(to_host, args))
            return Linearization(np.asarray(value), np.asarray(jacobian))

    return linearize


@checked
def dense_jacobian(
    function: ArrayFunction, x: Numbers, *args: object, chunk: int = 32
) -> np.ndarray:
    """Return the Jacobian of a function at one point.

    J_ij = d F_i / d x_j with both sides flattened in row-major order. Compiles at each call; for
    many points keep a `linearizer`. An all-zero Jacobian is a legal answer.

    Args:
      function: maps (x, *args) to one array; written with jax.
      x: point of any shape, p numbers.
      *args: further arguments, not differentiated.
      chunk: outputs pulled back at a time.

    Returns:
      [q, p] float64 on the host.

    Raises:
      InputError: if `function` computes in less than float64 or returns no real array.

    Example:
      >>> dense_jacobian(lambda x: x @ np.array([[2.0], [3.0]]), np.ones((1, 2)))
      array([[2., 3.]])
    """
    return linearizer(function, chunk=chunk)(x, *args).jacobian


def to_host(leaf: object, *, force: bool = False) -> AnArray:
    """Bring a leaf to the host, floats as float64; random keys pass as they are."""
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    array = np.asarray(leaf)
    if force or jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(np.float64)
    return array


def require_float64(function: ArrayFunction, x: object, args: tuple[object, ...]) -> None:
    """Refuse a function whose derivative would not be a float64 number."""
    program, output = jax.make_jaxpr(function, return_shape=True)(x, *args)
    if not hasattr(output, "dtype"):
        raise InputError(
            f"`function` returned {type(output).__name__}, and a Jacobian needs one array; "
            "concatenate the outputs, or differentiate them one at a time."
        )
    advice = (
        "Singular values of a float32 Jacobian give wrong ranks; remove the cast (often "
        "`dtype=jnp.float32` of a layer, or `.astype`) and let the input decide the precision."
    )
    if output.dtype != jnp.float64:
        raise InputError(
            f"`function` returned {output.dtype} for a float64 input; float64 is needed. {advice}"
        )
    for source, target in _casts(program.jaxpr):
        if source == np.float64 and jnp.issubdtype(target, jnp.floating) and target != np.float64:
            raise InputError(
                f"`function` casts {source} down to {target} on the way to its {output.dtype} "
                f"output; float64 is needed throughout. {advice}"
            )


def _casts(program: object) -> Iterator[tuple[np.dtype, np.dtype]]:
    """Yield (from, to) of every change of dtype in a traced program and the programs inside it."""
    for equation in getattr(program, "eqns", ()):
        if equation.primitive.name == "convert_element_type":
            yield equation.invars[0].aval.dtype, equation.params["new_dtype"]
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, tuple | list) else [parameter]:
                yield from _casts(getattr(inner, "jaxpr", inner))
