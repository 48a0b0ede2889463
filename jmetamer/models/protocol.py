"""`Model`: what the rest of jmetamer needs of a network, and nothing else."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jraph

from jmetamer._base.arguments import checked

Params = Any  # a pytree of arrays; {"params": ..., "batch_stats": ...} for the built-in models


Operator = Callable[[jraph.GraphsTuple, Any], jax.Array]  # over nodes, linear in its values [n, c]
FEATURES = "features"  # among the sources of a layer: the node features themselves


class FirstLayer(NamedTuple):
    """How features X [n, d] enter a network: as the product `X W`, and in no other way.

    Attributes:
      weights: W [d, m], all matrices applied directly to the features side by side.
      layer: the first activation; where `operator` is known it is made of `S X W` at each node.
      operator: where they enter as `S X W` alone, from a graph and values [n, c] to S times the
        values; None where there are several such S, or none that is known.
    """

    weights: jax.Array
    layer: str
    operator: Operator | None = None


@checked
@dataclasses.dataclass(frozen=True)
class LayerStructure:
    """What is known of one layer; None is unknown, and costs bounds and methods, no correctness.

    Attributes:
      sources: layers that it is a function of, `FEATURES` for the features. A residual term that
        comes from farther back is one more source.
      neighborhood: the only way in which it reads edges: the "sum" of the neighbors' values by
        weight, their "mean", the "symmetric" sum of `message_passing.symmetric_propagation`, their
        "max", "attention", or "none". A term of the node's own may stand beside it.
      sees_degrees: whether degrees count beyond the multiset of the neighbors' values.
      operator: from parameters, graph and values [n, c] to a fixed linear operator S over nodes
        times the values; the layer is a function of `S h W` at each node by itself, with h its
        only source. None where a residual or a second matrix reads h beside S.
      weights: from parameters to W [c, m], where the layer is `S h W + b` itself, or `h W + b` with
        neighborhood "none".

    Example:
      >>> LayerStructure(("conv1.pre",), neighborhood="none").operator is None
      True
    """

    sources: tuple[str, ...] | None = None
    neighborhood: str | None = None
    sees_degrees: bool | None = None
    operator: Callable[[Params, jraph.GraphsTuple, jax.Array], jax.Array] | None = None
    weights: Callable[[Params], jax.Array] | None = None


@runtime_checkable
class Model(Protocol):
    """A deterministic function from a graph to named activations.

    Hashable and equal by value, because it is a static argument of compiled functions: all arrays
    are in `params`.
    """

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of all activations in order: "conv1.pre", "conv1", ..., "logits"."""
        ...

    def init(self, key: jax.Array, graph: jraph.GraphsTuple) -> Params:
        """Return freshly initialized parameters for graphs shaped like `graph`."""
        ...

    def activations(
        self,
        params: Params,
        graph: jraph.GraphsTuple,
        *,
        entry: jax.Array | None = None,
        identity_backward: tuple[str, ...] = (),
    ) -> Mapping[str, jax.Array]:
        """Return every named activation, [n, width] each.

        Args:
          params: from `init` or training.
          graph: nodes [n, d]; edge weights gate messages (see `graphs.message_passing`).
          entry: [n, m] or None. Where given, it replaces the product `graph.nodes @ W` with
            `W = first_layer(params).weights`, and `graph.nodes` is not read.
          identity_backward: layer names whose nonlinearity has derivative one in the backward pass.
        """
        ...

    def first_layer(self, params: Params) -> FirstLayer | None:
        """Return how the features enter: as their product with matrices, and through what.

        None where the first operation on the features is not linear, where raw features are also
        used as they are (then nothing is gained), or where it is not known.
        """
        ...

    def layer_structure(self, layer: str) -> LayerStructure | None:
        """Return what is known of how a layer is made; None where nothing is.

        Less known means looser bounds and fewer methods, never a wrong answer.
        """
        ...

    def nonlinearity(self, layer: str) -> str | None:
        """Return the activation that made `layer` from `layer + ".pre"`, or None for the others."""
        ...

    def num_hops(self, layer: str) -> int:
        """Return how many edges away a node can be and still matter to `layer`."""
        ...
