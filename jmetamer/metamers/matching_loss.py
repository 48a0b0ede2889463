"""How far activations are from their targets: the number to minimize, and the one to report."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmetamer.metamers.problem import Arrays, Matching, select


def matching_loss(
    found: Mapping[str, jax.Array], matching: Matching, arrays: Arrays
) -> tuple[jax.Array, jax.Array]:
    """Return the objective and L_act; differentiable.

    The objective is the mean over the matched layers of `|residual|^2 / |h|^2` with the problem's
    residual; reported is `L_act = |h' - h|^2 / |h|^2` of the layer where it is largest.

    Args:
      found: layer -> [n, c] activation, with the input of its nonlinearity as `<layer>.pre`.
      matching: layers and loss.
      arrays: target nodes, targets and their squared norms.

    Returns:
      Two scalars.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="logits")
      >>> found = {"logits": 2 * problem.arrays.targets["logits"]}
      >>> [round(float(x), 5) for x in matching_loss(found, problem.matching, problem.arrays)]
      [1.0, 1.0]
    """
    objective, match = jnp.zeros(()), jnp.zeros(())
    for seen in _layers(found, matching, arrays):
        objective += jnp.sum(jnp.square(seen.residual)) / seen.scale / len(matching.layers)
        match = jnp.maximum(match, jnp.sum(jnp.square(seen.difference)) / seen.scale)
    return objective, match


def matching_residual(
    found: Mapping[str, jax.Array], matching: Matching, arrays: Arrays
) -> jax.Array:
    """Return the residuals of all matched layers side by side, [t, c], in units of their targets.

    The sum of their squares is the objective of `matching_loss`.

    Args:
      found: layer -> [n, c] activation, with the input of its nonlinearity as `<layer>.pre`.
      matching: layers and loss.
      arrays: target nodes, targets and their squared norms.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="logits")
      >>> found = {"logits": 2 * problem.arrays.targets["logits"]}
      >>> residual = matching_residual(found, problem.matching, problem.arrays)
      >>> residual.shape, round(float(jnp.sum(residual**2)), 5)
      ((34, 2), 1.0)
    """
    number = len(matching.layers)
    residuals = [
        seen.residual / jnp.sqrt(seen.scale * number) for seen in _layers(found, matching, arrays)
    ]
    return jnp.concatenate(residuals, axis=1)


class _Seen(NamedTuple):
    """One matched layer: the loss's residual, `h' - h` [t, c] each, and `|h|^2` []."""

    residual: jax.Array
    difference: jax.Array
    scale: jax.Array


def _layers(found: Mapping[str, jax.Array], matching: Matching, arrays: Arrays) -> Iterator[_Seen]:
    for layer in matching.layers:
        target = arrays.targets[layer]
        nonlinearity = matching.model.nonlinearity(layer)
        post = select(found[layer], arrays.nodes)
        pre = select(found[f"{layer}.pre"], arrays.nodes) if nonlinearity else None
        residual = matching.loss.residual(pre, post, target, nonlinearity)
        yield _Seen(residual, post - target, arrays.scales[layer])
