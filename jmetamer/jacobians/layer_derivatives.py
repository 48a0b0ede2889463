"""Derivatives of the nonlinearities that make a problem's layers."""

from collections.abc import Mapping

import numpy as np

from jmetamer.geometry import log_derivative
from jmetamer.models.protocol import Model


def layer_log_derivatives(
    model: Model,
    layers: tuple[str, ...],
    outputs: Mapping[str, np.ndarray],
    nodes: np.ndarray | slice = slice(None),
) -> np.ndarray:
    """Return log|sigma'(z)| of layers side by side.

    Args:
      model: the network.
      layers: names of layers.
      outputs: activations [n, c], of a layer with a nonlinearity also `layer + ".pre"`.
      nodes: [b] which nodes; all by default.

    Returns:
      [b, q] float64, q the sum of the widths: -inf where sigma' = 0, and 0 in layers that no
      nonlinearity makes.

    Example:
      >>> import jmetamer as jm
      >>> z = {"conv1.pre": np.array([[-1.0, 2.0]]), "conv1": np.array([[0.0, 2.0]])}
      >>> layer_log_derivatives(jm.GCN(hidden=2), ("conv1",), z)
      array([[-inf, 0.]])
    """
    logs = []
    for name in layers:
        sigma = model.nonlinearity(name)
        if sigma is None:
            logs.append(np.zeros(np.shape(outputs[name][nodes])))
        else:
            logs.append(log_derivative(sigma)(outputs[f"{name}.pre"][nodes]))
    return np.concatenate(logs, axis=1)
