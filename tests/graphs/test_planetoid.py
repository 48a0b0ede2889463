"""Planetoid files: the known counts, PyTorch Geometric's arrays, and damage reported by file."""

import pickle
import re
import shutil

import numpy as np
import pytest
import scipy.sparse

from jmetamer._base.errors import DataError
from jmetamer.graphs.data_files import SHA256
from jmetamer.graphs.load import load_dataset
from jmetamer.graphs.planetoid import PLANETOID_PARTS

COUNTS = {  # nodes, features, classes, stored edges, training nodes
    "cora": (2708, 1433, 7, 10556, 140),
    "citeseer": (3327, 3703, 6, 9104, 120),
}


@pytest.mark.data
@pytest.mark.parametrize("name", COUNTS)
def test_the_known_counts(data_folder, name):
    dataset = load_dataset(name, root=data_folder)
    num_nodes, num_features, num_classes, num_edges, num_train = COUNTS[name]
    assert dataset.graph.nodes.shape == (num_nodes, num_features)
    assert dataset.graph.senders.shape == (num_edges,)
    assert dataset.num_classes == num_classes
    masks = (dataset.train_mask, dataset.val_mask, dataset.test_mask)
    assert [mask.sum() for mask in masks] == [num_train, 500, 1000]
    assert (np.bincount(dataset.labels[dataset.train_mask]) == 20).all()
    assert (dataset.feature_kind, dataset.feature_range) == ("binary", (0.0, 1.0))


@pytest.mark.data
def test_skipped_test_nodes_of_citeseer_have_no_features_and_no_mask(data_folder):
    dataset = load_dataset("citeseer", root=data_folder)
    empty = dataset.graph.nodes.sum(axis=1) == 0
    assert empty.sum() == 15
    assert not (dataset.train_mask | dataset.val_mask | dataset.test_mask)[empty].any()
    assert (dataset.labels[empty] == 0).all()


@pytest.mark.data
@pytest.mark.parity
@pytest.mark.parametrize("name", COUNTS)
def test_every_array_is_that_of_pytorch_geometric(data_folder, name):
    io = pytest.importorskip("torch_geometric.io")
    oracle = io.read_planetoid_data(str(data_folder / "planetoid"), name)
    dataset = load_dataset(name, root=data_folder)
    np.testing.assert_array_equal(dataset.graph.nodes, oracle.x.numpy())
    np.testing.assert_array_equal(dataset.labels, oracle.y.numpy())
    for mask in ("train_mask", "val_mask", "test_mask"):
        np.testing.assert_array_equal(getattr(dataset, mask), getattr(oracle, mask).numpy())
    ours = np.stack([dataset.graph.senders, dataset.graph.receivers])
    np.testing.assert_array_equal(ours, oracle.edge_index.numpy())


# A graph in Planetoid's layout, under PubMed's name and without its digests.
TOY = {
    "allx": scipy.sparse.csr_matrix(np.eye(4, 3, dtype=np.float32)),
    "tx": scipy.sparse.csr_matrix(np.array([[5, 0, 0], [0, 0, 7]], np.float32)),
    "y": np.eye(2, dtype=np.int32),
    "ally": np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.int32),
    "ty": np.array([[0, 1], [0, 1]], np.int32),
    "graph": {0: [1, 1, 0], 1: [2], 2: [1, 6], 3: [], 6: [2]},
    "test.index": "6\n4\n",
}


@pytest.fixture
def write_toy(empty_folders, tmp_path, monkeypatch):
    for name in [name for name in SHA256 if "pubmed" in name]:
        monkeypatch.delitem(SHA256, name)

    def write(**changes):
        folder = tmp_path / "PubMed" / "raw"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for part, value in (TOY | changes).items():
            content = value.encode() if isinstance(value, str) else pickle.dumps(value, protocol=4)
            (folder / f"ind.pubmed.{part}").write_bytes(content)
        return tmp_path

    return write


def test_test_rows_go_where_the_index_says_and_skipped_rows_stay_zero(write_toy):
    dataset = load_dataset("pubmed", root=write_toy())
    nodes = dataset.graph.nodes
    assert nodes.shape == (7, 3)
    np.testing.assert_array_equal(nodes[[6, 4]], [[5, 0, 0], [0, 0, 7]])
    assert not nodes[5].any()
    assert dataset.labels.tolist() == [0, 1, 0, 1, 1, 0, 1]
    assert dataset.train_mask.tolist() == [True] * 2 + [False] * 5
    assert np.flatnonzero(dataset.test_mask).tolist() == [4, 6]
    edges = sorted(zip(dataset.graph.senders, dataset.graph.receivers, strict=True))
    assert edges == [(0, 1), (1, 0), (1, 2), (2, 1), (2, 6), (6, 2)]
    assert (dataset.feature_kind, dataset.feature_range) == ("continuous", None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graph": {0: [9]}}, "'ind.pubmed.graph' names node 9; allowed: 0 to 6"),
        ({"graph": [1, 2]}, "'ind.pubmed.graph' must hold a dict of neighbor lists"),
        ({"graph": {0: [1.5]}}, "'ind.pubmed.graph' must hold lists of node numbers"),
        ({"graph": {0: 3}}, "'ind.pubmed.graph' must hold lists of node numbers"),
        ({"graph": {0: ["a"]}}, "'ind.pubmed.graph' must hold lists of node numbers"),
        ({"test.index": "6\nfour"}, "'ind.pubmed.test.index' must hold one node number a line"),
        ({"test.index": "6\n6"}, "must list different nodes from 4 on"),
        ({"test.index": "6\n2"}, "must list different nodes from 4 on"),
        ({"test.index": "6"}, "tx, ty and test.index 2, 2, 1"),
        ({"ally": np.eye(3)}, "do not belong together: allx and ally have 4 and 3 rows"),
        ({"allx": [1, 2]}, "'ind.pubmed.allx' must hold a matrix of numbers"),
    ],
)
def test_files_that_do_not_fit_are_named(write_toy, changes, message):
    with pytest.raises(DataError, match=re.escape(message)):
        load_dataset("pubmed", root=write_toy(**changes))


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def test_a_tampered_graph_file_executes_nothing(write_toy, tmp_path):
    marker = tmp_path / "executed"
    root = write_toy(graph=Malicious(marker))
    with pytest.raises(DataError, match=r"'ind.pubmed.graph' asks to load `(_?io|builtins).open`"):
        load_dataset("pubmed", root=root)
    assert not marker.exists()


@pytest.mark.data
def test_a_tampered_file_of_a_pinned_dataset_is_not_even_unpickled(
    data_folder, tmp_path, monkeypatch
):
    folder = tmp_path / "planetoid"
    folder.mkdir()
    for part in PLANETOID_PARTS:
        shutil.copy(data_folder / "planetoid" / f"ind.cora.{part}", folder)
    marker = tmp_path / "executed"
    (folder / "ind.cora.graph").write_bytes(pickle.dumps(Malicious(marker)))
    monkeypatch.setattr(
        "jmetamer.graphs.planetoid.load_restricted", lambda *_: pytest.fail("it was unpickled")
    )
    with pytest.raises(DataError, match=r"ind.cora.graph' has sha256 .* must have 58f13302f39d"):
        load_dataset("cora", root=tmp_path)
    assert not marker.exists()
