"""What may stand at a key of a configuration: a value, an object of a table, or a section.

Nothing is written down here about any setting: types, ranges and defaults are read from the
dataclasses and functions themselves.
"""

import dataclasses
import functools
import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Protocol, cast, get_args, get_origin, get_type_hints

from jmetamer._base.arguments import kind_of_hint
from jmetamer._base.errors import ConfigError, InputError, shortened, unknown_name, unknown_setting
from jmetamer.config.former import refuse_former
from jmetamer.config.leaf import TOGETHER, Leaf, list_depth, options_of

Tree = dict[str, object]
_REQUIRED = inspect.Parameter.empty


class Place(Protocol):
    """What may stand at a key: a raw value, as YAML holds it; a point has one value at each."""

    def check(self, raw: object, path: str) -> None:
        """Raise `ConfigError` where a raw value, lists of a grid included, cannot stand here."""
        ...

    def count(self, raw: object) -> int:
        """Return how many points a checked raw value spans."""
        ...

    def points(self, raw: object) -> Iterator[object]:
        """Yield the points of a checked raw value, the last list varying fastest."""
        ...

    def laid_over(self, below: object, raw: object) -> object:
        """Return one checked raw value changed by another."""
        ...

    def value(self, point: object, path: str) -> Any:
        """Return the setting that a point stands for."""
        ...

    def plain(self, value: object) -> object:
        """Return the point that stands for a setting, with all defaults, as JSON holds it."""
        ...


class Field(NamedTuple):
    """One field of an object or a section; `default` is `_REQUIRED` where it must be given."""

    place: Place
    default: object
    decides: bool = True  # whether a number depends on it


@dataclasses.dataclass(frozen=True)
class Objects:
    """An object of a table: its name, or `{name: {field: value}}`.

    Attributes:
      table: name -> class or function whose fields or arguments are the settings.
      nullable: whether null stands for none, or for what is chosen later.
      together: whether `{together: [...]}` gives several.
    """

    table: Mapping[str, Callable[..., object]]
    nullable: bool = False
    together: bool = False

    def check(self, raw: object, path: str) -> None:
        """Raise `ConfigError` for an unknown name, or a field that it has not."""
        if isinstance(raw, list):
            if not raw:
                raise ConfigError(f"`{path}` is an empty list, so the grid has no cells")
            for one in raw:
                self.check(one, path)
        elif self.together and isinstance(raw, Mapping) and list(raw) == [TOGETHER]:
            parts = raw[TOGETHER]
            if not isinstance(parts, list) or not parts:
                raise ConfigError(
                    f"`{path}.{TOGETHER}` is {shortened(parts)}; allowed: a list of names, or of "
                    "names with their fields"
                )
            for one in parts:
                self.check(one, path)
        elif raw is not None or not self.nullable:
            name, settings = self._named(raw, path)
            fields = fields_of(self.table[name])
            for key, value in settings.items():
                if key not in fields:
                    raise unknown_setting(f"{path}.{name}.{key}", fields)
                fields[key].place.check(value, f"{path}.{name}.{key}")

    def count(self, raw: object) -> int:
        """Return how many points lists of names and of values span."""
        if isinstance(raw, list):
            return sum(map(self.count, raw))
        if raw is None:
            return 1
        name, settings = self._split(raw)
        if name == TOGETHER:
            return math.prod(map(self.count, settings))
        fields = fields_of(self.table[name])
        return math.prod(fields[key].place.count(value) for key, value in settings.items())

    def points(self, raw: object) -> Iterator[object]:
        """Yield every object, one value at each field."""
        if isinstance(raw, list):
            yield from itertools.chain.from_iterable(map(self.points, raw))
        elif raw is None:
            yield None
        else:
            name, settings = self._split(raw)
            if name == TOGETHER:
                for parts in itertools.product(*map(self.points, settings)):
                    yield {TOGETHER: list(parts)}
            else:
                for fields in _points(settings, fields_of(self.table[name])):
                    yield {name: fields}

    def laid_over(self, below: object, raw: object) -> object:
        """Return the later object; where it has the earlier one's name, its fields are changed."""
        if isinstance(below, list) and isinstance(raw, Mapping):
            names = [self._split(one)[0] for one in below]
            if next(iter(raw)) in names:
                return [self.laid_over(one, raw) if one_name in raw else one
                        for one, one_name in zip(below, names, strict=True)]  # fmt: skip
            return raw
        if not isinstance(raw, Mapping) or not isinstance(below, str | Mapping):
            return raw
        (before, fields), (name, changes) = self._split(below), self._split(raw)
        if before != name or name == TOGETHER:
            return raw
        return {name: _laid_over(fields, changes, fields_of(self.table[name]))}

    def value(self, point: object, path: str) -> Any:
        """Return the object; what its constructor refuses is refused under its path."""
        if point is None:
            return None
        name, settings = self._split(point)
        if name == TOGETHER:
            return tuple(self.value(one, path) for one in settings)
        make, fields = self.table[name], fields_of(self.table[name])
        missing = [
            key for key in fields if key not in settings and fields[key].default is _REQUIRED
        ]
        if missing:
            raise ConfigError(
                f"`{path}.{name}.{missing[0]}` is not given, and has no default; write "
                f"{path.rpartition('.')[2]}: {{{name}: {{{missing[0]}: ...}}}}"
            )
        arguments = {
            key: fields[key].place.value(value, f"{path}.{name}.{key}")
            for key, value in settings.items()
        }
        try:
            return make(**arguments)
        except ConfigError:
            raise
        except InputError as error:
            raise ConfigError(f"in `{path}`: {error}") from error

    def plain(self, value: object) -> object:
        """Return `{name: {field: value}}`; None and several as they are written."""
        if value is None:
            return None
        if isinstance(value, tuple):
            return {TOGETHER: [self.plain(one) for one in value]}
        name = name_of(value, self.table)
        fields = fields_of(self.table[name])
        return {
            name: {
                key: field.place.plain(getattr(value, key))
                for key, field in fields.items()
                if field.decides
            }
        }

    def _split(self, raw: Any) -> tuple[str, Any]:
        if isinstance(raw, str):
            return raw, {}
        name, settings = next(iter(raw.items()))
        return name, {} if settings is None else settings

    def _named(self, raw: object, path: str) -> tuple[str, Mapping[str, object]]:
        """Return name and fields of one raw object."""
        key = path.rpartition(".")[2]
        first = next(iter(self.table))
        name, settings = "", cast(object, {})
        if isinstance(raw, str):
            name = raw
        elif isinstance(raw, Mapping):
            for one in raw:
                refuse_former(f"{path}.{one}", raw[one])
            if len(raw) != 1:
                raise ConfigError(
                    f"`{path}` is {shortened(dict(raw))}, with {len(raw)} keys; allowed: one name "
                    f"with its fields, as `{key}: {{{first}: {{...}}}}`, or a list of such"
                )
            name, settings = next(iter(raw.items()))
            settings = {} if settings is None else settings
        try:
            in_table = name in self.table
        except InputError as error:  # a path that cannot be one
            raise ConfigError(f"in `{path}`: {error}") from error
        if not in_table:
            refuse_former(path, name)
            raise self._unknown(path, raw, name)
        if not isinstance(settings, Mapping):
            raise ConfigError(
                f"`{path}.{name}` is {shortened(settings)}; allowed: its fields, as "
                f"`{key}: {{{name}: {{field: value}}}}`; they are: "
                f"{', '.join(fields_of(self.table[name])) or 'none'}"
            )
        return name, settings

    def _unknown(self, path: str, raw: object, name: str) -> ConfigError:
        if not name:
            named = ", ".join(self.table)
            also = ", or null" * self.nullable
            return ConfigError(f"`{path}` is {shortened(raw)}; allowed: one of {named}{also}")
        owners = [one for one in self.table if name in fields_of(self.table[one])]
        error = str(unknown_name(f"`{path}`", name, self.table))
        error += str(getattr(self.table, "also", ""))
        if owners:
            error += f" `{name}` is a field of {owners[0]}: write `{path}.{owners[0]}.{name}`."
        return ConfigError(error)


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a configuration with keys of its own.

    Attributes:
      owner: the dataclass that says which.
      nullable: whether null leaves the whole section out.
    """

    owner: type
    nullable: bool = False

    def check(self, raw: object, path: str) -> None:
        """Raise `ConfigError` for unknown keys and values of the wrong type anywhere."""
        if raw is None and self.nullable:
            return
        fields = fields_of(self.owner)
        if not isinstance(raw, Mapping):
            refuse_former(path, raw)
            raise ConfigError(
                f"`{path.rstrip('.')}` is {shortened(raw)}, but it is a section: it takes a "
                f"mapping of {', '.join(fields)}" + ", or null" * self.nullable
            )
        for key, value in raw.items():
            below = f"{path}.{key}" if path and not path.endswith(".") else f"{path}{key}"
            refuse_former(below, value)
            if key not in fields:
                raise unknown_setting(below, fields)
            fields[key].place.check(value, below)

    def count(self, raw: object) -> int:
        """Return the product over the keys."""
        if not isinstance(raw, Mapping):  # None
            return 1
        fields = fields_of(self.owner)
        return math.prod(fields[k].place.count(v) for k, v in raw.items())

    def points(self, raw: object) -> Iterator[object]:
        """Yield every combination."""
        yield from _points(raw, fields_of(self.owner)) if isinstance(raw, Mapping) else [None]

    def laid_over(self, below: object, raw: object) -> object:
        """Return the section with the keys of the later one changed."""
        if not isinstance(below, Mapping) or not isinstance(raw, Mapping):
            return raw
        return _laid_over(below, raw, fields_of(self.owner))

    def value(self, point: object, path: str) -> Any:
        """Return the dataclass with its defaults."""
        if not isinstance(point, Mapping):  # None
            return None
        fields = fields_of(self.owner)
        at = f"{path}." if path else ""
        values = {key: fields[key].place.value(value, f"{at}{key}") for key, value in point.items()}
        return self.owner(**values)

    def plain(self, value: object) -> object:
        """Return all keys that decide a number."""
        if value is None:
            return None
        fields = fields_of(self.owner).items()
        return {k: f.place.plain(getattr(value, k)) for k, f in fields if f.decides}


def name_of(value: object, table: Mapping[str, Callable[..., object]]) -> str:
    """Return the name under which a table makes such an object.

    Raises:
      InputError: it is in no line of the table.

    Example:
      >>> from jmetamer.models import GAT, MODELS
      >>> name_of(GAT(heads=2), MODELS)
      'gat'
    """
    for name, make in table.items():
        if make is type(value):
            return name
    name = str(getattr(value, "name", ""))
    if name not in table:
        raise InputError(
            f"{value!r} is in no table of settings, so that no record can name it; add a line to "
            f"the table of {', '.join(table)}"
        )
    return name


@functools.cache
def fields_of(make: Callable[..., object]) -> dict[str, Field]:
    """Return name -> field of a class of settings, or of a function's keyword arguments."""
    whole = make
    while isinstance(whole, functools.partial):
        whole = whole.func
    hints = get_type_hints(inspect.unwrap(whole), include_extras=True)
    if dataclasses.is_dataclass(make):
        return {
            field.name: Field(
                place_of(hints[field.name]), _default(field), field.metadata.get("decides", True)
            )
            for field in dataclasses.fields(make)
            if field.name not in getattr(make, "not_settings", ())
        }
    keywords = [
        one for one in inspect.signature(make).parameters.values()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    ]  # fmt: skip
    return {one.name: Field(place_of(hints[one.name]), one.default) for one in keywords}


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    factory = field.default_factory
    return _REQUIRED if factory is dataclasses.MISSING else factory()


# An annotation -> the table of its names.
FAMILIES: dict[object, Mapping[str, Callable[..., Any]]] = {}


@functools.cache
def place_of(hint: object) -> Place:
    """Return what may stand where a value of this annotation is wanted."""
    whole, notes = hint, list[Any]()
    if get_origin(hint) is Annotated:
        whole, *notes = get_args(hint)
    together = TOGETHER in notes
    options = list(options_of(whole))
    nullable = type(None) in options
    named = [one for one in (*options, *notes) if isinstance(one, type) and one in FAMILIES]
    if named:
        return Objects(FAMILIES[named[0]], nullable, together)
    for option in options:
        if isinstance(option, type) and dataclasses.is_dataclass(option):
            return Section(option, nullable)
    depth = 0 if together else max(map(list_depth, options))  # a plain list of those is a grid
    return Leaf(hint, kind_of_hint(hint), depth, together)


def _points(raw: Mapping[str, object], fields: Mapping[str, Field]) -> Iterator[Tree]:
    axes = [list(fields[key].place.points(value)) for key, value in raw.items()]
    for values in itertools.product(*axes):
        yield dict(zip(raw, values, strict=True))


def _laid_over(
    below: Mapping[str, object], raw: Mapping[str, object], fields: Mapping[str, Field]
) -> Tree:
    changed = dict(below)
    for key, value in raw.items():
        changed[key] = fields[key].place.laid_over(below[key], value) if key in below else value
    return changed
