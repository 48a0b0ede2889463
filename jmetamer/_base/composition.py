"""What a function was made of, so that two that were made alike can share a compiled program."""

import dataclasses
import functools
import sys
import types
from collections.abc import Hashable

import numpy as np

_HEAP = 1 << 9  # of classes that are written in Python
_LARGEST = 4096  # bytes of an array whose numbers are compared
_PLAIN = (type(None), bool, int, str, bytes, type(Ellipsis))


class _UndecidedError(Exception):
    """A part whose equality cannot be decided, or may change."""


def composition_of(value: object) -> "Composition":
    """Return what a value was made of: equal for two that were made alike.

    Functions are taken apart into their code, their defaults, what they close over and the globals
    they name, tuples, lists, dictionaries and dataclasses into their parts. What is importable
    stands for itself.

    Args:
      value: such as an optax transformation.

    Returns:
      What stands for it. Only the value itself has the same one where some part cannot be decided:
      a large array, one that is being traced, an object that is not written in Python.

    Example:
      >>> import optax
      >>> composition_of(optax.adam(1e-2)) == composition_of(optax.adam(1e-2))
      True
      >>> composition_of(optax.adam(1e-2)) == composition_of(optax.adam(1e-3))
      False
    """
    try:
        return _key_of(_parts(value, ()))
    except (_UndecidedError, RecursionError):
        return _key_of(_ByIdentity(value))


@functools.lru_cache(maxsize=256)
def _key_of(parts: Hashable) -> "Composition":
    """Return one object for all equal parts: comparing it costs nothing."""
    return Composition()


class Composition:
    """What stands for a value; `composition_of` returns one for all that were made alike."""


class _ByIdentity:
    """A value whose copies are not its equals."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.value is self.value


def _parts(value: object, above: tuple[object, ...]) -> Hashable:
    """Return the key of one value; `above` are those that it is a part of."""
    for height, outer in enumerate(above):
        if outer is value:
            return ("within", len(above) - height)  # such as a function that calls itself
    kind, inside = type(value), (*above, value)
    if isinstance(value, _PLAIN):
        return (kind, value)
    if isinstance(value, float | complex | np.generic):
        return (kind, repr(value))  # tells 0.0 from -0.0, and nan equals nan
    if isinstance(value, type | types.ModuleType | np.dtype) or _is_importable(value):
        return value
    if isinstance(value, types.FunctionType):
        return _of_function(value, inside)
    if isinstance(value, types.MethodType):
        return (kind, _parts(value.__func__, inside), _parts(value.__self__, inside))
    if isinstance(value, functools.partial):
        return (kind, *(_parts(p, inside) for p in (value.func, value.args, value.keywords)))
    if isinstance(value, tuple | list):
        return (kind, *(_parts(part, inside) for part in value))
    if isinstance(value, dict):
        return (kind, *((_parts(k, inside), _parts(v, inside)) for k, v in value.items()))
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return (kind, *(_parts(getattr(value, name), inside) for name in names))
    if _is_plain(kind):
        return (kind, _parts(vars(value), inside))
    return _of_array(value)


def _of_function(function: types.FunctionType, inside: tuple[object, ...]) -> Hashable:
    cells = [_content(cell) for cell in function.__closure__ or ()]
    named = {name: function.__globals__[name] for name in _names(function.__code__, function)}
    parts = cells, function.__defaults__, function.__kwdefaults__, named
    return (types.FunctionType, function.__code__, *(_parts(part, inside) for part in parts))


def _names(code: types.CodeType, function: types.FunctionType) -> list[str]:
    """Return the globals that a code and those within it name, or that bear an attribute's name."""
    names = [name for name in code.co_names if name in function.__globals__]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names += _names(constant, function)
    return names


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # a name of a branch that was not taken
        return types.CellType


def _is_importable(value: object) -> bool:
    """Return whether a module holds the value under its name; what a user types is none."""
    name, home = getattr(value, "__qualname__", None), getattr(value, "__module__", None)
    if not isinstance(name, str) or not isinstance(home, str) or home == "__main__":
        return False
    return functools.reduce(
        lambda held, part: getattr(held, part, None), name.split("."), sys.modules.get(home)
    ) is value  # fmt: skip


def _is_plain(kind: type) -> bool:
    """Return whether instances of a class are what `vars` tells of them."""
    written = [base for base in kind.__mro__ if base is not object]
    return all(base.__flags__ & _HEAP and "__slots__" not in vars(base) for base in written)


def _of_array(value: object) -> Hashable:
    """Return the key of a small array of numbers."""
    try:
        if not hasattr(value, "dtype") or getattr(value, "nbytes", np.inf) > _LARGEST:
            raise _UndecidedError
        array = np.asarray(value)
    except Exception as error:  # whatever a traced or deleted array answers
        raise _UndecidedError from error
    if array.dtype.kind not in "biufcV":
        raise _UndecidedError
    return (type(value), str(array.dtype), array.shape, array.tobytes())
