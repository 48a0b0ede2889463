"""`ByTask`: the data of several tasks in one tree, of which compiled code reads one task's."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@jax.tree_util.register_pytree_node_class
class ByTask:
    """Trees of equal structure and shapes; leaves that are equal in all of them are kept once.

    Args:
      common: leaves that are equal in all tasks, in order.
      own: the other leaves, with a leading axis over tasks.
      where: for every leaf of a tree, whether it is one of `own`.
      structure: of the tree of one task.

    Example:
      >>> one, other = jnp.ones(2), jnp.zeros(2)
      >>> both = joined([{"a": one, "b": jnp.ones(3)}, {"a": other, "b": jnp.ones(3)}])
      >>> len(both.common), both.own[0].shape
      (1, (2, 2))
      >>> of_task((both,), 1)[0]["a"].tolist()
      [0.0, 0.0]
    """

    def __init__(
        self, common: Sequence[Any], own: Sequence[Any], where: tuple[bool, ...], structure: object
    ) -> None:
        self.common, self.own = tuple(common), tuple(own)
        self.where, self.structure = where, structure

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return children and static data, as JAX asks for them."""
        return (self.common, self.own), (self.where, self.structure)

    @classmethod
    def tree_unflatten(cls, static: tuple[Any, ...], children: tuple[Any, ...]) -> "ByTask":
        """Return the object that was flattened."""
        instance = object.__new__(cls)
        # As they are: JAX also passes children that are no arrays.
        instance.common, instance.own = children
        instance.where, instance.structure = static
        return instance

    def shape_of_two(self) -> "ByTask":
        """Return the shapes of the object for two tasks, which a program is traced with."""
        pairs = [jax.ShapeDtypeStruct((2, *leaf.shape[1:]), leaf.dtype) for leaf in self.own]
        return ByTask(self.common, pairs, self.where, self.structure)

    @property
    def marks(self) -> Any:
        """The tree of one task, with whether a leaf differs between tasks in its place."""
        return jax.tree.unflatten(self.structure, self.where)

    def with_own(self, own: Sequence[object]) -> Any:
        """Return the tree of one task, given its own leaves."""
        common, of_task = iter(self.common), iter(own)
        leaves = [next(of_task) if is_own else next(common) for is_own in self.where]
        return jax.tree.unflatten(self.structure, leaves)


def joined(trees: Sequence[object], stack: Callable[[list[jax.Array]], object] = jnp.stack) -> Any:
    """Return the trees in one: the first as it is where all are equal, otherwise a `ByTask`.

    Args:
      trees: one a task, equal in structure, shapes and types.
      stack: puts the leaves of all tasks in one array.

    Example:
      >>> joined([np.ones(2), np.ones(2)])
      array([1., 1.])
    """
    structure = jax.tree.structure(trees[0])
    rows = list(zip(*map(jax.tree.leaves, trees), strict=True))
    where = tuple(not all(_equal(row[0], leaf) for leaf in row[1:]) for row in rows)
    if not any(where):
        return trees[0]
    common = [row[0] for row, is_own in zip(rows, where, strict=True) if not is_own]
    own = [stack(list(row)) for row, is_own in zip(rows, where, strict=True) if is_own]
    return ByTask(common, own, where, structure)


def stacked_shape(leaves: list[jax.Array]) -> jax.ShapeDtypeStruct:
    """Return the shape that stacked leaves have, without stacking them.

    Example:
      >>> stacked_shape([np.ones(3), np.zeros(3)]).shape
      (2, 3)
    """
    return jax.ShapeDtypeStruct((len(leaves), *leaves[0].shape), leaves[0].dtype)


def own_leaves(trees: Sequence[object], task: int | jax.Array) -> tuple[tuple[Any, ...], ...]:
    """Return what tasks do not have in common, of one task or, for [l] tasks, of each.

    Args:
      trees: each a plain tree, which all tasks share, or a `ByTask`.
      task: [] or [l] int32.
    """
    return tuple(
        tuple(leaf[task] for leaf in tree.own) if isinstance(tree, ByTask) else () for tree in trees
    )


def with_own(trees: Sequence[object], own: Sequence[Sequence[object]]) -> tuple[Any, ...]:
    """Return the trees of one task, given what `own_leaves` returned for it."""
    return tuple(
        tree.with_own(leaves) if isinstance(tree, ByTask) else tree
        for tree, leaves in zip(trees, own, strict=True)
    )


def of_task(trees: Sequence[object], task: int | jax.Array) -> tuple[Any, ...]:
    """Return the trees of one task; plain trees stay as they are, and cost nothing."""
    return with_own(trees, own_leaves(trees, task))


def _equal(one: jax.Array, other: jax.Array) -> bool:
    # Bit by bit: -0.0 is not 0.0, and a NaN equals itself.
    return one is other or np.array_equal(_bits(one), _bits(other))


def _bits(array: jax.Array) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
