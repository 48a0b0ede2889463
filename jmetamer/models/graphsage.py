"""GraphSAGE: own features and an aggregate of the neighbors' (Hamilton et al. 2017)."""

from typing import Annotated, ClassVar

import flax.linen as nn
import jax
import jraph

from jmetamer._base.arguments import OneOf, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.message_passing import max_messages, mean_propagation, values_at
from jmetamer.models.aggregation import tapped
from jmetamer.models.convolution import Activate, Convolution
from jmetamer.models.network import Network
from jmetamer.models.protocol import FirstLayer, LayerStructure, Params

AGGREGATORS = ("mean", "max")


class GraphSAGEConvolution(Convolution):
    """`X W_self + aggregate_u(x_u) W_neighbor + b`.

    The mean commutes with the matrix, so the narrower of both sides is averaged; the maximum does
    not.
    """

    aggregator: str

    @nn.nowrap
    def structure(self) -> LayerStructure:
        """Return how it reads its neighbors."""
        return LayerStructure(None, self.aggregator, sees_degrees=False)

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
        senders, receivers, weight = graph.senders, graph.receivers, graph.edges.weight
        if self.aggregator == "max":
            if x is None:
                raise InputError("the maximum of neighbors needs their features; got only `entry`.")
            largest = max_messages(values_at(x, senders), receivers, weight, x.shape[0])
            (own,) = self.multiply(x, None, kernel_self=self.width)
            (neighbor,) = self.multiply(largest, None, kernel_neighbor=self.width)
        elif self.aggregates_first(x, product, self.width):
            mean = tapped(self, x, mean_propagation(x, senders, receivers, weight))
            (own,) = self.multiply(x, None, kernel_self=self.width)
            (neighbor,) = self.multiply(mean, None, kernel_neighbor=self.width)
        else:
            widths = {"kernel_self": self.width, "kernel_neighbor": self.width}
            own, neighbor = self.multiply(x, product, **widths)
            mean = mean_propagation(neighbor, senders, receivers, weight)
            neighbor = tapped(self, neighbor, mean)
        return own + neighbor + self.param("bias", nn.initializers.zeros, (self.width,))


class GraphSAGE(Network):
    """GraphSAGE: separate matrices for a node and for the aggregate of its neighbors.

    Options are those of `Network` and

    Attributes:
      aggregator: "mean" or "max".

    Example:
      >>> GraphSAGE(aggregator="max").layer_names
      ('conv1.pre', 'conv1', 'logits')
    """

    aggregator: Annotated[str, OneOf(AGGREGATORS)] = "mean"

    entry_kernels: ClassVar[tuple[str, ...]] = ("kernel_self", "kernel_neighbor")

    @nn.nowrap
    @checked
    def first_layer(self, params: Params) -> FirstLayer | None:
        """Return [W_self | W_neighbor] (and the skip matrix); None with the max aggregator."""
        return None if self.aggregator == "max" else super().first_layer(params)

    @nn.nowrap
    def convolution(self, width: int, *, last: bool, name: str) -> Convolution:
        """Return the convolution of one layer."""
        return GraphSAGEConvolution(width, self.aggregator, name=name)
