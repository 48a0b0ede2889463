"""Unions of balls, against ego graphs."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.graphs import ego_graph
from jmetamer.graphs.ego import ball_unions


@pytest.fixture(scope="module")
def graph():
    """Forty nodes, directed and weighted edges, some absent, some doubled, loops, lone nodes."""
    rng = np.random.default_rng(0)
    senders, receivers = rng.integers(0, 36, (2, 70))
    weight = rng.uniform(0.1, 2, 70) * (rng.uniform(size=70) > 0.2)
    return jm.make_graph(rng.normal(size=(40, 3)), senders, receivers, weight, weight[:, None])


@pytest.mark.parametrize("hops", [0, 1, 2, 3])
@pytest.mark.parametrize("most", [1, 30, 10_000])
def test_every_ball_holds_the_nodes_of_the_ego_graph(graph, hops, most):
    nodes = np.random.default_rng(1).permutation(40)
    seen = []
    for union in ball_unions(graph, nodes, hops, most):
        assert union.first == len(seen)
        for ball in range(union.num_balls):
            first, last = union.starts[ball : ball + 2]
            node = nodes[len(seen)]
            expected = ego_graph(graph, int(node), hops)[1]
            np.testing.assert_array_equal(union.node_ids[first:last], expected)
            assert union.node_ids[union.centers[ball]] == node
            assert first <= union.centers[ball] < last
            seen.append(node)
    np.testing.assert_array_equal(seen, nodes)


def test_all_unions_have_one_shape_and_end_in_padding(graph):
    unions = list(ball_unions(graph, np.arange(40), 2, 25))
    assert len(unions) > 2
    assert len({(len(u.node_ids), len(u.graph.senders), len(u.centers)) for u in unions}) == 1
    for union in unions:
        end = len(union.node_ids) - 1
        assert union.starts[-1] <= end
        assert (union.centers[union.num_balls :] == end).all()
        padding = (union.graph.senders == end) & (union.graph.receivers == end)
        assert (union.graph.edges.weight[padding] == 0).all()
        assert not (union.graph.receivers[~padding] == end).any()


def test_no_ball_touches_another(graph):
    for union in ball_unions(graph, np.arange(40), 2, 60):
        owner = np.searchsorted(union.starts, np.arange(len(union.node_ids)), side="right")
        end = len(union.node_ids) - 1
        inside = union.graph.senders != end
        np.testing.assert_array_equal(
            owner[union.graph.senders[inside]], owner[union.graph.receivers[inside]]
        )


def test_every_node_keeps_the_weight_that_arrives(graph):
    present = np.asarray(graph.edges.weight, np.float64)
    between = graph.senders != graph.receivers
    degree = np.bincount(graph.receivers, present * between, minlength=40)
    loops = np.bincount(graph.receivers, present * ~between, minlength=40)
    for union in ball_unions(graph, np.arange(40), 1, 10_000):
        g, weight = union.graph, np.asarray(union.graph.edges.weight)
        apart = g.senders != g.receivers
        places = len(union.node_ids)
        arrived = np.bincount(g.receivers, weight * apart, minlength=places)[:-1]
        np.testing.assert_allclose(arrived, degree[union.node_ids[:-1]], rtol=1e-6)
        arrived = np.bincount(g.receivers, weight * ~apart, minlength=places)[:-1]
        np.testing.assert_allclose(arrived, loops[union.node_ids[:-1]], rtol=1e-6)


def test_an_edge_brings_its_features(graph):
    for union in ball_unions(graph, np.arange(40), 2, 10_000):
        g = union.graph
        real = g.senders != len(union.node_ids) - 1
        np.testing.assert_allclose(g.edges.features[real, 0], g.edges.weight[real], rtol=1e-6)
        assert not g.edges.features[~real].any()


@pytest.mark.parametrize(
    ("nodes", "hops", "message"),
    [
        ([0, 40], 1, "`nodes[1]` is 40, which is no node; allowed: 0 to 39, of 40 in all"),
        ([], 1, "`nodes` has shape (0,) and dtype float64"),
        ([0], -1, "`hops` is -1; allowed: 0 to 2,147,483,646."),
    ],
)
def test_wrong_arguments_are_named(graph, nodes, hops, message):
    with pytest.raises(jm.InputError) as raised:
        list(ball_unions(graph, np.array(nodes), hops, 10))
    assert message in str(raised.value)


def test_more_hops_than_the_graph_has_cost_nothing():
    graph = jm.load_dataset("karate").graph
    far, whole = (list(ball_unions(graph, np.arange(34), hops, 100_000)) for hops in (10**9, 8))
    for one, other in zip(far, whole, strict=True):
        for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(left, right)
