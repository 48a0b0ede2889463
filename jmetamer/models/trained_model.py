"""`TrainedModel`: a model with its parameters and where they came from."""

import dataclasses
from collections.abc import Mapping

import jax
import jraph

from jmetamer._base.arguments import NumberOrNaN, checked
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.precision import highest_precision, usual_types
from jmetamer.models.protocol import Model, Params
from jmetamer.models.settings import TrainSettings


@checked
@dataclasses.dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model with its parameters and the record of how they were made.

    Attributes:
      model: the architecture, hashable, without arrays.
      params: pytree of NumPy arrays.
      scores: accuracy in [0, 1] on the nodes of "train", "val" and "test"; NaN for an empty mask.
      seed: base seed of initialization and dropout.
      settings: how it was trained.
      dataset: name of the dataset.
      dataset_digest: SHA-256 of the dataset's arrays.
    """

    model: Model
    params: Params
    scores: Mapping[str, NumberOrNaN]
    seed: int
    settings: TrainSettings
    dataset: str
    dataset_digest: str

    @usual_types()
    def activations(self, graph: jraph.GraphsTuple) -> dict[str, jax.Array]:
        """Return every named activation, [n, width] each, at the highest matmul precision.

        Args:
          graph: nodes [n, d].
        """
        with highest_precision():
            activations = compiled_activations(self.model, self.params, graph)
        # JAX hands dictionaries back sorted by name.
        return {layer: activations[layer] for layer in self.model.layer_names}

    @usual_types()
    def predict(self, graph: jraph.GraphsTuple) -> jax.Array:
        """Return the predicted class of every node, [n] int32.

        Args:
          graph: nodes [n, d].
        """
        return self.activations(graph)["logits"].argmax(axis=-1)


@compile_function(static=1)
def compiled_activations(
    model: Model, params: Params, graph: jraph.GraphsTuple
) -> dict[str, jax.Array]:
    """Return every named activation."""
    return dict(model.activations(params, graph))
