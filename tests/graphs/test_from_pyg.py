"""PyTorch Geometric objects: read by attribute, tensors included, torch never imported by us."""

import re
import subprocess
import sys
import types

import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.graphs.from_objects import load_pyg
from jmetamer.graphs.load import load_dataset


def plain(**changes):
    arrays = {
        "x": np.array([[0.5], [1.0], [2.0], [3.0]]),
        "edge_index": np.array([[0, 1, 1], [1, 0, 2]]),
        "y": np.array([0, 1, 0, 2]),
    }
    return types.SimpleNamespace(**(arrays | changes))


def test_arrays_come_over_as_they_are():
    data = plain(edge_weight=np.array([1.0, 0.5, 2.0]), edge_attr=np.array([7.0, 8.0, 9.0]))
    dataset = load_dataset(data)
    graph = dataset.graph
    assert graph.senders.tolist() == [0, 1, 1]
    assert graph.receivers.tolist() == [1, 0, 2]
    assert graph.edges.weight.tolist() == [1.0, 0.5, 2.0]
    assert graph.edges.features.tolist() == [[7.0], [8.0], [9.0]]
    assert dataset.labels.tolist() == [0, 1, 0, 2]
    assert (dataset.num_classes, dataset.feature_kind) == (3, "continuous")


def test_a_column_of_the_masks_is_a_split():
    masks = {
        name: np.eye(4, 3, -i, dtype=bool) for i, name in enumerate(("train_mask", "val_mask"))
    }
    masks["test_mask"] = np.eye(4, 3, -2, dtype=bool) & np.array([True, True, False])
    dataset = load_pyg(plain(**masks), split=1)
    for name, mask in masks.items():
        np.testing.assert_array_equal(getattr(dataset, name), mask[:, 1])
    with pytest.raises(InputError, match=r"`split` is 3; allowed: 0 to 2"):
        load_pyg(plain(**masks), split=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "`x` of the PyTorch Geometric object is None; it needs features"),
        ({"y": None}, "`y` of the PyTorch Geometric object is None; it needs labels"),
        ({"edge_index": np.zeros((3, 2), int)}, "`edge_index` has shape (3, 2); allowed: (2, e)"),
        ({"edge_index": np.array([[0], [4]])}, "`receivers[0]` is 4, which is no node"),
        ({"y": np.zeros((4, 2), int)}, "`y` has shape (4, 2) and dtype int64; allowed: (4,)"),
        ({"y": np.zeros(4)}, "`y` has shape (4,) and dtype float64"),
        ({"x": np.array([["a"]] * 4)}, "`x` has dtype <U1; allowed: a tensor of numbers"),
    ],
)
def test_what_cannot_be_used_is_named(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load_pyg(plain(**changes))


def test_torch_is_not_imported():
    code = (
        "import sys, types, numpy as np; from jmetamer.graphs import load_dataset;"
        "load_dataset(types.SimpleNamespace(x=np.eye(4), y=np.array([0, 1, 0, 1]),"
        " edge_index=np.array([[0], [1]]))); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parity
def test_real_data_objects_are_read():
    torch = pytest.importorskip("torch")
    pyg = pytest.importorskip("torch_geometric.data")
    data = pyg.Data(
        x=torch.eye(4, requires_grad=True).to_sparse(),
        edge_index=torch.tensor([[0, 1], [1, 0]]),
        y=torch.tensor([[0], [1], [0], [1]]),
        train_mask=torch.tensor([True, True, False, False]),
        val_mask=torch.tensor([False, False, True, False]),
        test_mask=torch.tensor([False, False, False, True]),
    )
    dataset = load_dataset(data)
    np.testing.assert_array_equal(dataset.graph.nodes, np.eye(4))
    assert dataset.labels.tolist() == [0, 1, 0, 1]
    assert dataset.test_mask.tolist() == [False, False, False, True]


def test_a_tensor_that_numpy_lacks_is_refused_with_what_to_do():
    class Bfloat16:
        dtype = "torch.bfloat16"

        def detach(self):
            return self

        cpu = detach

        def numpy(self):
            raise TypeError("Got unsupported ScalarType BFloat16")

    with pytest.raises(InputError, match=r"`x` has dtype torch.bfloat16.*\.float\(\)"):
        load_pyg(plain(x=Bfloat16()))
