"""Neighborhoods with true degrees, and their way back: against dense adjacency matrices."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import is_symmetric, pad_graph
from jmetamer.graphs.ego import hop_distances
from jmetamer.graphs.graph import Edges, make_graph, validate_graph, with_nodes
from jmetamer.graphs.local_graph import graph_with_local, local_graph
from jmetamer.graphs.pairs import flips_between, pairs_of_graph

WEIGHTS = (0.0, 0.5, 1.0, 2.0)


@st.composite
def graphs(draw):
    """Small directed graphs without repeats, with loops and weights, some of them 0."""
    total = draw(st.integers(2, 9))
    node = st.integers(0, total - 1)
    ends = draw(st.lists(st.tuples(node, node), max_size=24, unique=True))
    weight = draw(st.lists(st.sampled_from(WEIGHTS), min_size=len(ends), max_size=len(ends)))
    array = np.array(ends, np.int64).reshape(-1, 2)
    return make_graph(np.arange(total)[:, None], array[:, 0], array[:, 1], weight)


def dense(graph):
    matrix = np.zeros((len(graph.nodes),) * 2)
    np.add.at(matrix, (graph.receivers, graph.senders), graph.edges.weight)
    return matrix


def degrees(graph):
    """Those of symmetric normalization: the largest self loop, or 1, and all that arrives."""
    matrix = dense(graph)
    loop = np.zeros(len(matrix))
    own = graph.senders == graph.receivers
    np.maximum.at(loop, graph.senders[own], graph.edges.weight[own])
    return np.where(loop > 0, loop, 1) + matrix.sum(axis=1) - matrix.diagonal()


@given(graphs(), st.data(), st.integers(0, 3))
def test_degrees_are_those_of_the_whole_graph_and_inner_nodes_keep_their_edges(graph, data, hops):
    center = data.draw(st.integers(0, len(graph.nodes) - 1))
    local = local_graph(graph, center, hops)
    validate_graph(local.graph)
    np.testing.assert_array_equal(degrees(local.graph), degrees(graph)[local.node_ids])
    distance = hop_distances(graph, center, hops)
    assert local.node_ids.tolist() == np.flatnonzero(distance <= hops).tolist()
    np.testing.assert_array_equal(local.distance, distance[local.node_ids])
    assert local.complete[local.distance < hops].all()
    here, there = dense(local.graph), dense(graph)
    for place in np.flatnonzero(local.complete):
        row = np.zeros(len(there))
        row[local.node_ids] = here[place]
        np.testing.assert_array_equal(row, there[local.node_ids[place]])


@given(graphs(), st.data(), st.integers(0, 2))
def test_a_changed_neighborhood_replaces_its_part_and_nothing_else(graph, data, hops):
    total = len(graph.nodes)
    local = local_graph(graph, data.draw(st.integers(0, total - 1)), hops)
    m = len(local.node_ids)
    node = st.integers(0, m - 1)
    drawn = data.draw(st.lists(st.tuples(node, node), max_size=12, unique=True))
    ends = np.array([(i, j) for i, j in drawn if i != j or local.complete[i]], np.int64).reshape(
        -1, 2
    )
    weight = np.array([data.draw(st.sampled_from(WEIGHTS)) for _ in ends], np.float32)
    own = local.graph
    # Loops of incomplete nodes stay, among them those that stand for what was cut off.
    kept = (own.senders == own.receivers) & ~local.complete[own.senders]
    changed = make_graph(
        np.full((m, 1), 7.0),
        np.concatenate([ends[:, 0], own.senders[kept]]),
        np.concatenate([ends[:, 1], own.receivers[kept]]),
        np.concatenate([weight, own.edges.weight[kept]]),
    )
    lifted = graph_with_local(graph, local, changed)
    validate_graph(lifted)
    expected = dense(graph)
    block = np.ix_(local.node_ids, local.node_ids)
    inner = np.zeros((m, m))
    np.add.at(inner, (ends[:, 1], ends[:, 0]), weight)
    loops = np.flatnonzero(~local.complete)
    inner[loops, loops] = expected[block][loops, loops]
    expected[block] = inner
    np.testing.assert_array_equal(dense(lifted), expected)
    np.testing.assert_array_equal(degrees(lifted)[local.node_ids], degrees(changed))
    features = np.where(np.isin(np.arange(total), local.node_ids), 7.0, np.arange(total))
    np.testing.assert_array_equal(lifted.nodes[:, 0], features)


def path(total=6):
    one = np.arange(total - 1)
    ends = np.concatenate([one, one + 1]), np.concatenate([one + 1, one])
    order = np.lexsort(ends)
    return make_graph(np.arange(total)[:, None], ends[0][order], ends[1][order])


def test_unchanged_edges_leave_the_whole_edge_list_as_it_was():
    whole = path()
    backwards = whole._replace(senders=whole.senders[::-1], receivers=whole.receivers[::-1])
    local = local_graph(backwards, 0, 2)
    lifted = graph_with_local(backwards, local, with_nodes(local.graph, np.full((3, 1), 9.0)))
    assert lifted.senders is backwards.senders
    assert lifted.nodes[:, 0].tolist() == [9, 9, 9, 3, 4, 5]


def test_changed_edges_are_sorted_by_receiver_as_loaders_sort_them():
    whole = path()
    local = local_graph(whole, 0, 2)
    weight = np.where(local.graph.senders + local.graph.receivers == 1, 0, local.graph.edges.weight)
    lifted = graph_with_local(whole, local, local.graph._replace(edges=Edges(weight)))
    ends = list(zip(lifted.receivers.tolist(), lifted.senders.tolist(), strict=True))
    assert ends == [(1, 2), (2, 1), (2, 3), (3, 2), (3, 4), (4, 3), (4, 5), (5, 4)]
    flips = flips_between(whole, lifted, directed=False)
    assert (flips.pairs.senders.tolist(), flips.pairs.receivers.tolist()) == ([0], [1])


def test_self_loops_where_edges_were_cut_off_come_back_as_they_were():
    whole = path()
    whole = make_graph(
        whole.nodes,
        np.append(whole.senders, [2, 1]),
        np.append(whole.receivers, [2, 1]),
        np.append(whole.edges.weight, [3.0, 0.5]),
    )
    local = local_graph(whole, 0, 2)
    assert local.complete.tolist() == [True, True, False]
    loops = local.graph.senders == local.graph.receivers
    assert local.graph.edges.weight[loops].tolist() == [3, 0.5, 4]  # 3 and the edge from node 3
    weight = np.where(local.graph.senders + local.graph.receivers == 1, 0, local.graph.edges.weight)
    changed = local.graph._replace(edges=Edges(weight))
    expected = dense(whole)
    expected[0, 1] = expected[1, 0] = 0
    np.testing.assert_array_equal(dense(graph_with_local(whole, local, changed)), expected)


def test_an_undirected_simple_graph_stays_one():
    local = local_graph(path(), [1], 2)
    assert is_symmetric(local.graph)
    pairs = pairs_of_graph(local.graph, directed=False)
    assert list(zip(pairs.senders, pairs.receivers, strict=True)) == [(0, 1), (1, 2), (2, 3)]


def test_padding_of_the_neighborhood_is_ignored():
    whole = path()
    local = local_graph(whole, 0, 2)
    padded = pad_graph(local.graph, 8, 12)
    lifted = graph_with_local(whole, local, padded)
    np.testing.assert_array_equal(dense(lifted), dense(whole))
    np.testing.assert_array_equal(lifted.nodes, whole.nodes)


def test_edge_features_go_along():
    whole = path()
    features = np.arange(10, dtype=np.float32)[:, None]
    whole = whole._replace(edges=Edges(whole.edges.weight, features))
    local = local_graph(whole, 0, 1)
    assert local.graph.edges.features.ravel().tolist() == [0, 1, 0]
    weight = np.array([0, 1, 2], np.float32)  # without 1 -> 0
    changed = local.graph._replace(edges=Edges(weight, local.graph.edges.features))
    assert graph_with_local(whole, local, changed).edges.features.ravel().tolist() == list(
        range(1, 10)
    )
    bare = local.graph._replace(edges=Edges(weight))
    with pytest.raises(InputError, match="`changed` has no edge features"):
        graph_with_local(whole, local, bare)


def test_several_arrays_of_node_features_are_cut_and_put_back():
    whole = path()
    whole = whole._replace(nodes={"positions": whole.nodes, "x": -whole.nodes})
    local = local_graph(whole, 5, 1)
    assert local.graph.nodes["x"].ravel().tolist() == [-4, -5]
    zeros = {name: 0 * rows for name, rows in local.graph.nodes.items()}
    lifted = graph_with_local(whole, local, local.graph._replace(nodes=zeros))
    assert lifted.nodes["positions"].ravel().tolist() == [0, 1, 2, 3, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: g._replace(edges=Edges(g.edges.weight * 2)),
            "`changed` has other self loops at nodes that lost edges",
        ),
        (
            lambda g: g._replace(edges=Edges(np.where(g.senders == g.receivers, 0, 1))),
            "`changed` has other self loops",
        ),
        (
            lambda g: g._replace(nodes=np.zeros((2, 1), np.float32)),
            "`changed` has nodes of shape (2, 1); allowed: (3, 1)",
        ),
        (
            lambda g: pad_graph(g, 4, 6)._replace(edges=Edges(np.ones(6))),
            "`changed` has an edge from node 3 to 3; allowed: 0 to 2",
        ),
    ],
)
def test_what_cannot_be_put_back_is_refused(change, message):
    whole = path()
    local = local_graph(whole, 0, 2)
    with pytest.raises(InputError, match=re.escape(message)):
        graph_with_local(whole, local, change(local.graph))
