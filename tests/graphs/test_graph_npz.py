"""The .npz layout: a round trip gives equal arrays, and every departure from it is named."""

import dataclasses
import pickle
import re

import numpy as np
import pytest

from jmetamer._base.errors import DataError, InputError
from jmetamer.graphs.built_in import load_digits, load_karate
from jmetamer.graphs.dataset import content_digest
from jmetamer.graphs.drawn import load_csbm
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.graph_npz import load_graph_npz, save_graph_npz

SMALL = {
    "node_features": np.array([[0.5], [1.0], [2.0], [3.0]]),
    "node_labels": np.array([0, 0, 1, 1]),
    "edges": np.array([[0, 1], [1, 2], [2, 1]]),
}


@pytest.fixture
def write(tmp_path):
    def save(**changes):
        arrays = {key: value for key, value in (SMALL | changes).items() if value is not None}
        np.savez(tmp_path / "own.npz", **arrays)
        return tmp_path / "own.npz"

    return save


@pytest.mark.parametrize("load", [load_karate, load_csbm, load_digits])
def test_a_round_trip_gives_equal_arrays_and_description(tmp_path, load):
    before = load()
    save_graph_npz(tmp_path / "own.npz", before)
    after = load_graph_npz(tmp_path / "own.npz")
    assert content_digest(after) == content_digest(before)
    for field in ("num_classes", "feature_kind", "feature_range", "feature_shape"):
        assert getattr(after, field) == getattr(before, field)
    assert (after.oracle_labels is None) == (before.oracle_labels is None)
    if before.oracle_labels is not None:
        np.testing.assert_array_equal(after.oracle_labels, before.oracle_labels)
    for field in ("source", "licence", "citation"):
        assert getattr(after.provenance, field) == getattr(before.provenance, field)
    assert after.name == "own"


def test_a_round_trip_keeps_directions_weights_features_and_repeats(tmp_path):
    karate = load_karate()
    graph = make_graph(karate.graph.nodes, [3, 3, 0], [1, 1, 0], [0.5, 2, 0], [[1.0], [2.0], [3.0]])
    before = dataclasses.replace(karate, graph=graph)
    save_graph_npz(tmp_path / "own.npz", before)
    assert content_digest(load_graph_npz(tmp_path / "own.npz")) == content_digest(before)


def test_the_least_file_is_undirected_and_gets_a_drawn_split(write):
    dataset = load_graph_npz(write(), seed=1)
    edges = list(zip(dataset.graph.senders, dataset.graph.receivers, strict=True))
    assert edges == [(1, 0), (0, 1), (2, 1), (1, 2)]
    assert (dataset.feature_kind, dataset.feature_range, dataset.num_classes) == (
        "continuous",
        None,
        2,
    )
    assert dataset.train_mask.sum() == 2
    assert len(dataset.provenance.sha256) == 64


def test_directed_edges_are_taken_as_listed(write):
    graph = load_graph_npz(write(directed=True, edge_weight=[1.0, 0.5, 2.0])).graph
    assert graph.senders.tolist() == [0, 1, 2]
    assert graph.edges.weight.tolist() == [1.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": None}, "lacks 'edges'; it holds 'node_features', 'node_labels'. Required"),
        ({"edges": np.array([0, 1])}, "`edges` has shape (2,); allowed: (e, 2)"),
        ({"edges": np.array([[0, 4]])}, "`receivers[0]` is 4, which is no node; allowed: 0 to 3"),
        ({"node_labels": np.array([0, 1])}, "`node_labels` has shape (2,) and dtype int64"),
        (
            {"node_labels": np.array([0, 1, 1, -1])},
            "`node_labels[3]` is -1; allowed: 0 to",
        ),
        ({"node_labels": np.zeros(4)}, "`node_labels` has shape (4,) and dtype float64"),
        ({"node_features": np.array([[1], [2], [3], [np.nan]])}, "`nodes[3, 0]` is nan"),
        ({"num_classes": np.array(1)}, "`node_labels[2]` is 1; allowed: 0 to 0"),
        (
            {"num_classes": np.array([1, 2])},
            "`num_classes` is of shape (2,), dtype int64",
        ),
        ({"feature_range": np.array([1.0])}, "`feature_range` has shape (1,); allowed: (2,)"),
        ({"num_classes": np.array(2.7)}, "`num_classes` is 2.7, dtype float64; allowed"),
        ({"num_classes": np.array(0)}, "`num_classes` is 0; allowed: a whole number from 1 on"),
        ({"num_classes": np.array(True)}, "`num_classes` is True"),
        ({"directed": np.array("false")}, "`directed` is 'false', dtype <U5; allowed: one"),
        ({"directed": np.array(2)}, "`directed` is 2; allowed: true or false, 1 or 0"),
        ({"directed": np.array(0.0)}, "`directed` is 0.0, dtype float64; allowed"),
        ({"feature_range": np.array([np.nan] * 2)}, "`feature_range` is (nan, nan)"),
        ({"feature_range": np.array([4.0, 0.0])}, "`feature_range` is (4.0, 0.0); allowed: two"),
        ({"feature_range": np.array(["0", "9"])}, "`feature_range` is ('0', '9')"),
        ({"feature_shape": np.array([-1])}, "`feature_shape` is (-1,); allowed: whole numbers"),
        ({"feature_shape": np.array([1.0])}, "`feature_shape` is (1.0,)"),
        ({"feature_kind": np.array(3)}, "`feature_kind` is 3, dtype int64; allowed: one value"),
        ({"source": np.array(b"x")}, "`source` is b'x', dtype |S1; allowed: one value, a text"),
        ({"class_names": np.array(["a"])}, "`class_names` holds 1 names; allowed: 2"),
        ({"node_labels": np.array([0, 2**32 + 1, 1, 1])}, "`node_labels[1]` is 4294967297; all"),
        ({"node_labels": np.array([0, 2**63, 1, 1], np.uint64)}, "is 9223372036854775808; allowed"),
        ({"oracle_labels": np.array([0, 1, 2, 0])}, "`oracle_labels[2]` is 2; allowed: 0 to 1"),
        ({"node_features": np.array([[0], [1], [2], [2**24 + 1]])}, "`nodes[3, 0]` is 16777217"),
        ({"node_features": np.array([[0], [1], [2], [1e39]])}, "`nodes[3, 0]` is 1e+39, which"),
        ({"edge_weight": np.array([1, 1, 2**31 - 1])}, "`weight[2]` is 2147483647, which float32"),
        ({"feature_kind": np.array("pixels")}, "`feature_kind` is 'pixels'; allowed: 'binary'"),
        ({"train_masks": np.ones((2, 4), bool)}, "`val_mask` is missing"),
        ({"oracle_labels": np.zeros(3, int)}, "`oracle_labels` has shape (3,)"),
        ({"edge_features": np.ones((3, 1))}, "a reversed edge has no agreed features"),
        (
            {f"{part}_masks": np.ones((1, 4), bool) for part in ("train", "val", "test")},
            "`train_mask` and `val_mask` overlap: node 0 is in both",
        ),
    ],
)
def test_what_departs_from_the_layout_is_named_with_the_file(write, changes, message):
    path = write(**changes)
    with pytest.raises(DataError, match=re.escape(message)) as error:
        load_graph_npz(path)
    assert str(path) in str(error.value)


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def test_an_object_array_is_refused_and_executes_nothing(write, tmp_path):
    marker = tmp_path / "executed"
    attack = np.array([Malicious(marker)], object)
    path = write(node_labels=attack)
    with pytest.raises(DataError, match=r"'node_labels' has dtype object"):
        load_graph_npz(path)
    assert load_graph_npz(write(notes=attack)).num_classes == 2  # nobody needs it
    path.write_bytes(pickle.dumps(Malicious(marker)))
    with pytest.raises(DataError, match=r"is not a readable .npz file of plain arrays"):
        load_graph_npz(path)
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_a_damaged_file_is_a_data_error(tmp_path, content):
    (tmp_path / "own.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"is not a readable .npz file"):
        load_graph_npz(tmp_path / "own.npz")


def test_a_flipped_byte_is_noticed(write):
    path = write()
    content = bytearray(path.read_bytes())
    content[content.index(b"\x93NUMPY") + 130] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="Bad CRC-32"):
        load_graph_npz(path)


def test_a_missing_file_and_another_suffix_are_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        load_graph_npz(tmp_path / "none.npz")
    with pytest.raises(InputError, match=r"allowed: a name that ends in '.npz'"):
        save_graph_npz(tmp_path / "own.zip", load_karate())


def test_oracle_labels_get_the_numbers_of_the_labels(write):
    with pytest.warns(UserWarning, match="leaves classes empty"):
        numbered = load_graph_npz(
            write(node_labels=np.array([1, 2, 3, 1]), oracle_labels=np.array([1, 2, 2, 1]))
        )
    assert numbered.labels.tolist() == [0, 1, 2, 0]
    assert numbered.oracle_labels.tolist() == [0, 1, 1, 0]
    labels, oracle = np.array(["a", "b", "c", "a"]), np.array(["b", "c", "b", "b"])
    named = load_graph_npz(write(node_labels=labels, oracle_labels=oracle))
    assert named.oracle_labels.tolist() == [1, 2, 1, 1]
    ordered = load_graph_npz(
        write(node_labels=labels, oracle_labels=oracle, class_names=np.array(["c", "b", "a"]))
    )
    assert (ordered.labels.tolist(), ordered.class_names) == ([2, 1, 0, 2], ("c", "b", "a"))
    assert ordered.oracle_labels.tolist() == [1, 0, 1, 1]


@pytest.mark.filterwarnings("ignore:.*leaves classes empty")
@pytest.mark.parametrize(
    ("labels", "changes", "message"),
    [
        ([1, 2, 3, 1], {"oracle_labels": [1, 2, 4, 1]}, r"`oracle_labels\[2\]` is 4"),
        (["a", "b", "a", "b"], {"oracle_labels": ["a", "a", "d", "a"]}, r"labels\[2\]` is d"),
        (["a", "b", "a", "b"], {"oracle_labels": [0, 1, 0, 1]}, r"`oracle_labels\[0\]` is 0"),
        ([0, 1, 0, 1], {"oracle_labels": ["b", "a", "b", "a"]}, r"`oracle_labels\[0\]` is b"),
        (["a", "b", "a", "b"], {"class_names": ["a", "c"]}, r"`node_labels\[1\]` is b"),
        (["a", "b", "a", "b"], {"class_names": ["a", "b", "a"]}, r"each named once"),
    ],
)
def test_a_class_that_the_labels_do_not_name_is_refused(write, labels, changes, message):
    changes = {key: np.array(value) for key, value in changes.items()}
    with pytest.raises(DataError, match=message):
        load_graph_npz(write(node_labels=np.array(labels), **changes))


@pytest.mark.parametrize("number", [10_001, 2**31 - 1])
def test_more_classes_than_a_network_can_have_outputs_are_refused(write, number):
    assert load_graph_npz(write(num_classes=10_000)).num_classes == 10_000
    with pytest.raises(DataError, match=rf"`num_classes` is {number}; .* from 1 to 10000"):
        load_graph_npz(write(num_classes=number))
