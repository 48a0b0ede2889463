"""A number, a word, a flag or a list of them, at a key of a configuration."""

import dataclasses
import difflib
import types
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from jmetamer._base.errors import ConfigError, shortened
from jmetamer._base.kinds import MISFIT, Kind
from jmetamer.graphs.number_files import is_number

TOGETHER = "together"  # a key, and the note of annotations for which a plain list is a grid


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A number, a word, a flag, or a list of them.

    Attributes:
      hint: annotation that says what is allowed.
      kind: the same, for checking.
      depth: how deep lists are nested in one value.
      together: whether `{together: [...]}` gives several.
    """

    hint: object
    kind: Kind
    depth: int = 0
    together: bool = False

    def check(self, raw: object, path: str) -> None:
        """Raise `ConfigError` for a value of the wrong type or outside its range."""
        points = list(self.points(raw))
        if not points:
            raise ConfigError(
                f"`{path}` is an empty list, so the grid has no cells; allowed: {self._allowed}"
            )
        for point in points:
            self.value(point, path)

    def count(self, raw: object) -> int:
        """Return the length of a list that is nested deeper than one value."""
        return len(list(self.points(raw)))

    def points(self, raw: object) -> Iterator[object]:
        """Yield the entries of a list that is nested deeper than one value, else the value."""
        yield from raw if isinstance(raw, list) and _depth(raw) > self.depth else [raw]

    def laid_over(self, below: object, raw: object) -> object:
        """Return the later value."""
        return raw

    def value(self, point: object, path: str) -> Any:
        """Return the value in the type of its setting: 1 -> 1.0, lists -> tuples."""
        raw = point
        if self.together and isinstance(point, Mapping):
            if list(point) != [TOGETHER] or not isinstance(point[TOGETHER], list):
                raise ConfigError(self._wrong(path, point))
            raw = point[TOGETHER]
        value = self.kind.take(_as_tuples(raw))
        if value is MISFIT or raw == [] or (self.together and isinstance(point, list)):
            raise ConfigError(self._wrong(path, point))
        if isinstance(raw, list):
            _refuse_twice(raw, path)
        return _typed(value, self.hint)

    def plain(self, value: object) -> object:
        """Return the value with lists for tuples."""
        if self.together and isinstance(value, tuple):
            return {TOGETHER: list(value)}
        return _as_lists(value)

    @property
    def _allowed(self) -> str:
        allowed = self.kind.description.replace("None", "null").replace(
            "True or False", "true or false"
        )
        return allowed + f", or {{{TOGETHER}: [...]}}" * self.together

    def _wrong(self, path: str, value: object) -> str:
        text = f"`{path}` is {shortened(value)}; allowed: {self._allowed}"
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str) and word not in self.kind.names:
                nearest = difflib.get_close_matches(word.lower(), self.kind.names, n=1, cutoff=0.5)
                if nearest:
                    return f"{text}; did you mean {nearest[0]!r}?"
                if word.lower() in ("true", "false", "null") or is_number(word):
                    return f"{text}; write it without quotes"
        return text


def _depth(value: object) -> int:
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _refuse_twice(values: list[object], path: str) -> None:
    counts = Counter(tuple(one) if isinstance(one, list) else one for one in values)
    one, count = counts.most_common(1)[0] if counts else (None, 0)
    if count > 1 and not all(isinstance(value, float) for value in values):
        raise ConfigError(f"`{path}` names {one!r} twice; allowed: each once")


def _typed(value: object, hint: object) -> object:
    """Return an allowed value in the type of its setting: 1 -> 1.0 where that is a float."""
    if get_origin(hint) is Annotated:
        return _typed(value, get_args(hint)[0])
    options = [get_args(o)[0] if get_origin(o) is Annotated else o for o in options_of(hint)]
    if type(value) is int:
        return float(value) if float in options and int not in options else value
    for option in options:
        if isinstance(value, tuple) and get_origin(option) in (tuple, Sequence):
            return tuple(_typed(one, get_args(option)[0]) for one in value)
        if isinstance(value, Mapping) and get_origin(option) is Mapping:
            return {key: _typed(one, get_args(option)[1]) for key, one in value.items()}
    return value


def _as_tuples(value: object) -> object:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _as_lists(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _as_lists(one) for key, one in value.items()}
    return [_as_lists(one) for one in value] if isinstance(value, list | tuple) else value


def options_of(hint: object) -> Iterator[object]:
    """Yield the members of a union, or the annotation itself."""
    if get_origin(hint) in (Union, types.UnionType):
        for option in get_args(hint):
            yield from options_of(option)
    else:
        yield hint


def list_depth(hint: object) -> int:
    """Return how deep the lists are nested that a setting of this type holds as one value."""
    if get_origin(hint) not in (tuple, list, Sequence):
        return 0
    return 1 + max(map(list_depth, options_of(get_args(hint)[0])))
