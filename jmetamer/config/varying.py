"""Which settings belong to what varies, with their defaults; everything else is refused."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jmetamer._base.errors import ConfigError, unknown_name
from jmetamer.config.settings import EdgeSettings, MetamerSettings
from jmetamer.metamers.methods import METHODS, RelaxEdges
from jmetamer.metamers.methods.optimize.optimizers import WITHOUT_RATE
from jmetamer.metamers.vary import VARY, BinaryEdges

# What varies -> kinds of its metamers, less those of features that vary beside edges.
METAMER_KIND: Mapping[str, tuple[str, ...]] = {
    "continuous_features": ("continuous",),
    "binary_features": ("binary",),
    "edges": ("simple_edges",),
    "edge_weights": ("edge_weights",),
    "features_and_edges": ("simple_edges",),
    "features_given_edges": ("simple_edges",),
}
SEARCHES = ("swap_search", "color_swaps")
JOINT = ("features_and_edges", "features_given_edges")
_FEATURES = ("continuous_features", "binary_features")
APART = "remove it, or give each its own block under `runs`"

_DRAWN = ("start", "directed")
# Of the settings of edges, those that a search keeps, and why it keeps no others.
_SEARCHED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "swap_search": (_DRAWN, "which relaxes nothing"),
    "color_swaps": (("directed",), "which swaps edges of the reference itself"),
}
_RELAXED = (
    *_DRAWN, "block", "refill", "refill_every", "budget", "penalty", "distance", "draws", "flips",
    "kicks",
)  # fmt: skip
_EDGES: Mapping[str, tuple[str, ...]] = {
    "edges": _RELAXED,
    "features_and_edges": (*_RELAXED, "learning_rate", "feature_learning_rate"),
    "features_given_edges": _DRAWN,
    "edge_weights": ("directed", "candidates"),
}
_FEATURE_OPTIONS = ("domain", "initialization", "ones", "slope", "margin", "margin_weight")
_NOT_THERE = object()
_WORDS_ONLY = {"domain": "free", "initialization": "global"}  # names, no values of a dataclass


def features_of(given: MetamerSettings) -> str | None:
    """Return how the features vary, or None where they do not.

    Example:
      >>> features_of(MetamerSettings(vary="features_and_edges")), features_of(
      ...     MetamerSettings(vary="edges"))
      ('continuous_features', None)
    """
    if given.vary in JOINT:
        return given.features or "continuous_features"
    return given.vary if given.vary in _FEATURES else None


def metamer_kinds(given: MetamerSettings) -> tuple[str, ...]:
    """Return the kinds of features and edges of the metamers, by which measures are chosen.

    Example:
      >>> metamer_kinds(MetamerSettings(vary="features_and_edges"))
      ('continuous', 'simple_edges')
    """
    own = METAMER_KIND[given.vary]
    return (*METAMER_KIND[features_of(given) or ""], *own) if given.vary in JOINT else own


def fill_varying(given: MetamerSettings) -> dict[str, Any]:
    """Return the settings of what varies with their defaults, null where they do not apply.

    Args:
      given: as in the file.

    Returns:
      New values of fields of `MetamerSettings`.

    Raises:
      ConfigError: a setting of something else.

    Example:
      >>> fill_varying(MetamerSettings(vary="edges"))["edges"].flips
      1000
    """
    kind = features_of(given)
    if given.features is not None and given.vary not in JOINT:
        raise _not_of("features", given.features, given.vary)
    filled: dict[str, Any] = {"features": kind if given.vary in JOINT else None}
    for name, default in _feature_defaults(given).items():
        value = getattr(given, name)
        if value is not None and default is _NOT_THERE:
            raise _not_of(name, value, given.vary, kind)
        filled[name] = None if default is _NOT_THERE else first_given(value, default)
    return filled | {"edges": _fill_edges(given)}


def check_method(given: MetamerSettings) -> None:
    """Refuse what a method or a search would ignore, or cannot do.

    Args:
      given: with the settings of what varies filled in.

    Raises:
      ConfigError: says what does not go together.
    """
    if features_of(given) is None and given.coordinates not in ("auto", "features"):
        raise ConfigError(
            f"`metamers.coordinates` is {given.coordinates!r}, which are coordinates of features, "
            f"but `metamers.vary` is {given.vary!r}; {APART}"
        )
    if given.repulsion:
        _check_repulsion(given)
    if given.method == "optimize":
        return
    allowed = [name for name in METHODS if name not in ("relax_edges", "repel")]
    if given.method not in allowed:
        raise ConfigError(str(unknown_name("`metamers.method`", given.method, allowed)))
    asked = f"`metamers.method` is {given.method!r}"
    own = {field.name for field in dataclasses.fields(METHODS[given.method])}
    for name in ("optimizer", "steps"):
        ignored = name not in own or given.method in SEARCHES
        if ignored and getattr(given, name) is not None:
            raise ConfigError(
                f"{asked}, but `metamers.{name}` is {getattr(given, name)!r}: it would be ignored; "
                "leave it out"
            )
    if given.method in SEARCHES:
        _check_search(given, asked)
        return
    if given.vary != "continuous_features" or given.domain != "free":
        raise ConfigError(
            f"{asked}, which needs `metamers.vary` continuous_features with `metamers.domain` "
            f"free; got {given.vary} with {given.domain}"
        )
    if METHODS[given.method].repeats and given.count > 1:
        raise ConfigError(
            f"{asked}, which gives every seed the same metamer, but `metamers.count` is "
            f"{given.count}; set it to 1"
        )


def _feature_defaults(given: MetamerSettings) -> dict[str, Any]:
    """Return option of features -> its default, or `_NOT_THERE` where it does not apply."""
    kind = features_of(given)
    own: dict[str, Any] = {}
    if kind is not None:
        own = {f.name: f.default for f in dataclasses.fields(VARY[kind])}
        own |= {name: word for name, word in _WORDS_ONLY.items() if name in own}
    elif given.vary == "edge_weights":
        own = {"domain": "non_negative"}
    return {name: own.get(name, _NOT_THERE) for name in _FEATURE_OPTIONS}


def _fill_edges(given: MetamerSettings) -> EdgeSettings:
    names = _EDGES.get(given.vary, ())
    searched = given.method in SEARCHES and given.vary == "edges"
    names, why_not = _SEARCHED[given.method] if searched else (names, "")
    homes = (BinaryEdges, RelaxEdges)
    defaults = {field.name: field.default for kind in homes for field in dataclasses.fields(kind)}
    filled: dict[str, Any] = {}
    for field in dataclasses.fields(EdgeSettings):
        value = getattr(given.edges, field.name)
        if value is not None and field.name not in names:
            if searched:
                raise ConfigError(
                    f"`metamers.edges.{field.name}` is {value!r}, but `metamers.method` is "
                    f"{given.method!r}, {why_not}: it would be ignored; leave it out"
                )
            raise _not_of(f"edges.{field.name}", value, given.vary)
        applies = field.name in names
        filled[field.name] = first_given(value, defaults.get(field.name)) if applies else None
    edges = EdgeSettings(**filled)
    kept = searched or given.vary == "features_given_edges"
    if kept and edges.start not in (None, "noise", "rewired"):
        why = given.method if searched else given.vary
        raise ConfigError(
            f"`metamers.edges.start` is {edges.start!r}, but with {why} edges start somewhere "
            "else; allowed: noise or rewired"
        )
    return edges


def _check_search(given: MetamerSettings, asked: str) -> None:
    if given.vary != "edges":
        raise ConfigError(
            f"{asked}, which searches over edges alone, but `metamers.vary` is {given.vary!r}; "
            "write `vary: edges`, or `method: optimize`"
        )


def _check_repulsion(given: MetamerSettings) -> None:
    """Refuse repulsion between metamers where nothing would be repelled, or not by a gradient."""
    allowed = {
        "vary": (given.vary in _FEATURES, " or ".join(_FEATURES)),
        "method": (given.method == "optimize", "optimize"),
        "coordinates": (given.coordinates in ("auto", "features"), "auto or features"),
        "optimizer": (
            given.optimizer not in WITHOUT_RATE,
            "null, or an optimizer with a learning rate, as adam",
        ),
    }
    for name, (fits, words) in allowed.items():
        if not fits:
            raise ConfigError(
                f"`metamers.repulsion` is {given.repulsion}, which pushes the features of metamers "
                f"apart by gradients, but `metamers.{name}` is {getattr(given, name)!r}; allowed: "
                f"{words}; write that, or {APART}"
            )


def _not_of(name: str, value: Any, vary: str, features: str | None = None) -> ConfigError:
    where, what = ("features", features) if vary in JOINT and features else ("vary", vary)
    return ConfigError(
        f"`metamers.{name}` is {value!r}, but `metamers.{where}` is {what!r}, which has no "
        f"{name.rsplit('.', 1)[-1]}; {APART}"
    )


def first_given(value: Any, default: Any) -> Any:
    """Return a value, or its default where it is null."""
    return default if value is None else value
