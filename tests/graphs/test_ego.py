"""Ego graphs: those of networkx, along the direction of the messages."""

import re

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.graphs.ego import ego_graph, hop_distances
from jmetamer.graphs.graph import make_graph, validate_graph


@st.composite
def graphs(draw):
    total = draw(st.integers(1, 9))
    node = st.integers(0, total - 1)
    ends = draw(st.lists(st.tuples(node, node), max_size=20, unique=True))
    array = np.array(ends, np.int64).reshape(-1, 2)
    features = np.arange(len(ends), dtype=np.float32)[:, None]
    nodes = np.arange(total)[:, None]
    return make_graph(nodes, array[:, 0], array[:, 1], edge_features=features)


@given(graphs(), st.data(), st.integers(0, 4))
def test_the_ego_graph_is_that_of_networkx(graph, data, hops):
    total = len(graph.nodes)
    centers = data.draw(st.lists(st.integers(0, total - 1), min_size=1, max_size=3))
    # networkx walks from the center outwards, messages travel towards it: turn its edges around.
    ends = list(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    oracle = networkx.DiGraph()
    oracle.add_nodes_from(range(total))
    oracle.add_edges_from((receiver, sender) for sender, receiver in ends)
    expected = set().union(*(networkx.ego_graph(oracle, c, radius=hops).nodes for c in centers))
    ego, node_ids = ego_graph(graph, centers, hops)
    validate_graph(ego)
    assert node_ids.tolist() == sorted(expected)
    np.testing.assert_array_equal(ego.nodes[:, 0], node_ids)
    kept = [(i, j) for i, j in ends if {i, j} <= expected]
    assert list(zip(node_ids[ego.senders], node_ids[ego.receivers], strict=True)) == kept
    order = [float(ends.index(edge)) for edge in kept]
    assert ego.edges.features.ravel().tolist() == order


def test_edges_of_weight_zero_lead_nowhere():
    graph = make_graph(np.eye(3), [0, 1], [1, 2], weight=[1.0, 0.0])
    assert ego_graph(graph, 2, hops=2)[1].tolist() == [2]
    assert ego_graph(graph, 1, hops=2)[1].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("nodes", "hops", "message"),
    [
        (3, 1, "`nodes[0]` is 3, which is no node; allowed: 0 to 2"),
        ([0, -1], 1, "`nodes[1]` is -1, which is no node; allowed: 0 to 2"),
        ([], 1, "`nodes` has shape (0,)"),
        (0.5, 1, "dtype float64; allowed: one node number"),
        (0, -1, "`hops` is -1; allowed: 0 to"),
    ],
)
def test_centers_and_hops_out_of_range_are_refused(nodes, hops, message):
    with pytest.raises(InputError, match=re.escape(message)):
        ego_graph(make_graph(np.eye(3), [0], [1]), nodes, hops)


@given(graphs(), st.data(), st.integers(0, 4))
def test_distances_are_those_of_networkx(graph, data, hops):
    total = len(graph.nodes)
    centers = data.draw(st.lists(st.integers(0, total - 1), min_size=1, max_size=3))
    oracle = networkx.DiGraph()
    oracle.add_nodes_from(range(total))
    oracle.add_edges_from(zip(graph.receivers.tolist(), graph.senders.tolist(), strict=True))
    found = networkx.multi_source_dijkstra_path_length(oracle, set(centers), weight=None)
    expected = [min(found.get(node, hops + 1), hops + 1) for node in range(total)]
    assert hop_distances(graph, centers, hops).tolist() == expected


def test_more_steps_than_there_are_ways_cost_nothing():
    path = make_graph(np.eye(4), [0, 1, 2], [1, 2, 3])
    most = 2**31 - 2
    assert hop_distances(path, 1, most).tolist() == [1, 0, most + 1, most + 1]
    with pytest.raises(InputError, match="`hops` is 2147483647"):
        hop_distances(path, 1, most + 1)
