"""Settings of a sweep: read strictly from YAML; names become objects here and nowhere else."""

from jmetamer.config.building import (
    JudgePlan,
    build_dataset,
    build_judges,
    build_known_measures,
    build_layers,
    build_loss,
    build_measures,
    build_method,
    build_model,
    build_parameterization,
    build_problem,
    build_train_settings,
)
from jmetamer.config.cell import CellSettings
from jmetamer.config.grid import RunSettings, cells, read_config, take_shard
from jmetamer.config.judging import RecognitionSettings, SuccessSettings
from jmetamer.config.reading import dump_yaml, find_config, packaged_configs
from jmetamer.config.settings import (
    DatasetSettings,
    GeometrySettings,
    MetamerSettings,
    ModelSettings,
    Settings,
    StoreSettings,
    TrainingSettings,
)

__all__ = [
    "CellSettings",
    "DatasetSettings",
    "GeometrySettings",
    "JudgePlan",
    "MetamerSettings",
    "ModelSettings",
    "RecognitionSettings",
    "RunSettings",
    "Settings",
    "StoreSettings",
    "SuccessSettings",
    "TrainingSettings",
    "build_dataset",
    "build_judges",
    "build_known_measures",
    "build_layers",
    "build_loss",
    "build_measures",
    "build_method",
    "build_model",
    "build_parameterization",
    "build_problem",
    "build_train_settings",
    "cells",
    "dump_yaml",
    "find_config",
    "packaged_configs",
    "read_config",
    "take_shard",
]
