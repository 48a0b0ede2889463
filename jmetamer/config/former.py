"""The flat keys of former configurations, each refused with its new path."""

import re
from collections.abc import Mapping

from jmetamer._base.errors import ConfigError, shortened

_BLOCK = re.compile(r"^(smoke\.)?(runs\[\d+\]\.)?")
_FEATURES = "metamers.vary.continuous_features"
_BINARY = "metamers.vary.binary_features"
_EDGES = "metamers.vary.binary_edges"
_RELAX = "metamers.method.relax_edges"
_OPTIMIZE = "metamers.method.optimize"

# Former key -> where its value stands now.
_KEYS = {
    "dataset.name": "dataset: NAME",
    **{f"dataset.{key}": f"dataset.NAME.{key}" for key in ("split", "seed", "root")},
    "dataset.options": "dataset: {NAME: {OPTION: VALUE}}",
    "model.architecture": "model: NAME",
    **{
        f"model.{key}": f"model.NAME.{key}"
        for key in (
            "hidden", "layers", "activation", "residual", "normalization", "dropout", "heads",
            "output_heads", "aggregator",
        )
    },
    "training.perturbation_size": "training.perturbation.adversarial.size, or .random.size",
    "training.perturbation_steps": "training.perturbation.adversarial.steps",
    "metamers.features": "metamers.vary: {together: [FEATURES, EDGES]}",
    "metamers.domain": f"{_FEATURES}.domain, or metamers.vary.edge_weights.domain",
    "metamers.bounds": f"{_FEATURES}.domain.box: {{low: ..., high: ...}}",
    "metamers.initialization": f"{_FEATURES}.initialization, or {_BINARY}.initialization",
    **{f"metamers.{k}": f"{_BINARY}.{k}" for k in ("ones", "slope", "margin", "margin_weight")},
    "metamers.edges": f"{_EDGES} and {_RELAX}",
    **{f"metamers.edges.{k}": f"{_EDGES}.{k}" for k in ("start", "budget", "distance", "directed")},
    **{
        f"metamers.edges.{k}": f"{_RELAX}.{k}"
        for k in ("block", "refill", "refill_every", "penalty", "draws", "flips", "kicks",
                  "learning_rate", "feature_learning_rate")
    },
    "metamers.edges.candidates": "metamers.vary.edge_weights.candidates",
    "metamers.repulsion": "metamers.method.repel.weight",
    **{
        f"metamers.{k}": f"{_OPTIMIZE}.{k}, or the like of another method"
        for k in ("steps", "patience", "improvement", "coordinates", "precision", "optimizer")
    },
    **{
        f"metamers.{k}": f"{_OPTIMIZE}.optimizer.NAME.{k}"
        for k in ("learning_rate", "schedule", "moments")
    },
    "geometry.enabled": "`geometry: null` to leave it out",
    "success.alpha": "success.null_test.alpha",
    "success.null_pairs": "success.null_test.pairs, or `success.null_test: null` for none",
    "success.null_others": "success.null_test.others",
}  # fmt: skip
# Former value -> what stands for it now.
_VALUES = {
    ("metamers.vary", "edges"): "binary_edges",
    ("metamers.vary", "features_and_edges"): "{together: [continuous_features, binary_edges]}",
    ("metamers.vary", "features_given_edges"): "{together: [continuous_features, random_edges]}",
    ("metamers.loss", "auto"): "null",
    ("training.perturbation", "none"): "null",
    ("recognition.judges", "none"): "`recognition: null`",
}


def refuse_former(path: str, value: object) -> None:
    """Raise `ConfigError` for a key, or a value, of the former flat form; says the new one.

    Args:
      path: dotted, with the block of `runs` in front.
      value: what stands there.

    Example:
      >>> refuse_former("metamers.steps", 50)
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.ConfigError: `metamers.steps` is of the former form of configurations;
      write metamers.method.optimize.steps, or the like of another method
    """
    place = _BLOCK.sub("", path)
    for key, one in value.items() if isinstance(value, Mapping) else ():
        if f"{place}.{key}" in _KEYS:
            refuse_former(f"{path}.{key}", one)
    new = _KEYS.get(place)
    if new is None and isinstance(value, str):
        new = _VALUES.get((place, value))
        path = f"{path}: {shortened(value)}" if new else path
    if new is not None:
        raise ConfigError(f"`{path}` is of the former form of configurations; write {new}")
