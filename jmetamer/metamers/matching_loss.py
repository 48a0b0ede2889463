"""How far activations are from their targets: the number to minimize, and the one to report."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jmetamer.metamers.losses import MatchedLayer
from jmetamer.metamers.problem import Arrays, Matching, select


def matching_loss(
    activations: Mapping[str, jax.Array], matching: Matching, arrays: Arrays
) -> tuple[jax.Array, jax.Array]:
    """Return the objective and L_act; differentiable.

    The objective is that of the problem's loss; reported is `L_act = |h' - h|^2 / |h|^2` of the
    layer where it is largest.

    Args:
      activations: layer -> [n, c] activation, with the input of its nonlinearity as `<layer>.pre`.
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
    layers, match = _layers(activations, matching, arrays), jnp.zeros(())
    for layer in layers:
        difference = layer.post - layer.target
        match = jnp.maximum(match, jnp.sum(jnp.square(difference)) / layer.scale)
    return matching.loss.objective(layers), match


def matching_residual(
    activations: Mapping[str, jax.Array], matching: Matching, arrays: Arrays
) -> jax.Array:
    """Return the residuals of all matched layers side by side, [t, c], in units of their targets.

    The sum of their squares is the objective of `matching_loss`, where the loss has a residual.

    Args:
      activations: layer -> [n, c] activation, with the input of its nonlinearity as `<layer>.pre`.
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
    layers = _layers(activations, matching, arrays)
    residuals = [
        matching.loss.residual(layer) / jnp.sqrt(layer.scale * len(layers)) for layer in layers
    ]
    return jnp.concatenate(residuals, axis=1)


def _layers(
    activations: Mapping[str, jax.Array], matching: Matching, arrays: Arrays
) -> list[MatchedLayer]:
    layers = []
    for name in matching.layers:
        sigma = matching.model.nonlinearity(name)
        post = select(activations[name], arrays.nodes)
        pre = select(activations[f"{name}.pre"], arrays.nodes) if sigma else None
        layers.append(
            MatchedLayer(name, pre, post, arrays.targets[name], sigma, arrays.scales[name])
        )
    return layers
