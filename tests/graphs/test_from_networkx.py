"""networkx graphs: the adjacency matrix is networkx's own, and every missing attribute is named."""

import re

import networkx
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.graphs.from_objects import load_networkx


def labeled(graph, **attributes):
    networkx.set_node_attributes(graph, {n: i % 2 for i, n in enumerate(graph.nodes)}, "y")
    for name, values in attributes.items():
        networkx.set_node_attributes(graph, dict(zip(graph.nodes, values, strict=True)), name)
    return graph


def dense(dataset):
    total = len(dataset.labels)
    matrix = np.zeros((total, total))
    np.add.at(matrix, (dataset.graph.senders, dataset.graph.receivers), dataset.graph.edges.weight)
    return matrix


@given(
    st.sampled_from([networkx.Graph, networkx.DiGraph, networkx.MultiGraph, networkx.MultiDiGraph]),
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(0, 5))),
    st.booleans(),
)
def test_the_adjacency_matrix_is_that_of_networkx(kind, edges, weighted):
    graph = kind()
    graph.add_nodes_from("dcba")
    for first, second, strength in edges:
        graph.add_edge(first, second, strength=strength)
    weight = "strength" if weighted else None
    oracle = networkx.to_numpy_array(graph, weight=weight)
    np.testing.assert_array_equal(dense(load_networkx(labeled(graph), weight=weight)), oracle)


def test_attributes_become_features_labels_and_masks():
    masks = {"train_mask": [1, 0, 0], "val_mask": [0, 1, 0], "test_mask": [0, 0, 1]}
    masks = {name: [bool(value) for value in values] for name, values in masks.items()}
    graph = labeled(
        networkx.path_graph(3), x=[[1, 2], [3, 4], [5, 6]], kind=["b", "a", "b"], **masks
    )
    dataset = load_networkx(graph, label="kind")
    np.testing.assert_array_equal(dataset.graph.nodes, [[1, 2], [3, 4], [5, 6]])
    assert dataset.labels.tolist() == [1, 0, 1]
    for name, values in masks.items():
        assert getattr(dataset, name).tolist() == values
    assert (dataset.feature_kind, dataset.feature_range) == ("continuous", None)
    scalar = load_networkx(labeled(networkx.path_graph(3), size=[0.0, 1.0, 1.0]), features="size")
    assert scalar.graph.nodes.shape == (3, 1)
    assert scalar.feature_kind == "binary"


def test_without_features_every_node_is_told_apart():
    dataset = load_networkx(labeled(networkx.path_graph(4)))
    np.testing.assert_array_equal(dataset.graph.nodes, np.eye(4))
    assert dataset.feature_kind == "one_hot"


def path_with(node, attribute, value):
    graph = labeled(networkx.path_graph(3), x=[[1.0], [2.0], [3.0]])
    if value is None:
        del graph.nodes[node][attribute]
    else:
        graph.nodes[node][attribute] = value
    return graph


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        (networkx.Graph(), {}, "networkx graph with 0 nodes"),
        (path_with(1, "y", None), {}, "node 1 has no attribute 'y'; every node needs it (1 of 3"),
        (path_with(1, "x", None), {}, "node 1 has no attribute 'x'"),
        (path_with(0, "train_mask", True), {}, "node 1 has no attribute 'train_mask'"),
        (path_with(2, "x", "red"), {}, "attribute 'x' of node 2 is 'red'; allowed: a number"),
        (path_with(2, "x", [1, 2]), {}, "attribute 'x' of node 2 has shape (2,); allowed: (1,)"),
        (path_with(2, "x", [[1]]), {}, "attribute 'x' of node 2 has shape (1, 1)"),
        (path_with(2, "y", 0.5), {}, "`y` holds a float as 0.5 (entry 2)"),
        (path_with(2, "y", -1), {}, "`y[2]` is -1; allowed: 0 to 2147483647"),
        (path_with(2, "y", 1), {"weight": "w"}, "attribute 'w' of edge (0, 1) is None"),
        (path_with(2, "y", 1), {"split": 1}, "`split` is 1; allowed: 0"),
    ],
)
def test_what_cannot_be_used_is_named(graph, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load_networkx(graph, **options)


@pytest.mark.parametrize("value", ["3", True, np.True_, [1.0], 2**24 + 1, 2.0**24 + 1, None, 1e39])
def test_a_weight_that_is_no_number_of_float32_is_refused(value):
    graph = labeled(networkx.path_graph(4))
    networkx.set_edge_attributes(graph, 1, "w")
    graph.edges[1, 2]["w"] = value
    with pytest.raises(InputError, match=re.escape(f"edge (1, 2) is {value!r}; allowed: a number")):
        load_networkx(graph, weight="w")
    graph.edges[1, 2]["w"] = np.float32(0.5)
    assert load_networkx(graph, weight="w").graph.edges.weight.tolist() == [1, 1, 0.5, 0.5, 1, 1]


@pytest.mark.parametrize("kind", ["csr_matrix", "csr_array", "coo_array"])
def test_a_sparse_row_is_the_features_of_a_node(kind):
    rows = [getattr(scipy.sparse, kind)([[0.0, n]]) for n in range(4)]
    graph = labeled(networkx.path_graph(4), x=rows)
    assert load_networkx(graph).graph.nodes.tolist() == [[0, n] for n in range(4)]
