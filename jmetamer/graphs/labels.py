"""Class numbers from the labels that people have, and splits of the nodes into masks."""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray, Count, checked
from jmetamer._base.errors import InputError

_SHOWN = 6
_KINDS = {"i": "a whole number", "u": "a whole number", "b": "a bool", "U": "text"}


class Classes(NamedTuple):
    """Labels as class numbers.

    Attributes:
      labels: [n] int32 in [0, num_classes).
      num_classes: number of classes.
      class_names: what each class was called where that is not its number, else None.
    """

    labels: np.ndarray
    num_classes: int
    class_names: tuple[str, ...] | None = None


def class_numbers(field: str, values: object, total: int, num_classes: object = None) -> Classes:
    """Number the classes of a graph's nodes.

    Whole numbers from 0 without a gap are taken as they are. Others (from 1, identifiers) are
    numbered in increasing order, and texts in alphabetical order; `class_names` keeps what
    they were, and a warning says so once. With `num_classes` whole numbers must lie below it, and
    classes may be empty.

    Args:
      field: what the labels are called where they come from, for messages.
      values: [n] or [n, 1] whole numbers from 0 to 2^31 - 1, or [n] texts, or [n] bools; of one
        type.
      total: n.
      num_classes: as stated beside the labels, or None.

    Returns:
      `Classes`.

    Raises:
      InputError: shape, type or a value is not allowed; names the node and the value.

    Example:
      >>> class_numbers("y", ["b", "a", "b"], 3)
      Classes(labels=array([1, 0, 1], dtype=int32), num_classes=2, class_names=('a', 'b'))
    """
    stated = None if num_classes is None else _stated(num_classes)
    array = _one_a_node(field, values, total)
    if array.dtype.kind == "U":
        return _named(*np.unique(array, return_inverse=True), field, stated)
    most = 2**31 - 1 if stated is None else stated - 1
    wrong = np.flatnonzero((array < 0) | (array > most))
    if wrong.size:
        raise _outside(field, int(wrong[0]), array[wrong[0]], most, wrong.size)
    present = np.unique(array)
    if stated is not None or array.size == 0 or int(present[-1]) == present.size - 1:
        largest = int(present[-1]) if present.size else 0
        return Classes(array.astype(np.int32), stated or largest + 1)
    shown = ", ".join(map(str, present[:_SHOWN].tolist())) + ", ..." * (present.size > _SHOWN)
    warnings.warn(
        f"`{field}` leaves classes empty (there are {shown}): they are numbered 0 to "
        f"{present.size - 1} in increasing order, and `class_names` keeps what they were",
        stacklevel=3,
    )
    return _named(present, np.searchsorted(present, array), field, None)


def numbered_alike(field: str, values: object, total: int, classes: Classes) -> np.ndarray:
    """Number other labels of the same nodes as their classes are.

    Args:
      field: what they are called where they come from, for messages.
      values: as of `class_numbers`; where the classes have names, these.
      total: number of nodes.
      classes: what `class_numbers` made of the nodes' labels.

    Returns:
      [n] int32 in [0, num_classes).

    Raises:
      InputError: as `class_numbers`; or one is the name of no class.

    Example:
      >>> classes = Classes(np.array([0, 1]), 2, ("10", "20"))
      >>> numbered_alike("oracle", [20, 20], 2, classes).tolist()
      [1, 1]
    """
    array = _one_a_node(field, values, total)
    if classes.class_names is None and array.dtype.kind != "U":
        return class_numbers(field, array, total, classes.num_classes).labels
    number = {name: place for place, name in enumerate(classes.class_names or ())}
    numbers = [number.get(str(value), -1) for value in array.tolist()]
    if -1 in numbers or len(number) < len(classes.class_names or ()):
        place = numbers.index(-1) if -1 in numbers else 0
        names = ", ".join(map(repr, list(number)[:_SHOWN])) + ", ..." * (len(number) > _SHOWN)
        raise InputError(
            f"`{field}[{place}]` is {array[place]}; allowed: the classes that the nodes' labels "
            f"name ({names or 'none, as they are numbers'}), each named once."
        )
    return np.array(numbers, np.int32)


def _one_a_node(field: str, values: object, total: int) -> np.ndarray:
    array = _one_type(field, values)
    if array.shape == (total, 1):
        array = array[:, 0]
    if array.shape != (total,) or array.dtype.kind not in "iubU":
        raise InputError(
            f"`{field}` has shape {array.shape} and dtype {array.dtype}; allowed: ({total},) and "
            "integers or texts, the class of each node."
        )
    return array


def _named(names: np.ndarray, numbers: np.ndarray, field: str, stated: int | None) -> Classes:
    if stated is not None and stated != names.size:
        raise InputError(
            f"`num_classes` is {stated} but `{field}` names {names.size} classes; leave out "
            "`num_classes`, or write numbers."
        )
    texts = tuple(map(str, names.tolist()))
    return Classes(numbers.reshape(-1).astype(np.int32), names.size, texts)


def _one_type(field: str, values: object) -> np.ndarray:
    """Return an array; of a list, one whose entries NumPy did not have to make alike."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return np.asarray(values)
    kinds = {_kind(value): place for place, value in reversed(list(enumerate(values)))}
    if len(kinds) > 1 or not kinds.keys() <= set(_KINDS.values()):
        parts = [f"{kind} as {values[place]!r} (entry {place})" for kind, place in kinds.items()]
        raise InputError(
            f"`{field}` holds {' and '.join(parts)}; allowed: whole numbers alone, texts alone, or "
            "bools alone, since one written as another would be a class of its own."
        )
    if kinds.keys() == {"a whole number"}:  # NumPy would make floats or objects of large ones
        largest, least = max(values), min(values)
        if largest >= 2**63 or least < -(2**63):
            wrong = largest if largest >= 2**63 else least
            raise _outside(field, values.index(wrong), wrong)
        return np.array([int(value) for value in values], np.int64)
    return np.array([np.asarray(value).item() for value in values])


def _kind(value: object) -> str:
    kind = np.asarray(value).dtype.kind if np.asarray(value).ndim == 0 else "O"
    if kind == "O" and isinstance(value, int):
        kind = "i"
    return _KINDS.get(kind, f"a {type(value).__name__}")


def _outside(
    field: str, place: int, value: int, most: int = 2**31 - 1, count: int = 1
) -> InputError:
    why = "as the file has so many classes" if most < 2**31 - 1 else "as class numbers are int32"
    return InputError(
        f"`{field}[{place}]` is {value}; allowed: 0 to {most}, {why} ({count} such nodes)."
    )


def _stated(num_classes: object) -> int:
    value = np.asarray(num_classes)
    if value.ndim or value.dtype.kind not in "iu" or not 1 <= int(value) < 2**31:
        raise InputError(f"`num_classes` is {num_classes!r}; allowed: a whole number from 1 on.")
    return int(value)


class Split(NamedTuple):
    """Which nodes are for training, validation and test: [n] bool each, pairwise disjoint."""

    train_mask: np.ndarray
    val_mask: np.ndarray
    test_mask: np.ndarray


@checked
def per_class_split(
    labels: np.ndarray,
    seed: int,
    *,
    train_per_class: Count = 20,
    num_val: Count = 500,
    num_test: Count = 1000,
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
