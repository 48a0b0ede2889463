"""`Model`: what the rest of jmetamer needs of a network, and nothing else."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jraph

Params = Any  # a pytree of arrays; {"params": ..., "batch_stats": ...} for the built-in models


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
          entry: [n, m] or None. Where given, it replaces the product `graph.nodes @ W_e` with
            `W_e = entry_weights(params)`, and `graph.nodes` is not read.
          identity_backward: layer names whose nonlinearity has derivative one in the backward pass.
        """
        ...

    def entry_weights(self, params: Params) -> jax.Array | None:
        """Return W_e [d, m], all matrices applied directly to the features side by side.

        None where the first operation on the features is not linear, or where raw features are
        also used as they are (then nothing is gained).
        """
        ...

    def nonlinearity(self, layer: str) -> str | None:
        """Return the activation that made `layer` from `layer + ".pre"`, or None for the others."""
        ...

    def num_hops(self, layer: str) -> int:
        """Return how many edges away a node can be and still matter to `layer`."""
        ...
