"""Fills in every default of one point of the grid and refuses what contradicts itself."""

import contextlib
import dataclasses
import inspect
import math
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jmetamer._base.errors import ConfigError, InputError, unknown_name
from jmetamer._base.paths import user_path
from jmetamer._base.precision import PRECISIONS
from jmetamer.config.building import (
    build_edges,
    build_layers,
    build_loss,
    build_model,
    build_train_settings,
    edge_options,
    loader_of,
    train_words,
)
from jmetamer.config.cell import CellSettings
from jmetamer.config.checking import check_value, unknown_setting
from jmetamer.config.judging import RecognitionSettings, SuccessSettings
from jmetamer.config.settings import (
    DatasetSettings,
    GeometrySettings,
    MetamerSettings,
    ModelSettings,
    Settings,
    TrainingSettings,
)
from jmetamer.config.varying import (
    APART,
    check_method,
    features_of,
    fill_varying,
    first_given,
    metamer_kinds,
)
from jmetamer.graphs import DATASETS
from jmetamer.graphs.graph_npz import load_graph_npz
from jmetamer.measures import measures_for
from jmetamer.metamers.losses import LOSSES
from jmetamer.metamers.methods import RelaxEdges
from jmetamer.metamers.methods.optimize.coordinates import COORDINATES
from jmetamer.metamers.methods.optimize.optimizers import (
    MOMENTS,
    OPTIMIZERS,
    SCHEDULES,
    WITH_MOMENTS,
    WITHOUT_RATE,
    Optimizer,
)
from jmetamer.metamers.methods.relax_edges.plan import weight_optimizer
from jmetamer.metamers.vary import DOMAINS
from jmetamer.metamers.vary.edge_gradient import require_edge_gradient
from jmetamer.metamers.vary.initialization import INITIALIZATIONS
from jmetamer.models import ACTIVATIONS, MODELS, PERTURBATIONS, default_settings

_OF_ONE_MODEL = ("heads", "output_heads", "aggregator")
# Zeros and ones do not reach what real numbers do.
_TOLERANCE, _DISCRETE_TOLERANCE = 1e-4, 1e-2
_PATIENCE = 200  # edges alone are moved through a whole schedule
# The worst of many nodes is off by several times what all together are.
_WORST = 10.0
# Steps in features or weights and steps in logits have different sizes.
_LEARNING_RATE, _LOGIT_RATE = 0.05, 0.1


def resolve(settings: Settings) -> CellSettings:
    """Return the cell with every default that is known before the data are read.

    Args:
      settings: one point of the grid.

    Returns:
      The cell.

    Raises:
      ConfigError: an unknown name, a setting that does not apply, or a layer that does not exist.

    Example:
      >>> cell = resolve(Settings(seed=3))
      >>> cell.metamers.seed, cell.metamers.tolerance
      (3, 0.0001)
    """
    training = _training(settings.training, settings.model.architecture, settings.seed)
    metamers = _metamers(settings.metamers, settings.seed)
    cell = CellSettings(
        dataset=_dataset(settings.dataset, settings.seed),
        model=_model(settings.model),
        training=training,
        metamers=metamers,
        geometry=_geometry(settings.geometry),
        measures=_measures(settings.measures, settings.metamers),
        success=_success(settings.success, metamers.tolerance),
        recognition=_recognition(settings.recognition, training.seed),
        planted=settings.planted,
        store=settings.store,
    )
    _check_layers(cell)
    _check_edges(cell)
    return cell


def _dataset(given: DatasetSettings, seed: int) -> DatasetSettings:
    name = given.name
    with _as_config_error("dataset.name"):
        loader, is_file = loader_of(name), os.path.isfile(user_path(name))
    if loader is load_graph_npz and not is_file:
        error = unknown_name("`dataset.name`", name, DATASETS)
        raise ConfigError(
            f"{error} A .npz file is allowed too, but there is none of this name, nor a folder of "
            "the Open Graph Benchmark."
        )
    accepted = inspect.signature(loader).parameters
    for key in ("seed", "split"):
        if getattr(given, key) is not None and key not in accepted:
            raise ConfigError(
                f"`dataset.{key}` is {getattr(given, key)!r}, but the dataset {name!r} has no "
                f"{key}; {APART}"
            )
    options = [key for key in accepted if key not in ("seed", "split", "root", "path")]
    for key, value in given.options.items():
        if key not in options:
            raise unknown_setting(f"dataset.options.{key}", options or ["nothing"])
        check_value(value, accepted[key].annotation, f"dataset.options.{key}")
    defaults = {k: accepted[k].default for k in options if _is_plain(accepted[k].default)}
    return dataclasses.replace(
        given,
        seed=first_given(given.seed, seed) if "seed" in accepted else None,
        split=first_given(given.split, accepted["split"].default) if "split" in accepted else None,
        options={**defaults, **given.options},
    )


def _model(given: ModelSettings) -> ModelSettings:
    _check_name("model.architecture", given.architecture, MODELS)
    _check_name("model.activation", given.activation, ACTIVATIONS)
    own = {field.name: field.default for field in dataclasses.fields(MODELS[given.architecture])}
    filled = {}
    for name in _OF_ONE_MODEL:
        value = getattr(given, name)
        if value is not None and name not in own:
            raise ConfigError(
                f"`model.{name}` is {value!r}, but the architecture {given.architecture!r} has no "
                f"{name}; {APART}"
            )
        filled[name] = first_given(value, own.get(name))
    resolved = dataclasses.replace(given, **filled)
    with _as_config_error("model"):
        build_model(CellSettings(model=resolved))
    return resolved


def _training(given: TrainingSettings, architecture: str, seed: int) -> TrainingSettings:
    default = default_settings(architecture)
    if given.perturbation is not None:
        changed = None if given.perturbation == "none" else PERTURBATIONS[given.perturbation]()
        default = dataclasses.replace(default, perturbation=changed)
    own = train_words(default)
    kind = own["perturbation"]
    for name in ("perturbation_size", "perturbation_steps"):
        if own[name] is None and getattr(given, name) is not None:
            raise ConfigError(
                f"`training.{name}` is {getattr(given, name)!r}, but `training.perturbation` is "
                f"{kind!r}, which has none; {APART}"
            )
    values = {name: first_given(getattr(given, name), own[name]) for name in own}
    resolved = TrainingSettings(**values, seed=first_given(given.seed, seed))
    with _as_config_error("training"):
        build_train_settings(CellSettings(training=resolved))
    return resolved


def _metamers(given: MetamerSettings, seed: int) -> MetamerSettings:
    if given.initialization is not None:
        _check_name("metamers.initialization", given.initialization, INITIALIZATIONS)
    _check_name("metamers.loss", given.loss, ("auto", *LOSSES))
    _check_name("metamers.coordinates", given.coordinates, COORDINATES)
    _check_name("metamers.precision", given.precision, PRECISIONS)
    loss = given.loss
    if loss == "auto":
        loss = "relative_squared" if given.identity_backward else "complementarity"
    discrete = given.vary == "edges" or features_of(given) == "binary_features"
    resolved = dataclasses.replace(
        given,
        **fill_varying(given),
        **_search(given),
        loss=loss,
        patience=first_given(given.patience, None if given.vary == "edges" else _PATIENCE),
        tolerance=first_given(given.tolerance, _DISCRETE_TOLERANCE if discrete else _TOLERANCE),
        seed=first_given(given.seed, seed),
    )
    _check_bounds(resolved)
    check_method(resolved)
    return resolved


def _search(given: MetamerSettings) -> dict[str, Any]:
    """Return learning rate, schedule and moments, which only some optimizers have."""
    asked = {"learning_rate": given.learning_rate, "schedule": given.schedule}
    if given.optimizer is not None:
        _check_name("metamers.optimizer", given.optimizer, OPTIMIZERS)
    if given.schedule is not None:
        _check_name("metamers.schedule", given.schedule, SCHEDULES)
    if given.moments is not None:
        _check_name("metamers.moments", given.moments, MOMENTS)
        if given.optimizer not in WITH_MOMENTS:
            why = given.optimizer or "null, which chooses its own"
            raise ConfigError(
                f"`metamers.moments` is {given.moments!r}, but `metamers.optimizer` is {why}: it "
                f"would be ignored; name one of {', '.join(WITH_MOMENTS)}, or {APART}"
            )
    if given.optimizer is None or given.optimizer in WITHOUT_RATE:
        why = "null, which chooses its own" if given.optimizer is None else repr(given.optimizer)
        for name, value in asked.items():
            if value is not None:
                raise ConfigError(
                    f"`metamers.{name}` is {value!r}, but `metamers.optimizer` is {why}: it would "
                    f"be ignored; name an optimizer with a learning rate, as adam, or {APART}"
                )
        return {}
    return {
        "learning_rate": first_given(
            given.learning_rate,
            _LOGIT_RATE if features_of(given) == "binary_features" else _LEARNING_RATE,
        ),
        "schedule": first_given(given.schedule, "cosine"),
        "moments": first_given(
            given.moments, "float32" if given.optimizer in WITH_MOMENTS else None
        ),
    }


def _check_bounds(metamers: MetamerSettings) -> None:
    if metamers.domain is not None:
        _check_name("metamers.domain", metamers.domain, DOMAINS)
    bounds = metamers.bounds
    if bounds is not None and metamers.domain != "box":
        raise ConfigError(
            f"`metamers.bounds` is {list(bounds)}, but `metamers.domain` is {metamers.domain!r} "
            f"and only the domain 'box' has bounds; {APART}"
        )
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ConfigError(
            f"`metamers.bounds` is {list(bounds)}; allowed: [low, high] with low below high"
        )
    if metamers.vary == "edge_weights":
        _check_weights(metamers)


def _check_weights(metamers: MetamerSettings) -> None:
    if metamers.domain == "free" or (metamers.bounds is not None and metamers.bounds[0] < 0):
        raise ConfigError(
            f"`metamers.domain` is {metamers.domain!r}"
            + (f" with bounds {list(metamers.bounds)}" if metamers.bounds else "")
            + ", but edges have no negative weights; allowed: non_negative, or box with "
            "`metamers.bounds: [low, high]` and low from 0"
        )
    if metamers.domain == "box" and metamers.bounds is None:
        raise ConfigError(
            "`metamers.domain` is 'box', but a dataset has no range of edge weights; give "
            "`metamers.bounds: [low, high]`"
        )


def _geometry(given: GeometrySettings) -> GeometrySettings:
    if not given.enabled:
        nothing = dict.fromkeys(("nodes", "inputs", "layers", "maps", "ledger", "channel"))
        return GeometrySettings(enabled=False, **nothing)
    for name in ("nodes", "inputs", "layers", "maps", "ledger"):
        if getattr(given, name) is None:
            raise ConfigError(
                f"`geometry.{name}` is null, but `geometry.enabled` is true; "
                "give a value, or write `enabled: false`"
            )
    return dataclasses.replace(given, ledger=0) if given.ledger is False else given


def _success(given: SuccessSettings, tolerance: float | None) -> SuccessSettings:
    largest = _WORST * math.sqrt(tolerance or 0.0)
    filled = dataclasses.replace(given, worst_node=first_given(given.worst_node, largest))
    if not given.null_pairs:
        return dataclasses.replace(filled, alpha=None, null_others=None)
    usual = SuccessSettings()
    return dataclasses.replace(
        filled,
        alpha=first_given(given.alpha, usual.alpha),
        null_others=first_given(given.null_others, usual.null_others),
    )


def _recognition(given: RecognitionSettings, maker_seed: int | None) -> RecognitionSettings:
    if given.judges == "none":
        nothing = dict.fromkeys(("seeds", "first_seed", "hidden", "epochs", "controls"))
        return RecognitionSettings(judges=(), **nothing)
    judges = tuple(MODELS) if given.judges == "all" else tuple(given.judges)
    for name in judges:
        _check_name("recognition.judges", name, MODELS)
    if len(set(judges)) < len(judges):
        raise ConfigError(f"`recognition.judges` is {list(judges)}, which names one twice")
    usual = RecognitionSettings()
    values = {
        field.name: first_given(getattr(given, field.name), getattr(usual, field.name))
        for field in dataclasses.fields(given)
    }
    first, seeds = values["first_seed"], values["seeds"]
    if maker_seed is not None and first <= maker_seed < first + seeds:
        raise ConfigError(
            f"`training.seed` is {maker_seed}, and judges are trained with seeds {first} to "
            f"{first + seeds - 1}: a judge of the same seed may share its first parameters with "
            "the model whose metamers it reads; write another `recognition.first_seed`"
        )
    return RecognitionSettings(**values | {"judges": judges})


def _measures(given: tuple[str, ...] | str, metamers: MetamerSettings) -> tuple[str, ...]:
    names = None if isinstance(given, str) else given
    with _as_config_error("measures"):
        return tuple(measure.name for measure in measures_for(metamer_kinds(metamers), names))


def _check_layers(cell: CellSettings) -> None:
    model = build_model(cell)
    with _as_config_error("metamers.layer"):
        layers = build_layers(cell, model)
    _check_geometry_layers(cell.geometry, model.layer_names)
    if not cell.metamers.identity_backward:
        return
    if not any(model.nonlinearity(layer) for layer in layers):
        raise ConfigError(
            f"`metamers.identity_backward` is true, but the layer {cell.metamers.layer!r} has no "
            f"nonlinearity; {APART}"
        )
    if build_loss(cell).skips_nonlinearity:
        raise ConfigError(
            "`metamers.identity_backward` is true, but `metamers.loss` is "
            f"{cell.metamers.loss!r}, which reads the values before the nonlinearity, so that "
            "there is nothing to pass; write `loss: relative_squared`"
        )


def _check_edges(cell: CellSettings) -> None:
    """Refuse settings of edges that do not go together, or with the network or the optimizer."""
    given = cell.metamers
    if cell.planted.problems and "simple_edges" not in metamer_kinds(given):
        raise ConfigError(
            f"`planted.problems` is {cell.planted.problems}, but `metamers.vary` is "
            f"{given.vary!r}: planted metamers are graphs with other edges, which only a search in "
            "which edges come and go (edges, features_and_edges, features_given_edges) can find; "
            f"{APART}"
        )
    with _as_config_error("metamers.edges"):
        edges = build_edges(cell)
        RelaxEdges(**edge_options(cell, RelaxEdges))
    if edges is None or given.vary == "features_given_edges" or given.method != "optimize":
        return
    with _as_config_error("metamers.vary"):
        require_edge_gradient(build_model(cell), edges)
    if given.vary == "edges" and given.optimizer is not None:
        with _as_config_error("metamers.optimizer"):
            weight_optimizer(Optimizer(given.optimizer, given.learning_rate))


def _check_geometry_layers(given: GeometrySettings, known: tuple[str, ...]) -> None:
    if given.layers is None or isinstance(given.layers, str):
        return
    for name in given.layers:
        if name not in known:
            error = unknown_name("layer in `geometry.layers`", name, known)
            raise ConfigError(f"{error} Write `layers: all` or `layers: matched` without a list.")


def _check_name(path: str, given: str, allowed: Collection[str] | Mapping[str, Any]) -> None:
    if given not in allowed:
        raise ConfigError(str(unknown_name(f"`{path}`", given, allowed)))


@contextlib.contextmanager
def _as_config_error(path: str) -> Iterator[None]:
    """Turn an InputError from a constructor into a ConfigError that names the section."""
    try:
        yield
    except ConfigError:
        raise
    except InputError as error:
        raise ConfigError(f"in `{path}`: {error}") from error


def _is_plain(default: Any) -> bool:
    return default is None or isinstance(default, bool | int | float | str)
