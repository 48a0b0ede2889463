"""How much memory a traced program needs: the largest number of bytes that live at once.

A compiler does not keep every intermediate value: it computes elementwise chains while it reads
them and writes updates in place. Counted are the arrays that it has to keep, from the operation
that makes them to the last one that reads them, directly or through such a chain.
"""

import collections
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

# A reader of these computes them entry by entry, so that they are never kept as arrays.
_ON_THE_FLY = frozenset(
    {
        "abs",
        "add",
        "add_any",
        "and",
        "atan2",
        "broadcast_in_dim",
        "cbrt",
        "ceil",
        "clamp",
        "convert_element_type",
        "cos",
        "div",
        "eq",
        "erf",
        "erf_inv",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "gather",
        "ge",
        "gt",
        "imag",
        "integer_pow",
        "iota",
        "is_finite",
        "le",
        "log",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "nextafter",
        "not",
        "or",
        "pad",
        "pow",
        "real",
        "reduce_precision",
        "rem",
        "rev",
        "round",
        "rsqrt",
        "select_n",
        "shift_left",
        "shift_right_arithmetic",
        "shift_right_logical",
        "sign",
        "sin",
        "slice",
        "split",
        "sqrt",
        "square",
        "squeeze",
        "stop_gradient",
        "sub",
        "tan",
        "tanh",
        "transpose",
        "xor",
    }
)
_VIEWS = frozenset({"copy", "expand_dims", "reshape", "squeeze", "stop_gradient"})
# A chain of these is kept where several read it: computing it again would cost too much.
_EXPENSIVE = frozenset(
    {
        "cbrt",
        "cos",
        "div",
        "erf",
        "exp",
        "exp2",
        "expm1",
        "gather",
        "log",
        "log1p",
        "logistic",
        "pow",
        "rem",
        "rsqrt",
        "sin",
        "sqrt",
        "tan",
        "tanh",
    }
)
# These read such chains entry by entry; their own results are kept.
_READ_ENTRIES = frozenset(
    {
        "argmax",
        "argmin",
        "concatenate",
        "dynamic_slice",
        "reduce_and",
        "reduce_max",
        "reduce_min",
        "reduce_or",
        "reduce_prod",
        "reduce_sum",
    }
)
# These change entries of their first operand where it stands.
_IN_PLACE = frozenset(
    {"dynamic_update_slice", "scatter", "scatter-add", "scatter-max", "scatter-min", "scatter-mul"}
)
_LOOPS = ("while", "scan", "cond")
_PROGRAMS = ("jaxpr", "cond_jaxpr", "body_jaxpr", "branches")
# Functions inside functions: the parameter that holds the inner program.
_INLINED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}


def tree_bytes(tree: Any) -> int:
    """Return the bytes of all arrays (or shapes of arrays) in a tree.

    Args:
      tree: pytree; leaves without a dtype count nothing.

    Example:
      >>> tree_bytes({"a": np.zeros((3, 4), np.float32), "b": 7})
      48
    """
    return sum(_size(leaf) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype"))


def shape_of(array: ArrayLike) -> jax.ShapeDtypeStruct:
    """Return shape and type of an array, or of a number."""
    return jax.ShapeDtypeStruct(jnp.shape(array), jnp.result_type(array))


def live_bytes(program: Any) -> int:
    """Return the largest number of bytes of arrays, beside the arguments, that live at once.

    Results of a loop that take the place of an argument are not counted.

    Args:
      program: from `jax.make_jaxpr(function)(*args)` or `jax.jit(function).trace(*args).jaxpr`.

    Example:
      >>> import jax.numpy as jnp
      >>> product = lambda x: jnp.sum((jnp.sin(x) + 1) @ jnp.ones((8, 2)))
      >>> live_bytes(jax.make_jaxpr(product)(jnp.zeros((100, 8))))  # sin(x) + 1, ones, product
      4064
    """
    return _Walk(program.jaxpr, in_place=False).peak


class _Operation(NamedTuple):
    """One operation of the flattened program; values are numbers."""

    name: str
    params: dict[str, Any]
    reads: list[int]
    makes: list[int]


class _Walk:
    """One program: its operations in order, and for each array when it is made and last read.

    Args:
      program: jaxpr.
      in_place: whether chains among the results overwrite arguments, as in the body of a loop.
    """

    def __init__(self, program: Any, *, in_place: bool) -> None:
        self.sizes: list[int] = []
        self.operations: list[_Operation] = []
        names: dict[Any, int] = {}
        arguments = [self._named(names, var) for var in (*program.constvars, *program.invars)]
        results = self._flatten(program, names)
        # The arrays that are read when a value is: none for arguments, which are not counted.
        self.behind: dict[int, frozenset[int]] = dict.fromkeys(arguments, frozenset())
        self.chains: set[int] = set()
        self.sources: dict[int, frozenset[int]] = {}
        self.written: dict[int, int] = {}
        self.last: dict[int, int] = {}
        needed = self._needed(results)
        self.readers = self._count_readers(needed)
        inside = [self._visit(*placed) for placed in enumerate(needed)]
        for value in results:
            (self._read if in_place else self._keep)(len(inside), value)
        self.peak = self._peak([*inside, 0])

    def _named(self, names: dict[Any, int], var: Any) -> int:
        names[var] = len(self.sizes)
        self.sizes.append(_size(var.aval))
        return names[var]

    def _constant(self) -> int:
        """Return a value that costs nothing."""
        self.sizes.append(0)
        self.operations.append(_Operation("iota", {}, [], [len(self.sizes) - 1]))
        return len(self.sizes) - 1

    def _flatten(self, program: Any, names: dict[Any, int]) -> list[int]:
        """Append the operations of a program, those of inner functions in their place."""
        for equation in program.eqns:
            reads = [names[v] if v in names else self._constant() for v in _atoms(equation.invars)]
            inner = _inner(equation)
            if inner is None:
                makes = [self._named(names, var) for var in equation.outvars]
                operation = _Operation(equation.primitive.name, equation.params, reads, makes)
                self.operations.append(operation)
                continue
            below = {const: self._constant() for const in inner.constvars}
            below |= dict(zip(inner.invars, reads, strict=True))
            names |= dict(zip(equation.outvars, self._flatten(inner, below), strict=True))
        return [names[v] if v in names else self._constant() for v in _atoms(program.outvars)]

    def _needed(self, results: Iterable[int]) -> list[_Operation]:
        """Return the operations that the results depend on."""
        wanted, needed = set(results), []
        for operation in reversed(self.operations):
            if wanted.intersection(operation.makes):
                wanted.update(operation.reads)
                needed.append(operation)
        return needed[::-1]

    def _count_readers(self, operations: list[_Operation]) -> collections.Counter[int]:
        """Return how many operations read each value, those that read a view of it included."""
        readers: collections.Counter[int] = collections.Counter()
        for operation in reversed(operations):
            through = sum(readers[value] for value in operation.makes)
            for value in set(operation.reads):
                readers[value] += through if operation.name in _VIEWS else 1
        return readers

    def _visit(self, place: int, operation: _Operation) -> int:
        """Follow one operation; return the bytes that it needs inside itself."""
        name, params, reads, makes = operation
        behind = frozenset[int]().union(*(self.behind[value] for value in reads))
        if name in _VIEWS:
            self.behind |= dict.fromkeys(makes, behind)
            self.chains |= set(makes) if self.chains.intersection(reads) else set()
            return 0
        if name in _ON_THE_FLY:
            self.behind |= dict.fromkeys(makes, behind)
            self.chains |= set(makes)
            if name == "gather" or (name in _EXPENSIVE and self.readers[makes[0]] > 1):
                self._keep(place, makes[0])
            # Rows are gathered first. Where lanes come before them they are then turned around, by
            # their reader if there is but one, else into an array of their own.
            turned = name == "gather" and _turned(params) and self.readers[makes[0]] > 1
            return self.sizes[makes[0]] if turned else 0
        for value in reads:
            (self._read if name in _READ_ENTRIES else self._keep)(place, value)
        taken: list[int] = []
        if name in _IN_PLACE:
            taken = reads[:1]
        elif name == "while":
            taken = reads[params["cond_nconsts"] + params["body_nconsts"] :]
        elif name == "scan":
            taken = _carried(operation, self.sizes)
        for value, source in itertools.zip_longest(makes, taken):
            self.behind[value] = frozenset({value}) if source is None else self.behind[source]
            if source is None:
                self.written[value] = place
        programs = [program for key in _PROGRAMS for program in _listed(params.get(key))]
        if name not in _LOOPS:
            return 0
        return max(_Walk(program.jaxpr, in_place=True).peak for program in programs)

    def _read(self, place: int, value: int) -> None:
        for array in self.behind[value]:
            self.last[array] = place

    def _keep(self, place: int, value: int) -> None:
        """Read a value as a whole: a chain is computed and kept from here on."""
        self._read(place, value)
        if value in self.chains:
            self.chains.remove(value)
            self.sources[value] = self.behind[value]
            self.written[value] = self.last[value] = place
            self.behind[value] = frozenset({value})

    def _peak(self, inside: list[int]) -> int:
        change = np.zeros(len(inside) + 1, np.int64)
        overwritten: set[int] = set()
        for value, first in self.written.items():
            change[first] += self.sizes[value]
            change[self.last.get(value, first) + 1] -= self.sizes[value]
            # A chain is written over an array of its size that nothing else reads.
            for source in self.sources.get(value, frozenset()) - overwritten:
                if self.last[source] == first and self.sizes[source] == self.sizes[value]:
                    overwritten.add(source)
                    change[first] -= self.sizes[source]
                    change[first + 1] += self.sizes[source]
                    break
        return int((np.cumsum(change)[:-1] + np.array(inside, np.int64)).max())


def _carried(scan: _Operation, sizes: list[int]) -> list[int]:
    """Return what a scan hands from round to round: results of the size that one round makes."""
    body = scan.params["jaxpr"].jaxpr
    once = [_size(var.aval) for var in body.outvars]
    num_carry = sum(sizes[value] == size for value, size in zip(scan.makes, once, strict=True))
    sizes_read = [_size(var.aval) for var in body.invars]
    num_plain = sum(sizes[read] == size for read, size in zip(scan.reads, sizes_read, strict=True))
    return scan.reads[num_plain - num_carry : num_plain]


def _turned(gather: dict[str, Any]) -> bool:
    """Return whether the result of a gather has axes of its rows before that of its indices."""
    offsets = gather["dimension_numbers"].offset_dims
    return bool(offsets) and min(offsets) == 0


def _atoms(atoms: Iterable[Any]) -> list[Any]:
    """Return variables as they are and None for literals, which cannot be looked up."""
    return [None if hasattr(atom, "val") else atom for atom in atoms]


def _inner(equation: Any) -> Any:
    """Return the program that stands in place of an operation: a function called, or one round."""
    name, params = equation.primitive.name, equation.params
    if name == "scan" and params.get("length") == 1:
        return params["jaxpr"].jaxpr
    if name not in _INLINED:
        return None
    inner = params[_INLINED[name]]
    return getattr(inner, "jaxpr", inner)


def _listed(value: Any) -> tuple[Any, ...]:
    return () if value is None else value if isinstance(value, tuple) else (value,)


def _size(array: Any) -> int:
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.extended):
        return 8 * int(np.prod(array.shape))  # random keys: two words
    return int(np.prod(array.shape)) * np.dtype(array.dtype).itemsize
