"""What else a metamer could have matched: activations of other nodes, for the null distribution."""

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer.metamers.problem import Problem, reference_activations


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
    Where all nodes are targets, these are their activations in random order.

    Args:
      problem: what is matched.
      count: r, vectors to draw.
      seed: of the draw.

    Returns:
      [r, q].

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1", nodes=[0, 33])
      >>> other_targets(problem, 5, seed=0).shape, matched_vector(problem).shape
      ((5, 8), (8,))
    """
    arrays = problem.arrays
    found = reference_activations(problem.matching.model, arrays.params, arrays.graph)
    num_nodes = len(arrays.graph.nodes)
    size = num_nodes if arrays.nodes is None else len(arrays.nodes)
    generator = np.random.default_rng(seed)
    drawn = np.stack([generator.permutation(num_nodes)[:size] for _ in range(count)])
    return _gathered(tuple(found[name] for name in problem.layers), jnp.asarray(drawn))


@jax.jit
def _gathered(activations: tuple[jax.Array, ...], nodes: jax.Array) -> jax.Array:
    rows = [activation[nodes].reshape(len(nodes), -1) for activation in activations]
    return jnp.concatenate(rows, axis=1)
