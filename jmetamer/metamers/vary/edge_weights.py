"""`EdgeWeights`: the weights of edges vary as real numbers, the features stay."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import Key, Vector, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import is_symmetric
from jmetamer.graphs.graph import num_nodes
from jmetamer.metamers.vary.continuous_features import Domain, Free, NonNegative
from jmetamer.metamers.vary.initialization import GlobalNoise, Initialization
from jmetamer.metamers.vary.protocol import Vary, require_shape


class _Owners(NamedTuple):
    """Which weight each entry of the edge list has: `owner` [e] where `varies` [e] is true.

    `is_owner` [p]: the weight belongs to some entry.
    """

    owner: jax.Array
    varies: jax.Array
    is_owner: jax.Array


@checked
@dataclasses.dataclass(frozen=True)
class EdgeWeights(Vary):
    """Edges keep their ends and get real weights; theta is one weight a pair of nodes, [p].

    Of an undirected reference both directions of a pair share one weight. There are
    `p = e // 2 + c` of them for a list of e edges and c candidates (`e + c` where directed), in the
    order of their ends. Self loops and edges of weight 0 keep their weight; the entries of theta
    that they leave over, the last ones before the candidates, are 0 and mean nothing.

    A network whose aggregation is a maximum has no gradient by weights and is refused.

    Attributes:
      candidates: pairs of nodes that are no edges yet and may become some; they start from noise
        as the edges do. A number of their own for every pair: they are compiled in.
      domain: `NonNegative()` or `Box(low, high)` with low from 0; kept by clipping.
      initialization: start of the weights; the reference's own weights stand in the place of
        features, so that `GlobalNoise()` of a reference of equal weights is the reference itself.
      directed: whether the edges (i, j) and (j, i) have weights of their own.

    Raises:
      InputError: candidates that are no pairs, or a domain with negative weights.

    Example:
      >>> from jmetamer.graphs import make_graph
      >>> graph = make_graph(np.eye(3), senders=[0, 1, 1, 2], receivers=[1, 0, 2, 1])
      >>> vary = EdgeWeights(candidates=((0, 2),))
      >>> vary.encode(graph).tolist()
      [1.0, 1.0, 0.0]
      >>> vary.decode(jnp.array([0.5, 1.0, 2.0]), graph).edges.weight.tolist()
      [0.5, 0.5, 1.0, 1.0, 2.0, 2.0]
    """

    candidates: tuple[tuple[int, int], ...] | None = None
    domain: Domain = NonNegative()
    initialization: Initialization = GlobalNoise(mean=1.0, std=0.5)
    directed: bool = False
    part: ClassVar[str] = "edge_weights"
    kind: ClassVar[str] = "edge_weights"

    def __post_init__(self) -> None:
        if self.domain == Free() or getattr(self.domain, "low", 0) < 0:
            raise InputError(
                f"`domain` is {self.domain!r}, which allows negative weights; degrees and "
                "attention need weights from 0: use `NonNegative()`, or `Box(low, high)` with low "
                "from 0"
            )
        if self.candidates is not None:
            pairs = tuple(tuple(map(int, pair)) for pair in self.candidates)
            object.__setattr__(self, "candidates", pairs)
            self._check_pairs(pairs)

    def check(self, reference: jraph.GraphsTuple) -> None:
        """Raise `InputError` where an edge has no weight of its own, or a candidate is an edge."""
        senders, receivers = np.asarray(reference.senders), np.asarray(reference.receivers)
        present = (np.asarray(reference.edges.weight) > 0) & (senders != receivers)
        if not self.directed and not is_symmetric(reference):
            raise InputError(
                "`graph` stores some edge in one direction only, or with two weights, but both "
                "directions share one; use `EdgeWeights(directed=True)`, or `symmetrize` it"
            )
        n = num_nodes(reference)
        stored = senders[present].astype(np.int64) * n + receivers[present]
        numbers, count = np.unique(stored, return_counts=True)
        if (count > 1).any():
            i, j = divmod(int(numbers[np.argmax(count > 1)]), n)
            raise InputError(
                f"`graph` stores the edge ({i}, {j}) several times; one weight cannot stand for "
                "them: use `remove_duplicate_edges`, or `symmetrize`"
            )
        if not present.any() and not self.candidates:
            raise InputError(
                "`graph` has no edges whose weight could vary; give `candidates`, or vary features"
            )
        self._check_candidates(reference, numbers, n)

    def init(self, key: Key, reference: jraph.GraphsTuple) -> jax.Array:
        """Return noise [p] inside the domain."""
        weights = self.encode(reference)
        return self.project(self.initialization(key, weights[:, None])[:, 0], reference)

    def encode(self, reference: jraph.GraphsTuple) -> jax.Array:
        """Return the reference's weights [p]; 0 of the candidates."""
        owners = self._owners(reference)
        weight = jnp.where(owners.varies, jnp.asarray(reference.edges.weight), 0)
        size = owners.is_owner.shape[0]
        shared = jax.ops.segment_max(weight, owners.owner, size)
        return jnp.where(owners.is_owner, jnp.maximum(shared, 0), 0)

    def decode(self, theta: Vector, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the reference with weights `theta` [p], and the candidates behind its edges."""
        owners = self._owners(reference)
        require_shape(theta, owners.is_owner.shape)
        own = jnp.where(owners.varies, theta[owners.owner], jnp.asarray(reference.edges.weight))
        graph = reference._replace(edges=reference.edges._replace(weight=own))
        return self._with_candidates(graph, theta) if self.candidates else graph

    def project(self, theta: Vector, reference: jraph.GraphsTuple) -> jax.Array:
        """Return `theta` clipped to the domain, [p]."""
        used = self._owners(reference).is_owner
        require_shape(theta, used.shape)
        used = used.at[used.shape[0] - len(self.candidates or ()) :].set(True)
        return jnp.where(used, self.domain.project(theta), 0)

    def _owners(self, reference: jraph.GraphsTuple) -> _Owners:
        """Number the pairs by their ends; shapes depend on the length of the edge list alone."""
        senders, receivers = jnp.asarray(reference.senders), jnp.asarray(reference.receivers)
        num_edges = senders.shape[0]
        most = num_edges if self.directed else num_edges // 2
        varies = (jnp.asarray(reference.edges.weight) > 0) & (senders != receivers)
        one, other = senders, receivers
        if not self.directed:
            one, other = jnp.minimum(senders, receivers), jnp.maximum(senders, receivers)
        order = jnp.lexsort((other, one, ~varies))  # those that do not vary come last
        first = jnp.ones(num_edges, bool)
        new = (jnp.diff(one[order]) != 0) | (jnp.diff(other[order]) != 0)
        first = first.at[1:].set(new) & varies[order]
        number = jnp.maximum(jnp.cumsum(first) - 1, 0).astype(jnp.int32)
        owner = jnp.zeros(num_edges, jnp.int32).at[order].set(number)
        size = most + len(self.candidates or ())
        is_owner = jnp.arange(size) < jnp.sum(first)
        return _Owners(owner, varies, is_owner)

    def _with_candidates(self, graph: jraph.GraphsTuple, theta: jax.Array) -> jraph.GraphsTuple:
        one, other = jnp.asarray(self.candidates, jnp.int32).T
        weight = theta[theta.shape[0] - one.shape[0] :]
        added = [(one, other)] if self.directed else [(one, other), (other, one)]
        weights = jnp.concatenate([graph.edges.weight] + [weight] * len(added))
        return graph._replace(
            edges=graph.edges._replace(weight=weights),
            senders=jnp.concatenate([graph.senders] + [pair[0] for pair in added]),
            receivers=jnp.concatenate([graph.receivers] + [pair[1] for pair in added]),
            n_edge=jnp.asarray(graph.n_edge).at[-1].add(len(added) * one.shape[0]),
        )

    def _check_pairs(self, pairs: tuple[tuple[int, ...], ...]) -> None:
        for pair in pairs:
            if len(pair) != 2 or pair[0] == pair[1] or min(pair) < 0:
                raise InputError(
                    f"`candidates` holds {pair}; allowed are pairs of two different nodes, counted "
                    "from 0: self loops have a meaning of their own"
                )
        same = {pair if self.directed else tuple(sorted(pair)) for pair in pairs}
        if len(same) < len(pairs):
            raise InputError("`candidates` names a pair twice; it has one weight, so give it once")

    def _check_candidates(
        self, reference: jraph.GraphsTuple, numbers: np.ndarray, total: int
    ) -> None:
        if not self.candidates:
            return
        pairs = np.asarray(self.candidates, np.int64)
        if pairs.max() >= total:
            raise InputError(
                f"`candidates` names node {pairs.max()}, but the graph has {total} nodes: allowed "
                f"are 0 to {total - 1}"
            )
        if reference.edges.features is not None:
            raise InputError(
                "`graph` has edge features, which a new edge would not have; leave `candidates` out"
            )
        is_edge = np.isin(pairs[:, 0] * total + pairs[:, 1], numbers)
        if is_edge.any():
            raise InputError(
                f"`candidates` holds {tuple(pairs[np.argmax(is_edge)].tolist())}, which is an edge "
                "of the graph and varies already; leave it out"
            )
