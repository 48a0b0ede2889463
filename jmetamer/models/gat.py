"""GAT: graph attention network (Velickovic et al. 2018)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import jraph

from jmetamer._base.arguments import Count, Rate, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.message_passing import attention_coefficients, propagate, values_at
from jmetamer.models.convolution import Activate, Convolution
from jmetamer.models.network import Network
from jmetamer.models.protocol import LayerStructure, Params

_SLOPE = 0.2  # of the leaky ReLU on the scores, as in the paper


class GATConvolution(Convolution):
    """`sum_u alpha_uv x_u W` a head, with `alpha` a softmax over the neighbors and the node itself.

    `e_uv = leaky_relu(a_s . (W x_u) + a_r . (W x_v))`. Every node has exactly one self loop of
    weight one; loops in the edge list are ignored.

    Attributes:
      heads: number of attention heads.
      concatenate: put the heads side by side (width / heads columns each) or average them.
      dropout: rate at which attention coefficients are dropped in training.
    """

    heads: int
    concatenate: bool
    dropout: float

    @nn.nowrap
    def structure(self) -> LayerStructure:
        """Return how it reads its neighbors."""
        return LayerStructure(None, "attention", sees_degrees=False)

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
        columns = self.width // self.heads if self.concatenate else self.width
        (product,) = self.multiply(x, product, kernel=self.heads * columns)
        num_nodes = product.shape[0]
        per_head = product.reshape(num_nodes, self.heads, columns)
        glorot = nn.initializers.glorot_uniform()
        attention = [
            self.param(name, glorot, (self.heads, columns))
            for name in ("attention_sender", "attention_receiver")
        ]
        from_sender, to_receiver = ((per_head * a).sum(-1) for a in attention)

        senders, receivers, weight = _one_loop_per_node(graph, num_nodes)
        scores = values_at(from_sender, senders) + values_at(to_receiver, receivers)
        scores = nn.leaky_relu(scores, _SLOPE)
        alpha = attention_coefficients(scores, receivers, weight, num_nodes)
        present = jnp.where((weight > 0)[:, None], alpha, 1.0).min(axis=1)
        self.sow("intermediates", "least", jax.ops.segment_min(present, receivers, num_nodes))
        alpha = nn.Dropout(self.dropout, deterministic=not training)(alpha)
        # The weight is inside alpha already; the last entries belong to the loops.
        between, loops = alpha[:-num_nodes], alpha[-num_nodes:]
        z = propagate(per_head, graph.senders, graph.receivers, between)
        z = z + per_head * loops[:, :, None]
        z = z.reshape(num_nodes, self.width) if self.concatenate else z.mean(axis=1)
        return z + self.param("bias", nn.initializers.zeros, (self.width,))


def _one_loop_per_node(
    graph: jraph.GraphsTuple, num_nodes: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return senders, receivers, weight with the graph's own loops gated off and one added."""
    nodes = jnp.arange(num_nodes, dtype=graph.senders.dtype)
    weight = jnp.where(graph.senders == graph.receivers, 0, graph.edges.weight)
    return (
        jnp.concatenate([graph.senders, nodes]),
        jnp.concatenate([graph.receivers, nodes]),
        jnp.concatenate([weight, jnp.ones(num_nodes, weight.dtype)]),
    )


class GAT(Network):
    """Graph attention network: neighbors are weighted by learned attention.

    Options are those of `Network` and

    Attributes:
      heads: attention heads of every layer but the last, side by side, `hidden / heads` columns
        each.
      output_heads: attention heads of the last layer, averaged.
      attention_dropout: rate at which attention coefficients are dropped in training; None takes
        `dropout`.

    Example:
      >>> GAT(hidden=64, heads=8).layer_names
      ('conv1.pre', 'conv1', 'logits')
    """

    heads: Count = 8
    output_heads: Count = 1
    attention_dropout: Rate | None = None

    @nn.nowrap
    def check_options(self) -> None:
        """Raise `InputError` for an option that cannot be used."""
        if self.hidden % self.heads:
            raise InputError(
                f"`hidden` is shared equally among the heads: hidden={self.hidden} is not a "
                f"multiple of heads={self.heads}. Change one of them."
            )

    @nn.nowrap
    def convolution(self, width: int, *, last: bool, name: str) -> Convolution:
        """Return the convolution of one layer."""
        dropout = self.dropout if self.attention_dropout is None else self.attention_dropout
        heads = self.output_heads if last else self.heads
        return GATConvolution(width, heads, not last, dropout, name=name)

    @nn.nowrap
    @checked
    def least_attention(
        self, params: Params, graph: jraph.GraphsTuple, *, entry: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        """Return the least attention that each node pays to a neighbor or itself, in every layer.

        Args:
          params: from `init` or training.
          graph, entry: as in `activations`.

        Returns:
          Dict from the layer that is attended for, "conv1.pre" to "logits", to [n].
        """
        taps = self.apply(params, graph, entry=entry, mutable=["intermediates"])[1]["intermediates"]
        names = [f"conv{index}" for index in range(1, self.layers + 1)]
        points = [f"{name}.pre" for name in names[:-1]] + ["logits"]
        return {point: taps[name]["least"][0] for name, point in zip(names, points, strict=True)}
