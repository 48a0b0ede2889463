"""`TrainSettings`: how a model is trained."""

import dataclasses
from types import MappingProxyType
from typing import Annotated

import jax
import optax

from jmetamer._base.arguments import Count, Natural, NonNegative, OneOf, checked
from jmetamer.models.perturbation import Perturbation

OPTIMIZERS = ("adam", "adamw", "sgd")
DECAYED = ("first", "all")


@checked
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
      perturbation: change of all nodes' features in every epoch, to which the parameters are then
        fitted: `AdversarialPerturbation()`, or `RandomPerturbation()`, its control of the same
        size; None leaves the features as they are. Scores, and the validation by which an epoch
        is kept, are those of the features as they are.
      shuffle_labels: permute the labels of the training nodes among themselves, and likewise
        those of the validation nodes; scores are against the true ones.

    Raises:
      InputError: a value that is not allowed.

    Example:
      >>> TrainSettings(epochs=0).epochs
      0
      >>> from jmetamer.models import AdversarialPerturbation
      >>> TrainSettings(perturbation=AdversarialPerturbation()).perturbation
      AdversarialPerturbation(size=0.1, steps=5)
    """

    epochs: Natural = 200
    learning_rate: NonNegative = 0.01
    weight_decay: NonNegative = 5e-4
    decayed: Annotated[str, OneOf(DECAYED)] = "first"
    patience: Count | None = 100
    optimizer: Annotated[str, OneOf(OPTIMIZERS)] = "adam"
    perturbation: Perturbation | None = None
    shuffle_labels: bool = False


_BY_ARCHITECTURE: MappingProxyType[str, TrainSettings] = MappingProxyType({})


@checked
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
