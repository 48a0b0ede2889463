"""`TrainSettings`: how a model is trained."""

import dataclasses
from types import MappingProxyType

import jax
import optax

from jmetamer._base.errors import InputError
from jmetamer.models.network import require_count, require_name, require_number

OPTIMIZERS = ("adam", "adamw", "sgd")
DECAYED = ("first", "all")


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How a model is trained: full batch, cross-entropy on the training nodes.

    Attributes:
      epochs: largest number of steps; 0 leaves the network untrained.
      learning_rate: step size.
      weight_decay: with "adam" and "sgd" the factor c of the gradient term `c W` (an L2 penalty
        `c/2 |W|^2`), with "adamw" the decoupled decay.
      decayed: "first" decays the matrices of the first layer only (Kipf and Welling 2017), "all"
        every matrix; biases and normalization parameters never.
      patience: stop after this many epochs without a better validation accuracy (or an equal one
        at a lower validation loss); None never stops early.
      optimizer: "adam", "adamw" or "sgd".

    Example:
      >>> TrainSettings(epochs=0).epochs
      0
    """

    epochs: int = 200
    learning_rate: float = 0.01
    weight_decay: float = 5e-4
    decayed: str = "first"
    patience: int | None = 100
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        require_count("epochs", self.epochs, least=0)
        if self.patience is not None:
            require_count("patience", self.patience)
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            require_number(name, value)
            if value < 0:
                raise InputError(f"`{name}` is not negative; got {value!r}.")
        require_name("optimizer", self.optimizer, OPTIMIZERS)
        require_name("decayed", self.decayed, DECAYED)


_BY_ARCHITECTURE: MappingProxyType[str, TrainSettings] = MappingProxyType({})


def default_settings(architecture: str) -> TrainSettings:
    """Return the settings that `train` uses for an architecture when none are given.

    Args:
      architecture: key of `MODELS`; any other name gets `TrainSettings()`.

    Example:
      >>> default_settings("gcn").epochs
      200
    """
    return _BY_ARCHITECTURE.get(architecture, TrainSettings())


def make_optimizer(settings: TrainSettings) -> optax.GradientTransformation:
    """Return the optax optimizer that the settings describe; decay is masked by layer.

    Args:
      settings: training settings.
    """

    def decayed(params: object) -> object:
        def is_decayed(path: tuple, leaf: jax.Array) -> bool:
            layer = str(path[0].key)
            in_layer = settings.decayed == "all" or layer in ("conv1", "skip1")
            return in_layer and leaf.ndim > 1

        return jax.tree_util.tree_map_with_path(is_decayed, params)

    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adamw":
        return optax.adamw(rate, weight_decay=decay, mask=decayed)
    step = optax.adam(rate) if settings.optimizer == "adam" else optax.sgd(rate, momentum=0.9)
    return optax.chain(optax.add_decayed_weights(decay, mask=decayed), step)
