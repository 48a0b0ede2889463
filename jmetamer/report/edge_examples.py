"""Which metamers, and which part of them, are drawn beside the edges of the reference."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jmetamer.report.examples import lowest_losses
from jmetamer.results import Reference

if TYPE_CHECKING:
    import jraph

MAX_METAMERS = 2
MAX_NODES = 60  # of a drawing; a larger graph is drawn around one node
MAX_HOPS = 2


@dataclasses.dataclass(frozen=True, eq=False)
class EdgeExample:
    """Edges of the reference and of one metamer among the nodes shown.

    Attributes:
      name: of the metamer.
      nodes: [k] numbers of the shown nodes, ascending; of a part, `center` is one of them.
      center: node around which a part of the graph is shown; None: all of it.
      targets: [k] bool, nodes whose activations must match.
      pairs: [p, 2] positions in `nodes` of the pairs that either graph has.
      reference, metamer: [p] weight of each pair; 0 where the graph does not have it.
      num_added, num_removed: edges that only the metamer, only the reference has, in all of the
        graph.
    """

    name: str
    nodes: np.ndarray
    center: int | None
    targets: np.ndarray
    pairs: np.ndarray
    reference: np.ndarray
    metamer: np.ndarray
    num_added: int
    num_removed: int

    @property
    def added(self) -> np.ndarray:
        """[p] bool: only the metamer has the pair."""
        return (self.reference == 0) & (self.metamer != 0)

    @property
    def removed(self) -> np.ndarray:
        """[p] bool: only the reference has the pair."""
        return (self.reference != 0) & (self.metamer == 0)


def choose_edge_examples(
    data: xr.Dataset,
    reference: Reference,
    metamers: Sequence["jraph.GraphsTuple"],
    targets: Sequence[int] = (),
) -> list[EdgeExample]:
    """Choose the stored metamers with the lowest loss, and what of their edges is shown.

    Graphs of up to 60 nodes are shown whole. Of larger ones, what the target node that most changed
    edges meet (or its neighbors) has within two hops in either graph, changed edges first, up to 60
    nodes.

    Args:
      data: variables of the cell; `stored_seed_id` and `loss_hardened` rank the metamers.
      reference: the stored reference; `nodes`, `senders`, `receivers` and `weight` are read.
      metamers: the stored graphs, lazily; only those shown are loaded.
      targets: nodes whose activations must match; empty for all.

    Returns:
      What to show; empty where no metamer was stored.
    """
    n = len(reference.nodes)
    directed = bool(data["flip_sender"].attrs.get("directed")) if "flip_sender" in data else False
    original = _weights(reference.senders, reference.receivers, reference.weight, n, directed)
    is_target = np.zeros(n, bool)
    is_target[list(targets) if len(targets) else slice(None)] = True
    examples = []
    for place, name in lowest_losses(data, len(metamers), MAX_METAMERS):
        graph = metamers[place]
        ours = _weights(graph.senders, graph.receivers, graph.edges.weight, n, directed)
        examples.append(_example(name, original, ours, is_target))
    return examples


_Weights = tuple[np.ndarray, np.ndarray]  # numbers of pairs, sorted, and their weights


def _weights(
    senders: np.ndarray, receivers: np.ndarray, weight: np.ndarray, num_nodes: int, directed: bool
) -> _Weights:
    senders, receivers = np.asarray(senders, np.int64), np.asarray(receivers, np.int64)
    values = np.asarray(weight, float)
    kept = (values > 0) & ((senders != receivers) if directed else (senders < receivers))
    numbers, first = np.unique(senders[kept] * num_nodes + receivers[kept], return_index=True)
    return numbers, values[kept][first]


def _example(
    name: str, reference: _Weights, metamer: _Weights, is_target: np.ndarray
) -> EdgeExample:
    n = is_target.size
    numbers = np.union1d(reference[0], metamer[0])
    both = np.zeros((2, numbers.size))
    for row, (own, weight) in zip(both, (reference, metamer), strict=True):
        row[np.searchsorted(numbers, own)] = weight
    pairs = np.stack(np.divmod(numbers, max(n, 1)), axis=1)
    changed = (both[0] == 0) != (both[1] == 0)
    center, nodes = None, np.arange(n)
    if n > MAX_NODES:
        center = _most_changed(pairs, changed, is_target)
        nodes = _around(center, pairs, changed)
    shown = np.isin(pairs, nodes).all(axis=1)
    return EdgeExample(
        name=name,
        nodes=nodes,
        center=center,
        targets=is_target[nodes],
        pairs=np.searchsorted(nodes, pairs[shown]),
        reference=both[0, shown],
        metamer=both[1, shown],
        num_added=int(np.sum(both[0] == 0)),
        num_removed=int(np.sum(both[1] == 0)),
    )


def _most_changed(pairs: np.ndarray, changed: np.ndarray, is_target: np.ndarray) -> int:
    """Return the target node that most changed pairs meet, or else its neighbors do."""
    n = is_target.size
    met = np.bincount(pairs[changed].ravel(), minlength=n)
    one, other = pairs.T
    near = np.bincount(one, met[other], n) + np.bincount(other, met[one], n)
    return int(np.lexsort((-np.arange(n), near, met, is_target))[-1])


def _around(center: int, pairs: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Return the nodes within two hops, by hops and then changed pairs first, ascending."""
    inside, layer = {center: None}, [center]
    for _ in range(MAX_HOPS):
        meets = np.isin(pairs, layer)
        touching = meets.any(axis=1)
        rows = np.concatenate(
            [np.flatnonzero(touching & changed), np.flatnonzero(touching & ~changed)]
        )
        reached = [int(node) for node in pairs[rows].ravel()]
        layer = [node for node in dict.fromkeys(reached) if node not in inside]
        layer = layer[: MAX_NODES - len(inside)]
        inside |= dict.fromkeys(layer)
    return np.array(sorted(inside))
