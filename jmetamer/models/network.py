"""`Network`: what all built-in architectures share; an architecture adds its convolution."""

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import jraph

from jmetamer._base.arguments import Count, Key, Layers, OneOf, Rate, check_fields, checked
from jmetamer._base.errors import InputError, unknown_name
from jmetamer.models.activations import ACTIVATIONS, with_identity_backward
from jmetamer.models.convolution import Convolution
from jmetamer.models.protocol import FEATURES, FirstLayer, LayerStructure, Params

NORMALIZATIONS = ("none", "layer", "batch")
# What makes the activations of a `Network`; a subclass with another one is no such stack.
_FORWARD = ("activations", "__call__", "_layer", "_normalize")


class Network(nn.Module):
    """A stack of convolutions, each followed by the nonlinearity except the last.

    Layer k computes `conv{k}.pre = norm(convolution(h)) + skip(h)` and
    `conv{k} = sigma(conv{k}.pre)`; the last layer's value is `logits`. Hashable and equal by value;
    all arrays are in the parameters.

    Attributes:
      hidden: number of columns of every layer but the last.
      layers: number of convolutions, at most 1000.
      activation: a name of `ACTIVATIONS`.
      residual: add the layer's input to its output before the nonlinearity (through a learned
        matrix where the widths differ).
      normalization: "none", "layer" or "batch"; never applied to the last layer.
      dropout: rate in [0, 1) at each layer's input, in training only.
      num_outputs: number of classes; `train` fills it in from the data.
    """

    hidden: Count = 64
    layers: Layers = 2
    activation: Annotated[str, OneOf(ACTIVATIONS)] = "relu"
    residual: bool = False
    normalization: Annotated[str, OneOf(NORMALIZATIONS)] = "none"
    dropout: Rate = 0.5
    num_outputs: Count | None = None

    # Fields that no configuration sets: flax's own, and what follows from the data.
    not_settings: ClassVar[tuple[str, ...]] = ("parent", "name", "num_outputs")
    # Names of the parameters of "conv1" that multiply the features, in the order of `entry`.
    entry_kernels: ClassVar[tuple[str, ...]] = ("kernel",)
    # Inner layers of each convolution that have a nonlinearity of their own.
    inner_layers: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_fields(self, without=("parent",))
        self.check_options()
        super().__post_init__()

    @nn.nowrap
    def check_options(self) -> None:
        """Raise `InputError` for options that do not go together; a subclass says which."""

    @nn.nowrap
    def convolution(self, width: int, *, last: bool, name: str) -> Convolution:
        """Return the convolution of one layer; each architecture defines it."""
        raise NotImplementedError

    @nn.nowrap
    def options(self) -> dict[str, Any]:
        """Return the constructor's options as plain values, for records and comparison.

        Example:
          >>> Network(hidden=8).options()["hidden"]
          8
        """
        fields = [f.name for f in dataclasses.fields(self) if f.name not in ("parent", "name")]
        return {field: getattr(self, field) for field in fields}

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of all activations in the order in which they are computed."""
        names = []
        for index in range(1, self.layers + 1):
            points = [f"conv{index}.{inner}" for inner in self.inner_layers]
            points += [f"conv{index}"] if index < self.layers else []
            names += [name for point in points for name in (f"{point}.pre", point)]
        return (*names, "logits")

    @nn.nowrap
    @checked
    def nonlinearity(self, layer: str) -> str | None:
        """Return the activation that made `layer` from `layer + ".pre"`, or None for the others.

        Args:
          layer: one of `layer_names`.

        Raises:
          InputError: there is no such layer.

        Example:
          >>> Network(activation="elu").nonlinearity("conv1")
          'elu'
        """
        if layer not in self.layer_names:
            raise unknown_name("layer", layer, self.layer_names)
        return self.activation if f"{layer}.pre" in self.layer_names else None

    @nn.nowrap
    @checked
    def num_hops(self, layer: str) -> int:
        """Return how many edges away a node can be and still matter to `layer`.

        Args:
          layer: one of `layer_names`.

        Raises:
          InputError: there is no such layer.

        Example:
          >>> Network(layers=3).num_hops("conv2.pre"), Network(layers=3).num_hops("logits")
          (2, 3)
        """
        if layer not in self.layer_names:
            raise unknown_name("layer", layer, self.layer_names)
        numbered = re.match(r"conv(\d+)", layer)
        return int(numbered.group(1)) if numbered else self.layers

    @nn.nowrap
    @checked
    def layer_structure(self, layer: str) -> LayerStructure | None:
        """Return what is known of how a layer is made, from what its convolution says.

        None in a subclass that computes its activations otherwise and does not say how.

        Args:
          layer: one of `layer_names`.

        Raises:
          InputError: there is no such layer.

        Example:
          >>> Network().layer_structure("conv1").sources
          ('conv1.pre',)
        """
        own = self.nonlinearity(layer)
        if any(getattr(type(self), name) is not getattr(Network, name) for name in _FORWARD):
            return None
        if own:
            return LayerStructure((f"{layer}.pre",), "none", sees_degrees=False)
        index, name = self.num_hops(layer), f"conv{self.num_hops(layer)}"
        before = FEATURES if index == 1 else f"conv{index - 1}"
        if self.inner_layers and ".mlp" not in layer:
            sources = (f"{name}.{self.inner_layers[-1]}", *([before] if self.residual else []))
            return LayerStructure(sources, "none", sees_degrees=False)
        last = index == self.layers
        structure = self.convolution(self.hidden, last=last, name=name).structure()
        operator, weights = structure.operator, structure.weights
        beside = self.residual and not self.inner_layers
        exact = not beside and (last or self.normalization == "none" or ".mlp" in layer)
        return dataclasses.replace(
            structure,
            sources=(before,),
            operator=None
            if operator is None or beside
            else lambda params, graph, x: operator(params["params"][name], graph, x),
            weights=None
            if weights is None or not exact
            else lambda params: weights(params["params"][name]),
        )

    @nn.nowrap
    @checked
    def init(self, key: Key, graph: jraph.GraphsTuple) -> Params:  # type: ignore[override]
        """Return freshly initialized parameters, float32.

        Args:
          key: typed random key.
          graph: nodes [n, d]; only d matters.

        Returns:
          Pytree {"params": ..., "batch_stats": ...}, the latter only with batch normalization.

        Raises:
          InputError: `num_outputs` is not set.
        """
        return super().init({"params": key}, graph)

    @nn.nowrap
    @checked
    def activations(
        self,
        params: Params,
        graph: jraph.GraphsTuple,
        *,
        entry: jax.Array | None = None,
        identity_backward: tuple[str, ...] = (),
    ) -> dict[str, jax.Array]:
        """Return every named activation, [n, width] each; dropout is never applied.

        Args:
          params: from `init` or training.
          graph: nodes [n, d]; edge weights gate messages (see `graphs.message_passing`).
          entry: [n, m] or None. Where given, it replaces the product `graph.nodes @ W` with
            `W = first_layer(params).weights`, and `graph.nodes` is not read.
          identity_backward: layers whose nonlinearity has derivative one in the backward pass.

        Returns:
          Dict with the keys `layer_names`, in that order.

        Raises:
          InputError: the features or `entry` do not fit the parameters, or `identity_backward`
            names a layer that has no nonlinearity.
        """
        for layer in identity_backward:
            if self.nonlinearity(layer) is None:
                allowed = [name for name in self.layer_names if self.nonlinearity(name)]
                raise unknown_name("layer with a nonlinearity", layer, allowed)
        if entry is None:
            self._check_features(params, graph)
        else:
            self._check_entry(params, entry)
        named = self.apply(params, graph, entry=entry, identity_backward=identity_backward)
        return cast(dict[str, jax.Array], named)

    @nn.nowrap
    @checked
    def first_layer(self, params: Params) -> FirstLayer | None:
        """Return all matrices applied directly to the features side by side, and what is before.

        None where the raw features are also used as they are: a skip connection without a
        matrix, or an aggregation that is not linear.

        Args:
          params: from `init` or training.
        """
        weights = params["params"]
        if self.residual and "skip1" not in weights:
            return None
        kernels = [weights["conv1"][name] for name in self.entry_kernels]
        skip = [weights["skip1"]["kernel"]] if self.residual else []
        layer = self.layer_names[0]
        structure = self.layer_structure(layer)
        operator = None if self.residual or structure is None else structure.operator
        return FirstLayer(
            jnp.concatenate(kernels + skip, axis=1),
            layer,
            None if operator is None else functools.partial(operator, params),
        )

    @nn.nowrap
    def _check_features(self, params: Params, graph: jraph.GraphsTuple) -> None:
        expected = params["params"]["conv1"][self.entry_kernels[0]].shape[0]
        shape = jnp.shape(graph.nodes)
        if len(shape) != 2 or shape[1] != expected:
            raise InputError(
                f"`graph.nodes` has shape {shape}, but the parameters were made for {expected} "
                "features a node. Use a graph like the one in training, or other parameters."
            )

    @nn.nowrap
    def _check_entry(self, params: Params, entry: jax.Array) -> None:
        first = self.first_layer(params)
        if first is None:
            raise InputError(
                f"`entry` cannot be used with {self!r}: its first layer reads the raw features, "
                "not only their product with a matrix. Pass the features in `graph.nodes`."
            )
        if entry.ndim != 2 or entry.shape[1] != first.weights.shape[1]:
            raise InputError(
                f"`entry` has shape {entry.shape}, but `first_layer(params).weights` has "
                f"{first.weights.shape[1]} columns. Pass `graph.nodes @` these weights."
            )

    @nn.compact
    def __call__(
        self,
        graph: jraph.GraphsTuple,
        *,
        entry: jax.Array | None = None,
        identity_backward: tuple[str, ...] = (),
        training: bool = False,
    ) -> dict[str, jax.Array]:
        """Return every named activation; use `activations` unless you train."""
        if self.num_outputs is None:
            raise InputError(
                "`num_outputs` is None, so the width of the last layer is unknown. "
                "Set it to the number of classes, or call `train`, which does."
            )
        named: dict[str, jax.Array] = {}

        def activate(layer: str, z: jax.Array) -> jax.Array:
            named[f"{layer}.pre"] = z
            through = layer in identity_backward
            name = self.activation
            named[layer] = with_identity_backward(name, z) if through else ACTIVATIONS[name](z)
            return named[layer]

        h = graph.nodes if entry is None else None
        for index in range(1, self.layers + 1):
            last = index == self.layers
            width = self.num_outputs if last else self.hidden
            z = self._layer(
                index, width, h, graph, entry if index == 1 else None, training, activate
            )
            h = z if last else activate(f"conv{index}", z)
        return {**named, "logits": cast(jax.Array, h)}

    @nn.nowrap
    def _layer(
        self,
        index: int,
        width: int,
        h: jax.Array | None,
        graph: jraph.GraphsTuple,
        entry: jax.Array | None,
        training: bool,
        activate: Callable[[str, jax.Array], jax.Array],
    ) -> jax.Array:
        """Return norm(convolution(h)) + skip(h), from `entry` where it stands for the product."""
        last = index == self.layers
        name = f"conv{index}"
        product, skip = entry, None
        if entry is not None and self.residual:
            product, skip = entry[:, :-width], entry[:, -width:]
        if h is not None:
            h = nn.Dropout(self.dropout, deterministic=not training)(h)
            if self.residual:
                project = nn.Dense(width, use_bias=False, name=f"skip{index}")
                skip = h if h.shape[-1] == width else project(h)
        z = self.convolution(width, last=last, name=name)(
            h,
            graph,
            product=product,
            training=training,
            activate=lambda inner: activate(f"{name}.mlp", inner),
        )
        if not last:
            z = self._normalize(f"norm{index}", z, training)
        return z if skip is None else z + skip

    @nn.nowrap
    def _normalize(self, name: str, z: jax.Array, training: bool) -> jax.Array:
        if self.normalization == "layer":
            return nn.LayerNorm(epsilon=1e-5, name=name)(z)
        if self.normalization == "batch":
            norm = nn.BatchNorm(not training, momentum=0.9, epsilon=1e-5, name=name)
            return norm(z)
        return z
