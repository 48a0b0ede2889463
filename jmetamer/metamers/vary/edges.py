"""What may vary where edges come and go: the edges alone, or features and edges."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import Count, Natural, NonNegative, Positive, SomeShare, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import num_nodes
from jmetamer.graphs.symmetry import is_symmetric
from jmetamer.metamers.vary import ContinuousFeatures, EdgeWeights, Parameterization
from jmetamer.metamers.vary.movable import movable_edges

STARTS = ("noise", "any_density", "rewired", "reference")
REFILLS = ("uniform", "near", "gradient")


@dataclasses.dataclass(frozen=True)
class FixedFeatures:
    """The features stay; theta is empty.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> graph = make_graph(np.eye(2), [], [])
      >>> FixedFeatures().decode((), graph) is graph
      True
    """

    default_method: ClassVar[str] = "optimize"
    smooth: ClassVar[bool] = True
    tolerance: ClassVar[float] = 1e-4

    def check(self, reference: jraph.GraphsTuple) -> None:
        """Accept every reference."""

    def init(self, key: jax.Array, reference: jraph.GraphsTuple) -> tuple[()]:
        """Return nothing."""
        return ()

    def encode(self, reference: jraph.GraphsTuple) -> tuple[()]:
        """Return nothing."""
        return ()

    def decode(self, theta: tuple[()], reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the reference."""
        return reference

    def project(self, theta: tuple[()], reference: jraph.GraphsTuple) -> tuple[()]:
        """Return nothing."""
        return theta

    def harden(self, theta: tuple[()], reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the reference."""
        return reference

    def penalty(self, theta: tuple[()], reference: jraph.GraphsTuple) -> jax.Array:
        """Return 0."""
        return jnp.zeros(())


@checked
@dataclasses.dataclass(frozen=True)
class BinaryEdges:
    """Edges come and go, the features stay: a metamer is a simple graph.

    The edges of a start and a block of other candidate pairs get weights in [0, 1], which are
    moved by gradients; every few steps candidates that nothing came of are exchanged, so that
    memory goes with edges and block, never with the square of the nodes (after Geisler et al.
    2021, arXiv 2110.14038). A concave penalty `lambda_t mean w (1 - w)`, with lambda_t rising to
    `penalty`, drives the weights to 0 and 1. Then they are rounded in several ways, the best
    rounding is improved by flips of one pair or two at once, and the hard graph is judged. Self
    loops of the reference stay. With `nodes` edges come and go between these alone, and all others
    stay: "edges" below are those that may move.

    Attributes:
      start: "noise", a random simple graph with as many edges as the reference; "any_density", one
        whose pairs are edges with a probability that is itself random, uniform in [0, 1], for
        graphs so small that the block holds all pairs; "rewired", one with the reference's degrees;
        "reference", the reference, to walk away from it.
      block: candidate pairs beside those of the start; None: four times the edges, at least 1,000;
        all other pairs where there are not more.
      refill: how candidates are found: "uniform" at random; "near", at random among the pairs whose
        edge a target would see; or the pairs where "gradient" says that an edge would lower the
        loss most.
      refill_every: steps between two exchanges of candidates.
      budget: largest number of pairs by which a metamer may differ from its start; None: any.
      penalty: last lambda of the concave penalty.
      distance: of a walk from the reference, the Jaccard distance of the edge sets to reach,
        `1 - #(E and E') / #(E or E')`; of the edges that may move.
      directed: whether (i, j) and (j, i) are two edges; None: as the reference has it.
      draws: random roundings, beside the threshold 1/2 and the largest weights.
      flips: number of pairs flipped after rounding, beyond which no more are.
      kicks: largest number of times that a few random pairs are flipped where no single flip helps,
        to descend again from there; None: 20 where the block holds all pairs, else none.
      learning_rate: of Adam on the weights; an `optimizer` given to `RelaxEdges` takes its place
        where edges alone vary.
      nodes: numbers of the nodes between which edges come and go, kept as an ascending tuple; None:
        all. `local_problem` takes those near the targets.

    Raises:
      InputError: a number outside its range, or settings that do not go together.

    Example:
      >>> BinaryEdges(start="reference", distance=0.2).budget is None
      True
    """

    start: Literal["noise", "any_density", "rewired", "reference"] = "noise"
    block: Count | None = None
    refill: Literal["uniform", "near", "gradient"] = "uniform"
    refill_every: Count = 25
    budget: Count | None = None
    penalty: NonNegative = 0.3
    distance: SomeShare | None = None
    directed: bool | None = None
    draws: Natural = 20
    flips: Natural = 1000
    kicks: Natural | None = None
    learning_rate: Positive = 0.05
    nodes: Sequence[int] | None = None
    default_method: ClassVar[str] = "relax_edges"
    smooth: ClassVar[bool] = False
    tolerance: ClassVar[float] = 1e-2

    def __post_init__(self) -> None:
        if self.nodes is not None:
            object.__setattr__(self, "nodes", _ascending(self.nodes))
        if self.kicks and not self.flips:
            raise InputError(
                f"`kicks` is {self.kicks}, but `flips` is 0, so that nothing would be "
                "flipped after a kick; raise `flips`, or leave `kicks` out"
            )
        self._check_distance()

    @property
    def features(self) -> Parameterization:
        """How features vary: not at all."""
        return FixedFeatures()

    @property
    def edges(self) -> "BinaryEdges":
        """How edges vary."""
        return self

    def check(self, reference: jraph.GraphsTuple) -> None:
        """Raise `InputError` unless the reference is a simple graph with an edge to move."""
        num_pairs = check_simple(reference, self.directed, self.nodes)
        n = num_nodes(reference) if self.nodes is None else len(self.nodes)
        directed = is_directed(reference, self.directed)
        if num_pairs == most_pairs(n, directed) and self.start in ("noise", "rewired"):
            which = "its" if self.nodes is None else "the"
            where = "" if self.nodes is None else " in `nodes`"
            raise InputError(
                f"`graph` has all {num_pairs} pairs of {which} {n} nodes{where} as edges, so that "
                "another graph with as many edges does not exist; use `start='reference'` with "
                "`distance`"
            )
        if self.budget is not None and self.distance is not None:
            reached = min(1.0, self.budget / num_pairs)
            if reached < self.distance:
                raise InputError(
                    f"`budget`={self.budget} changes of {num_pairs} edges reach a distance of "
                    f"{reached:.3g} at most, but `distance` is {self.distance}; raise the one or "
                    "lower the other"
                )

    def _check_distance(self) -> None:
        if self.start != "reference":
            if self.distance is not None:
                raise InputError(
                    f"`distance` is {self.distance}, but the start is {self.start!r}, which is "
                    "away from the reference; leave it out, or use `start='reference'`"
                )
        elif self.distance is None:
            raise InputError(
                f"`distance` is {self.distance}, but a walk from the reference needs to know how "
                "far: a Jaccard distance of edges above 0 and up to 1, such as 0.2"
            )


@checked
@dataclasses.dataclass(frozen=True)
class FeaturesAndEdges:
    """Features and edges vary together.

    Both are relaxed at once; the edges are made hard with the features as they are; then the
    features are optimized again with the hard edges fixed, by the `optimizer` of `generate`.

    Attributes:
      features: how features vary.
      edges: how edges vary.
      learning_rate: of Adam on the features while both are relaxed.

    Raises:
      InputError: a learning rate that is not positive.

    Example:
      >>> FeaturesAndEdges(edges=BinaryEdges(block=500)).features
      ContinuousFeatures(domain=Free(), initialization=GlobalNoise(mean=None, std=None))
    """

    features: Parameterization = ContinuousFeatures()
    edges: BinaryEdges = BinaryEdges()
    learning_rate: Positive = 0.05
    default_method: ClassVar[str] = "relax_edges"

    @property
    def tolerance(self) -> float:
        """L_act at which a metamer counts as matched by default: that of the features."""
        return self.features.tolerance

    def __post_init__(self) -> None:
        _check_parts(self.features)

    def check(self, reference: jraph.GraphsTuple) -> None:
        """Raise `InputError` where features or edges of this reference cannot vary so."""
        self.features.check(reference)
        self.edges.check(reference)


@checked
@dataclasses.dataclass(frozen=True)
class FeaturesGivenEdges:
    """Every seed gets random edges, which stay, and features are optimized: is there a match?

    Attributes:
      features: how features vary.
      start: the edges: "noise", a random simple graph with as many edges as the reference, or
        "rewired", one with the reference's degrees.
      directed: whether (i, j) and (j, i) are two edges; None: as the reference has it.

    Raises:
      InputError: an unknown start, or "reference", which would leave the edges as they are.

    Example:
      >>> FeaturesGivenEdges(start="rewired").edges.start
      'rewired'
    """

    features: Parameterization = ContinuousFeatures()
    start: Literal["noise", "rewired"] = "noise"
    directed: bool | None = None
    default_method: ClassVar[str] = "relax_edges"

    @property
    def tolerance(self) -> float:
        """L_act at which a metamer counts as matched by default: that of the features."""
        return self.features.tolerance

    def __post_init__(self) -> None:
        _check_parts(self.features)

    @property
    def edges(self) -> BinaryEdges:
        """How edges are drawn."""
        return BinaryEdges(start=self.start, directed=self.directed)

    def check(self, reference: jraph.GraphsTuple) -> None:
        """Raise `InputError` where features or edges of this reference cannot vary so."""
        self.features.check(reference)
        self.edges.check(reference)


Structure = BinaryEdges | FeaturesAndEdges | FeaturesGivenEdges

STRUCTURES = {
    "binary_edges": BinaryEdges,
    "features_and_edges": FeaturesAndEdges,
    "features_given_edges": FeaturesGivenEdges,
}


def is_directed(reference: jraph.GraphsTuple, asked: bool | None = None) -> bool:
    """Return whether (i, j) and (j, i) are two edges: as asked, or as the reference has it.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> is_directed(make_graph(np.eye(2), [0], [1]))
      True
    """
    return not is_symmetric(reference) if asked is None else asked


def most_pairs(num_nodes: int, directed: bool) -> int:
    """Return the number of pairs of different nodes.

    Example:
      >>> most_pairs(4, directed=False), most_pairs(100_000, directed=False)
      (6, 4999950000)
    """
    return num_nodes * (num_nodes - 1) // (1 if directed else 2)


def check_simple(
    reference: jraph.GraphsTuple, directed: bool | None, nodes: Sequence[int] | None = None
) -> int:
    """Return the number of edges that may go; refuse what is no simple graph, or has none.

    Args:
      reference: concrete arrays.
      directed: whether (i, j) and (j, i) are two edges; None: as the reference has it.
      nodes: those between which edges may go, ascending; None: all.

    Raises:
      InputError: weights other than 0 and 1, edge features, an edge stored twice, an unknown node,
        no edge.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> check_simple(make_graph(np.eye(2), [0, 1], [1, 0]), None)
      1
    """
    found = movable_edges(reference, nodes, directed=is_directed(reference, directed))
    num_pairs = int(found.pairs.senders.size)
    if num_pairs == 0 and nodes is not None:
        raise InputError(
            f"`graph` has no edges between the {len(nodes)} different nodes in `nodes`, so there "
            f"is nothing to move, though it has {found.fixed.senders.size} edges elsewhere; name "
            "nodes that are joined, such as the targets and their neighbors"
        )
    if num_pairs == 0:
        raise InputError(
            "`graph` has no edges between different nodes, so there is nothing to move; vary its "
            "features, or give a reference with edges"
        )
    return num_pairs


def _ascending(nodes: Any) -> tuple[int, ...]:
    """Return node numbers as an ascending tuple, which is hashable and equal for equal sets."""
    given = np.asarray(nodes)
    if given.ndim != 1 or given.size < 2 or given.dtype.kind not in "iu":
        raise InputError(
            "`nodes` must be a list of at least two node numbers, because an edge has two ends, or "
            f"None for all nodes; got {nodes!r}"
        )
    ordered = np.sort(given)
    if ordered[0] < 0:
        raise InputError(f"`nodes` names node {ordered[0]}; allowed are node numbers from 0")
    twice = np.flatnonzero(np.diff(ordered) == 0)
    if twice.size:
        raise InputError(f"`nodes` names node {ordered[twice[0]]} twice; name each once")
    return tuple(ordered.tolist())


def _check_parts(features: Any) -> None:
    if isinstance(features, Structure | EdgeWeights) or not hasattr(features, "decode"):
        raise InputError(
            f"`features` is {features!r}; allowed is a parameterization of features, such as "
            "`ContinuousFeatures()` or `BinaryFeatures()`"
        )
