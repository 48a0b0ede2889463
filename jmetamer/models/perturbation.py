"""How the features of all nodes are changed in every epoch of training."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import Count, Positive, checked
from jmetamer._base.errors import unknown_name
from jmetamer.graphs.dataset import Dataset

Loss = Callable[[jax.Array], jax.Array]
# Of the radius over the number of steps: 2.5 lets an ascent turn and still reach the boundary
# (Madry et al. 2018).
_STEP = 2.5


@dataclasses.dataclass(frozen=True)
class FeatureChange:
    """A change of the features of every node, of the same size at every node and in every epoch.

    Attributes:
      steps: gradient steps of an ascent, so that it raises the loss; 0 takes a random direction.
      radius: length of the change of a node's features, for continuous ones; else None.
      budget: number of flips of a node's features, for 0/1 ones; else None.

    Example:
      >>> change = FeatureChange(steps=1, radius=0.5)
      >>> change.apply(lambda x: x[0, 1], jnp.zeros((1, 2)), jax.random.key(0))
      Array([[0. , 0.5]], dtype=float32)
    """

    steps: int
    radius: float | None = None
    budget: int | None = None

    def apply(self, loss: Loss, nodes: jax.Array, key: jax.Array) -> jax.Array:
        """Return the changed features.

        With steps, it is found by gradient ascent from no change. Continuous features:
        d <- P(d + a g / |g|) at each node, with g the gradient of the loss at nodes + d, a = 2.5
        radius / steps, and P the projection onto the ball; the last d is stretched to the sphere,
        where the largest value of a convex loss over the ball lies. Features of 0 and 1: a share
        p in [0, 1] of every flip, with sum p <= budget at each node, moves towards the flips of
        largest gain (1 - 2 x) g by the conditional gradient method (Frank and Wolfe 1956), whose
        step solves the linearized problem over this set exactly; the flips of largest share are
        then made, so that features stay 0 or 1. For a linear loss both are the maximum.

        Without steps, it has the same length in a direction that is uniform on the sphere, or as
        many flips, drawn without replacement. A node that the loss does not depend on gets such
        a change in any case, so that both have the same size at every node.

        Args:
          loss: features [n, d] -> scalar; not read without steps.
          nodes: [n, d] features.
          key: typed random key.

        Returns:
          [n, d].
        """
        if self.budget is not None:
            flipped = _mark(self._columns(loss, nodes, self.budget, key), nodes) > 0
            return jnp.where(flipped, 1 - nodes, nodes)
        noise = _unit(jax.random.normal(key, nodes.shape))
        return nodes + jnp.float32(self.radius) * self._direction(loss, nodes, noise)

    def _direction(self, loss: Loss, nodes: jax.Array, noise: jax.Array) -> jax.Array:
        """Return the unit vector of each node's change."""
        if not self.steps:
            return noise
        radius = jnp.float32(self.radius)

        def ascend(_: jax.Array, change: jax.Array) -> jax.Array:
            moved = change + _STEP * radius / self.steps * _unit(jax.grad(loss)(nodes + change))
            length = jnp.linalg.norm(moved, axis=1, keepdims=True)
            return moved * jnp.minimum(1, radius / jnp.maximum(length, radius))

        change = jax.lax.fori_loop(0, self.steps, ascend, jnp.zeros_like(nodes))
        return jnp.where((change != 0).any(1, keepdims=True), _unit(change), noise)

    def _columns(self, loss: Loss, nodes: jax.Array, budget: int, key: jax.Array) -> jax.Array:
        """Return which features of each node are flipped, [n, budget] columns."""
        drawn = random_columns(key, nodes.shape[0], nodes.shape[1], budget)
        if not self.steps:
            return drawn
        direction = 1 - 2 * nodes

        def ascend(step: jax.Array, share: jax.Array) -> jax.Array:
            gain = direction * jax.grad(loss)(nodes + direction * share)
            has_gain = (gain != 0).any(1, keepdims=True)
            best = jnp.where(has_gain, jax.lax.top_k(gain, budget)[1], drawn)
            weight = 2 / (step + 2)
            return (1 - weight) * share + weight * _mark(best, nodes)

        share = jax.lax.fori_loop(0, self.steps, ascend, jnp.zeros_like(nodes))
        return jax.lax.top_k(share, budget)[1]


class Perturbation(Protocol):
    """A change of all nodes' features in every epoch, to which the parameters are then fitted.

    Hashable, with equality by value: a frozen dataclass whose fields are its settings.
    """

    def change_of(self, data: Dataset) -> FeatureChange:
        """Return the change of the features of a dataset."""
        ...


@checked
@dataclasses.dataclass(frozen=True)
class AdversarialPerturbation:
    """A change that raises the loss of the training nodes (Madry et al. 2018).

    Continuous features move in a ball around each node's own, 0/1 features are flipped.

    Attributes:
      size: continuous features: length of each node's change as a share of the root mean square
        length of a node's features; 0/1 features: number of flips at each node as a share of the
        mean number of ones, rounded and at least one.
      steps: gradient steps.

    Raises:
      InputError: a value that is not allowed.

    Example:
      >>> AdversarialPerturbation(size=0.2)
      AdversarialPerturbation(size=0.2, steps=5)
    """

    size: Positive = 0.1
    steps: Count = 5

    def change_of(self, data: Dataset) -> FeatureChange:
        """Return the change of the features of a dataset."""
        return _sized(data, self.size, self.steps)


@checked
@dataclasses.dataclass(frozen=True)
class RandomPerturbation:
    """The control of an adversarial change: as large at every node, in a random direction.

    Attributes:
      size: as of `AdversarialPerturbation`.

    Raises:
      InputError: a value that is not allowed.

    Example:
      >>> from jmetamer.graphs import load_dataset
      >>> RandomPerturbation().change_of(load_dataset("karate"))
      FeatureChange(steps=0, radius=None, budget=1)
    """

    size: Positive = 0.1

    def change_of(self, data: Dataset) -> FeatureChange:
        """Return the change of the features of a dataset."""
        return _sized(data, self.size, 0)


# A new perturbation is added here; it can then be named in a configuration and in a record.
PERTURBATIONS: dict[str, type[Perturbation]] = {
    "adversarial": AdversarialPerturbation,
    "random": RandomPerturbation,
}


def perturbation_record(perturbation: Perturbation | None) -> dict[str, Any] | None:
    """Return name -> fields, as JSON holds it; None of none.

    Example:
      >>> perturbation_record(RandomPerturbation())
      {'random': {'size': 0.1}}
    """
    if perturbation is None:
        return None
    kind: Any = type(perturbation)
    name = next((key for key, one in PERTURBATIONS.items() if one is kind), kind.__name__)
    own = (field.name for field in dataclasses.fields(kind))
    return {name: {key: getattr(perturbation, key) for key in own}}


def read_perturbation(record: Mapping[str, Mapping[str, object]] | None) -> Perturbation | None:
    """Return what `perturbation_record` wrote.

    Raises:
      InputError: its name is not in the table.
    """
    if record is None:
        return None
    ((name, fields),) = record.items()
    if name not in PERTURBATIONS:
        raise unknown_name("`perturbation`", name, PERTURBATIONS)
    return PERTURBATIONS[name](**fields)


def _sized(data: Dataset, size: float, steps: int) -> FeatureChange:
    """Return the change of a size, whose form follows from the dataset.

    Features of the kinds "binary" and "one_hot" are flipped, max(1, round(size * mean number of
    ones of a node)) of each node; "continuous" ones move by size * sqrt(mean_i |x_i|^2) at each
    node, whatever range the dataset declares, since clipping would make sizes differ.
    """
    nodes = np.asarray(data.graph.nodes, np.float64)
    if data.feature_kind == "continuous":
        return FeatureChange(steps, radius=size * float(np.sqrt((nodes**2).sum(axis=1).mean())))
    budget = max(1, round(size * float(nodes.sum(axis=1).mean())))
    return FeatureChange(steps, budget=min(budget, nodes.shape[1]))


def random_columns(key: jax.Array, num_rows: int, num_columns: int, count: int) -> jax.Array:
    """Return `count` different columns for each row, every subset equally likely.

    By Floyd's algorithm (Bentley and Floyd, Commun. ACM 30, 1987), which draws `count` numbers a
    row where shuffling would draw one for every column.

    Args:
      key: typed random key.
      num_rows: n.
      num_columns: d, at least `count`.
      count: static.

    Returns:
      [n, count] int32.

    Example:
      >>> sorted(random_columns(jax.random.key(0), 1, 3, 3)[0].tolist())
      [0, 1, 2]
    """

    def draw(place: jax.Array, chosen: jax.Array) -> jax.Array:
        last = num_columns - count + place
        column = jax.random.randint(jax.random.fold_in(key, place), (num_rows,), 0, last + 1)
        taken = (chosen == column[:, None]).any(1)
        return chosen.at[:, place].set(jnp.where(taken, last, column))

    nothing = jnp.full((num_rows, count), -1, jnp.int32)
    return jax.lax.fori_loop(0, count, draw, nothing)


def _mark(columns: jax.Array, like: jax.Array) -> jax.Array:
    """Return [n, d] with ones in the given columns of each row."""
    rows = jnp.arange(len(columns))[:, None]
    return jnp.zeros_like(like).at[rows, columns].set(1)


def _unit(rows: jax.Array) -> jax.Array:
    """Return each row over its length, zero where it is zero; tiny rows do not underflow."""
    largest = jnp.abs(rows).max(axis=1, keepdims=True)
    scaled = rows / jnp.where(largest > 0, largest, 1)
    length = jnp.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled / jnp.maximum(length, 1)
