"""Splits: disjoint, balanced, the same for the same seed, and stored masks taken by number."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.graphs.labels import Split, per_class_split, select_split


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 9), st.integers(1, 9))
def test_masks_are_disjoint_and_every_class_is_trained_on(labels, seed, per_class):
    labels = np.array(labels)
    masks = per_class_split(labels, seed, train_per_class=per_class, num_val=5, num_test=7)
    assert np.stack(masks).sum(axis=0).max() <= 1
    for label in np.unique(labels):
        size = (labels == label).sum()
        assert masks.train_mask[labels == label].sum() == min(per_class, max(1, size // 2))
    rest = labels.size - masks.train_mask.sum()
    assert masks.val_mask.sum() == min(5, rest // 3)
    assert masks.test_mask.sum() == min(7, rest - masks.val_mask.sum())


def test_the_seed_decides_the_split():
    labels = np.repeat(np.arange(4), 30)
    first, again, other = (per_class_split(labels, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train_mask, again.train_mask)
    assert (first.train_mask != other.train_mask).any()


def test_a_count_below_one_is_refused():
    with pytest.raises(
        InputError, match=re.escape("`num_val` is 0; allowed: a whole number from 1 up")
    ):
        per_class_split(np.zeros(5, int), 0, num_val=0)


STORED = {name: np.eye(3, 4, i, dtype=bool) for i, name in enumerate(Split._fields)}


@pytest.mark.parametrize("split", [0, 1, 2])
def test_stored_masks_are_taken_by_row(split):
    taken = select_split(STORED, split, np.zeros(4, int), seed=0)
    for name in Split._fields:
        np.testing.assert_array_equal(getattr(taken, name), STORED[name][split])


@pytest.mark.parametrize(
    ("changes", "split", "message"),
    [
        ({}, 3, "`split` is 3; allowed: 0 to 2, as `train_mask` holds 3 split(s)"),
        ({}, -1, "`split` is -1; allowed: 0 to 2"),
        ({"val_mask": None}, 0, "`val_mask` is missing while 'train_mask', 'test_mask' is there"),
        ({"val_mask": np.ones((3, 5), bool)}, 0, "`val_mask` has shape (3, 5); allowed: (4,) or"),
        ({"test_mask": np.full(4, 2)}, 0, "`test_mask` has dtype int64; allowed: bool, or 0 and 1"),
        ({"test_mask": np.full(4, 0.5)}, 0, "`test_mask` has dtype float64; allowed: bool"),
        (dict.fromkeys(Split._fields), 1, "`split` is 1; allowed: 0, as the graph has no stored"),
    ],
)
def test_masks_that_cannot_be_used_are_named(changes, split, message):
    with pytest.raises(InputError, match=re.escape(message)):
        select_split(STORED | changes, split, np.zeros(4, int), seed=0)


def test_where_no_mask_is_stored_the_seed_draws_the_split():
    labels = np.repeat([0, 1], 30)
    drawn = select_split({}, 0, labels, seed=4)
    np.testing.assert_array_equal(drawn.train_mask, per_class_split(labels, 4).train_mask)
