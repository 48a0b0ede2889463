"""GCN: graph convolution with symmetric normalization (Kipf and Welling 2017)."""

import flax.linen as nn
import jax
import jraph

from jmetamer.graphs.message_passing import symmetric_propagation
from jmetamer.models.aggregation import tapped
from jmetamer.models.convolution import Activate, Convolution
from jmetamer.models.network import Network
from jmetamer.models.protocol import LayerStructure, Params


class GCNConvolution(Convolution):
    """`D^-1/2 (A + I) D^-1/2 X W + b`, where D counts edge weights as degrees."""

    @nn.nowrap
    def structure(self) -> LayerStructure:
        """Return that it is S h W + b."""
        return LayerStructure(None, "symmetric", True, _propagated, lambda params: params["kernel"])

    @nn.compact
    def __call__(
        self,
        x: jax.Array | None,
        graph: jraph.GraphsTuple,
        *,
        product: jax.Array | None,
        training: bool,
        activate: Activate,
    ) -> jax.Array:
        """Return [n, width]; see `Convolution`."""

        def propagated(values: jax.Array) -> jax.Array:
            return tapped(self, values, _propagated({}, graph, values))

        if self.aggregates_first(x, product, self.width):
            (z,) = self.multiply(propagated(x), None, kernel=self.width)
        else:
            (product,) = self.multiply(x, product, kernel=self.width)
            z = propagated(product)
        return z + self.param("bias", nn.initializers.zeros, (self.width,))


def _propagated(params: Params, graph: jraph.GraphsTuple, values: jax.Array) -> jax.Array:
    return symmetric_propagation(values, graph.senders, graph.receivers, graph.edges.weight)


class GCN(Network):
    """Graph convolutional network: one matrix a layer, neighbors weighted by degree.

    Options are those of `Network`.

    Example:
      >>> GCN(hidden=16, layers=3).layer_names
      ('conv1.pre', 'conv1', 'conv2.pre', 'conv2', 'logits')
    """

    @nn.nowrap
    def convolution(self, width: int, *, last: bool, name: str) -> Convolution:
        """Return the convolution of one layer."""
        return GCNConvolution(width, name=name)
