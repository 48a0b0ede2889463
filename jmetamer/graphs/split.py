"""Seeded train, validation and test masks in the manner of Planetoid's public splits."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError


class Split(NamedTuple):
    """Which nodes are for training, validation and test: [n] bool each, pairwise disjoint."""

    train_mask: np.ndarray
    val_mask: np.ndarray
    test_mask: np.ndarray


def per_class_split(
    labels: np.ndarray,
    seed: int,
    *,
    train_per_class: int = 20,
    num_val: int = 500,
    num_test: int = 1000,
) -> Split:
    """Draw the same number of training nodes from each class, then validation and test nodes.

    On small graphs the counts shrink: a class gives at most half of its nodes (at least one) to
    training, and of the remaining nodes at most a third go to validation and at most the rest to
    test.

    Args:
      labels: [n] class numbers.
      seed: the same seed draws the same split.
      train_per_class: training nodes of each class.
      num_val: validation nodes.
      num_test: test nodes.

    Raises:
      InputError: a count is not positive.

    Example:
      >>> split = per_class_split(np.repeat([0, 1], 50), seed=0)
      >>> [int(mask.sum()) for mask in split]
      [40, 20, 40]
    """
    counts = {"train_per_class": train_per_class, "num_val": num_val, "num_test": num_test}
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"`{name}` is {count}; allowed: 1 or more nodes.")
    order = np.random.default_rng(seed).permutation(labels.size)
    train_mask = np.zeros(labels.size, bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        train_mask[members[: min(train_per_class, max(1, members.size // 2))]] = True
    rest = order[~train_mask[order]]
    num_val = min(num_val, rest.size // 3)
    val, test = rest[:num_val], rest[num_val : num_val + num_test]
    masks = np.zeros((2, labels.size), bool)
    masks[0, val], masks[1, test] = True, True
    return Split(train_mask, masks[0], masks[1])


def select_split(
    masks: Mapping[str, AnArray | None], split: int, labels: np.ndarray, seed: int
) -> Split:
    """Take split number `split` of stored masks; draw one by `seed` where no mask is stored.

    Args:
      masks: "train_mask", "val_mask" and "test_mask", each [k, n] or [n] of bool or 0/1 numbers;
        all None (or absent) if there is no stored split.
      split: row of the masks, 0 to k - 1; 0 where there is one split or none.
      labels: [n] class numbers.
      seed: draws the split (`per_class_split`) where none is stored.

    Raises:
      InputError: some masks are missing, are not masks, or hold no such split.

    Example:
      >>> stored = {name: np.eye(3, dtype=bool) for name in Split._fields}
      >>> select_split(stored, 2, np.zeros(3, int), seed=0).val_mask
      array([False, False,  True])
    """
    present = [name for name in Split._fields if masks.get(name) is not None]
    if not present:
        if split != 0:
            raise InputError(
                f"`split` is {split}; allowed: 0, as the graph has no stored masks and one split "
                "is drawn; another `seed` draws another one."
            )
        return per_class_split(labels, seed)
    for name in Split._fields:
        if name not in present:
            raise InputError(
                f"`{name}` is missing while {', '.join(map(repr, present))} is there; give all of "
                f"{', '.join(map(repr, Split._fields))}, or none to have a split drawn by `seed`."
            )
    rows = (_row(name, np.asarray(masks[name]), split, labels.size) for name in present)
    return Split(*rows)


def _row(name: str, mask: np.ndarray, split: int, total: int) -> np.ndarray:
    rows = mask[None] if mask.ndim == 1 else mask
    if rows.ndim != 2 or rows.shape[1] != total:
        raise InputError(
            f"`{name}` has shape {mask.shape}; allowed: ({total},) or (splits, {total}), one "
            "entry a node."
        )
    if rows.dtype.kind not in "biu" or ((rows != 0) & (rows != 1)).any():
        raise InputError(f"`{name}` has dtype {rows.dtype}; allowed: bool, or 0 and 1.")
    if not 0 <= split < rows.shape[0]:
        raise InputError(
            f"`split` is {split}; allowed: 0 to {rows.shape[0] - 1}, as `{name}` holds "
            f"{rows.shape[0]} split(s)."
        )
    return rows[split].astype(bool)
