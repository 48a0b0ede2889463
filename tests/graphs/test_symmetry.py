"""Undirected graphs: symmetrize gives the simple undirected graph, as networkx sees it."""

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import (
    is_symmetric,
    remove_duplicate_edges,
    simple_undirected,
    symmetrize,
)
from jmetamer.graphs.graph import make_graph, validate_graph


@st.composite
def weighted_graphs(draw):
    total = draw(st.integers(1, 6))
    node = st.integers(0, total - 1)
    edges = draw(st.lists(st.tuples(node, node, st.integers(0, 3)), max_size=15))
    array = np.array(edges, np.int64).reshape(-1, 3)
    return make_graph(np.ones((total, 1)), array[:, 0], array[:, 1], array[:, 2])


def as_dict(graph):
    ends = zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)
    return dict(zip(ends, graph.edges.weight.tolist(), strict=True))


@given(weighted_graphs())
def test_symmetrize_stores_each_pair_twice_with_its_largest_weight(graph):
    expected: dict[tuple[int, int], float] = {}
    for i, j, weight in zip(graph.senders, graph.receivers, graph.edges.weight, strict=True):
        for pair in ((int(i), int(j)), (int(j), int(i))):
            expected[pair] = max(expected.get(pair, 0.0), float(weight))
    result = symmetrize(graph)
    validate_graph(result)
    assert as_dict(result) == expected
    assert result.senders.size == len(expected)
    assert is_symmetric(result)


@given(weighted_graphs())
def test_symmetrize_twice_is_symmetrize_once(graph):
    once = symmetrize(graph)
    twice = symmetrize(once)
    np.testing.assert_array_equal(once.senders, twice.senders)
    np.testing.assert_array_equal(once.receivers, twice.receivers)
    np.testing.assert_array_equal(once.edges.weight, twice.edges.weight)


@given(weighted_graphs())
def test_is_symmetric_agrees_with_the_sorted_list_of_edges(graph):
    edges = list(zip(graph.senders, graph.receivers, graph.edges.weight, strict=True))
    assert is_symmetric(graph) == (sorted(edges) == sorted((j, i, w) for i, j, w in edges))


@given(weighted_graphs())
def test_simple_undirected_is_networkx_graph_without_loops(graph):
    oracle = networkx.Graph(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    oracle.remove_edges_from(list(networkx.selfloop_edges(oracle)))
    senders, receivers = simple_undirected(graph.senders, graph.receivers, len(graph.nodes))
    found = list(zip(receivers.tolist(), senders.tolist(), strict=True))
    assert found == sorted([*oracle.edges, *((j, i) for i, j in oracle.edges)])


@given(weighted_graphs())
def test_duplicates_are_dropped_and_nothing_else(graph):
    ends = list(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    unique = remove_duplicate_edges(graph)
    validate_graph(unique)
    first = dict(reversed(list(zip(ends, graph.edges.weight.tolist(), strict=True))))
    assert as_dict(unique) == first
    assert unique.senders.size == len(set(ends))


def test_edge_features_follow_their_edges():
    graph = make_graph(np.eye(2), [1, 0, 0, 0], [0, 1, 0, 1], None, [[1.0], [2.0], [3.0], [4.0]])
    assert remove_duplicate_edges(graph).edges.features.ravel().tolist() == [3.0, 1.0, 2.0]
    with pytest.raises(InputError, match="a reversed edge has no agreed features"):
        symmetrize(graph)
