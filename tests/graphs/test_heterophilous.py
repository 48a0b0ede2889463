"""heterophilous-graphs: the known counts, ten splits, PyTorch Geometric's edges."""

import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.graphs.graph_npz import HETEROPHILOUS_FILES
from jmetamer.graphs.load import load_dataset

COUNTS = {  # nodes, features, classes, stored edges, kind of features
    "chameleon": (890, 2325, 5, 17708, "binary"),
    "texas": (183, 1703, 5, 558, "binary"),
    "minesweeper": (10000, 7, 2, 78804, "one_hot"),
}


@pytest.mark.data
@pytest.mark.parametrize("name", COUNTS)
def test_the_known_counts(data_folder, name):
    dataset = load_dataset(name, root=data_folder)
    num_nodes, num_features, num_classes, num_edges, kind = COUNTS[name]
    assert dataset.graph.nodes.shape == (num_nodes, num_features)
    assert dataset.graph.senders.shape == (num_edges,)
    assert (dataset.num_classes, dataset.feature_kind) == (num_classes, kind)
    assert dataset.name == name


@pytest.mark.data
@pytest.mark.parametrize("split", [0, 4, 9])
def test_split_i_is_row_i_of_the_stored_masks(data_folder, split):
    dataset = load_dataset("texas", split=split, root=data_folder)
    with np.load(data_folder / "heterophilous" / "texas.npz") as stored:
        for part in ("train", "val", "test"):
            ours = getattr(dataset, f"{part}_mask")
            np.testing.assert_array_equal(ours, stored[f"{part}_masks"][split])


@pytest.mark.data
def test_there_is_no_eleventh_split(data_folder):
    with pytest.raises(InputError, match=r"`split` is 10; allowed: 0 to 9"):
        load_dataset("texas", split=10, root=data_folder)


@pytest.mark.data
@pytest.mark.parity
@pytest.mark.parametrize("name", COUNTS)
def test_edges_are_those_of_pytorch_geometric(data_folder, name):
    torch = pytest.importorskip("torch")
    utils = pytest.importorskip("torch_geometric.utils")
    with np.load(data_folder / "heterophilous" / HETEROPHILOUS_FILES[name]) as stored:
        index = torch.from_numpy(stored["edges"]).t().contiguous()
    oracle = utils.to_undirected(index).numpy()
    graph = load_dataset(name, root=data_folder).graph
    np.testing.assert_array_equal(np.stack([graph.receivers, graph.senders]), oracle)
