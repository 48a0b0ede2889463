"""`checked`: holds the arguments of a public function against its annotations, once a call.

Numbers of NumPy and JAX become Python's before the function sees them, lists of numbers become
arrays where an array is annotated, and what does not fit is an `InputError`. Values that JAX traces
pass untouched. Ranges stand in the annotations (`jmetamer._base.ranges`).
"""

import dataclasses
import difflib
import functools
import inspect
import math
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import numpy as np

from jmetamer._base import kinds
from jmetamer._base.errors import InputError, shortened
from jmetamer._base.kinds import *  # noqa: F403  these and the next are what annotations need
from jmetamer._base.kinds import ANYTHING, MISFIT, PLAIN, Kind, OfKey, OfNumbers, OneOf, OrNaN
from jmetamer._base.ranges import *  # noqa: F403
from jmetamer._base.ranges import Range

_SPECIAL = ("__init__", "__call__")
_FEW = 8  # numbers of an array that a message shows
_T = TypeVar("_T")


def checked(target: _T) -> _T:
    """Return a function, or a class, that refuses arguments which its annotations do not allow.

    Args:
      target: a function, a method (below `classmethod`), or a class: its constructor and methods.
        A class may say in `_moved` which other class has an argument that was its own.

    Raises:
      InputError: at a call; names the argument, what came and what is allowed.

    Example:
      >>> @checked
      ... def double(count: int) -> int:
      ...     return 2 * count
      >>> double(np.int64(3))
      6
      >>> double("3")
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.InputError: `count` is '3'; allowed: a whole number; write it without
      quotes
    """
    if isinstance(target, type):
        for name, value in list(vars(target).items()):
            inner = value.__func__ if isinstance(value, classmethod) else value
            if inspect.isfunction(inner) and (name in _SPECIAL or not name.startswith("_")):
                held = _checked(inner, getattr(target, "_moved", {}))
                setattr(target, name, classmethod(held) if inner is not value else held)
        return target
    return typing.cast(_T, _checked(typing.cast(Callable[..., Any], target)))


def _checked(
    function: Callable[..., Any], moved: Mapping[str, str] = types.MappingProxyType({})
) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        places, kinds = _kinds_of(function)
        held = [hold(name, value, kinds[name]) for name, value in zip(places, args, strict=False)]
        named = {
            name: hold(name, value, kinds[name]) if name in kinds else value
            for name, value in options.items()
        }
        try:
            _signature(function).bind(*args, **options)
        except TypeError as error:
            raise _wrong_call(function, error, options, moved) from None
        return function(*held, *args[len(held) :], **named)

    return call


def check_fields(instance: Any, without: Sequence[str] = ()) -> None:
    """Hold the fields of a dataclass against their annotations, for use in `__post_init__`.

    Args:
      instance: may be frozen.
      without: fields that are left out.

    Raises:
      InputError: as `checked`.
    """
    kinds = _kinds_of_fields(type(instance))  # type: ignore[arg-type]
    for name, kind in kinds.items():
        if name not in without:
            value = getattr(instance, name)
            held = hold(name, value, kind)
            if held is not value:
                object.__setattr__(instance, name, held)


def hold(name: str, value: Any, kind: Kind) -> Any:
    """Return the value to use for an argument.

    Raises:
      InputError: the value is not allowed.
    """
    taken = kind.take(value)
    if taken is MISFIT:
        raise _refusal(name, value, kind) from None
    return taken.held(name) if isinstance(taken, _Lazily) else taken


def require_alike(**arrays: Any) -> None:
    """Refuse arrays of another shape than the first, which would be broadcast.

    Raises:
      InputError: names the first that differs, and both shapes.

    Example:
      >>> require_alike(reference=np.ones(2), metamer=np.ones(2))
    """
    (first, expected), *others = ((name, np.shape(array)) for name, array in arrays.items())
    for name, shape in others:
        if shape != expected:
            raise InputError(
                f"`{name}` has shape {shape}, but `{first}` has {expected}; give those of the same "
                "nodes and layer"
            )


class _Lazily(NamedTuple):
    """An iterator whose values are held as they come, by the name of their argument."""

    values: Iterator[Any]
    kind: Kind

    def held(self, name: str) -> Iterator[Any]:
        return (hold(name, value, self.kind) for value in self.values)


_signature = functools.cache(inspect.signature)


@functools.cache
def _kinds_of(function: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Kind]]:
    """Return the names of the positional arguments, and the kind of each argument."""
    parameters = _signature(function).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    spaces = getattr(inspect.unwrap(function), "__globals__", {})
    kinds = {p.name: _kind_of(p.annotation, spaces) for p in parameters if p.kind not in variable}
    return tuple(p.name for p in parameters if p.kind in positional), kinds


@functools.cache
def _kinds_of_fields(owner: type) -> dict[str, Kind]:
    spaces = getattr(sys.modules.get(owner.__module__), "__dict__", {})  # of `exec`: none
    return {field.name: _kind_of(field.type, spaces) for field in dataclasses.fields(owner)}


def _kind_of(annotation: Any, spaces: dict[str, Any]) -> Kind:
    """Return what an annotation allows; one that names what is not imported allows anything."""
    if annotation is inspect.Parameter.empty:
        return ANYTHING
    try:
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        return kind_of_hint(typing.get_type_hints(holder, spaces, include_extras=True)["it"])
    except NameError:
        return ANYTHING


def kind_of_hint(hint: Any) -> Kind:
    """Return what an annotation allows."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _annotated(*get_args(hint))
    if origin in (Union, types.UnionType):
        return _union([kind_of_hint(option) for option in get_args(hint)])
    if origin is Literal:
        return _literal(get_args(hint))
    if hint in PLAIN:
        return PLAIN[hint]
    if hint is np.ndarray or kinds.is_jax_array(hint):
        return kinds.array_kind(OfNumbers())
    if origin is tuple:
        return _tuple(get_args(hint))
    whole = origin or hint
    if not isinstance(whole, type):
        return ANYTHING
    if whole is Callable:
        return Kind(_function, "a function")
    if issubclass(whole, Mapping):
        return _mapping(*(get_args(hint) or (Any, Any)))
    if whole in (Sequence, Iterable, list):
        return _several(kind_of_hint((get_args(hint) or (Any,))[0]), lazy=whole is Iterable)
    return (
        kinds.protocol_kind(whole)
        if getattr(whole, "_is_protocol", False)
        else kinds.instance_kind(whole)
    )


def _annotated(base: Any, *notes: Any) -> Kind:
    for note in notes:
        if isinstance(note, OfNumbers):
            return kinds.array_kind(note)
        if isinstance(note, OneOf):
            return kinds.name_kind(note.names)
        if isinstance(note, OfKey):
            return kinds.key_kind()
        if isinstance(note, OrNaN):
            return Kind(kinds.take_number_or_nan, "a number or NaN")
    kind = kind_of_hint(base)
    limits = [note for note in notes if isinstance(note, Range)]

    def take(value: Any) -> Any:
        taken = kind.take(value)
        if taken is MISFIT or kinds.is_traced(taken):
            return taken
        endless = isinstance(taken, float) and math.isinf(taken)
        inside = all(
            limit.holds(taken) and (not endless or limit.high == taken) for limit in limits
        )
        return taken if inside else MISFIT

    return Kind(take, " ".join([kind.description, *map(str, limits)])) if limits else kind


def _union(options: list[Kind]) -> Kind:
    def take(value: Any) -> Any:
        taken = (option.take(value) for option in options)
        return next((one for one in taken if one is not MISFIT), MISFIT)

    names = tuple(name for option in options for name in option.names)
    return Kind(take, " or ".join(dict.fromkeys(option.description for option in options)), names)


def _function(value: Any) -> Any:
    return value if callable(value) and not isinstance(value, type) else MISFIT


def _literal(allowed: tuple[Any, ...]) -> Kind:
    def take(value: Any) -> Any:
        fits = any(type(value) is type(one) and value == one for one in allowed)
        return value if fits else MISFIT

    names = tuple(one for one in allowed if isinstance(one, str))
    return Kind(take, " or ".join(map(repr, allowed)), names)


def _tuple(hints: tuple[Any, ...]) -> Kind:
    if len(hints) == 2 and hints[1] is Ellipsis:
        return _several(kind_of_hint(hints[0]), lazy=False)
    kinds = [kind_of_hint(hint) for hint in hints]

    def take(value: Any) -> Any:
        if not isinstance(value, tuple | list | np.ndarray) or len(value) != len(kinds):
            return MISFIT
        taken = [kind.take(one) for kind, one in zip(kinds, value, strict=True)]
        return MISFIT if any(one is MISFIT for one in taken) else tuple(taken)

    return Kind(take, f"({', '.join(kind.description for kind in kinds)})")


def _several(kind: Kind, *, lazy: bool) -> Kind:
    """Allow sequences; of an iterator, where one is allowed, each value as it comes."""

    def take(value: Any) -> Any:
        if isinstance(value, str | bytes | Mapping | set | frozenset):
            return MISFIT
        if lazy and isinstance(value, Iterator):
            return _Lazily(value, kind)
        if kinds.is_traced(value):
            return value
        is_sequence = isinstance(value, Sequence) or getattr(value, "ndim", 0) > 0
        if not is_sequence or (isinstance(value, tuple) and hasattr(value, "_fields")):
            one = hasattr(value, "ndim") or not hasattr(value, "__iter__")
            return value if lazy and not is_sequence and not one else MISFIT
        if kind is ANYTHING or isinstance(value, range) or not isinstance(value, list | tuple):
            return value if _first_fits(kind, value) else MISFIT
        taken = [kind.take(one) for one in value]
        if any(one is MISFIT for one in taken):
            return MISFIT
        same = all(new is old for new, old in zip(taken, value, strict=True))
        return value if same else type(value)(taken)

    return Kind(take, f"a list of ({kind.description})", kind.names)


def _first_fits(kind: Kind, values: Any) -> bool:
    """Return whether the ends of an array or a lazy sequence fit; its entries are of one type."""
    if len(values) == 0 or kind is ANYTHING:
        return True
    if getattr(values, "ndim", 1) > 1:
        ends = [values[0]]
    else:
        ordered = hasattr(values, "dtype") and values.dtype.kind in "biuf"
        ends = [np.min(values), np.max(values)] if ordered else [values[0]]
    return all(kind.take(end) is not MISFIT for end in ends)


def _mapping(keys: Any, values: Any) -> Kind:
    key, value = kind_of_hint(keys), kind_of_hint(values)

    def take(mapping: Any) -> Any:
        if not isinstance(mapping, Mapping) or any(key.take(one) is MISFIT for one in mapping):
            return MISFIT
        if value is ANYTHING:
            return mapping
        taken = {name: value.take(one) for name, one in mapping.items()}
        if any(one is MISFIT for one in taken.values()):
            return MISFIT
        same = all(taken[name] is one for name, one in mapping.items())
        return mapping if same else taken

    return Kind(take, f"a mapping of ({key.description}) to ({value.description})")


def _wrong_call(
    function: Callable[..., Any],
    error: TypeError,
    options: Mapping[str, Any],
    moved: Mapping[str, str],
) -> InputError:
    """Say which argument is missing, or unknown, or that they are too many."""
    names = [name for name in _signature(function).parameters if name != "self"]
    unknown = next((name for name in options if name not in names), "")
    nearest = difflib.get_close_matches(unknown, names, n=1, cutoff=0.5)
    hint = f"; did you mean `{nearest[0]}`?" if nearest else "."
    if unknown in moved:
        hint = f"; `{moved[unknown]}({unknown}=...)` has it now."
    title = function.__qualname__.removesuffix(".__init__")
    return InputError(f"`{title}`: {error}{hint} Its arguments are: {', '.join(names)}")


def _refusal(name: str, value: Any, kind: Kind) -> InputError:
    return InputError(
        f"`{name}` is {_shown(value)}; allowed: {kind.description}{_advice(value, kind)}"
    )


def _shown(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, str | int | float | None) or type(value) in (list, tuple):
        return shortened(value)
    if isinstance(value, np.ndarray) and 0 < value.size <= _FEW:
        return f"{shortened(value.tolist())} ({value.dtype})"
    if hasattr(value, "dtype") and getattr(value, "shape", None):
        return f"an array of shape {tuple(value.shape)} and type {value.dtype}"
    try:
        text = repr(value)
        long = "\n" in text or len(text) > 120
        return f"a {type(value).__name__}" if long else f"{text} ({type(value).__name__})"
    except Exception:  # a repr that fails must not hide what is wrong
        return f"a {type(value).__name__}"


def _advice(value: Any, kind: Kind) -> str:
    """Return what to do, where it can be told from the value."""
    if isinstance(value, type):
        return f"; call it first: `{value.__name__}(...)`"
    if isinstance(value, str):
        nearest = difflib.get_close_matches(value, kind.names, n=1, cutoff=0.5)
        if nearest:
            return f"; did you mean {nearest[0]!r}?"
        plain = value.strip().lower()
        looks_plain = plain in ("true", "false", "none") or plain.lstrip("+-")[:1].isdigit()
        return "; write it without quotes" if looks_plain else ""
    for name in ("graph", "model", "problem"):
        part = getattr(value, name, None)
        if part is not None and kind.take(part) is not MISFIT:
            return f"; pass its `{name}`"
    return ""
