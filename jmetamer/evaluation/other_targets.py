"""What else a metamer could have matched: activations of other nodes, for the null distribution."""

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer.metamers.problem import Problem, reference_activations

_TRIES = 50


def matched_vector(problem: Problem) -> jax.Array:
    """Return the activations of all matched layers at all target nodes, as one vector [q].

    Args:
      problem: what is matched.
    """
    return jnp.concatenate([problem.arrays.targets[name].ravel() for name in problem.layers])


def other_targets(problem: Problem, count: int, seed: int) -> jax.Array:
    """Return vectors that belong to other nodes of the reference, each as long as the target's.

    One graph is one reference, so other references are the same graph with other nodes in the
    places of the targets: t nodes drawn without replacement in random order, for each vector anew.
    Where all nodes are targets, these are their activations in random order. No two draws are the
    same, as two equal vectors would match perfectly by no merit, and none is that of the targets.

    Args:
      problem: what is matched.
      count: r, vectors to draw.
      seed: of the draw.

    Returns:
      [r, q]; fewer than r where a graph has no more (of n nodes and one target, n - 1).

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1", nodes=[0, 33])
      >>> other_targets(problem, 5, seed=0).shape, matched_vector(problem).shape
      ((5, 8), (8,))
    """
    arrays = problem.arrays
    activations = reference_activations(problem.matching.model, arrays.params, arrays.graph)
    num_nodes = len(arrays.graph.nodes)
    size = num_nodes if arrays.nodes is None else len(arrays.nodes)
    own = np.arange(num_nodes) if arrays.nodes is None else np.asarray(arrays.nodes)
    generator, drawn = np.random.default_rng(seed), {tuple(own.tolist()): own}
    for _ in range(_TRIES * count):
        one = generator.permutation(num_nodes)[:size]
        drawn.setdefault(tuple(one.tolist()), one)
        if len(drawn) > count:
            break
    # Where there are no two others, a pair of equal ones tells the test that it cannot tell.
    others = np.stack(list(drawn.values())[1:] if len(drawn) > 2 else [own, own])
    return _gathered(tuple(activations[name] for name in problem.layers), jnp.asarray(others))


@compile_function()
def _gathered(activations: tuple[jax.Array, ...], nodes: jax.Array) -> jax.Array:
    rows = [activation[nodes].reshape(len(nodes), -1) for activation in activations]
    return jnp.concatenate(rows, axis=1)
