"""Deviations of triangles, degrees, spectra and colors against networkx and GraKeL."""

import collections

import networkx as nx
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.measures import EdgeSet, edge_set
from jmetamer.measures.homophily import assortativity_change, degree_assortativity
from jmetamer.measures.spectra import (
    laplacian_eigenvalues,
    laplacian_spectrum_wasserstein,
    netlsd,
)
from jmetamer.measures.structure import edge_jaccard_distance
from jmetamer.measures.subgraph_counts import clustering_coefficients, clustering_deviation
from jmetamer.measures.weisfeiler_leman import wl_distance
from jmetamer.oracles.known_answers import cycles

NUM_NODES = 17


def network(seed, p=0.2, directed=False):
    """A random graph with isolated nodes, as networkx and as `EdgeSet`."""
    graph = nx.gnp_random_graph(NUM_NODES - 2, p, seed=seed, directed=directed)
    graph.add_nodes_from(range(NUM_NODES))
    return graph, edges_of(graph)


def edges_of(graph):
    table = nx.to_numpy_array(graph, nodelist=range(len(graph)))
    return edge_set(jm.make_graph(np.zeros((len(table), 1)), *np.nonzero(table), table[table != 0]))


class TestClustering:
    @pytest.mark.parametrize("directed", [False, True])
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_networkx(self, seed, directed):
        graph, edges = network(seed, 0.3, directed)
        expected = nx.clustering(graph.to_undirected())
        found = clustering_coefficients(edges)
        assert np.allclose(found, [expected[v] for v in range(NUM_NODES)], atol=1e-15)

    def test_changes_by_the_mean_over_nodes(self):
        (one, ours), (other, theirs) = network(0, 0.3), network(1, 0.3)
        expected = np.mean([abs(nx.clustering(one, v) - nx.clustering(other, v)) for v in one])
        assert clustering_deviation(ours, theirs) == pytest.approx(expected, abs=1e-15)


class TestAssortativity:
    @pytest.mark.parametrize("directed", [False, True])
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_networkx(self, seed, directed):
        graph, edges = network(seed, 0.2, directed)
        expected = nx.degree_assortativity_coefficient(graph)
        assert degree_assortativity(edges) == pytest.approx(expected, abs=1e-12)

    def test_is_missing_on_regular_graphs(self):
        regular, other = edge_set(cycles([NUM_NODES])), network(0)[1]
        assert np.isnan(assortativity_change(regular, other))
        assert np.isnan(assortativity_change(other, regular))
        assert np.isnan(degree_assortativity(EdgeSet(3, np.array([], int), np.array([]))))


class TestSpectra:
    @pytest.mark.parametrize("seed", range(3))
    def test_eigenvalues_equal_networkx_with_isolated_nodes(self, seed):
        graph, edges = network(seed)
        assert min(dict(graph.degree()).values()) == 0
        expected = np.sort(nx.normalized_laplacian_spectrum(graph))
        assert np.allclose(laplacian_eigenvalues(edges), expected, atol=1e-12)

    def test_eigenvalues_of_weighted_graphs_equal_networkx(self):
        graph, _ = network(3)
        for k, (u, v) in enumerate(graph.edges):
            graph[u][v]["weight"] = 0.25 + k % 5
        expected = np.sort(nx.normalized_laplacian_spectrum(graph))
        assert np.allclose(laplacian_eigenvalues(edges_of(graph)), expected, atol=1e-12)

    def test_a_directed_graph_counts_as_the_mean_of_both_directions(self):
        graph, edges = network(4, directed=True)
        table = nx.to_numpy_array(graph)
        both = nx.from_numpy_array((table + table.T) / 2)
        expected = np.sort(nx.normalized_laplacian_spectrum(both))
        assert np.allclose(laplacian_eigenvalues(edges), expected, atol=1e-12)

    def test_netlsd_is_that_of_its_formula(self):
        (one, ours), (other, theirs) = network(0), network(1, 0.3)
        times = np.logspace(-2, 2, 250)
        traces = [
            np.exp(-np.outer(times, nx.normalized_laplacian_spectrum(graph))).mean(1)
            for graph in (one, other)
        ]
        expected = np.linalg.norm(traces[0] - traces[1])
        assert netlsd(ours, theirs) == pytest.approx(expected, abs=1e-12)

    def test_a_complete_graph_has_the_known_spectrum(self):
        found = laplacian_eigenvalues(edges_of(nx.complete_graph(6)))
        assert np.allclose(found, [0, *[6 / 5] * 5], atol=1e-14)

    def test_no_one_can_change_the_remembered_spectrum(self):
        edges = network(5)[1]
        laplacian_eigenvalues(edges)[:] = 7
        assert laplacian_eigenvalues(edges).max() <= 2

    def test_many_nodes_are_refused(self):
        large = EdgeSet(4001, np.array([1]), np.ones(1))
        for function in (netlsd, laplacian_spectrum_wasserstein):
            with pytest.raises(jm.InputError, match=r"has 4001 nodes.*up to 4000.*out of `measure"):
                function(large, large)


def wl_by_hand(one, other, iterations, labels):
    """The kernel's distance from nested tuples as colors."""
    counts = []
    for graph in (one, other):
        colors = dict(enumerate(labels))
        seen = collections.Counter((0, c) for c in colors.values())
        for t in range(1, iterations + 1):
            colors = {
                v: (c, tuple(sorted((colors[u] for u in graph.predecessors(v)), key=repr)))
                for v, c in colors.items()
            }
            seen.update((t, c) for c in colors.values())
        counts.append(seen)

    def kernel(a, b):
        return sum(a[color] * b[color] for color in a)

    similarity = kernel(*counts) / np.sqrt(kernel(*counts[:1] * 2) * kernel(*counts[1:] * 2))
    return np.sqrt(max(2 - 2 * similarity, 0))


class TestWeisfeilerLeman:
    @pytest.mark.parametrize("directed", [False, True])
    @pytest.mark.parametrize("with_labels", [False, True])
    @pytest.mark.parametrize("iterations", [0, 1, 3, 6])
    def test_equals_colors_written_out(self, iterations, with_labels, directed):
        (one, ours), (other, theirs) = network(0, directed=directed), network(1, directed=directed)
        labels = [v % 3 for v in range(NUM_NODES)] if with_labels else [0] * NUM_NODES
        expected = wl_by_hand(one.to_directed(), other.to_directed(), iterations, labels)
        found = wl_distance(
            ours, theirs, iterations=iterations, labels=np.array(labels) if with_labels else None
        )
        assert found == pytest.approx(expected, abs=1e-7 if expected < 1e-6 else 1e-12)

    @pytest.mark.parametrize("with_labels", [False, True])
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_grakel(self, seed, with_labels):
        kernels = pytest.importorskip("grakel.kernels", reason="needs GraKeL (extra `parity`)")
        grakel = pytest.importorskip("grakel")
        pairs = network(seed), network(seed + 10, 0.3)
        labels = {v: v % 3 if with_labels else 0 for v in range(NUM_NODES)}
        graphs = [
            grakel.Graph({v: list(graph[v]) for v in graph}, node_labels=labels)
            for graph, _ in pairs
        ]
        kernel = kernels.WeisfeilerLehman(
            n_iter=5, base_graph_kernel=kernels.VertexHistogram, normalize=True
        )
        similarity = kernel.fit_transform(graphs)[0, 1]
        given = np.array(list(labels.values())) if with_labels else None
        found = wl_distance(pairs[0][1], pairs[1][1], labels=given)
        assert 1 - found**2 / 2 == pytest.approx(similarity, abs=1e-14)

    def test_labels_and_rounds_are_checked(self):
        edges = network(0)[1]
        with pytest.raises(jm.InputError, match=r"`labels` has shape \(3,\)"):
            wl_distance(edges, edges, labels=np.zeros(3, int))
        with pytest.raises(jm.InputError, match=r"`iterations` is -1"):
            wl_distance(edges, edges, iterations=-1)

    def test_rounds_after_the_last_split_cost_nothing(self):
        # Rounds that are all alike outweigh the few before them.
        ours, theirs = network(0)[1], network(1)[1]
        far, farther = (wl_distance(ours, theirs, iterations=r) for r in (10**12, 10**15))
        assert far == pytest.approx(farther, abs=1e-9)
        assert far > wl_distance(ours, theirs, iterations=5)


def test_spectra_and_triangles_see_what_message_passing_cannot():
    """One ring of six, two rings of three: the values of the specification."""
    ring, rings = edge_set(cycles([6])), edge_set(cycles([3, 3]))
    assert wl_distance(ring, rings) == 0
    assert edge_jaccard_distance(ring, rings) == pytest.approx(0.5, abs=1e-12)
    assert laplacian_spectrum_wasserstein(ring, rings) == pytest.approx(1 / 3, abs=1e-12)
    assert netlsd(ring, rings) == pytest.approx(1.57, abs=0.005)
    assert clustering_deviation(ring, rings) == 1
