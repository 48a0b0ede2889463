"""Success is a conjunction of bits, each of which depends on one criterion alone."""

import itertools

import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.measures import success_bits, target_share

GOOD = {
    "squared_error": 1e-6,
    "worst_node_error": 0.01,
    "p_value": 0.05,
    "agreement": 1.0,
    "feature_distance": 0.1,
}
BAD = {
    "squared_error": 1.1e-6,
    "worst_node_error": 0.011,
    "p_value": 0.051,
    "agreement": 0.999,
    "feature_distance": 0.099,
}
FIELDS = ("matches", "matches_everywhere", "beats_null", "same_classes", "distinct")


def bits_of(num_nodes=None, min_agreement=None, **changes):
    values = {name: np.atleast_1d(value) for name, value in (GOOD | changes).items()}
    counted = {"num_nodes": num_nodes, "min_agreement": min_agreement}
    return success_bits(tolerance=1e-3, worst_node_tolerance=0.01, **counted, **values)


def test_every_combination_of_criteria_gives_its_own_bits():
    choices = list(itertools.product([True, False], repeat=5))
    columns = {
        name: np.array([GOOD[name] if row[i] else BAD[name] for row in choices])
        for i, name in enumerate(GOOD)
    }
    result = bits_of(**columns)
    found = np.stack([getattr(result, field) for field in FIELDS], 1)
    np.testing.assert_array_equal(found, choices)
    np.testing.assert_array_equal(result.success, [all(row) for row in choices])
    assert all(bit.dtype == bool for bit in result)


@pytest.mark.parametrize(("name", "field"), list(zip(GOOD, FIELDS, strict=True)))
def test_what_is_not_a_number_fulfills_nothing(name, field):
    result = bits_of(**{name: np.nan})
    assert not getattr(result, field)[0]
    assert not result.success[0]
    assert sum(bool(getattr(result, other)[0]) for other in FIELDS) == 4


def test_either_distance_makes_a_metamer_distinct():
    near, far = np.array([0.0, 0.0, 0.5, 0.5]), np.array([0.0, 0.5, 0.0, 0.5])
    others = {name: np.full(4, value) for name, value in GOOD.items()}
    both = bits_of(**others | {"feature_distance": near, "edge_distance": far})
    assert both.distinct.tolist() == [False, True, True, True]
    only_edges = success_bits(
        [0.0], [0.0], [1.0], tolerance=0, worst_node_tolerance=0, edge_distance=[0.1]
    )
    assert only_edges.success.tolist() == [True]


def test_a_test_that_was_not_made_is_no_bit():
    result = success_bits(
        [0.0, 1.0], [0.0] * 2, [1.0] * 2, tolerance=0.1, worst_node_tolerance=0.1,
        feature_distance=np.float32([0.1, 0.1]),
    )  # fmt: skip
    assert result.beats_null is None
    assert result.success.tolist() == [True, False]


def test_of_no_metamers_is_empty():
    empty = {name: np.zeros(0) for name in GOOD}
    assert [bit.shape for bit in bits_of(**empty)] == [(0,)] * 6


def test_misuse_is_refused_by_name():
    with pytest.raises(InputError, match=r"`agreement` has shape \(2,\) and `squared_error` \(1,"):
        bits_of(agreement=[1.0, 1.0])
    with pytest.raises(InputError, match="neither `feature_distance` nor `edge_distance`"):
        success_bits([0.0], [0.0], [1.0], tolerance=1, worst_node_tolerance=1)


@pytest.mark.parametrize(
    ("num_nodes", "most_off"), [(1, 0), (7, 0), (99, 0), (100, 1), (199, 1), (200, 2), (2708, 27)]
)
def test_one_class_in_a_hundred_may_change_where_there_are_a_hundred_nodes_or_more(
    num_nodes, most_off
):
    off = np.arange(num_nodes + 1)
    agreement = (num_nodes - off).astype(np.float32) / np.float32(num_nodes)
    for rounded in (agreement, np.nextafter(agreement, 0), np.nextafter(agreement, 2)):
        same = bits_of(**dict(_many(len(off)), agreement=rounded), num_nodes=num_nodes).same_classes
        assert np.flatnonzero(same).tolist() == list(range(most_off + 1))
    assert target_share(num_nodes) == (0.99 if most_off else 1)


def test_a_share_of_the_classes_is_counted_in_nodes():
    # 0.07 * 100 and 0.29 * 100 are no whole numbers in floating point.
    for share, needed in ((0.07, 7), (0.29, 29), (1.0, 100), (0.001, 1), (0.0, 0)):
        kept = np.arange(101)
        same = bits_of(
            **dict(_many(101), agreement=kept / 100), num_nodes=100, min_agreement=share
        ).same_classes
        assert np.flatnonzero(same)[0] == needed


def _many(count):
    return {name: np.full(count, value) for name, value in GOOD.items()}
