"""Fills in the defaults that depend on other settings, and refuses what contradicts itself."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import TypeVar

from jmetamer._base.errors import ConfigError, InputError, unknown_name
from jmetamer.config.building import build_layers
from jmetamer.config.judging import RecognitionSettings
from jmetamer.config.settings import CellSettings, GeometrySettings, MetamerSettings, Settings
from jmetamer.measures import measures_for
from jmetamer.metamers.losses import Complementarity, RelativeSquared
from jmetamer.metamers.methods import METHODS
from jmetamer.metamers.question import Question, Varying
from jmetamer.models import MODELS

T = TypeVar("T")
_APART = "remove it, or give each its own block under `runs`"
# The worst of many nodes is off by several times what all together are.
_WORST = 10.0


def resolve(settings: Settings) -> CellSettings:
    """Return the cell with every default that is known before the data are read.

    Args:
      settings: one point of the grid.

    Returns:
      The cell.

    Raises:
      ConfigError: a setting that does not apply, or a layer that does not exist.

    Example:
      >>> cell = resolve(Settings(seed=3))
      >>> cell.metamers.seed, cell.metamers.tolerance
      (3, 0.0001)
    """
    metamers = _metamers(settings)
    worst = settings.success.worst_node
    if worst is None:
        worst = _WORST * math.sqrt(metamers.tolerance or 0.0)
    values = {f.name: getattr(settings, f.name) for f in dataclasses.fields(CellSettings)}
    cell = CellSettings(
        **values
        | {
            "dataset": _seeded(settings.dataset, settings.seed),
            "training": _seeded(settings.training, settings.seed),
            "metamers": metamers,
            "measures": _measures(settings),
            "success": dataclasses.replace(settings.success, worst_node=worst),
        }
    )
    cell = dataclasses.replace(cell, recognition=_recognition(cell))
    _check_layers(cell)
    _check_method(cell)
    return cell


def _seeded(section: T, seed: int) -> T:
    """Return settings with the top-level seed in place of a seed that is null."""
    if getattr(section, "seed", seed) is not None:
        return section
    return dataclasses.replace(section, seed=seed)  # type: ignore[type-var]


def _metamers(settings: Settings) -> MetamerSettings:
    metamers = settings.metamers
    plain = RelativeSquared() if metamers.identity_backward else Complementarity()
    with _as_config_error("metamers.vary"):
        varying = Varying(metamers.vary)
        parts = varying.parts
    return dataclasses.replace(
        _seeded(metamers, settings.seed),
        vary=parts if len(parts) > 1 else parts[0],
        loss=metamers.loss or plain,
        method=metamers.method or METHODS[varying.default_method](),
        tolerance=metamers.tolerance or varying.tolerance,
    )


def _recognition(cell: CellSettings) -> RecognitionSettings | None:
    recognition, maker = cell.recognition, cell.training.seed
    if recognition is None:
        return None
    first, seeds = recognition.first_seed, recognition.seeds
    if maker is not None and first <= maker < first + seeds:
        raise ConfigError(
            f"`training.seed` is {maker}, and judges are trained with seeds {first} to "
            f"{first + seeds - 1}: a judge of the same seed may share its first parameters with "
            "the model whose metamers it reads; write another `recognition.first_seed`"
        )
    judges = tuple(MODELS) if recognition.judges == "all" else recognition.judges
    return dataclasses.replace(recognition, judges=judges)


def _measures(settings: Settings) -> tuple[str, ...]:
    names = None if isinstance(settings.measures, str) else settings.measures
    with _as_config_error("measures"):
        return tuple(m.name for m in measures_for(Varying(settings.metamers.vary).kinds, names))


def _check_layers(cell: CellSettings) -> None:
    model = cell.model
    with _as_config_error("metamers.layer"):
        layers = build_layers(cell, model)
    if cell.geometry is not None:
        _check_geometry_layers(cell.geometry, model.layer_names)
    assert cell.metamers.loss is not None
    with _as_config_error("metamers.loss"):
        cell.metamers.loss.check(layers)
    if not cell.metamers.identity_backward:
        return
    if not any(model.nonlinearity(layer) for layer in layers):
        raise ConfigError(
            f"`metamers.identity_backward` is true, but the layer {cell.metamers.layer!r} has no "
            f"nonlinearity; {_APART}"
        )
    loss = cell.metamers.loss
    if loss is not None and loss.skips_nonlinearity:
        raise ConfigError(
            f"`metamers.identity_backward` is true, but `metamers.loss` is {loss!r}, which reads "
            "the values before the nonlinearity, so that there is nothing to pass; write `loss: "
            "relative_squared`"
        )


def _check_method(cell: CellSettings) -> None:
    """Refuse what the method cannot do, whatever the data."""
    metamers = cell.metamers
    if cell.planted.problems and "simple_edges" not in Varying(metamers.vary).kinds:
        raise ConfigError(
            f"`planted.problems` is {cell.planted.problems}, but `metamers.vary` is "
            f"{metamers.vary!r}: planted metamers are graphs with other edges, which only a search "
            f"in which edges come and go (binary_edges, random_edges) can find; {_APART}"
        )
    assert metamers.method is not None
    assert metamers.loss is not None
    layers = build_layers(cell, cell.model)
    with _as_config_error("metamers.method"):
        metamers.method.check(Question(cell.model, layers, metamers.vary, metamers.loss))
    if metamers.method.repeats and metamers.count > 1:
        raise ConfigError(
            f"`metamers.method` is {metamers.method!r}, which gives every seed the same metamer, "
            f"but `metamers.count` is {metamers.count}; set it to 1"
        )


def _check_geometry_layers(geometry: GeometrySettings, layer_names: tuple[str, ...]) -> None:
    for name in () if isinstance(geometry.layers, str) else geometry.layers:
        if name not in layer_names:
            error = unknown_name("layer in `geometry.layers`", name, layer_names)
            raise ConfigError(f"{error} Write `layers: all` or `layers: matched` without a list.")


@contextlib.contextmanager
def _as_config_error(path: str) -> Iterator[None]:
    """Turn an InputError of an object into a ConfigError that names the section."""
    try:
        yield
    except ConfigError:
        raise
    except InputError as error:
        raise ConfigError(f"in `{path}`: {error}") from error
