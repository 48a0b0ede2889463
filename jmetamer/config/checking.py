"""Checks raw settings against the types of the dataclasses, strictly: text is never a number."""

import dataclasses
import difflib
import math
import types
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from jmetamer._base.arguments import Range
from jmetamer._base.errors import ConfigError, shortened
from jmetamer.graphs.number_files import is_number


def check_tree(tree: Any, settings: type, path: str = "") -> None:
    """Refuse unknown keys and values of the wrong type anywhere in a raw tree.

    A list is checked element by element, since it spans a grid.

    Args:
      tree: nested mapping from a file or from `--set`.
      settings: dataclass that says what is allowed.
      path: where the tree lies in the file, as "runs[1].", for messages.

    Raises:
      ConfigError: names the full path, the value, what is allowed and the nearest match.

    Example:
      >>> from jmetamer.config.settings import Settings
      >>> check_tree({"store": {"metamer": 3}}, Settings)
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.ConfigError: unknown setting `store.metamer`; did you mean
      `store.metamers`? Allowed in `store`: metamers
    """
    if not isinstance(tree, Mapping):
        raise ConfigError(
            f"`{path.rstrip('.')}` is {shortened(tree)}, but it is a section: it takes a mapping "
            f"of {', '.join(_names(settings))}"
        )
    hints = get_type_hints(settings, include_extras=True)
    for key, value in tree.items():
        if key not in hints:
            raise unknown_setting(f"{path}{key}", _names(settings))
        if dataclasses.is_dataclass(hints[key]):
            check_tree(value, hints[key], f"{path}{key}.")
        else:
            _check_leaf(value, hints[key], f"{path}{key}")


def unknown_setting(path: str, allowed: Iterable[str]) -> ConfigError:
    """Return the error for a key that does not exist.

    Args:
      path: full dotted path as given.
      allowed: keys that exist beside it.

    Example:
      >>> print(unknown_setting("model.hiden", ["hidden", "layers"]))
      unknown setting `model.hiden`; did you mean `model.hidden`? Allowed in `model`: hidden, layers
    """
    parent, _, key = path.rpartition(".")
    allowed = list(allowed)
    nearest = difflib.get_close_matches(key, allowed, n=1, cutoff=0.5)
    prefix = f"{parent}." if parent else ""
    hint = f"; did you mean `{prefix}{nearest[0]}`?" if nearest else "."
    where = f"in `{parent}`" if parent else "at the top"
    return ConfigError(f"unknown setting `{path}`{hint} Allowed {where}: {', '.join(allowed)}")


def grid_values(value: Any, hint: Any) -> list[Any]:
    """Return the points that one raw value contributes to the grid.

    Args:
      value: raw value; a list spans a grid where it is nested deeper than one value of the setting.
      hint: type of the setting.

    Returns:
      At least one value.

    Example:
      >>> grid_values([0, 1], int), grid_values([0, 1], tuple[int, ...])
      ([0, 1], [[0, 1]])
      >>> grid_values([[0], [1, 2]], tuple[int, ...])
      [[0], [1, 2]]
    """
    return value if isinstance(value, list) and _depth(value) > list_depth(hint) else [value]


def list_depth(hint: Any) -> int:
    """Return how deep the lists are nested that a setting of this type may hold as one value.

    Example:
      >>> list_depth(tuple[tuple[int, int], ...] | None), list_depth(int | None)
      (2, 0)
    """
    nested = [o for o in _options(hint) if get_origin(o) is tuple]
    return max((1 + list_depth(get_args(option)[0]) for option in nested), default=0)


def _depth(value: Any) -> int:
    if not isinstance(value, list):
        return 0
    return 1 + max(map(_depth, value), default=0)


def _check_leaf(value: Any, hint: Any, path: str) -> None:
    if get_origin(hint) is not None and _is_subclass(get_origin(hint), Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ConfigError(f"`{path}` is {shortened(value)}; allowed: a mapping of options")
        for option, raw in value.items():
            _check_leaf(raw, Any, f"{path}.{option}")
        return
    points = grid_values(value, hint)
    if not points:
        raise ConfigError(
            f"`{path}` is an empty list, so the grid has no cells; allowed: {_allowed(hint)}"
        )
    for point in points if hint is not Any else ():  # a loader says what its options are
        check_value(point, hint, path)


def check_value(value: Any, hint: Any, path: str) -> None:
    """Refuse one value of the wrong type or outside its range.

    Args:
      value: raw value, one point of the grid.
      hint: type of the setting.
      path: full dotted path, for the message.

    Raises:
      ConfigError: names the path, the value and what is allowed.

    Example:
      >>> check_value("true", bool, "model.residual")
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.ConfigError: `model.residual` is 'true'; allowed: true or false; write
      it without quotes
    """
    if not any(_fits(value, option) for option in _options(hint)):
        raise ConfigError(_wrong_value(path, value, hint))
    if isinstance(value, list) and any(map(_is_list, _options(hint))):
        counts = Counter(tuple(one) if isinstance(one, list) else one for one in value)
        one, count = counts.most_common(1)[0]
        if count > 1:
            raise ConfigError(f"`{path}` names {one!r} twice; allowed: each once")


def converted(value: Any, hint: Any) -> Any:
    """Return a value that has been checked in the type of its setting: 1 -> 1.0, lists -> tuples.

    Args:
      value: raw value, one point of the grid.
      hint: type of the setting.

    Example:
      >>> converted([1, 2], tuple[float, float] | None), converted(1, int | None)
      ((1.0, 2.0), 1)
    """
    option = next((option for option in _options(hint) if _fits(value, option)), hint)
    if get_origin(option) is Annotated:
        option = get_args(option)[0]
    if isinstance(value, list) and get_origin(option) is tuple:
        return tuple(converted(one, get_args(option)[0]) for one in value)
    return float(value) if option is float else value


def _is_list(hint: Any) -> bool:
    """Return whether values are lists of any length, in which each entry stands for itself."""
    return get_origin(hint) is tuple and get_args(hint)[-1] is Ellipsis


def _wrong_value(path: str, value: Any, hint: Any) -> str:
    text = f"`{path}` is {shortened(value)}; allowed: {_allowed(hint)}"
    if isinstance(value, str):
        names = [name for o in _options(hint) if get_origin(o) is Literal for name in get_args(o)]
        nearest = difflib.get_close_matches(value, [str(n) for n in names], n=1, cutoff=0.5)
        text += f"; did you mean {nearest[0]!r}?" if nearest else ""
        looks_plain = value.lower() in ("true", "false", "null", "none") or is_number(value)
        text += "; write it without quotes" if looks_plain and not nearest else ""
    return text


def _is_subclass(origin: Any, parent: type) -> bool:
    return isinstance(origin, type) and issubclass(origin, parent)


def _options(hint: Any) -> list[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        return [option for arg in get_args(hint) for option in _options(arg)]
    return [hint]


def _fits(value: Any, hint: Any) -> bool:
    if hint is type(None):
        return value is None
    if get_origin(hint) is Literal:
        return any(value == name and type(value) is type(name) for name in get_args(hint))
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        return _fits(value, base) and all(
            note.holds(value) for note in notes if isinstance(note, Range)
        )
    if get_origin(hint) is tuple:
        return isinstance(value, list) and _tuple_fits(value, get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)
    return type(value) is hint


def _tuple_fits(values: list[Any], hints: tuple[Any, ...]) -> bool:
    if len(hints) == 2 and hints[1] is Ellipsis:
        return bool(values) and all(_fits(value, hints[0]) for value in values)
    return len(values) == len(hints) and all(map(_fits, values, hints))


def _allowed(hint: Any) -> str:
    return " or ".join(_describe(option) for option in _options(hint))


def _describe(hint: Any) -> str:
    if hint is type(None):
        return "null"
    if get_origin(hint) is Literal:
        return " or ".join(repr(name) for name in get_args(hint))
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        return " ".join([_describe(base), *map(str, notes)])
    if get_origin(hint) is tuple:
        args = get_args(hint)
        if args[-1] is Ellipsis:
            return f"a list of one or more ({_describe(args[0])})"
        return f"a list of {len(args)} ({_describe(args[0])})"
    plain = {
        Any: "one value, or a list of one or more",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
    }
    return plain.get(hint, str(hint))


def _names(settings: type) -> list[str]:
    return [field.name for field in dataclasses.fields(settings)]
