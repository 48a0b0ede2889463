"""GIN: sum of the neighbors followed by a small network (Xu et al. 2019)."""

from typing import ClassVar

import flax.linen as nn
import jax
import jraph

from jmetamer._base.arguments import Finite
from jmetamer.graphs.message_passing import propagate
from jmetamer.models.aggregation import tapped
from jmetamer.models.convolution import Activate, Convolution
from jmetamer.models.network import Network
from jmetamer.models.protocol import LayerStructure, Params


class GINConvolution(Convolution):
    """`sigma(((1 + eps) x_v + sum_u w_uv x_u) W_1 + b_1) W_2 + b_2`.

    The sum commutes with W_1, so the narrower of both sides is summed.
    """

    inner: int
    eps: float
    train_eps: bool

    @nn.nowrap
    def structure(self) -> LayerStructure:
        """Return that the inner layer is S h W + b."""
        return LayerStructure(None, "sum", False, self._summed, lambda params: params["kernel"])

    @nn.nowrap
    def _summed(self, params: Params, graph: jraph.GraphsTuple, values: jax.Array) -> jax.Array:
        edges = graph.senders, graph.receivers, graph.edges.weight
        return (1 + params.get("eps_value", self.eps)) * values + propagate(values, *edges)

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
        eps: Params = {}
        if self.train_eps:
            eps = {"eps_value": self.param("eps_value", nn.initializers.constant(self.eps), ())}

        def summed(values: jax.Array) -> jax.Array:
            return tapped(self, values, self._summed(eps, graph, values))

        if self.aggregates_first(x, product, self.inner):
            (z,) = self.multiply(summed(x), None, kernel=self.inner)
        else:
            (product,) = self.multiply(x, product, kernel=self.inner)
            z = summed(product)
        inner = activate(z + self.param("bias", nn.initializers.zeros, (self.inner,)))
        return nn.Dense(self.width, kernel_init=nn.initializers.glorot_uniform(), name="out")(inner)


class GIN(Network):
    """Graph isomorphism network: neighbors are summed, then pass two linear layers.

    The inner layer has `hidden` columns and is named `conv1.mlp`. Options are those of
    `Network` and

    Attributes:
      eps: extra weight of a node's own features.
      train_eps: learn `eps`, starting from the given value.

    Example:
      >>> GIN().layer_names
      ('conv1.mlp.pre', 'conv1.mlp', 'conv1.pre', 'conv1', 'conv2.mlp.pre', 'conv2.mlp', 'logits')
    """

    eps: Finite = 0.0
    train_eps: bool = False

    inner_layers: ClassVar[tuple[str, ...]] = ("mlp",)

    @nn.nowrap
    def convolution(self, width: int, *, last: bool, name: str) -> Convolution:
        """Return the convolution of one layer."""
        return GINConvolution(width, self.hidden, self.eps, self.train_eps, name=name)
