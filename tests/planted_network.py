"""A network that the package does not know: all it can be used for is what it says of itself."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer.graphs.message_passing import propagate
from jmetamer.models import FirstLayer, LayerStructure


def diffused(params, graph, values):
    """M = B^2 / 9 with B = A + I, times the values: two hops, and no operator of the package's."""
    for _ in range(2):
        beside = propagate(values, graph.senders, graph.receivers, graph.edges.weight)
        values = (values + beside) / 3
    return values


def diffusion(graph):
    """The same as a matrix, float64, in NumPy."""
    once = np.eye(len(graph.nodes))
    np.add.at(once, (np.asarray(graph.receivers), np.asarray(graph.senders)), 1.0)
    return once @ once / 9


@dataclasses.dataclass(frozen=True)
class Diffusion:
    """logits = M tanh(M X W_1) W_2 + b; with `silent`, it says nothing of itself."""

    silent: bool = False
    hidden: int = 4
    layer_names = ("mixed.pre", "mixed", "logits")

    def init(self, key, graph):
        one, other = jax.random.split(key)
        first = jax.random.normal(one, (graph.nodes.shape[1], self.hidden)) / 2
        return {"first": first, "second": jax.random.normal(other, (self.hidden, 3)), "b": 0.5}

    def activations(self, params, graph, *, entry=None, identity_backward=()):
        product = graph.nodes @ params["first"] if entry is None else entry
        pre = diffused(params, graph, product)
        mixed = jnp.tanh(pre)
        logits = diffused(params, graph, mixed) @ params["second"] + params["b"]
        return {"mixed.pre": pre, "mixed": mixed, "logits": logits}

    def first_layer(self, params):
        if self.silent:
            return None
        operator = lambda graph, values: diffused(params, graph, values)  # noqa: E731
        return FirstLayer(params["first"], "mixed.pre", operator)

    def layer_structure(self, layer):
        if self.silent:
            return None
        if layer == "mixed":
            return LayerStructure(("mixed.pre",), "none", sees_degrees=False)
        source, name = ("features", "first") if layer == "mixed.pre" else ("mixed", "second")
        # Two hops are no sum over neighbors alone, so `neighborhood` stays unknown.
        return LayerStructure(
            (source,), operator=diffused, weights=lambda params: params[name], sees_degrees=False
        )

    def nonlinearity(self, layer):
        return "tanh" if layer == "mixed" else None

    def num_hops(self, layer):
        return 4 if layer == "logits" else 2
