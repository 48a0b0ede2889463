"""Which nodes, metamers and feature columns are shown beside the reference."""

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
