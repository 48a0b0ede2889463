"""`BinaryFeatures`: node features stay 0/1 with a fixed number of ones, the edges stay."""

import dataclasses
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import Key, NonNegative, Positive, Share, checked
from jmetamer._base.errors import InputError
from jmetamer.metamers.vary.initialization import GlobalNoise, Initialization
from jmetamer.metamers.vary.protocol import Vary
from jmetamer.metamers.vary.threshold import exact_top, kth_largest_threshold


class BinaryTheta(NamedTuple):
    """Coordinates of 0/1 features.

    Attributes:
      logits: [n, d] float32; the larger, the sooner the entry is one.
      threshold: [] or [n] float32; entries at or above it are one. Kept by `project`.
    """

    logits: jax.Array
    threshold: jax.Array


@checked
@dataclasses.dataclass(frozen=True)
class BinaryFeatures(Vary):
    """Exactly as many ones as the reference has, chosen by a straight-through estimator.

    With `P = sigmoid(slope * logits)` and H the 0/1 mask of the K largest entries, the network
    sees `X' = P + stop_gradient(H - P)`: forward exactly H, backward the gradient of P
    (arXiv 2510.17378). The optional margin term `margin_weight * mean(max(0, margin - |P - t|))`
    with threshold t keeps entries away from the threshold, so that steps do not flip them back
    and forth.

    Attributes:
      ones: "global" keeps the reference's total number of ones, "row" that of every node.
      slope: steepness of the sigmoid, positive.
      margin: distance from the threshold below which the term acts, in [0, 1].
      margin_weight: weight of the term; 0 leaves it out.
      initialization: start of the logits.

    Raises:
      InputError: an option outside its range.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> graph = make_graph([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]], senders=[0], receivers=[1])
      >>> vary = BinaryFeatures(ones="row")
      >>> theta = vary.init(jax.random.key(0), graph)
      >>> vary.harden(theta, graph).nodes.sum(axis=1).tolist()
      [1.0, 2.0]
    """

    ones: Literal["global", "row"] = "global"
    slope: Positive = 1.0
    margin: Share = 0.25
    margin_weight: NonNegative = 0.0
    initialization: Initialization = GlobalNoise()
    part: ClassVar[str] = "features"
    kind: ClassVar[str] = "binary"
    smooth: ClassVar[bool] = False
    tolerance: ClassVar[float] = 1e-2

    def check(self, reference: jraph.GraphsTuple) -> None:
        """Raise `InputError` unless all features are 0 or 1."""
        nodes = np.asarray(reference.nodes)
        wrong = np.argwhere((nodes != 0) & (nodes != 1))
        if len(wrong):
            node, feature = wrong[0]
            raise InputError(
                f"`BinaryFeatures` needs a reference of zeros and ones, but feature {feature} of "
                f"node {node} is {nodes[node, feature]}; use `ContinuousFeatures`"
            )

    def init(self, key: Key, reference: jraph.GraphsTuple) -> BinaryTheta:
        """Return noise as logits, with the threshold that leaves the right number of ones."""
        logits = self.initialization(key, reference.nodes)
        start = BinaryTheta(logits, jnp.zeros(self._count(reference).shape, jnp.float32))
        return self.project(start, reference)

    def encode(self, reference: jraph.GraphsTuple) -> BinaryTheta:
        """Return logits +1 at the reference's ones and -1 elsewhere."""
        logits = jnp.where(jnp.asarray(reference.nodes) > 0.5, 1.0, -1.0).astype(jnp.float32)
        return BinaryTheta(logits, jnp.zeros(self._count(reference).shape, jnp.float32))

    def decode(self, theta: BinaryTheta, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph with 0/1 features forward and the sigmoid's gradient backward."""
        soft = jax.nn.sigmoid(self.slope * theta.logits)
        hard = (theta.logits >= self._broadcast(theta.threshold)).astype(soft.dtype)
        return reference._replace(nodes=soft + jax.lax.stop_gradient(hard - soft))

    def project(self, theta: BinaryTheta, reference: jraph.GraphsTuple) -> BinaryTheta:
        """Return the same logits with the threshold moved to leave the right number of ones."""
        threshold = kth_largest_threshold(theta.logits, self._count(reference), theta.threshold)
        return theta._replace(threshold=threshold)

    def harden(self, theta: BinaryTheta, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph with 0/1 float32 features and exactly the reference's count."""
        logits, count = theta.logits, self._count(reference)
        threshold = kth_largest_threshold(logits, count, theta.threshold)
        mask = exact_top(self._counted(logits), count, threshold)
        return reference._replace(nodes=mask.reshape(theta.logits.shape).astype(jnp.float32))

    def penalty(self, theta: BinaryTheta, reference: jraph.GraphsTuple) -> jax.Array:
        """Return `margin_weight * mean(max(0, margin - |P - t|))`."""
        if self.margin_weight == 0:
            return jnp.zeros((), theta.logits.dtype)
        soft = jax.nn.sigmoid(self.slope * theta.logits)
        threshold = jax.nn.sigmoid(self.slope * jax.lax.stop_gradient(theta.threshold))
        distance = jnp.abs(soft - self._broadcast(threshold))
        return self.margin_weight * jnp.mean(jnp.maximum(0, self.margin - distance))

    def _count(self, reference: jraph.GraphsTuple) -> jax.Array:
        axis = 1 if self.ones == "row" else None
        return jnp.sum(jnp.asarray(reference.nodes) > 0.5, axis=axis, dtype=jnp.int32)

    def _counted(self, logits: jax.Array) -> jax.Array:
        return logits if self.ones == "row" else logits.reshape(-1)

    def _broadcast(self, threshold: jax.Array) -> jax.Array:
        return threshold[:, None] if self.ones == "row" else threshold
