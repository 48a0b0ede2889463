"""Settings of a sweep: the objects themselves, read strictly from YAML."""

from jmetamer.config.building import (
    JudgePlan,
    build_applying_measures,
    build_judges,
    build_layers,
    build_measures,
    build_problem,
)
from jmetamer.config.grid import RunSettings, cells, read_config, take_shard
from jmetamer.config.judging import NullSettings, RecognitionSettings, SuccessSettings
from jmetamer.config.reading import dump_yaml, find_config, packaged_configs
from jmetamer.config.settings import (
    CellSettings,
    GeometrySettings,
    MetamerSettings,
    Settings,
    StoreSettings,
    TrainingSettings,
)

__all__ = [
    "CellSettings",
    "GeometrySettings",
    "JudgePlan",
    "MetamerSettings",
    "NullSettings",
    "RecognitionSettings",
    "RunSettings",
    "Settings",
    "StoreSettings",
    "SuccessSettings",
    "TrainingSettings",
    "build_applying_measures",
    "build_judges",
    "build_layers",
    "build_measures",
    "build_problem",
    "cells",
    "dump_yaml",
    "find_config",
    "packaged_configs",
    "read_config",
    "take_shard",
]
