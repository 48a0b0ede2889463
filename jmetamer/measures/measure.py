"""`Measure`: one way to say how far a metamer is from its reference, and `Facts` it may need."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jraph
import numpy as np

from jmetamer._base.arguments import AnArray, checked
from jmetamer.measures.edge_set import edge_set


class Facts(NamedTuple):
    """What some measures need beside two graphs; None where it is not known or does not exist.

    Attributes:
      labels: [n] classes, negative where a node has none.
      train_mask: [n] bool, nodes that a network was trained on.
      entry_weights: W [d, m] of a network that sees its features X only as `X W`.
    """

    labels: AnArray | None = None
    train_mask: AnArray | None = None
    entry_weights: AnArray | None = None


NOTHING = Facts()


def labels_of_nodes(facts: Facts, num_nodes: int) -> np.ndarray | None:
    """Return the classes [n] of the nodes, or None where they are not known of these nodes.

    Example:
      >>> labels_of_nodes(Facts(labels=[0, 1]), 2), labels_of_nodes(Facts(), 2)
      (array([0, 1]), None)
    """
    if facts.labels is None or np.shape(facts.labels) != (num_nodes,):
        return None
    return np.asarray(facts.labels)


Permutation = Literal["joint", "separate"]
Reads = Literal["features", "edges"]
FEATURE_KINDS = ("binary", "one_hot", "continuous")
EDGE_KINDS = ("simple_edges", "edge_weights")


@checked
@dataclasses.dataclass(frozen=True)
class Measure:
    """A deviation: 0 for identical inputs, larger (of a signed one, farther from 0) for others.

    A deviation alone says little: two unrelated binary graphs with few ones have a Hamming
    distance near 0 and a Jaccard distance near 1. Hence every measure knows what chance gives.

    Attributes:
      name: key in `MEASURES`, "features/cosine".
      function: (reference, metamer) -> scalar. Of features: [n, d] each, pure jax, safe under
        `jax.vmap`. Of edges: an `EdgeSet` each, NumPy on the host, since their lengths differ.
      chance: reference, as the function takes it, on the host -> deviation expected of an unrelated
        metamer.
      null: what "unrelated" means for `chance`, one phrase.
      low, high: range of the deviation; `high` may be infinite.
      symmetric: whether exchanging reference and metamer changes nothing.
      applies_to: kinds of features or of edges of the metamer that it is defined for.
      permutation: "joint" where only the same reordering of both node sets leaves it alone,
        "separate" where each may be reordered by itself.
      formula: the definition in one line.
      reads: what of a graph it looks at, "features" or "edges".
      default: whether it is taken where no measures are named; not so where its cost grows faster
        than the graph, or where a sort or refinement makes it slower than the metamer.
      may_be_missing: whether it is NaN for some finite graphs, as a correlation is without
        variance.
      prepare: of a measure that needs `Facts`, (reference, facts) -> what `function` and `chance`
        take before everything else, a pytree of arrays, or None where the measure does not apply.
        Such a measure is used after `given`.
      max_nodes: of a measure of edges whose cost grows fast, the largest number of nodes to which
        it applies; None for any.

    Example:
      >>> from jmetamer.measures import MEASURES
      >>> measure = MEASURES["features/hamming"]
      >>> float(measure.function(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])))
      0.5
      >>> measure.chance(np.array([[1.0, 0.0]]))  # density 1/2
      0.5
    """

    name: str
    function: Callable[..., AnArray]
    chance: Callable[..., float]
    null: str
    low: float
    high: float
    symmetric: bool
    applies_to: tuple[str, ...]
    permutation: Permutation
    formula: str
    reads: Reads = "features"
    default: bool = True
    may_be_missing: bool = False
    prepare: Callable[..., object] | None = None
    max_nodes: int | None = None

    def given(self, reference: object, facts: Facts) -> "Measure | None":
        """Return this measure with what it needs to know filled in.

        Args:
          reference: as the function takes it.
          facts: what is known beside it.

        Returns:
          A measure that needs no facts, or None where it does not apply.
        """
        if self.max_nodes is not None and getattr(reference, "num_nodes", 0) > self.max_nodes:
            return None
        if self.prepare is None:
            return self
        data = self.prepare(reference, facts)
        if data is None:
            return None
        return dataclasses.replace(
            self,
            function=jax.tree_util.Partial(self.function, data),
            chance=functools.partial(self.chance, data),
            prepare=None,
        )

    @property
    def as_tree(self) -> jax.tree_util.Partial:
        """The function as a pytree of the arrays it knows, for compiled programs to share.

        A `Partial` in a `Partial` would hold them as what a program is compiled for.
        """
        function, tree = self.function, jax.tree_util.Partial
        return function if isinstance(function, tree) else tree(function)

    def chance_at(self, reference: jraph.GraphsTuple) -> float:
        """Return the chance level for a reference graph, whatever of it the measure reads.

        Args:
          reference: graph of concrete arrays.
        """
        read = edge_set(reference) if self.reads == "edges" else np.asarray(reference.nodes)
        return self.chance(read)
