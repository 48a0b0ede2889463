"""OGB's folder of raw files: every form of it reads alike, and every departure is named."""

import gzip
import re

import numpy as np
import pytest

from jmetamer._base.errors import DataError, InputError
from jmetamer.config.families import Source
from jmetamer.config.places import place_of
from jmetamer.config.resolving import resolve
from jmetamer.config.settings import Settings
from jmetamer.graphs.dataset import content_digest
from jmetamer.graphs.load import load_dataset
from jmetamer.graphs.ogb_raw import load_ogb

# Node 3 has a loop, 0 and 1 cite each other, 0 cites 2 twice; written by hand.
EDGES = [(0, 1), (1, 0), (0, 2), (0, 2), (3, 3), (4, 3)]
FEATURES = [(0.5, -1.0), (1.5, 2.0), (0.0, 1e-3), (4.0, 5.0), (6.25, -7.5)]
LABELS = [2, 0, 1, 0, 2]
TEXTS = {
    "raw/edge": "\n".join(f"{i},{j}" for i, j in EDGES),
    "raw/node-feat": "\n".join(f"{a},{b}" for a, b in FEATURES),
    "raw/node-label": "\n".join(map(str, LABELS)),
    "raw/num-node-list": "5",
    "raw/num-edge-list": "6",
    "raw/node_year": "2013\n2014\nnot read\n",
    "split/time/train": "4\n0",
    "split/time/valid": "1",
    "split/time/test": "2",
}


@pytest.fixture
def write(tmp_path):
    def save(*, packed=True, folder="own", **changes):
        """Write the folder; `raw_edge=None` leaves a file out, "__" stands for "-"."""
        texts = dict(TEXTS)
        for key, text in changes.items():
            texts[key.replace("__", "-").replace("_", "/", 1)] = text
        for name, text in texts.items():
            file = tmp_path / folder / f"{name}.csv{'.gz' if packed else ''}"
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is not None:
                content = text if isinstance(text, bytes) else text.encode()
                file.write_bytes(
                    gzip.compress(content) if packed and isinstance(text, str) else content
                )
        return tmp_path / folder

    return save


def neighbors(dataset):
    graph = dataset.graph
    return list(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))


def test_edges_become_undirected_single_without_loops_and_sorted(write):
    dataset = load_dataset(write())
    assert neighbors(dataset) == [(1, 0), (2, 0), (0, 1), (0, 2), (4, 3), (3, 4)]
    np.testing.assert_array_equal(dataset.graph.nodes, np.array(FEATURES, np.float32))
    assert dataset.labels.tolist() == LABELS
    assert dataset.labels.dtype == np.int32
    assert dataset.num_classes == 3
    assert dataset.name == "own"
    assert [np.flatnonzero(mask).tolist() for mask in masks(dataset)] == [[0, 4], [1], [2]]
    assert (dataset.feature_kind, dataset.feature_range) == ("continuous", None)


def masks(dataset):
    return dataset.train_mask, dataset.val_mask, dataset.test_mask


def test_directed_edges_are_taken_as_listed(write):
    assert neighbors(load_dataset(write(), directed=True)) == EDGES


def test_unpacked_files_and_both_binary_forms_read_alike(write, tmp_path):
    packed = load_ogb(write())
    plain = load_ogb(write(packed=False, folder="plain"))
    raw = write(folder="parts", raw_edge=None, raw_node__feat=None, raw_node__label=None) / "raw"
    np.savez(raw / "edge.npz", edge_index=np.array(EDGES).T)
    np.savez(raw / "node-feat.npz", node_feat=np.array(FEATURES, np.float32))
    np.savez(raw / "node-label.npz", node_label=np.array(LABELS)[:, None])
    nothing = {f"raw_{name}": None for name in ("edge", "node__feat", "node__label")}
    nothing |= {f"raw_num__{name}__list": None for name in ("node", "edge")}
    binary = write(folder="binary", **nothing) / "raw"
    np.savez(
        binary / "data.npz",
        edge_index=np.array(EDGES).T,
        node_feat=np.array(FEATURES),
        num_nodes_list=[5],
        num_edges_list=[6],
        node_year=np.zeros((5, 1)),
    )
    np.savez(binary / "node-label.npz", node_label=np.array(LABELS, np.float32))
    for dataset in (plain, load_ogb(raw.parent), load_ogb(binary.parent)):
        assert content_digest(dataset) == content_digest(packed)
    assert len({packed.provenance.sha256, plain.provenance.sha256}) == 2


def test_counts_are_optional(write):
    folder = write(raw_num__node__list=None, raw_num__edge__list=None)
    assert len(load_ogb(folder).graph.nodes) == 5


def test_a_known_folder_has_its_classes_its_name_and_its_terms(write):
    for name in ("ogbn_arxiv", "arxiv", "OGBN-arxiv", "ogbn_arxiv_pyg"):
        dataset = load_dataset(write(folder=name))
        assert (dataset.name, dataset.num_classes) == ("ogbn_arxiv", 40)
        assert dataset.provenance.licence == "ODC-BY"
        assert "Open Graph Benchmark" in dataset.provenance.citation
    with pytest.raises(DataError, match="line 5: label 40; allowed: 0 to 39"):
        load_dataset(write(folder="arxiv", raw_node__label="0\n0\n0\n0\n40"))


def test_a_known_folder_is_found_by_name(write, empty_folders, monkeypatch):
    root = write(folder="ogbn-arxiv").parent
    found = load_dataset("ogbn-arxiv", root=root, directed=True)
    assert neighbors(found) == EDGES
    monkeypatch.setenv("JMETAMER_DATA", str(root))
    assert load_dataset("ogbn_arxiv").name == "ogbn_arxiv"
    monkeypatch.delenv("JMETAMER_DATA")
    with pytest.raises(DataError, match="'ogbn_arxiv' needs its folder of raw files"):
        load_dataset("ogbn_arxiv")


def test_a_bare_folder_name_is_a_path_unless_it_is_a_dataset(write, monkeypatch):
    monkeypatch.chdir(write(folder="karate").parent)
    assert load_dataset("karate").graph.nodes.shape == (34, 34)
    assert load_dataset("./karate").graph.nodes.shape == (5, 2)
    write(folder="mine")
    assert load_dataset("mine").name == "mine"


def test_configurations_may_name_a_folder(write):
    folder = str(write())
    source = place_of(Source).value({folder: {"directed": True}}, "dataset")
    (fields,) = resolve(Settings(dataset=source, seed=3)).settings["dataset"].values()
    assert fields["directed"] is True
    assert {"num_classes": None, "max_bytes": 2**31, "seed": 3}.items() <= fields.items()


def test_splits_are_numbered_by_name_and_drawn_where_there_is_none(write):
    folder = write()
    for part, node in {"train": 3, "valid": 4, "test": 0}.items():
        file = folder / "split/random" / f"{part}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(str(node))
    assert np.flatnonzero(load_dataset(folder, split=0).train_mask).tolist() == [3]
    assert np.flatnonzero(load_dataset(folder, split=1).train_mask).tolist() == [0, 4]
    with pytest.raises(InputError, match=re.escape("holds 2 split(s): 'random', 'time'")):
        load_dataset(folder, split=2)
    parts = {f"split_time/{name}": None for name in ("train", "valid", "test")}
    bare = write(folder="bare", **parts)
    (bare / "split/time").rmdir()
    one, again = (load_dataset(bare, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.train_mask, again.train_mask)
    assert one.train_mask.sum() == 3  # one of each class


def test_a_node_without_label_is_in_no_split(write):
    dataset = load_dataset(write(raw_node__label="2\n0\n1\nnan\n2"))
    assert dataset.labels.tolist() == [2, 0, 1, 0, 2]
    assert not np.stack(masks(dataset))[:, 3].any()
    with pytest.raises(DataError, match=r"train.csv.gz', line 1: node 4 has no label"):
        load_dataset(write(raw_node__label="2\n0\n1\n0\nnan"))
    drawn = write(folder="drawn", raw_node__label="2\n0\n1\nnan\n2")
    for file in (drawn / "split/time").iterdir():
        file.unlink()
    (drawn / "split/time").rmdir()
    assert all(not np.stack(masks(load_dataset(drawn, seed=s)))[:, 3].any() for s in range(9))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw_edge": None}, "edge.csv.gz' is missing; allowed instead: edge.csv, edge.npz with"),
        ({"raw_node__feat": None}, "node-feat.csv.gz' is missing"),
        ({"raw_node__label": None}, "node-label.csv.gz' is missing"),
        ({"split_time/valid": None}, "split/time/valid.csv.gz' is missing"),
        ({"raw_edge": "0,1\n2\n"}, "edge.csv.gz', line 2: 1 column(s), but the lines before have"),
        ({"raw_edge": "0,1,2"}, "edge.csv.gz' has 3 columns; allowed: 2"),
        ({"raw_edge": "source,target\n0,1"}, "line 1: column 1 is 'source', which is no number"),
        ({"raw_edge": "0,1\n0,5"}, "num-edge-list.csv.gz' says 6, but there are 2 edges"),
        ({"raw_edge": "0,1\n" * 5 + "0,5"}, "edge.csv.gz', line 6: node 5; allowed: 0 to 4"),
        ({"raw_edge": "0,1\n" * 5 + "0,-1"}, "edge.csv.gz', line 6: node -1"),
        ({"raw_edge": "0,1\n" * 5 + "0,1.5"}, "edge.csv.gz', line 6: 1.5 is no integer"),
        ({"raw_edge": b"no gzip"}, "edge.csv.gz' cannot be read"),
        ({"raw_edge": gzip.compress(b"0,1\n" * 9)[:-9]}, "edge.csv.gz' cannot be read"),
        ({"raw_node__feat": "1,2\n3\n"}, "node-feat.csv.gz', line 2: 1 column(s)"),
        ({"raw_node__feat": "1,2\n3,x\n"}, "line 2: column 2 is 'x', which is no number"),
        ({"raw_node__feat": ""}, "node-feat.csv.gz' is empty"),
        (
            {"raw_node__feat": "1,2\n3,nan\n" + "1,2\n" * 3},
            "node-feat.csv.gz', line 2: column 2 is nan; allowed: finite numbers",
        ),
        ({"raw_node__label": "0\n1"}, "node-label.csv.gz' has shape (2, 1); allowed: (5, 1)"),
        ({"raw_node__label": "0,1\n" * 5}, "node-label.csv.gz' has shape (5, 2)"),
        ({"raw_node__label": "0\n1\n-1\n0\n0"}, "node-label.csv.gz', line 3: label -1; allowed: 0"),
        ({"raw_node__label": "0\n1\n0.5\n0\n0"}, "node-label.csv.gz', line 3: 0.5 is no integer"),
        ({"raw_num__node__list": "6"}, "num-node-list.csv.gz' says 6, but there are 5 rows"),
        ({"raw_num__edge__list": "7"}, "num-edge-list.csv.gz' says 7, but there are 6 edges"),
        ({"raw_num__node__list": "2\n3"}, "num-node-list.csv.gz' lists 2 graphs; allowed: 1"),
        ({"split_time/test": "2\n5"}, "test.csv.gz', line 2: node 5; allowed: 0 to 4"),
        ({"split_time/test": "2\n3\n2"}, "test.csv.gz' lists node 2 more than once"),
        ({"split_time/test": "2,3"}, "test.csv.gz' has 2 columns; allowed: 1"),
        ({"split_time/test": "1"}, "`val_mask` and `test_mask` overlap: node 1"),
    ],
)
def test_a_departure_from_the_layout_is_named(write, changes, message):
    with pytest.raises(DataError, match=re.escape(message)):
        load_dataset(write(**changes))


def test_a_label_out_of_range_is_refused_where_the_classes_are_given(write):
    assert load_dataset(write(), num_classes=7).num_classes == 7
    with pytest.raises(DataError, match=r"line 1: label 2; allowed: 0 to 1 \(2 such nodes\)"):
        load_dataset(write(), num_classes=2)


def test_npz_files_that_do_not_fit_are_named(write):
    folder = write(raw_edge=None)
    np.savez(folder / "raw/edge.npz", edges=np.array(EDGES))
    with pytest.raises(DataError, match=r"edge.npz' lacks the array 'edge_index'"):
        load_dataset(folder)
    np.savez(folder / "raw/edge.npz", edge_index=np.array(EDGES))
    with pytest.raises(DataError, match=r"'edge_index' has shape \(6, 2\); allowed: \(2, edges\)"):
        load_dataset(folder)
    np.savez(folder / "raw/edge.npz", edge_index=np.array([[0], [9]]))
    (folder / "raw/num-edge-list.csv.gz").unlink()
    with pytest.raises(DataError, match="'edge_index', row 0: node 9; allowed: 0 to 4"):
        load_dataset(folder)
    np.savez(folder / "raw/edge.npz", edge_index=np.array([None]))
    with pytest.raises(DataError, match=r"edge.npz', 'edge_index' has dtype object"):
        load_dataset(folder)


def test_what_is_no_such_folder_is_refused(write, tmp_path):
    folder = write()
    with pytest.raises(DataError, match=f"holds no folder 'raw', .* give '{folder}'"):
        load_dataset(folder / "raw")
    (folder / "split/time/train.csv.gz").unlink()
    (folder / "split/time/split_dict.pt").write_bytes(b"")
    with pytest.raises(DataError, match=r"The pickled 'split_dict.pt' is not read"):
        load_dataset(folder)


def test_features_that_float32_merges_are_refused(write):
    folder = write(raw_node__feat="1,2\n3,16777217\n" + "1,2\n" * 3)
    with pytest.raises(DataError, match=r"node-feat.csv.gz'.*\[1, 1\]` is 16777217\.0"):
        load_dataset(folder)
    (folder / "raw/node-feat.csv.gz").unlink()
    np.savez(folder / "raw/node-feat.npz", node_feat=np.full((5, 2), 2**24 + 1))
    with pytest.raises(DataError, match=r"node-feat.npz'.*\[0, 0\]` is 16777217,"):
        load_dataset(folder)
    np.savez(folder / "raw/node-feat.npz", node_feat=np.full((5, 2), 2**24 + 2))
    assert (load_dataset(folder).graph.nodes == 16777218).all()


def test_a_label_beyond_64_bits_is_refused_as_it_was_written(write):
    folder = write(raw_node__label=None)
    labels = np.array([[0], [1], [2**63 + 1], [0], [0]], np.uint64)
    np.savez(folder / "raw/node-label.npz", node_label=labels)
    with pytest.raises(DataError, match="row 2: 9223372036854775809 is too large"):
        load_dataset(folder)
    np.savez(folder / "raw/node-label.npz", node_label=np.array([0, 1, 1, 0, 1], bool))
    assert load_dataset(folder).labels.tolist() == [0, 1, 1, 0, 1]


@pytest.mark.parametrize("other", [".idea", "@eaDir", "__MACOSX", "Copy"])
def test_what_holds_no_part_of_a_split_is_no_scheme(write, other):
    expected = content_digest(load_dataset(write()))
    folder = write()
    (folder / "split" / other).mkdir()
    for name in ("._train.csv", "notes"):
        (folder / "split" / other / name).write_text("0")
    assert content_digest(load_dataset(folder)) == expected
    with pytest.raises(InputError, match=r"holds 1 split\(s\): 'time'"):
        load_dataset(folder, split=1)
