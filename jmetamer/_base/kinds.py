"""What a single annotation allows: numbers, arrays, keys, objects; `arguments` puts them together.

Needs no JAX, so that `jmetamer.results` starts without it.
"""

import inspect
import math
import sys
from collections.abc import Callable, Collection
from typing import Annotated, Any, NamedTuple

import numpy as np

MISFIT = object()  # what a `take` returns for a value that is not allowed
_LARGEST = 2**63


class OfNumbers(NamedTuple):
    """Note of an annotation: an array of numbers, or nested lists of them.

    Attributes:
      least, most: number of axes.
      real: whether whole numbers are made floating.
    """

    least: int = 0
    most: int = 64
    real: bool = False


class OfKey(NamedTuple):
    """Note of an annotation: a random key of JAX."""


class OrNaN(NamedTuple):
    """Note of an annotation: NaN is a number here, as where it says that there is none."""


class OneOf:
    """Note of an annotation: text that is one of some names, such as the keys of a table.

    Hashable, whatever holds the names.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.names = names


AnArray = Annotated[Any, OfNumbers()]
Numbers = Annotated[Any, OfNumbers(1)]
Vector = Annotated[Any, OfNumbers(1, 1)]
Matrix = Annotated[Any, OfNumbers(2, 2)]
RealMatrix = Annotated[Any, OfNumbers(2, 2, real=True)]
Key = Annotated[Any, OfKey()]
NumberOrNaN = Annotated[float, OrNaN()]


class Kind(NamedTuple):
    """What an annotation allows: `take` returns the value to use or `MISFIT`."""

    take: Callable[[Any], Any]
    description: str
    names: tuple[str, ...] = ()


def array_kind(note: OfNumbers) -> Kind:
    def take(value: Any) -> Any:
        if is_traced(value):
            return value
        array = value
        if not hasattr(getattr(value, "dtype", None), "kind") or not hasattr(value, "ndim"):
            if not isinstance(value, list | tuple | int | float) and not hasattr(
                value, "__array__"
            ):
                return MISFIT
            try:
                array = np.asarray(value)
            except Exception as error:  # ragged lists, tensors on other devices, lists of tracers
                return value if "Tracer" in type(error).__name__ else MISFIT
        fits = _holds_numbers(array.dtype) and note.least <= array.ndim <= note.most
        if fits and note.real and array.dtype.kind in "biu":
            return array.astype(np.float32)
        return array if fits else MISFIT

    axes = f"{note.least}" if note.least == note.most else f"{note.least} or more"
    description = "an array of numbers" + (f" with {axes} axes" if note != OfNumbers() else "")
    return Kind(take, description)


def instance_kind(owner: type) -> Kind:
    if owner.__name__ == "PathLike":
        return Kind(lambda v: v if isinstance(v, owner) else MISFIT, "a path")
    article = "an" if owner.__name__[0] in "AEIOU" else "a"
    description = f"{article} {owner.__name__}"
    return Kind(lambda value: value if isinstance(value, owner) else MISFIT, description)


def protocol_kind(owner: type) -> Kind:
    """Allow any object, but no class, that has the public members of a protocol."""
    parts = [part for part in owner.__mro__ if getattr(part, "_is_protocol", False)]
    names = [name for p in parts for name in (*vars(p), *inspect.get_annotations(p))]
    named = [name for name in names if not name.startswith("_") or name == "__call__"]
    members = list(dict.fromkeys(named))

    def take(value: Any) -> Any:
        fits = not isinstance(value, type) and all(hasattr(value, name) for name in members)
        return value if fits else MISFIT

    title = owner.__name__.lstrip("_")
    public = [name for name in members if name != "__call__"]
    return Kind(take, title + (f" (an object with {', '.join(public)})" if public else ""))


def name_kind(allowed: Collection[str]) -> Kind:
    """Allow the names of a table."""

    def take(value: Any) -> Any:
        return value if isinstance(value, str) and value in allowed else MISFIT

    return Kind(take, " or ".join(map(repr, allowed)), tuple(allowed))


def key_kind() -> Kind:
    """Allow random keys of JAX."""
    return Kind(_take_key, "a random key, such as `jax.random.key(0)`")


def is_traced(value: Any) -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.core.Tracer)


def is_jax_array(hint: Any) -> bool:
    """Return whether an annotation is `jax.Array`."""
    named = str(getattr(hint, "__name__", "")).endswith("Array")
    return named and hint.__module__.split(".")[0] in ("jax", "jaxlib")


def _holds_numbers(dtype: Any) -> bool:
    return dtype.kind in "biuf" or dtype.name.startswith(("bfloat", "float"))


def _plain(value: Any) -> Any:
    """Return Python's number in place of an array without axes, else the value."""
    if getattr(value, "shape", None) != () or is_traced(value):
        return value
    if not hasattr(getattr(value, "dtype", None), "kind") or not _holds_numbers(value.dtype):
        return value
    return value.item()


def _take_whole(value: Any) -> Any:
    plain = _plain(value)
    if is_traced(plain):
        return plain
    whole = isinstance(plain, int) and not isinstance(plain, bool)
    return plain if whole and abs(plain) < _LARGEST else MISFIT


def _take_number(value: Any) -> Any:
    number = take_number_or_nan(value)
    return MISFIT if isinstance(number, float) and math.isnan(number) else number


def take_number_or_nan(value: Any) -> Any:
    """Return a number, or NaN."""
    plain = _plain(value)
    return plain if isinstance(plain, float) else _take_whole(value)


def _take_flag(value: Any) -> Any:
    plain = _plain(value)
    return plain if isinstance(plain, bool) or is_traced(plain) else MISFIT


def _take_key(value: Any) -> Any:
    dtype = getattr(value, "dtype", None)
    typed = str(dtype).startswith("key<")
    legacy = str(dtype) == "uint32" and getattr(value, "shape", None) == (2,)
    return value if typed or legacy or is_traced(value) else MISFIT


ANYTHING = Kind(lambda value: value, "anything")
PLAIN: dict[Any, Kind] = {
    Any: ANYTHING,
    object: ANYTHING,
    type(None): Kind(lambda value: None if value is None else MISFIT, "None"),
    bool: Kind(_take_flag, "True or False"),
    int: Kind(_take_whole, "a whole number"),
    float: Kind(_take_number, "a number"),
    str: Kind(lambda value: value if isinstance(value, str) else MISFIT, "text"),
}
