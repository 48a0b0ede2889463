"""Names become objects: what a cell's settings say, as the objects the library works with."""

import dataclasses
import inspect
import logging
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from jmetamer._base.errors import ConfigError, InputError, unknown_name
from jmetamer.config.cell import CellSettings
from jmetamer.config.varying import features_of, metamer_kinds
from jmetamer.graphs import DATASETS, Dataset, load_dataset
from jmetamer.graphs.load import reader_of_path
from jmetamer.measures import Facts, Measure, measures_for, ready
from jmetamer.metamers.losses import LOSSES, Loss
from jmetamer.metamers.methods import METHODS, Method, Optimize, RelaxEdges, Repel
from jmetamer.metamers.methods.optimize.optimizers import Optimizer
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.vary import (
    DOMAINS,
    BinaryEdges,
    BinaryFeatures,
    Box,
    ContinuousFeatures,
    Domain,
    EdgeWeights,
    RandomEdges,
    Vary,
)
from jmetamer.metamers.vary.initialization import INITIALIZATIONS
from jmetamer.models import (
    MODELS,
    PERTURBATIONS,
    Model,
    Network,
    TrainedModel,
    TrainSettings,
    default_settings,
)
from jmetamer.models.perturbation import perturbation_record

log = logging.getLogger(__name__)

ALL_LAYERS = "all"


def loader_of(name: str) -> Callable[..., Dataset]:
    """Return the function that loads a dataset of this name, or what is at this path.

    Example:
      >>> "seed" in inspect.signature(loader_of("digits")).parameters
      True
    """
    return DATASETS.get(name.lower().replace("-", "_")) or reader_of_path(name)


def build_dataset(cell: CellSettings) -> Dataset:
    """Load the cell's dataset.

    Args:
      cell: resolved settings.

    Returns:
      The dataset.

    Example:
      >>> build_dataset(CellSettings()).graph.nodes.shape
      (1797, 64)
    """
    given = cell.dataset
    accepted = inspect.signature(loader_of(given.name)).parameters
    usual = {"seed": given.seed, "split": given.split, "root": given.root}
    wanted: dict[str, Any] = {k: v for k, v in usual.items() if v is not None and k in accepted}
    return load_dataset(given.name, **wanted, **given.options)


def build_model(cell: CellSettings) -> Network:
    """Return the cell's network, with `num_outputs` still open.

    Args:
      cell: resolved settings.

    Raises:
      InputError: an option outside its range.

    Example:
      >>> build_model(CellSettings()).layer_names
      ('conv1.pre', 'conv1', 'logits')
    """
    given = cell.model
    shared = ("hidden", "layers", "activation", "residual", "normalization", "dropout")
    own = ("heads", "output_heads", "aggregator")
    options = {name: getattr(given, name) for name in shared}
    options |= {name: getattr(given, name) for name in own if getattr(given, name) is not None}
    return MODELS[given.architecture](**options)


def build_train_settings(cell: CellSettings) -> TrainSettings:
    """Return how the cell's network is trained.

    Args:
      cell: resolved settings.

    Example:
      >>> from jmetamer.config.settings import TrainingSettings
      >>> training = TrainingSettings(
      ...     0, 0.01, 0.0, "all", "never", "adam", "none", shuffle_labels=False
      ... )
      >>> build_train_settings(CellSettings(training=training)).patience is None
      True
    """
    given = cell.training
    values = {name: getattr(given, name) for name in TrainSettings.__dataclass_fields__}
    if values["patience"] == "never":
        values["patience"] = None
    fields = {"size": given.perturbation_size, "steps": given.perturbation_steps}
    fields = {name: value for name, value in fields.items() if value is not None}
    none = given.perturbation == "none"
    values["perturbation"] = None if none else PERTURBATIONS[given.perturbation or ""](**fields)
    return TrainSettings(**values)


def train_words(settings: TrainSettings) -> dict[str, Any]:
    """Return how a network is trained as a configuration writes it, the seed aside."""
    values = dataclasses.asdict(settings)
    values["patience"] = settings.patience or "never"
    ((kind, own),) = (perturbation_record(settings.perturbation) or {"none": {}}).items()
    values["perturbation"] = kind
    for name in ("size", "steps"):
        values[f"perturbation_{name}"] = own.get(name)
    return values


class JudgePlan(NamedTuple):
    """A judge that is to be trained.

    Attributes:
      model: the network.
      settings: how it is trained.
      seed: of its training.
    """

    model: Network
    settings: TrainSettings
    seed: int


def build_judges(cell: CellSettings) -> list[JudgePlan]:
    """Return the judges of the cell's metamers: default networks with as many layers as its own.

    All else, as activation and training, is the default and not the cell's; see
    `jmetamer.results.unlike_own_judges`.

    Args:
      cell: resolved settings.

    Example:
      >>> from jmetamer.config.settings import RecognitionSettings
      >>> cell = CellSettings(recognition=RecognitionSettings(judges=("gin",)))
      >>> [judge.seed for judge in build_judges(cell)]
      [1000, 1001]
    """
    given, plans = cell.recognition, []
    for name in () if isinstance(given.judges, str) else given.judges:
        settings = default_settings(name)
        if given.epochs is not None:
            settings = dataclasses.replace(settings, epochs=given.epochs)
        model = MODELS[name](hidden=given.hidden or 64, layers=cell.model.layers)
        seeds = range(given.seeds or 0)
        plans += [JudgePlan(model, settings, (given.first_seed or 0) + seed) for seed in seeds]
    return plans


def build_layers(cell: CellSettings, model: Model) -> tuple[str, ...]:
    """Return the layers that must match: one, several joined by "+", or "all".

    "all" means every layer after its nonlinearity, since equal values before a nonlinearity
    are a stronger demand than equal layers.

    Args:
      cell: resolved settings.
      model: the cell's network.

    Raises:
      InputError: a layer that the model does not have, or one named twice.

    Example:
      >>> from jmetamer.config.settings import MetamerSettings
      >>> cell = CellSettings(metamers=MetamerSettings(layer="conv1+logits"))
      >>> build_layers(cell, build_model(cell))
      ('conv1', 'logits')
    """
    if cell.metamers.layer == ALL_LAYERS:
        return tuple(name for name in model.layer_names if not name.endswith(".pre"))
    layers = tuple(cell.metamers.layer.split("+"))
    for layer in layers:
        if layer not in model.layer_names:
            raise unknown_name("layer", layer, (*model.layer_names, ALL_LAYERS))
    if len(set(layers)) < len(layers):
        raise InputError(f"`layer` is {cell.metamers.layer!r}, which names a layer twice")
    return layers


def build_parameterization(cell: CellSettings, data: Dataset) -> Vary | tuple[Vary, ...]:
    """Return what varies.

    Args:
      cell: resolved settings.
      data: the cell's dataset; gives the bounds of the domain "box".

    Raises:
      ConfigError: the domain is a box, but neither the settings nor the dataset know its bounds,
        or features must stay 0/1 and the dataset's are not.

    Example:
      >>> import types
      >>> data = types.SimpleNamespace(name="x", feature_range=(0.0, 1.0), feature_kind="binary")
      >>> build_parameterization(CellSettings(), data)
      ContinuousFeatures(domain=Free(), initialization=GlobalNoise(mean=None, std=None))
    """
    edges, kind = build_edges(cell), cell.metamers.vary
    if kind == "edge_weights":
        return dataclasses.replace(cast(EdgeWeights, edges), domain=_domain(cell, data))
    features = None if kind == "edges" else _features(cell, data)
    parts = tuple(part for part in (features, edges) if part is not None)
    return parts if len(parts) > 1 else parts[0]


def build_edges(cell: CellSettings) -> Vary | None:
    """Return how edges vary as far as the settings say it without the data, None where they stay.

    Args:
      cell: resolved settings.

    Raises:
      InputError: settings that do not go together.

    Example:
      >>> from jmetamer.config.settings import MetamerSettings
      >>> build_edges(CellSettings(metamers=MetamerSettings(vary="edges"))) == BinaryEdges()
      True
    """
    kinds: dict[str, Callable[..., Any]] = {
        "edges": BinaryEdges,
        "features_and_edges": BinaryEdges,
        "features_given_edges": RandomEdges,
        "edge_weights": EdgeWeights,
    }
    kind = kinds.get(cell.metamers.vary)
    return None if kind is None else kind(**edge_options(cell, kind))


def edge_options(cell: CellSettings, kind: Any) -> dict[str, Any]:
    """Return the settings of edges that are fields of a part, or of `RelaxEdges`.

    Args:
      cell: resolved settings; null ones are the defaults of the class.
      kind: the class.

    Example:
      >>> edge_options(CellSettings(), RelaxEdges)
      {}
    """
    given = cell.metamers.edges
    named = {field.name: getattr(given, field.name, None) for field in dataclasses.fields(kind)}
    return {name: value for name, value in named.items() if value is not None}


def _features(cell: CellSettings, data: Dataset) -> Vary:
    """Return how features vary, alone or beside edges."""
    given = cell.metamers
    named = features_of(given) or ""
    start = INITIALIZATIONS[given.initialization or "global"]()
    if named == "continuous_features":
        return ContinuousFeatures(domain=_domain(cell, data), initialization=start)
    if data.feature_kind == "continuous":
        setting = "vary" if named == given.vary else "features"
        raise ConfigError(
            f"`metamers.{setting}` is {named!r}, but the features of the dataset {data.name!r} are "
            f"continuous, not 0/1; write `{setting}: continuous_features`"
        )
    names = ("ones", "slope", "margin", "margin_weight")
    return BinaryFeatures(**{name: getattr(given, name) for name in names}, initialization=start)


def _domain(cell: CellSettings, data: Dataset) -> Domain:
    name = cell.metamers.domain or "free"
    if name != "box":
        return DOMAINS[name]()
    bounds = cell.metamers.bounds or data.feature_range
    if bounds is None:
        raise ConfigError(
            f"`metamers.domain` is 'box', but the dataset {data.name!r} has no range of features; "
            "give `metamers.bounds: [low, high]`"
        )
    return Box(*bounds)


def build_method(cell: CellSettings, problem: Problem) -> Method:
    """Return how the problem is solved; what the settings leave open is chosen for the problem.

    Args:
      cell: resolved settings.
      problem: what is to be matched, from `build_problem`.
    """
    given = cell.metamers
    if given.method != "optimize":
        kind = METHODS[given.method]
        own = {field.name for field in dataclasses.fields(kind)}
        asked = {"steps": given.steps, "coordinates": given.coordinates}
        fields = {k: v for k, v in asked.items() if k in own and v is not None}
        named: Method = kind(**fields)
        return named.for_problem(problem)
    optimizer = None
    if given.optimizer is not None:
        schedule = given.schedule or "constant"
        moments = given.moments or "float32"
        optimizer = Optimizer(given.optimizer, given.learning_rate, schedule, moments)
    names = ("steps", "patience", "improvement", "coordinates", "precision")
    settings = {name: getattr(given, name) for name in names}
    if problem.edge_kind == "simple_edges":
        options = edge_options(cell, RelaxEdges)
        return RelaxEdges(optimizer, **settings, **options).for_problem(problem)
    loop = Optimize(optimizer, **settings)
    method = Repel(given.repulsion, loop) if given.repulsion else loop
    return method.for_problem(problem)


def build_loss(cell: CellSettings) -> Loss:
    """Return the loss.

    Args:
      cell: resolved settings.

    Example:
      >>> from jmetamer.config.settings import MetamerSettings
      >>> build_loss(CellSettings(metamers=MetamerSettings(loss="relative_squared")))
      RelativeSquared()
    """
    return LOSSES[cell.metamers.loss]()


def build_problem(cell: CellSettings, trained: TrainedModel, data: Dataset) -> Problem:
    """Return what must match, and what may vary for it.

    Args:
      cell: resolved settings.
      trained: the cell's network with parameters.
      data: the cell's dataset.

    Raises:
      InputError: settings that do not fit the dataset, as a node that it does not have.
    """
    return Problem(
        trained,
        data.graph,
        layer=build_layers(cell, trained.model),
        vary=build_parameterization(cell, data),
        nodes=cell.metamers.nodes,
        loss=build_loss(cell),
        identity_backward=cell.metamers.identity_backward,
        share=cell.success.share,
    )


def build_measures(cell: CellSettings) -> tuple[Measure, ...]:
    """Return the cell's measures.

    Args:
      cell: resolved settings.

    Example:
      >>> [measure.name for measure in build_measures(CellSettings(measures=("features/cosine",)))]
      ['features/cosine']
    """
    return measures_for(metamer_kinds(cell.metamers), cell.measures)


def build_known_measures(
    cell: CellSettings, trained: TrainedModel, data: Dataset
) -> tuple[Measure, ...]:
    """Return the cell's measures with what they need to know, without those that do not apply.

    A measure does not apply without labels, without a linear entry of the network, or on too many
    nodes; see `Measure.prepare` of each.

    Args:
      cell: resolved settings.
      trained: the cell's network with parameters.
      data: the cell's dataset.
    """
    first = trained.model.first_layer(trained.params)
    facts = Facts(data.labels, data.train_mask, None if first is None else first.weights)
    asked = build_measures(cell)
    applying = ready(asked, data.graph, facts)
    # A costly one is there because somebody named it.
    for name in {m.name for m in asked if not m.default} - {m.name for m in applying}:
        size = len(data.graph.nodes)
        log.warning("measures: %s does not apply to %s (%d nodes): left out", name, data.name, size)
    return applying
