"""`TrainSettings`: how a model is trained."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import optax

from jmetamer._base.arguments import Count, Natural, NonNegative, Positive, checked
from jmetamer._base.errors import InputError
from jmetamer.models.network import require_name

OPTIMIZERS = ("adam", "adamw", "sgd")
DECAYED = ("first", "all")
# Perturbation -> its own settings with their defaults.
PERTURBATIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "none": {},
        "adversarial": {"perturbation_size": 0.1, "perturbation_steps": 5},
        "random": {"perturbation_size": 0.1},
    }
)


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
        fitted: "none"; "adversarial", which raises the loss (Madry et al. 2018); or "random", its
        control of exactly the same size. Continuous features move in a ball around each node's
        own, 0/1 features are flipped; which of the two follows from the dataset. Scores, and the
        validation by which an epoch is kept, are those of the features as they are.
      perturbation_size: continuous features: length of each node's change as a share of the root
        mean square length of a node's features; 0/1 features: number of flips at each node as a
        share of the mean number of ones, rounded and at least one. None takes 0.1.
      perturbation_steps: gradient steps of "adversarial". None takes 5.
      shuffle_labels: permute the labels of the training nodes among themselves, and likewise
        those of the validation nodes; scores are against the true ones.

    Raises:
      InputError: a value that is not allowed, or a setting of another perturbation.

    Example:
      >>> TrainSettings(epochs=0).epochs
      0
      >>> TrainSettings(perturbation="adversarial").perturbation_steps
      5
    """

    epochs: Natural = 200
    learning_rate: NonNegative = 0.01
    weight_decay: NonNegative = 5e-4
    decayed: str = "first"
    patience: Count | None = 100
    optimizer: str = "adam"
    perturbation: str = "none"
    perturbation_size: Positive | None = None
    perturbation_steps: Count | None = None
    shuffle_labels: bool = False

    def __post_init__(self) -> None:
        require_name("optimizer", self.optimizer, OPTIMIZERS)
        require_name("decayed", self.decayed, DECAYED)
        self._fill_perturbation()

    def _fill_perturbation(self) -> None:
        """Write out the defaults, so that equal trainings compare equal, and check the rest."""
        require_name("perturbation", self.perturbation, tuple(PERTURBATIONS))
        own = PERTURBATIONS[self.perturbation]
        for name in PERTURBATIONS["adversarial"]:
            value = getattr(self, name)
            if name in own:
                object.__setattr__(self, name, own[name] if value is None else value)
            elif value is not None:
                raise InputError(
                    f"`{name}` is {value!r}, but `perturbation` is {self.perturbation!r}, which "
                    "has none: it would be ignored; leave it out"
                )


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
