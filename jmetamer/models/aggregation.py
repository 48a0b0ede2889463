"""Aggregations laid open: what each layer sums over neighbors, and a probe added to the sum.

The gradient of a loss with respect to the weights of all n^2 pairs of nodes follows from two small
matrices a layer: what is aggregated, [n, c], and the gradient at the aggregate, [n, c]. The latter
is the gradient of a zero that is added there, the probe. Neither exists in ordinary use.
"""

from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jraph

from jmetamer.models.network import Network
from jmetamer.models.protocol import Model, Params

_VALUES, _PROBES = "aggregated_values", "aggregation_probes"


class Aggregations(NamedTuple):
    """One forward pass with its aggregations.

    Attributes:
      activations: every named activation, [n, width] each.
      values: convolution -> [n, c] node values that it aggregates, before or after its matrix.
    """

    activations: Mapping[str, jax.Array]
    values: Mapping[str, jax.Array]


def tapped(module: nn.Module, values: jax.Array, aggregate: jax.Array) -> jax.Array:
    """Return the aggregate, plus a probe where one is given; called once a convolution.

    Args:
      module: the convolution.
      values: [n, c] what is aggregated.
      aggregate: [n, c] the result, linear in `values`.
    """
    if module.is_initializing():
        return aggregate
    module.sow(_VALUES, "values", values, init_fn=lambda: None, reduce_fn=lambda _, new: new)
    return module.perturb("probe", aggregate, _PROBES)


def laid_open(model: Model) -> Network | None:
    """Return a network whose aggregations can be laid open, or None."""
    return model if isinstance(model, Network) else None


def aggregations(
    model: Network,
    params: Params,
    graph: jraph.GraphsTuple,
    probes: Mapping[str, jax.Array] | None = None,
    *,
    entry: jax.Array | None = None,
    identity_backward: tuple[str, ...] = (),
) -> Aggregations:
    """Return activations and what was aggregated, with probes added to the aggregates.

    Args:
      model: the network.
      params: its parameters.
      graph: nodes [n, d].
      probes: convolution -> [n, c], as `values` of a call without; its gradient is that at the
        aggregate.
      entry, identity_backward: as in `Model.activations`.

    Example:
      >>> from jmetamer.graphs.graph import make_graph
      >>> from jmetamer.models.gcn import GCN
      >>> graph = make_graph([[1.0, 0.0], [0.0, 1.0]], [0, 1], [1, 0])
      >>> model = GCN(hidden=3, num_outputs=2)
      >>> found = aggregations(model, model.init(jax.random.key(0), graph), graph)
      >>> {name: values.shape for name, values in found.values.items()}
      {'conv1': (2, 2), 'conv2': (2, 2)}
    """
    variables = dict(params)
    if probes is not None:
        variables[_PROBES] = {name: {"probe": probe} for name, probe in probes.items()}
    activations, sown = model.apply(
        variables, graph, entry=entry, identity_backward=identity_backward, mutable=[_VALUES]
    )
    values = {name: taps["values"] for name, taps in sown.get(_VALUES, {}).items()}
    return Aggregations(activations, values)
