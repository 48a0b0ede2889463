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
from jmetamer.metamers.devices import LaneDevices
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
    drawn = matching.vary.init(seed_key(base_seed, seed_id), arrays.graph)
    _, constants = coordinates.start(drawn, matching, arrays, basis)
    return coordinates.finish(theta, constants, drawn, matching, arrays, basis)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _finish(
    matching: Matching,
    coordinates: Coordinates,
    theta: Any,
    constants: Any,
    drawn: Any,
    arrays: Arrays,
    basis: Any,
) -> jraph.GraphsTuple:
    return coordinates.finish(theta, constants, drawn, matching, arrays, basis)


def finish(
    problem: Problem, coordinates: Coordinates, basis: Any, theta: Any, constants: Any, drawn: Any
) -> jraph.GraphsTuple:
    """Return the hard graph of one metamer whose start is at hand.

    Args:
      problem: what was matched.
      coordinates: of theta.
      basis: of the coordinates.
      theta, constants: where the lane ended, and what it kept of its start.
      drawn: start of the parameterization.
    """
    with highest_precision():
        start = theta, constants, drawn
        return _finish(problem.matching, coordinates, *start, problem.arrays, basis)


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


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _judge_each(
    devices: LaneDevices, matching: Matching, coordinates: Coordinates, lanes: Any, whole: Any
) -> tuple[jraph.GraphsTuple, Verdict]:
    def one(lanes: Any, whole: Any) -> tuple[jraph.GraphsTuple, Verdict]:
        theta, seed_id = jax.tree.map(lambda array: array[0], lanes)
        base_seed, unknown, arrays, basis, reference = whole
        graph = _rebuild(matching, coordinates, theta, base_seed, seed_id, arrays, basis)
        verdict = _judge(matching, unknown, graph, arrays, reference)
        return jax.tree.map(lambda array: array[None], (graph, verdict))

    return devices.each(one)(lanes, whole)


class JudgeOfEach:
    """Rebuilds and judges one metamer of every device at once.

    Args:
      judge: of the problem.
      devices: where the metamers lie.
      coordinates: of theta.
      base_seed: seed of the run.
      arrays, basis: data of the problem, with a copy on every device.
    """

    def __init__(
        self,
        judge: Judge,
        devices: LaneDevices,
        coordinates: Coordinates,
        base_seed: int,
        arrays: Arrays,
        basis: Any,
    ) -> None:
        self.program = devices, judge.matching, coordinates
        small = devices.replicated((jnp.int32(base_seed), judge.unknown, judge.reference))
        self.whole = (*small[:2], arrays, basis, small[2])

    def __call__(self, theta: Any, seed_ids: jax.Array) -> tuple[jraph.GraphsTuple, Verdict]:
        """Return graphs and verdicts with a leading axis [devices], still on their devices.

        Args:
          theta: coordinates with a leading axis [devices].
          seed_ids: [devices] int32.
        """
        with highest_precision():
            return _judge_each(*self.program, (theta, seed_ids), self.whole)


def traced_check(
    matching: Matching, coordinates: Coordinates, theta: Any, arrays: Arrays, basis: Any
) -> tuple[Any, Any, jraph.GraphsTuple]:
    """Return the programs that rebuild and judge one metamer, and its graph, without running them.

    Args:
      matching: what was matched.
      coordinates: of theta.
      theta: coordinates of one metamer, or their shapes; as the others.
      arrays: data of the problem.
      basis: of the coordinates.

    Returns:
      Two traced programs, and the shapes of the graph that goes from one to the other.
    """
    numbers = jnp.int32(0), jnp.int32(0)
    reference = jax.eval_shape(
        functools.partial(reference_activations, matching.model), arrays.params, arrays.graph
    )
    with highest_precision():
        rebuilt = _rebuild.trace(matching, coordinates, theta, *numbers, arrays, basis)
        graph = rebuilt.out_info
        judged = _judge.trace(matching, np.float32(1), graph, arrays, reference)
    return rebuilt.jaxpr, judged.jaxpr, graph
