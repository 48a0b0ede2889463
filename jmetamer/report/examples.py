"""Which nodes, metamers, feature columns and edges are shown beside the reference."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jmetamer.report.wording import plural
from jmetamer.results import Reference

if TYPE_CHECKING:
    import jraph

MAX_METAMERS = 4
MAX_PICTURES = 10
MAX_ROWS = 8
MAX_COLUMNS = 48
MAX_EDGE_METAMERS = 2
MAX_NODES = 60  # of a drawing; a larger graph is drawn around one node
MAX_HOPS = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Feature rows of the reference and of a few metamers, in the same node order.

    Attributes:
      nodes: [k] numbers of the shown nodes.
      classes: class of each shown node, empty where there are no labels.
      names: one name per block, the reference first.
      rows: [1 + m, k, d] features, block by block.
      shape: (height, width) in which a row is a picture, else None.
      limits: common color scale: the legal range, widened to what is shown.
      num_stored: number of stored metamers that these were chosen from.
    """

    nodes: tuple[int, ...]
    classes: tuple[int, ...]
    names: tuple[str, ...]
    rows: np.ndarray
    shape: tuple[int, int] | None
    limits: tuple[float, float]
    num_stored: int


def choose_examples(
    data: xr.Dataset,
    reference: Reference,
    metamers: Sequence["jraph.GraphsTuple"],
    targets: Sequence[int] = (),
) -> Examples | None:
    """Choose nodes of different classes and the stored metamers with the lowest loss.

    Args:
      data: variables of the cell; `stored_seed_id` and `loss_hardened` rank the metamers.
      reference: the stored reference; `nodes`, `labels` and `attrs` are read.
      metamers: the stored graphs, lazily; only those shown are loaded.
      targets: nodes to choose from; empty for all.

    Returns:
      What to show, or None where no metamer was stored.
    """
    if not len(metamers):
        return None
    original = np.asarray(reference.nodes, float)
    shape = _picture_shape(reference.attrs.get("feature_shape"), original.shape[1])
    labels = np.zeros(0, int) if reference.labels is None else np.asarray(reference.labels)
    nodes = _nodes_of_different_classes(
        labels, len(original), targets, MAX_PICTURES if shape else MAX_ROWS
    )
    picks = lowest_losses(data, len(metamers), MAX_METAMERS)
    blocks = [original[nodes]] + [np.asarray(metamers[i].nodes, float)[nodes] for i, _ in picks]
    rows = np.stack(blocks)
    return Examples(
        nodes=tuple(int(node) for node in nodes),
        classes=tuple(int(labels[node]) for node in nodes) if labels.size else (),
        names=("reference", *(name for _, name in picks)),
        rows=rows,
        shape=shape,
        limits=_limits(rows, reference.attrs.get("feature_range")),
        num_stored=len(metamers),
    )


def which_metamers(num_stored: int, num_shown: int) -> str:
    """Say which of the stored metamers are shown."""
    if num_stored == 1:
        return "The one stored metamer"
    return f"Of {plural(num_stored, 'stored metamer')} the {num_shown} with the lowest loss"


def informative_columns(rows: np.ndarray, binary: bool) -> tuple[np.ndarray, str]:
    """Choose the feature columns worth showing and say which they are.

    Half of them are what the reference has most of, half what the metamers have most of: shown
    alone, either half would make one side look empty.

    Args:
      rows: [1 + m, k, d] features, the reference first.
      binary: whether those of the reference are 0 or 1; then means are compared, else variances.

    Returns:
      Column numbers, [c] with c <= 48, and a sentence for the caption.

    Example:
      >>> columns, sentence = informative_columns(np.zeros((2, 3, 5)), binary=True)
      >>> columns.tolist(), sentence
      ([0, 1, 2, 3, 4], 'All 5 feature columns are shown.')
    """
    width = rows.shape[-1]
    if width <= MAX_COLUMNS:
        return np.arange(width), f"All {width} feature columns are shown."
    score = np.mean if binary else np.var
    with np.errstate(all="ignore"):
        ours = np.argsort(-score(rows[0], axis=0), kind="stable")[: MAX_COLUMNS // 2]
        theirs = np.argsort(-score(rows[1:].reshape(-1, width), axis=0), kind="stable")
    added = theirs[~np.isin(theirs, ours)][: MAX_COLUMNS - ours.size]
    what = "have the largest mean in" if binary else "vary most over"
    if binary and np.isin(rows, (0, 1)).all():  # metamers of 0/1 features may have others
        what = "have the most ones in"
    return np.concatenate([ours, added]), (
        f"{ours.size + added.size} of {width:,} feature columns are shown: left of the gap the "
        f"{ours.size} that {what} the reference rows shown, right of it the {added.size} others "
        f"that {what} the metamer rows shown."
    )


def _picture_shape(shape: object, width: int) -> tuple[int, int] | None:
    if not isinstance(shape, list | tuple) or len(shape) != 2:
        return None
    height, breadth = int(shape[0]), int(shape[1])
    return (height, breadth) if height * breadth == width else None


def _nodes_of_different_classes(
    labels: np.ndarray, num_nodes: int, targets: Sequence[int], limit: int
) -> np.ndarray:
    pool = np.asarray(targets, int) if len(targets) else np.arange(num_nodes)
    if not labels.size:
        return pool[:limit]
    # First one node of each class, then a second one, until the row is full.
    counts: dict[int, int] = {}
    turn = []
    for node in pool.tolist():
        turn.append(counts.get(int(labels[node]), 0))
        counts[int(labels[node])] = turn[-1] + 1
    order = np.lexsort((labels[pool], np.asarray(turn)))[:limit]
    return pool[np.sort(order)] if len(pool) <= limit else pool[order]


def lowest_losses(data: xr.Dataset, num_stored: int, most: int) -> list[tuple[int, str]]:
    """Return indices into the stored metamers and their names, lowest loss first."""
    stored = np.arange(num_stored)
    if "stored_seed_id" in data:
        stored = np.asarray(data["stored_seed_id"].values)[:num_stored]
    losses: dict[int, float] = {}
    if "seed_id" in data and "loss_hardened" in data:
        seeds = data["seed_id"].values.tolist()
        losses = dict(zip(seeds, data["loss_hardened"].values.tolist(), strict=True))
    ranked = np.array([losses.get(int(seed), np.nan) for seed in stored])
    order = np.argsort(np.where(np.isnan(ranked), np.inf, ranked), kind="stable").tolist()
    return [(i, f"metamer {int(stored[i])}") for i in order[:most]]


def _limits(rows: np.ndarray, legal: object) -> tuple[float, float]:
    finite = rows[np.isfinite(rows)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if isinstance(legal, list | tuple) and len(legal) == 2:
        bounds = [float(x) if x is not None else np.nan for x in legal]
        low = float(np.fmin(low, bounds[0])) if np.isfinite(bounds[0]) else low
        high = float(np.fmax(high, bounds[1])) if np.isfinite(bounds[1]) else high
    return (low, high) if high > low else (low, low + 1.0)


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
    for place, name in lowest_losses(data, len(metamers), MAX_EDGE_METAMERS):
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
