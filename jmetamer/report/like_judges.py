"""Whether a maker of metamers differs from the judges of its architecture in more than the seed."""

from collections.abc import Mapping
from typing import Any

from jmetamer.report.cells import setting

# A judge has as many layers as the maker; the rest of it, and its training, are the defaults. The
# page may not import the models, so they are written out here and a test compares them.
_NETWORK: Mapping[str, Any] = {
    "activation": "relu", "residual": False, "normalization": "none", "dropout": 0.5, "heads": 8,
    "output_heads": 1, "aggregator": "mean",
}  # fmt: skip
_TRAINING: Mapping[str, Any] = {
    "epochs": 200, "learning_rate": 0.01, "weight_decay": 5e-4, "decayed": "first",
    "patience": 100, "optimizer": "adam", "perturbation": "none", "shuffle_labels": False,
}  # fmt: skip
_WIDTH = 64


def made_like_judges(settings: Mapping[str, Any]) -> list[str]:
    """Return the settings in which a maker differs from the judges of its own architecture.

    Only where there are none, a difference between their readings is one of the seed alone.

    Args:
      settings: resolved settings of a cell with judges.

    Returns:
      Dotted names, the seed aside; empty where maker and judges are made alike.

    Example:
      >>> made_like_judges({"model": {"activation": "elu", "hidden": 64}})
      ['model.activation']
    """
    width = setting(settings, "recognition.hidden")
    epochs = setting(settings, "recognition.epochs")
    judge = {"model.hidden": _WIDTH if width is None else width}
    judge |= {f"model.{name}": value for name, value in _NETWORK.items()}
    judge |= {f"training.{name}": value for name, value in _TRAINING.items()}
    if epochs is not None:
        judge["training.epochs"] = epochs
    # What is null does not apply to the architecture, or is its default.
    given = {name: setting(settings, name) for name in judge}
    return [name for name, value in judge.items() if given[name] not in (None, value)]
