"""`Problem`: which activations of which network a metamer must reproduce."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import AnArray, SomeShare, checked
from jmetamer._base.errors import InputError, unknown_name
from jmetamer._base.precision import highest_precision, narrowed, usual_types
from jmetamer.graphs import num_nodes, validate_graph
from jmetamer.measures.success import target_share
from jmetamer.metamers.losses import Complementarity, Loss, RelativeSquared
from jmetamer.metamers.question import Question, WithParts
from jmetamer.metamers.vary import ContinuousFeatures, Vary
from jmetamer.metamers.vary.edge_gradient import require_edge_gradient
from jmetamer.metamers.vary.simple_edges import is_directed
from jmetamer.metamers.vary.together import Together, parts_of
from jmetamer.metamers.vary.without_reference import has_features, stand_in
from jmetamer.models.digest import tree_digest
from jmetamer.models.protocol import Model, Params
from jmetamer.models.trained_model import compiled_activations


class _Trained(Protocol):
    """What a problem needs of a trained model: an architecture and its parameters."""

    @property
    def model(self) -> Model: ...

    @property
    def params(self) -> Params: ...


@dataclasses.dataclass(frozen=True)
class Matching:
    """The static half of a problem: equal by value, so that one compilation serves many.

    Attributes:
      model: the network, without arrays.
      layers: names of the layers to match.
      vary: the part that gradients move, or several `Together`.
      loss: what the search minimizes.
      identity_backward: layers whose nonlinearity has derivative one in the backward pass.
      share: of the target nodes, at which the error of a node is judged.
    """

    model: Model
    layers: tuple[str, ...]
    vary: Vary
    loss: Loss
    identity_backward: tuple[str, ...] = ()
    share: float = 1.0


class Arrays(NamedTuple):
    """The other half of a problem: data that travels apart from the compiled program.

    Attributes:
      params: parameters of the network.
      graph: reference graph; where a target was given, its edges count and its features serve
        the initialization alone.
      nodes: [t] int32 target nodes, or None for all.
      targets: layer -> [t, c] activation to match.
      scales: layer -> [] |target|^2, or 1 where the target is all zero.
    """

    params: Params
    graph: jraph.GraphsTuple
    nodes: jax.Array | None
    targets: Mapping[str, jax.Array]
    scales: Mapping[str, jax.Array]


@checked
@dataclasses.dataclass(frozen=True, eq=False)
class Problem(WithParts):
    """A trained network, a reference graph and the layer whose activations must be reproduced.

    The matching loss of a layer is `L_act = |h' - h|^2 / |h|^2` over the target nodes (arXiv
    2510.17378); of several layers, the largest counts.

    Args:
      trained: a `TrainedModel`, or any object with `model` and `params`.
      graph: reference, nodes [n, d]. With `target` its features serve only the initialization, and
        it may have none at all (nodes [n, 0]): then metamers start from standard normal noise.
      layer: one name of `trained.model.layer_names`, several, or "all" (every layer after its
        nonlinearity).
      vary: the part of the graph that may change, continuous features by default; or several that
        vary together, as `(ContinuousFeatures(), BinaryEdges())`, in whatever order.
      nodes: target nodes; all by default.
      loss: what the search minimizes; by default `Complementarity()`, or `RelativeSquared()` with
        `identity_backward`, which changes nothing in a residual that skips the nonlinearity.
      target: activation [t, c] to match in place of the reference's own, or a mapping from
        layer to activation.
      identity_backward: let gradients pass the nonlinearity of the matched layers unchanged.
      share: of the target nodes, above 0 and at most 1, at which the error of a node is judged;
        None takes 0.99 where there are a hundred or more, else all of them.

    Raises:
      InputError: unknown layer, share or node out of range, target of the wrong shape, bad graph, a
        graph without features where they are needed, parts that cannot vary together, or edge
        weights in a network without a gradient by them.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1", nodes=[0, 33])
      >>> problem.arrays.targets["conv1"].shape
      (2, 4)
    """

    trained: _Trained
    graph: jraph.GraphsTuple
    layer: str | Sequence[str]
    vary: Vary | Sequence[Vary] = ContinuousFeatures()
    nodes: Sequence[int] | None = None
    loss: Loss | None = None
    target: Mapping[str, AnArray] | AnArray | None = None
    identity_backward: bool = False
    share: SomeShare | None = None

    @usual_types()
    def __post_init__(self) -> None:
        validate_graph(self.graph)
        self._set_parts(parts_of(self.vary))
        if not has_features(self.graph):
            self._stand_in()
        for part in self.parts:
            part.check(self.graph)
        if self.edge_kind == "edge_weights":
            require_edge_gradient(self.trained.model, self.edges)
        self._check_nodes()
        _ = self.matching
        if self.target is not None:
            _ = self.arrays  # checks the target's shape and values

    @property
    def question(self) -> Question:
        """What is asked of the network, without the data."""
        return Question(self.trained.model, self.layers, self.vary, self.matching.loss)

    @functools.cached_property
    def directed(self) -> bool:
        """Whether (i, j) and (j, i) are two edges."""
        return is_directed(self.graph, getattr(self.edges, "directed", None))

    @property
    def listed(self) -> jraph.GraphsTuple:
        """The reference with its edges listed as in all metamers of edge weights; host arrays."""
        graph, edges = self.arrays.graph, self.edges
        graph = graph if edges is None else edges.decode(edges.encode(graph), graph)
        return jax.tree.map(np.asarray, graph)

    @functools.cached_property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers to match."""
        names = self.trained.model.layer_names
        if self.layer == "all":
            return tuple(name for name in names if not name.endswith(".pre"))
        layers = (self.layer,) if isinstance(self.layer, str) else tuple(self.layer)
        if not layers:
            raise InputError(f"`layer` is empty; name at least one of {', '.join(names)}")
        for name in layers:
            if name not in names:
                raise unknown_name("layer", name, names)
        return tuple(dict.fromkeys(layers))

    @property
    def num_targets(self) -> int:
        """Number of target nodes."""
        return num_nodes(self.graph) if self.nodes is None else len(self.nodes)

    @property
    def judged_share(self) -> float:
        """Share of the target nodes at which the error of a node is judged."""
        return target_share(self.num_targets) if self.share is None else float(self.share)

    @functools.cached_property
    @usual_types()
    def matching(self) -> Matching:
        """The static half."""
        model = self.trained.model
        through: tuple[str, ...] = ()
        if self.identity_backward:
            through = tuple(name for name in self.layers if model.nonlinearity(name))
            if not through:
                raise InputError(
                    f"`identity_backward` has no effect at {', '.join(self.layers)}: no "
                    "nonlinearity makes these layers; leave it out or match one that has it"
                )
            if self.loss is not None and self.loss.skips_nonlinearity:
                raise InputError(
                    f"`identity_backward` has no effect with `{self.loss!r}`, whose residual does "
                    "not pass the nonlinearity; leave one of them out"
                )
        if self.loss is not None:
            self.loss.check(self.layers)
        default = RelativeSquared() if self.identity_backward else Complementarity()
        moved = tuple(part for part in self.parts if part.relaxed)
        vary = moved[0] if len(moved) == 1 else Together(moved)
        return Matching(model, self.layers, vary, self.loss or default, through, self.judged_share)

    @functools.cached_property
    @usual_types()
    def arrays(self) -> Arrays:
        """The data half, on the device; targets at the highest matmul precision."""
        whole = narrowed((self.graph, self.trained.params))
        graph, params = jax.tree.map(jnp.asarray, whole)
        nodes = None if self.nodes is None else jnp.asarray(self.nodes, jnp.int32)
        if self.target is None:
            activations = reference_activations(self.trained.model, params, graph)
            targets = {name: select(activations[name], nodes) for name in self.layers}
        else:
            targets = self._own_targets(params, graph)
        scales = {name: _scale(value) for name, value in targets.items()}
        return Arrays(params, graph, nodes, targets, scales)

    @functools.cached_property
    def digest(self) -> str:
        """What tells this problem from others: graph, parameters, targets, layers, what varies."""
        arrays = tree_digest((self.trained.params, self.graph, self.nodes, self.target))
        text = re.sub(r" at 0x\w+", "", f"{self.layers} {self.vary!r}")
        return hashlib.sha256(f"{arrays} {text}".encode()).hexdigest()

    def require_own(self, graph: jraph.GraphsTuple) -> None:
        """Raise `InputError` where a graph has other nodes or features than the reference."""
        shape, own = np.shape(graph.nodes), np.shape(self.graph.nodes)
        if shape != own:
            raise InputError(
                f"`graph` has nodes of shape {shape}, but the reference of this problem has {own}; "
                "give a graph that was made for this problem"
            )

    @property
    def zero_target(self) -> bool:
        """Whether some layer's target is all zero, so that its relative loss is undefined."""
        return any(not np.any(np.asarray(target)) for target in self.arrays.targets.values())

    def _stand_in(self) -> None:
        if self.target is None:
            raise InputError(
                "`graph` has no features (nodes of shape [n, 0]), so it says nothing to match; "
                "give features, or the activation to match as `target`"
            )
        model, params = self.trained.model, self.trained.params
        graph, vary = stand_in(model, params, self.graph, self.vary)
        object.__setattr__(self, "graph", graph)
        self._set_parts((vary,))

    def _set_parts(self, parts: tuple[Vary, ...]) -> None:
        object.__setattr__(self, "vary", parts[0] if len(parts) == 1 else parts)

    def _check_nodes(self) -> None:
        if self.nodes is None:
            return
        nodes, n = np.asarray(self.nodes), num_nodes(self.graph)
        if nodes.ndim != 1 or nodes.size == 0 or nodes.dtype.kind not in "iu":
            raise InputError(
                "`nodes` must be a non-empty list of node numbers, or None for all; "
                f"got {self.nodes!r}"
            )
        wrong = np.flatnonzero((nodes < 0) | (nodes >= n))
        if wrong.size:
            raise InputError(
                f"`nodes`[{wrong[0]}] is {nodes[wrong[0]]}, but the graph has {n} nodes: "
                f"allowed are 0 to {n - 1}"
            )
        if len(set(nodes.tolist())) != nodes.size:
            raise InputError("`nodes` names a node twice; it would count twice; remove one")

    def _own_targets(self, params: Params, graph: jraph.GraphsTuple) -> dict[str, jax.Array]:
        targets_by_layer = self.target
        if not isinstance(targets_by_layer, Mapping):
            if len(self.layers) != 1:
                raise InputError(
                    f"`target` is one array, but {len(self.layers)} layers are matched; "
                    "pass a mapping from layer to array"
                )
            targets_by_layer = {self.layers[0]: targets_by_layer}
        shapes = jax.eval_shape(self.trained.model.activations, params, graph)
        targets = {}
        for name in self.layers:
            if name not in targets_by_layer:
                raise unknown_name("layer of `target`", name, targets_by_layer)
            value = jnp.asarray(targets_by_layer[name], jnp.float32)
            expected = (self.num_targets, *shapes[name].shape[1:])
            if value.shape != expected:
                raise InputError(
                    f"`target` of layer {name!r} has shape {value.shape}, allowed is {expected}: "
                    "one row a target node, one column a unit"
                )
            if not np.isfinite(np.asarray(value)).all():
                raise InputError(f"`target` of layer {name!r} holds NaN or infinite values")
            targets[name] = value
        return targets


def select(activation: jax.Array, nodes: jax.Array | None) -> jax.Array:
    """Return the rows of the target nodes, [t, c].

    Example:
      >>> select(jnp.eye(3), jnp.array([2])).tolist()
      [[0.0, 0.0, 1.0]]
    """
    return activation if nodes is None else activation[nodes]


def reference_activations(
    model: Model, params: Params, graph: jraph.GraphsTuple
) -> dict[str, jax.Array]:
    """Return every named activation [n, c] at the highest matmul precision.

    Args:
      model: the network.
      params: its parameters.
      graph: nodes [n, d].
    """
    with highest_precision():
        return compiled_activations(model, params, graph)


def _scale(target: jax.Array) -> jax.Array:
    squared = jnp.sum(jnp.square(target))
    return jnp.where(squared > 0, squared, 1.0)
