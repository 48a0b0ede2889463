"""Correlations of maps with what is known of the nodes."""

import networkx as nx
import numpy as np
import pytest
import scipy.stats

import jmetamer as jm
from jmetamer.jacobians.map_correlations import (
    map_correlations,
    neighborhood_statistics,
    spearman,
)


@pytest.fixture(scope="module")
def karate():
    return jm.load_dataset("karate")


def test_degree_and_homophily_are_those_of_networkx(karate):
    labels = np.asarray(karate.labels)
    degree, homophily = neighborhood_statistics(karate.graph, labels)
    g = nx.Graph(zip(karate.graph.senders.tolist(), karate.graph.receivers.tolist(), strict=True))
    for node in range(34):
        assert degree[node] == g.degree(node)
        same = [labels[other] == labels[node] for other in g.neighbors(node)]
        assert homophily[node] == pytest.approx(np.mean(same))


def test_loops_and_absent_edges_are_no_neighbors():
    graph = jm.make_graph(np.ones((3, 1)), [0, 1, 2, 0], [0, 0, 0, 1], [1.0, 1.0, 0.0, 1.0])
    degree, homophily = neighborhood_statistics(graph, [0, 1, 0])
    assert degree.tolist() == [1, 1, 0]
    np.testing.assert_array_equal(homophily, [0.0, 0.0, np.nan])


def test_rho_is_scipys_with_ties():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (2, 40)).astype(float)
    assert spearman(a, b).rho == pytest.approx(scipy.stats.spearmanr(a, b).statistic)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    # Normal pairs of correlation r have the rank correlation 6 / pi asin(r / 2).
    rng, r, trials = np.random.default_rng(1), 0.6, 600
    truth = 6 / np.pi * np.arcsin(r / 2)
    hits = 0
    for _ in range(trials):
        x, noise = rng.normal(size=(2, 60))
        found = spearman(x, r * x + np.sqrt(1 - r**2) * noise, level=0.9)
        hits += found.low <= truth <= found.high
    assert scipy.stats.binomtest(hits, trials, 0.9).pvalue > 1e-3


def test_class_means_and_errors_are_those_of_scipy(karate):
    values = np.random.default_rng(2).normal(size=34)
    labels = np.asarray(karate.labels)
    found = map_correlations(values, karate.graph, labels)
    for k, mean, error, count in zip(*found[2:], strict=True):
        group = values[labels == k]
        assert mean == pytest.approx(group.mean())
        assert error == pytest.approx(scipy.stats.sem(group))
        assert count == len(group)


def test_a_map_of_some_nodes_is_compared_at_those(karate):
    nodes = [33, 0, 5, 7, 11]
    degree = neighborhood_statistics(karate.graph, karate.labels)[0]
    found = map_correlations(degree[nodes], karate.graph, karate.labels, nodes)
    assert found.degree.rho == pytest.approx(1.0)
    assert found.degree.num_nodes == 5
    assert found.class_count.sum() == 5


class TestDegenerate:
    def test_a_constant_map_has_no_correlation_and_no_knowledge(self):
        assert spearman(np.ones(9), np.arange(9.0)) == (0.0, -1.0, 1.0, 9)

    def test_nodes_without_neighbors_are_left_out_of_homophily(self):
        found = spearman([1.0, 2.0, 3.0], [np.nan, np.nan, np.nan])
        assert found == (0.0, -1.0, 1.0, 0)

    def test_three_nodes_leave_the_interval_open(self):
        assert spearman([1.0, 2.0, 3.0], [1.0, 3.0, 2.0])[1:] == (-1.0, 1.0, 3)

    def test_a_class_of_one_node_has_no_error(self, karate):
        labels = np.zeros(34, int)
        labels[3] = 1
        assert map_correlations(np.arange(34.0), karate.graph, labels).class_error[1] == 0


class TestErrors:
    def test_shapes_that_disagree_are_refused(self, karate):
        with pytest.raises(jm.InputError) as raised:
            map_correlations(np.ones(3), karate.graph, karate.labels)
        assert str(raised.value) == "`values` has shape (3,) for 34 nodes; give one number a node."
        with pytest.raises(jm.InputError, match=r"`labels` has shape \(2,\), but the graph has 34"):
            map_correlations(np.ones(34), karate.graph, [0, 1])

    def test_values_that_are_not_finite_are_counted(self):
        with pytest.raises(jm.InputError, match="`a` holds 1 numbers that are not finite"):
            spearman([1.0, np.nan], [1.0, 2.0])

    def test_a_level_that_is_no_coverage_is_refused(self):
        with pytest.raises(jm.InputError, match="`level` is 95"):
            spearman([1.0, 2.0], [1.0, 2.0], level=95)
