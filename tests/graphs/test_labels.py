"""Labels become class numbers without a silent cast, whichever library they come from."""

import types
import warnings

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.graphs.labels import class_numbers
from jmetamer.graphs.load import load_dataset


def test_numbers_from_zero_without_a_gap_are_taken_as_they_are():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = class_numbers("y", np.array([2, 0, 1, 1], np.uint8), 4)
    assert found.labels.tolist() == [2, 0, 1, 1]
    assert (found.num_classes, found.class_names, found.labels.dtype) == (3, None, np.int32)


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=30))
def test_every_numbering_is_undone_by_the_names(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = class_numbers("y", np.array(values), len(values))
    names = found.class_names or tuple(map(str, range(found.num_classes)))
    assert [int(names[label]) for label in found.labels] == values
    assert set(found.labels.tolist()) == set(range(found.num_classes))


@pytest.mark.parametrize(
    ("values", "names"), [([1, 2, 3], "123"), ([94110, 10001, 94110], ("10001", "94110"))]
)
def test_labels_that_leave_classes_empty_are_numbered_and_it_is_said_once(values, names):
    with pytest.warns(UserWarning, match=r"`y` leaves classes empty") as caught:
        found = class_numbers("y", np.array(values), 3)
    assert len(caught) == 1
    assert found.class_names == tuple(names)
    assert found.labels.tolist() == np.unique(values, return_inverse=True)[1].tolist()


def test_a_stated_number_of_classes_may_leave_some_empty():
    found = class_numbers("y", np.array([4, 4, 1]), 3, 7)
    assert (found.labels.tolist(), found.num_classes, found.class_names) == ([4, 4, 1], 7, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 2**32 + 1, 1], r"`y\[1\]` is 4294967297; allowed: 0 to 2147483647"),
        ([0, 2**70, 1], r"`y\[1\]` is 1180591620717411303424"),
        ([0, -(2**70), 1], r"`y\[1\]` is -1180591620717411303424"),
        ([0, -1, 1], r"`y\[1\]` is -1"),
        ([0, "0", 1], r"a whole number as 0 \(entry 0\) and text as '0' \(entry 1\)"),
        (["a", float("nan"), "b"], r"a float as nan \(entry 1\)"),
        (["a", None, "b"], r"a NoneType as None \(entry 1\)"),
        ([True, "a", "b"], r"a bool as True \(entry 0\)"),
        ([True, 1, 0], r"a whole number as 1 \(entry 1\) and a bool as True \(entry 0\)"),
        ([0.0, 1.0, 2.0], r"a float as 0.0"),
        ([[0], [1], [1, 2]], r"a list as \[0\]"),
        ([b"a", b"a", b"b"], r"a bytes as b'a'"),
        (np.array([0.0, 1.0, 1.0]), r"dtype float64"),
        (np.array([0, 1, None], object), r"dtype object"),
        (np.array([[0, 1, 1]]), r"shape \(1, 3\)"),
        (np.array([0, 1]), r"shape \(2,\)"),
        (np.array([0, 1, 1 + 0j]), r"dtype complex128"),
    ],
)
def test_what_is_no_class_is_refused_as_it_was_written(values, message):
    with pytest.raises(InputError, match=message):
        class_numbers("y", values, 3)


def sources(values):
    """Return one graph with these labels from each library that has them as an array or a list."""
    ring = networkx.cycle_graph(len(values))
    networkx.set_node_attributes(ring, dict(enumerate(values)), "y")
    yield ring
    if all(isinstance(value, int) for value in values) and max(values) < 2**63:
        ends = np.array([[0, 1], [1, 0]])
        yield types.SimpleNamespace(x=np.eye(len(values)), edge_index=ends, y=np.array(values))


@pytest.mark.parametrize("values", [[0, 2**32 + 1, 1], [2**31, 0, 0], [-1, 0, 1]])
def test_no_library_gets_a_label_past_the_range(values):
    for source in sources(values):
        with pytest.raises(InputError, match=r"`y\[\d\]` is -?\d+; allowed: 0 to 2147483647"):
            load_dataset(source)


def test_the_names_of_classes_go_with_the_dataset_and_its_file(tmp_path):
    from jmetamer.graphs.graph_npz import save_graph_npz

    for source in sources([5, 7, 7, 5]):
        with pytest.warns(UserWarning, match="classes empty"):
            data = load_dataset(source)
        assert (data.class_names, data.labels.tolist()) == (("5", "7"), [0, 1, 1, 0])
        save_graph_npz(tmp_path / "own.npz", data)
        assert load_dataset(tmp_path / "own.npz").class_names == ("5", "7")
