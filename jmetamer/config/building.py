"""What a cell's settings need beside the objects that they are: judges, layers, measures."""

import dataclasses
import logging
from typing import NamedTuple

from jmetamer._base.errors import InputError, unknown_name
from jmetamer.config.settings import CellSettings
from jmetamer.graphs import Dataset
from jmetamer.measures import Facts, Measure, measures_for, ready
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.question import Varying
from jmetamer.models import MODELS, Model, Network, TrainedModel, TrainSettings, default_settings

log = logging.getLogger(__name__)

ALL_LAYERS = "all"


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
    recognition, plans = cell.recognition, list[JudgePlan]()
    if recognition is None:
        return plans
    for name in recognition.judges:
        settings = default_settings(name)
        if recognition.epochs is not None:
            settings = dataclasses.replace(settings, epochs=recognition.epochs)
        model = MODELS[name](hidden=recognition.hidden, layers=cell.model.layers)
        plans += [
            JudgePlan(model, settings, recognition.first_seed + seed)
            for seed in range(recognition.seeds)
        ]
    return plans


def build_layers(cell: CellSettings, model: Model) -> tuple[str, ...]:
    """Return the layers that must match: one, several together, or "all".

    "all" means every layer after its nonlinearity, since equal values before a nonlinearity
    are a stronger demand than equal layers.

    Args:
      cell: resolved settings.
      model: the cell's network.

    Raises:
      InputError: a layer that the model does not have.

    Example:
      >>> from jmetamer.config.settings import MetamerSettings
      >>> cell = CellSettings(metamers=MetamerSettings(layer=("conv1", "logits")))
      >>> build_layers(cell, cell.model)
      ('conv1', 'logits')
    """
    layer_setting = cell.metamers.layer
    if layer_setting == ALL_LAYERS:
        return tuple(name for name in model.layer_names if not name.endswith(".pre"))
    layers = (layer_setting,) if isinstance(layer_setting, str) else layer_setting
    for layer in layers:
        if layer not in model.layer_names:
            if "+" in layer:
                raise InputError(
                    f"`layer` is {layer!r}; layers that are matched at once are now written "
                    f"{{together: [{', '.join(layer.split('+'))}]}}"
                )
            raise unknown_name("layer", layer, (*model.layer_names, ALL_LAYERS))
    return layers


def build_problem(cell: CellSettings, trained: TrainedModel, data: Dataset) -> Problem:
    """Return what must match, and what may vary for it.

    Args:
      cell: resolved settings.
      trained: the cell's network with parameters.
      data: the cell's dataset.

    Raises:
      InputError: settings that do not fit the dataset, as a node that it does not have.
    """
    settings = cell.metamers
    assert settings.loss is not None
    return Problem(
        trained,
        data.graph,
        layer=build_layers(cell, trained.model),
        vary=settings.vary,
        nodes=settings.nodes,
        loss=settings.loss,
        identity_backward=settings.identity_backward,
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
    names = None if isinstance(cell.measures, str) else cell.measures
    return measures_for(Varying(cell.metamers.vary).kinds, names)


def build_applying_measures(
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
    measures = build_measures(cell)
    applying = ready(measures, data.graph, facts)
    # A costly one is there because somebody named it.
    for name in {m.name for m in measures if not m.default} - {m.name for m in applying}:
        size = len(data.graph.nodes)
        log.warning("measures: %s does not apply to %s (%d nodes): left out", name, data.name, size)
    return applying
