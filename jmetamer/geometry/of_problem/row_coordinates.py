"""Features in the coordinates that a network's first linear map can see, in float64."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jraph
import numpy as np

from jmetamer.metamers.float64_view import Float64View
from jmetamer.models.protocol import Model, Params


class RowCoordinates(NamedTuple):
    """Node features X and what the network sees of them.

    With `W = Q R` of rank r, columns of Q [d, r] orthonormal, a change `C Q^T` of the features
    changes the entry `X W` by `C R`, and the Jacobian by C has the nonzero singular values of the
    Jacobian by X. Without a linear entry Q is the identity, and the features are their own
    coordinates.

    Attributes:
      base: [n, m] `X W`, or X itself.
      turn: [r, m] R, or None without a linear entry.
      coordinates: [n, r] `X Q`.
      centered: [n, r] `(X - mean of each feature) Q`.
      energy: [n] `|x|^2` of each node's features.
      centered_energy: [n] the same of the features less the mean of each.
      basis: [d, r] Q, or None without a linear entry.
    """

    base: np.ndarray
    turn: np.ndarray | None
    coordinates: np.ndarray
    centered: np.ndarray
    energy: np.ndarray
    centered_energy: np.ndarray
    basis: np.ndarray | None = None

    @property
    def width(self) -> int:
        """Number of coordinates r of a node."""
        return self.coordinates.shape[1]


def row_coordinates(view: Float64View) -> RowCoordinates:
    """Return the coordinates of the reference's features before a network.

    Args:
      view: of a problem.

    Raises:
      InputError: parameters of the first layer that are not finite.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> row_coordinates(Float64View(jm.Problem(trained, data.graph, layer="conv1"))).width
      4
    """
    x, weights = view.features, view.weights
    centered = x - x.mean(axis=0) if len(x) else x
    energies = np.sum(x**2, axis=1), np.sum(centered**2, axis=1)
    if weights is None or view.seen is None or weights.shape[1] >= x.shape[1]:
        return RowCoordinates(x, None, x, centered, *energies)
    basis = view.seen.basis
    turn = basis.T @ weights
    return RowCoordinates(x @ weights, turn, x @ basis, centered @ basis, *energies, basis)


def activations_at(
    model: Model, params: Params, graph: jraph.GraphsTuple, rows: jax.Array, by_entry: bool
) -> Mapping[str, jax.Array]:
    """Return the activations with `rows` as the entry, or as the features."""
    if by_entry:
        return model.activations(params, graph, entry=rows)
    return model.activations(params, graph._replace(nodes=rows))
