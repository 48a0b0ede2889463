"""The hardened truth: a metamer is rebuilt and judged again, apart from the loop that made it."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.keys import seed_key
from jmetamer._base.precision import highest_precision
from jmetamer.measures import relative_squared_error, worst_node_error
from jmetamer.metamers.coordinates import Coordinates
from jmetamer.metamers.problem import Arrays, Matching, Problem, reference_activations, select


class Verdict(NamedTuple):
    """What the finished graph does to the network.

    Attributes:
      loss: [] largest L_act of the matched layers over the target nodes; NaN for a zero target.
      layer_match: [k] L_act at every named layer over the target nodes.
      worst_node: [] largest relative error of one target node at the matched layers.
      agreement: [] share of target nodes whose predicted class is the reference's; NaN, as other
        layers' match, where a target was given that does not say.
    """

    loss: jax.Array
    layer_match: jax.Array
    worst_node: jax.Array
    agreement: jax.Array


@functools.partial(jax.jit, static_argnums=(0, 1))
def _rebuild(
    matching: Matching,
    coordinates: Coordinates,
    theta: Any,
    base_seed: jax.Array,
    seed_id: jax.Array,
    arrays: Arrays,
    basis: Any,
) -> jraph.GraphsTuple:
    key = seed_key(base_seed, seed_id)
    return coordinates.finish(theta, key, matching, arrays, basis)


def rebuild(
    problem: Problem, coordinates: Coordinates, basis: Any, theta: Any, base_seed: int, seed_id: int
) -> jraph.GraphsTuple:
    """Return the hard graph of one metamer from its coordinates and its seed.

    The start is drawn again from the key, so theta may be as small as the loop needs.
    """
    numbers = jnp.int32(base_seed), jnp.int32(seed_id)
    with highest_precision():
        return _rebuild(problem.matching, coordinates, theta, *numbers, problem.arrays, basis)


@functools.partial(jax.jit, static_argnums=0)
def _judge(
    matching: Matching,
    unknown: jax.Array,
    graph: jraph.GraphsTuple,
    arrays: Arrays,
    reference: dict[str, jax.Array],
) -> Verdict:
    found = dict(matching.model.activations(arrays.params, graph))
    layers = {name: select(found[name], arrays.nodes) for name in matching.model.layer_names}
    # `unknown` is NaN where a target was given: it says nothing of the other layers.
    truth = {name: unknown * select(reference[name], arrays.nodes) for name in layers}
    truth |= arrays.targets
    matched = [(arrays.targets[name], layers[name]) for name in matching.layers]
    loss = jnp.stack([relative_squared_error(t, h) for t, h in matched])
    worst = jnp.stack([worst_node_error(t, h) for t, h in matched])
    match = [relative_squared_error(truth[name], layers[name]) for name in layers]
    same = jnp.mean(truth["logits"].argmax(-1) == layers["logits"].argmax(-1))
    agreement = jnp.where(jnp.isnan(truth["logits"]).any(), jnp.nan, same)
    return Verdict(jnp.max(loss), jnp.stack(match), jnp.max(worst), agreement)


class Judge:
    """Judges graphs against one problem at the highest matmul precision.

    Args:
      problem: the problem the graphs were made for.
    """

    def __init__(self, problem: Problem) -> None:
        self.matching, self.arrays = problem.matching, problem.arrays
        self.unknown = np.float32(1 if problem.target is None else np.nan)
        model, arrays = self.matching.model, self.arrays
        self.reference = reference_activations(model, arrays.params, arrays.graph)

    def __call__(self, graph: jraph.GraphsTuple) -> Verdict:
        """Return the verdict on one hard graph."""
        with highest_precision():
            return _judge(self.matching, self.unknown, graph, self.arrays, self.reference)
