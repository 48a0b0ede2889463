"""The settings of a record: sections, and objects as `{name: {field: value}}`."""

from collections.abc import Iterator, Mapping
from typing import Any

Settings = Mapping[str, object]  # nested, or dotted name -> value
TOGETHER = "together"
_AT_TOP = ("dataset", "model")  # the objects at the top; all else there are sections


def flatten(settings: Settings, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) for every value of nested settings; lists are values.

    The place of an object holds its name, and its fields follow below; of several together, below
    the name of each.

    Example:
      >>> dict(flatten({"model": {"gcn": {"layers": 2}}, "seed": 0}))
      {'model': 'gcn', 'model.layers': 2, 'seed': 0}
    """
    for key, value in settings.items():
        place = f"{prefix}{key}"
        parts = _objects(place, value)
        if parts:
            yield place, _name(parts)
            for name, fields in parts:
                yield from flatten(fields, f"{place}.{name}." if len(parts) > 1 else f"{place}.")
        elif isinstance(value, Mapping) and value:
            yield from flatten(value, f"{place}.")
        else:
            yield place, value


def setting(settings: Settings, key: str) -> Any:
    """Return the value of a dotted setting, or None where there is none.

    At the place of an object that is its name; a field is found below it, whatever its name.

    Example:
      >>> settings = {"model": {"gcn": {"layers": 2}}}
      >>> setting(settings, "model"), setting(settings, "model.layers")
      ('gcn', 2)
    """
    value: object = settings
    place = ""
    for part in key.split("."):
        parts = _objects(place, value)
        if parts:
            owner = dict(parts)
            value = owner.get(part, next((f[part] for _, f in parts if part in f), None))
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
        place = f"{place}.{part}".removeprefix(".")
    parts = _objects(place, value)
    return _name(parts) if parts else value


def object_fields(settings: Settings, key: str) -> dict[str, Any]:
    """Return the fields of the one object at a place at the top; empty where there is none.

    Example:
      >>> object_fields({"model": {"gcn": {"layers": 2}}}, "model")
      {'layers': 2}
    """
    return {
        name: value
        for _, fields in _objects(key, settings.get(key))
        for name, value in fields.items()
    }


def _name(parts: list[tuple[str, Settings]]) -> str:
    return "+".join(name for name, _ in parts)


def _objects(place: str, value: object) -> list[tuple[str, Settings]]:
    """Return name and fields of one object, or of several together; nothing of anything else."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return []
    if "." not in place and place not in _AT_TOP:
        return []
    ((name, fields),) = value.items()
    if name == TOGETHER and isinstance(fields, list):
        return [(one, {}) if isinstance(one, str) else next(iter(one.items())) for one in fields]
    return [(name, fields)] if isinstance(fields, Mapping) else []
