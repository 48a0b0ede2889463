"""`ReferencePoint`: the reference of a problem in float64, where Jacobians are taken.

Its features are in the coordinates that the network's first linear map can see.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import CompiledFunction, compile_function
from jmetamer._base.precision import float64_on_host
from jmetamer.geometry import LOG_DERIVATIVES, Linearization, linearizer, log_derivative
from jmetamer.geometry.jacobian import Linearize
from jmetamer.geometry.spectrum import largest_rank
from jmetamer.graphs import num_nodes
from jmetamer.metamers.float64_view import Float64View
from jmetamer.metamers.problem import Problem
from jmetamer.models.protocol import Model, Params

_Nodes = slice | Sequence[int] | np.ndarray


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
    if weights is None or view.visible is None or weights.shape[1] >= x.shape[1]:
        return RowCoordinates(x, None, x, centered, *energies)
    basis = view.visible.basis
    turn = basis.T @ weights
    return RowCoordinates(x @ weights, turn, x @ basis, centered @ basis, *energies, basis)


def activations_at(
    model: Model, params: Params, graph: jraph.GraphsTuple, rows: jax.Array, by_entry: bool
) -> Mapping[str, jax.Array]:
    """Return the activations with `rows` as the entry, or as the features."""
    if by_entry:
        return model.activations(params, graph, entry=rows)
    return model.activations(params, graph._replace(nodes=rows))


class ReferencePoint(Float64View):
    """Network, reference graph and its activations, on the host.

    Args:
      problem: network, reference and layers.
      layers: names to look at in place of the problem's.

    Attributes:
      layers: names that are looked at, side by side.
      sigmas: the nonlinearity of each, or None.
      names: the layers before their nonlinearities, where they have one.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> point = ReferencePoint(jm.Problem(trained, data.graph, layer=["conv1", "logits"]))
      >>> point.names, point.output(point.names, [0]).shape, point.entry_rank
      (('conv1.pre', 'logits'), (1, 6), 4)
    """

    def __init__(self, problem: Problem, layers: tuple[str, ...] | None = None) -> None:
        super().__init__(problem)
        self.model: Any  # hashable, which the protocol cannot say
        self.layers = problem.layers if layers is None else layers
        self.sigmas = tuple(map(self.model.nonlinearity, self.layers))
        self.names = tuple(
            f"{name}.pre" if sigma else name
            for name, sigma in zip(self.layers, self.sigmas, strict=True)
        )

    @functools.cached_property
    def x(self) -> RowCoordinates:
        """Features in coordinates, float64."""
        return row_coordinates(self)

    @property
    def num_features(self) -> int:
        """Number of features d of a node."""
        return int(self.graph.nodes.shape[1])

    @functools.cached_property
    def activations(self) -> dict[str, np.ndarray]:
        """Every named activation [n, c], float64."""
        graph, by_entry = self._entered
        with float64_on_host():
            activations = _forward(self.model, by_entry)(self.params, graph)
            return {name: np.asarray(value) for name, value in activations.items()}

    @functools.cached_property
    def entry_rank(self) -> int:
        """Largest rank of the first linear map; the number of features where there is none."""
        return self.num_features if self.weights is None else largest_rank(self.weights)

    @property
    def _entered(self) -> tuple[jraph.GraphsTuple, bool]:
        """The graph with what enters the network as its features, and whether that is `X W_e`."""
        if isinstance(self.graph.nodes, Mapping):  # positions: there are no features to turn
            return self.graph, False
        return self.graph._replace(nodes=self.x.base), self.x.turn is not None

    def attenuation(
        self, names: Sequence[str] | None = None, *, through: bool = False
    ) -> np.ndarray:
        """Return by how much each step before some layers may weaken a direction at each node.

        The steps are activations, by the least derivative that is not zero, and attention, by the
        least coefficient; -log of it. Where it is large, a direction that the layers see in exact
        arithmetic is lost in float64: the `saturation` of a rank is the sum over steps of the
        largest among the nodes in sight.

        Args:
          names: layers before their nonlinearities; the point's own by default.
          through: count the layers' own nonlinearities too.

        Returns:
          [steps, n] nats, at least 0; infinite for a nonlinearity of unknown derivative.
        """
        order = list(self.model.layer_names)
        last = max(order.index(name) for name in (self.names if names is None else names))
        total = num_nodes(self.graph)
        steps = [np.zeros(total)]
        for name in order[:last] + (list(self.layers) if through else []):
            sigma = self.model.nonlinearity(name)
            if sigma is None:
                continue
            if sigma not in LOG_DERIVATIVES:
                steps.append(np.full(total, np.inf))
                continue
            logs = log_derivative(sigma)(self.activations[f"{name}.pre"])
            weakest = -np.where(logs > -np.inf, logs, 0.0)
            by_node = weakest.ndim == 2 and len(weakest) == total  # else a readout of the model's
            rows = weakest if by_node else np.broadcast_to(weakest.max(), (total, 1))
            steps.append(rows.max(axis=1, initial=0.0))
        for name, least in self._least_attention.items():
            if order.index(name) <= last:
                with np.errstate(divide="ignore"):
                    steps.append(-np.log(np.minimum(least, 1.0)))
        return np.stack(steps)

    @functools.cached_property
    def _least_attention(self) -> dict[str, np.ndarray]:
        """Least attention coefficient at each node, of a network that has some."""
        least = getattr(self.model, "least_attention", None)
        if least is None:
            return {}
        graph, by_entry = self._entered
        with float64_on_host():
            entry = {"entry": graph.nodes} if by_entry else {}
            return {name: np.asarray(v) for name, v in least(self.params, graph, **entry).items()}

    def output(self, names: Sequence[str], nodes: _Nodes) -> np.ndarray:
        """Return activations side by side, [b, q], at nodes [b]."""
        return np.concatenate([self.activations[name][nodes] for name in names], axis=1)

    def log_derivatives(self, nodes: _Nodes = slice(None)) -> np.ndarray:
        """Return log|sigma'(z)| of the layers side by side, [b, q], at nodes [b].

        It is -inf where sigma' = 0, and 0 in layers that no nonlinearity makes.
        """
        logs = []
        for sigma, name in zip(self.sigmas, self.names, strict=True):
            z = self.activations[name][nodes]
            logs.append(log_derivative(sigma)(z) if sigma else np.zeros(z.shape))
        return np.concatenate(logs, axis=1)

    def linearize(
        self,
        rows: np.ndarray,
        varied: np.ndarray | None,
        places: tuple[np.ndarray, ...],
        graph: jraph.GraphsTuple,
        counted: np.ndarray | None = None,
    ) -> Linearization:
        """Return layers before their nonlinearities, and their Jacobian [q, k r] by coordinates.

        Args:
          rows: [m, .] rows of `x.base` at the nodes of `graph`.
          varied: [k] which of them vary; None for all.
          places: for each name, where in `graph` it is looked at.
          graph: m nodes; its features do not count.
          counted: for each place a factor by which a name's rows are summed up; None keeps them.
        """
        moves = np.zeros((len(rows if varied is None else varied), self.x.width))
        bare = graph._replace(nodes=None)
        # Outputs pulled back at a time; of sums over many balls more would only move memory.
        chunk = 32 if counted is None else 8
        run = _linearizer(self.model, self.names, self.x.turn is not None, chunk)
        return run(moves, rows, self.x.turn, varied, places, counted, bare, self.params)


def target_nodes(problem: Problem, nodes: Sequence[int]) -> np.ndarray:
    """Return node numbers, [b] int32, after a look that the graph has them.

    Raises:
      InputError: unknown node, a node twice, or none.
    """
    checked = Problem(problem.trained, problem.graph, problem.layer, nodes=nodes)
    return np.asarray(checked.nodes, np.int32)


@functools.lru_cache(maxsize=32)
def _forward(model: Model, by_entry: bool) -> CompiledFunction:
    return compile_function()(
        lambda params, graph: dict(activations_at(model, params, graph, graph.nodes, by_entry))
    )


@functools.lru_cache(maxsize=32)
def _linearizer(model: Model, names: tuple[str, ...], by_entry: bool, chunk: int) -> Linearize:
    def layers_at(
        moves: jax.Array,
        rows: jax.Array,
        turn: jax.Array | None,
        varied: jax.Array | None,
        places: tuple[jax.Array, ...],
        counted: jax.Array | None,
        graph: jraph.GraphsTuple,
        params: Params,
    ) -> jax.Array:
        # The derivative is taken at a move of zero, where the entry is the network's own to the
        # last bit: units exactly on a kink stay there.
        change = moves if turn is None else moves @ turn
        moved = rows + change if varied is None else rows.at[varied].add(change)
        activations = activations_at(model, params, graph, moved, by_entry)
        parts = [activations[name][at] for name, at in zip(names, places, strict=True)]
        flat = [part.reshape(-1) if counted is None else counted @ part for part in parts]
        return jnp.concatenate(flat)

    return linearizer(layers_at, chunk=chunk)
