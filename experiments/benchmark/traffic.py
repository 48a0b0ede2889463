"""Bytes that one step of one lane must move, counted from shapes.

A lower bound that assumes every operation reads each of its inputs once and writes its result once:

    network    every activation up to the matched layer is written and read forward, and so is its
               cotangent backward: 4 times its size
    messages   a propagation of c columns over e edges reads the two ends and the weight of every
               edge (12 bytes) and one row of 4 c bytes an edge; once forward and once backward
    features   where the loop runs in the features themselves: they are read by the first product,
               and once more by the threshold of 0/1 features; their gradient is counted below
    optimizer  the gradient is written and read; the lane's state is read and written once, but for
               constants (read) and the stored pairs of L-BFGS (read twice, one pair written)

What is shared by all lanes (weights, targets) is left out. Compilers move more than this (buffers
of unfused operations) or less (a lane that stays in the cache of a processor).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jmetamer as jm
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize.synthesis import Synthesis

_EDGE_BYTES = 12  # two int32 ends and a float32 weight


def bytes_per_step(task: Task) -> int:
    """Return the bytes that one step of one lane must read and write.

    Args:
      task: what is to be matched, with optimizer and coordinates.
    """
    problem, synthesis = task.problem, Synthesis([task])
    width = jax.local_device_count()  # lanes are shared equally by the devices

    def start(arrays: Any) -> engine.Lane:
        ids = jnp.zeros(width, jnp.int32)
        return engine.fill(synthesis.program, ids, arrays, synthesis.limits)

    lane = jax.eval_shape(start, synthesis.arrays)
    theta = _bytes(lane.theta) // width
    passes = 0 if synthesis.program.vary.by_entry else 1 if problem.smooth else 2
    return _network(problem) + passes * theta + 2 * theta + _state(lane) // width


def _state(lane: engine.Lane) -> int:
    pairs = sum(_bytes(leaf) for leaf in _pairs(lane.optimizer_state))
    rows = sum(leaf.shape[-2] for leaf in _pairs(lane.optimizer_state))
    one_pair = 2 * pairs // rows if rows else 0
    constants = _bytes(lane.constants)
    others = _bytes(lane) - pairs - constants
    return 2 * others + constants + 2 * pairs + one_pair


def _pairs(state: Any) -> list[Any]:
    """Return the arrays of stored pairs [..., 2 m, N] of a limited-memory method."""
    found = getattr(state, "basis", None)
    if found is not None:
        return jax.tree.leaves(found)
    return [leaf for part in state for leaf in _pairs(part)] if isinstance(state, tuple) else []


def _network(problem: jm.Problem) -> int:
    model, arrays = problem.matching.model, problem.arrays
    shapes = jax.eval_shape(model.activations, arrays.params, arrays.graph)
    names = list(model.layer_names)
    names = names[: 1 + max(names.index(layer) for layer in problem.layers)]
    activations = sum(_bytes(shapes[name]) for name in names)
    edges = len(arrays.graph.senders)
    messages = sum(_EDGE_BYTES + 4 * width for width in _propagated(names, shapes))
    return 4 * activations + 2 * edges * messages


def _propagated(names: list[str], shapes: Any) -> list[int]:
    """Return the number of columns that each convolution sends along the edges."""
    widths = []
    for index in range(1, 1 + sum(_makes_layer(name) for name in names)):
        inner = f"conv{index}.mlp"  # where the convolution has an inner layer, that one is sent
        outer = f"conv{index}.pre" if f"conv{index}.pre" in names else "logits"
        widths.append(shapes[inner if inner in names else outer].shape[-1])
    return widths


def _makes_layer(name: str) -> bool:
    return name == "logits" or (name.endswith(".pre") and ".mlp" not in name)


def _bytes(tree: Any) -> int:
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.number)]
    return sum(int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize for leaf in leaves)
