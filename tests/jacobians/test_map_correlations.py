"""Correlations of maps with what is known of the nodes."""

import networkx as nx
import numpy as np
import pytest
import scipy.stats

import jmetamer as jm
from jmetamer.geometry.of_problem.map_correlations import (
    NoiseOnGraph,
    correlation,
    map_correlation,
    map_correlations,
    neighborhood_statistics,
    smooth_maps,
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


def test_rho_is_scipys_with_ties(karate):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (2, 34)).astype(float)
    found = map_correlation(a, b, karate.graph)
    assert found.rho == pytest.approx(scipy.stats.spearmanr(a, b).statistic)
    assert found.low < found.rho < found.high


@pytest.fixture(scope="module")
def hubs():
    """A graph with hubs, its average over neighbors and self, and what is fitted to its maps."""
    g = nx.barabasi_albert_graph(150, 2, seed=0)
    ends = np.array(list(g.edges)).T
    graph = jm.make_graph(np.ones((150, 1)), np.r_[ends[0], ends[1]], np.r_[ends[1], ends[0]])
    weights = nx.to_numpy_array(g) + np.eye(150)
    return graph, weights / weights.sum(1, keepdims=True), NoiseOnGraph(graph, np.arange(150))


class TestOfUnrelatedMaps:
    @pytest.mark.parametrize("hops", [0, 1, 2])
    def test_one_in_twenty_is_said_to_be_correlated(self, hubs, hops):
        graph, average, noise = hubs
        rng, repeats = np.random.default_rng(hops), 100
        degree = neighborhood_statistics(graph, np.zeros(150, int))[0]
        smooth = np.linalg.matrix_power(average, hops)
        said, as_if_independent = np.zeros((2, 2))
        for _ in range(repeats):
            values, other = (smooth @ rng.normal(size=(150, 2))).T
            alike = smooth_maps(values, noise)
            for place, fixed in enumerate((degree, other)):
                found = correlation(alike, fixed, 0.95)
                said[place] += not found.low <= 0 <= found.high
                as_if_independent[place] += scipy.stats.spearmanr(values, fixed).pvalue < 0.05
        for count in said:
            assert scipy.stats.binomtest(int(count), repeats, 0.05).pvalue > 0.005
        assert (as_if_independent[1] / repeats > 0.1) == (hops > 0)

    def test_the_effective_number_is_that_of_the_true_covariance(self, hubs):
        graph, average, noise = hubs
        degree = neighborhood_statistics(graph, np.zeros(150, int))[0]
        centering = np.eye(150) - 1 / 150
        covariance = centering @ average @ average.T @ centering
        y = centering @ scipy.stats.rankdata(degree)
        expected = 1 + np.trace(covariance) / (y @ covariance @ y / (y @ y))
        rng = np.random.default_rng(0)
        found = [
            correlation(smooth_maps(average @ rng.normal(size=150), noise), degree, 0.95).effective
            for _ in range(20)
        ]
        # A little low: variances that are fitted are never negative, so that noise adds to them.
        assert np.median(found) == pytest.approx(expected, rel=0.2)


def test_the_interval_covers_a_true_correlation_as_often_as_it_says(hubs):
    # Normal pairs of correlation r have the rank correlation 6 / pi asin(r / 2).
    _, average, noise = hubs
    rng, r, trials = np.random.default_rng(1), 0.4, 100
    smooth = average / np.linalg.norm(average, axis=1, keepdims=True)
    truth, hits = 6 / np.pi * np.arcsin(r / 2), 0
    for _ in range(trials):
        x, own = (smooth @ rng.normal(size=(150, 2))).T
        found = correlation(smooth_maps(r * x + np.sqrt(1 - r**2) * own, noise), x, 0.9)
        hits += found.low <= truth <= found.high
    assert scipy.stats.binomtest(hits, trials, 0.9).pvalue > 1e-3


def test_the_same_seed_gives_the_same_interval(karate):
    values = np.random.default_rng(3).normal(size=34)
    first, again = (map_correlations(values, karate.graph, karate.labels) for _ in range(2))
    assert first.degree == again.degree
    other = map_correlations(values, karate.graph, karate.labels, seed=1)
    assert other.degree.rho == first.degree.rho
    assert other.degree.low == pytest.approx(first.degree.low, abs=0.2)
    assert other.degree.low != first.degree.low


def test_class_means_are_those_of_numpy_and_errors_of_noise_near_those_of_scipy(karate):
    values = np.random.default_rng(2).normal(size=34)
    labels = np.asarray(karate.labels)
    found = map_correlations(values, karate.graph, labels)
    for k, mean, error, count in zip(*found[2:], strict=True):
        group = values[labels == k]
        assert mean == pytest.approx(group.mean())
        assert error == pytest.approx(scipy.stats.sem(group), rel=0.35)
        assert count == len(group)


def test_a_map_of_some_nodes_is_compared_at_those(karate):
    nodes = [33, 0, 5, 7, 11]
    degree = neighborhood_statistics(karate.graph, karate.labels)[0]
    found = map_correlations(degree[nodes], karate.graph, karate.labels, nodes)
    assert found.degree.rho == pytest.approx(1.0)
    assert found.degree.num_nodes == 5
    assert found.class_count.sum() == 5


class TestDegenerate:
    def test_a_constant_map_has_no_correlation_and_no_knowledge(self, karate):
        found = map_correlation(np.ones(34), np.arange(34.0), karate.graph)
        assert found == (0.0, -1.0, 1.0, 34, 0.0)

    def test_nodes_without_neighbors_are_left_out_of_homophily(self, karate):
        found = map_correlation([1.0, 2.0, 3.0], [np.nan] * 3, karate.graph, [0, 1, 2])
        assert found == (0.0, -1.0, 1.0, 0, 0.0)
        alone = jm.make_graph(np.ones((6, 1)), [0, 1, 2, 3], [1, 0, 3, 2])
        found = map_correlations(np.arange(6.0), alone, [0, 0, 0, 1, 1, 1]).homophily
        assert (found.num_nodes, found.rho) == (4, pytest.approx(-(0.8**0.5)))

    def test_three_nodes_leave_the_interval_open(self, karate):
        found = map_correlation([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], karate.graph, [4, 5, 6])
        assert found[1:] == (-1.0, 1.0, 3, 0.0)

    def test_a_perfect_correlation_counts_where_chance_seldom_gives_it(self, karate):
        """One of six values stands out: at random it is at the center of a star 1 time of 6."""
        ends, hub = np.arange(1, 6), np.zeros(5, int)
        star = jm.make_graph(np.ones((6, 1)), [*ends, *hub], [*hub, *ends])
        one_hot = np.eye(6)[0]
        assert map_correlation(one_hot, one_hot, star)[:3] == (1.0, -1.0, 1.0)
        values = np.random.default_rng(0).normal(size=34)
        for sign in (1, -1):
            found = map_correlation(values, sign * values, karate.graph)
            assert found.rho == pytest.approx(sign)
            least, most = sorted(map(abs, found[1:3]))
            assert 0.99 < least < 1 - 1e-5  # few nodes never leave an interval of zero width
            assert most == pytest.approx(1)
        path = jm.make_graph(np.ones((5, 1)), [0, 1, 2, 3], [1, 2, 3, 4])
        assert 0 < map_correlation(values[:5], values[:5], path).low < 0.95

    def test_three_nodes_have_no_error_of_a_class_mean(self):
        path = jm.make_graph(np.ones((3, 1)), [0, 1, 1, 2], [1, 0, 2, 1])
        found = map_correlations([1.0, 3.0, 2.0], path, [0, 0, 1])
        np.testing.assert_array_equal(found.class_error, [np.nan, 0.0])

    def test_so_few_draws_give_no_interval_of_a_very_high_level(self, karate):
        values = np.random.default_rng(0).normal(size=34)
        found = map_correlation(values, np.arange(34.0), karate.graph, level=0.999)
        assert found[1:3] == (-1.0, 1.0)

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

    def test_values_that_are_not_finite_are_counted(self, karate):
        values = np.where(np.arange(34) == 3, np.nan, 1.0)
        with pytest.raises(jm.InputError, match="`values` hold 1 numbers that are not finite"):
            map_correlations(values, karate.graph, karate.labels)
        with pytest.raises(jm.InputError, match="`values` hold 1 numbers that are not finite"):
            map_correlation(values, np.arange(34.0), karate.graph)
        with pytest.raises(jm.InputError, match=r"`a` has shape \(34,\) and `b` \(3,\) for 34"):
            map_correlation(values, np.arange(3.0), karate.graph)

    def test_a_level_that_is_no_coverage_is_refused(self, karate):
        with pytest.raises(jm.InputError, match="`level` is 95"):
            map_correlation(np.arange(34.0), np.arange(34.0), karate.graph, level=95)
