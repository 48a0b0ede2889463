"""Deviations of edges against SciPy, scikit-learn and networkx."""

import networkx as nx
import numpy as np
import pytest
from scipy.spatial.distance import braycurtis, jaccard
from scipy.stats import hypergeom, wasserstein_distance
from sklearn.metrics import f1_score

import jmetamer as jm
from jmetamer.graphs.pairs import edge_jaccard, flips_between
from jmetamer.measures import MEASURES, EdgeSet, edge_set
from jmetamer.measures.random_edges import is_directed, random_edges
from jmetamer.measures.structure import (
    degree_wasserstein,
    edge_f1_chance,
    edge_f1_distance,
    edge_jaccard_chance,
    edge_jaccard_distance,
)

NUM_NODES = 23


def pair_of(seed, directed=False):
    """Two networkx graphs, their jmetamer graphs and their adjacency matrices."""
    networks = [
        nx.gnp_random_graph(NUM_NODES, p, seed=seed + i, directed=directed)
        for i, p in enumerate((0.15, 0.25))
    ]
    tables = [nx.to_numpy_array(network) for network in networks]
    graphs = [jm.make_graph(np.zeros((NUM_NODES, 1)), *np.nonzero(table)) for table in tables]
    return networks, graphs, tables


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_simple_graphs_deviate_as_the_libraries_say(seed, directed):
    networks, graphs, tables = pair_of(seed, directed)
    one, other = map(edge_set, graphs)
    entries = [table.astype(bool).ravel() for table in tables]
    assert edge_jaccard_distance(one, other) == pytest.approx(jaccard(*entries), abs=1e-12)
    assert edge_f1_distance(one, other) == pytest.approx(1 - f1_score(*entries), abs=1e-12)
    degrees = [
        [d for _, d in (network.in_degree() if directed else network.degree())]
        for network in networks
    ]
    expected = wasserstein_distance(*degrees)
    assert degree_wasserstein(one, other) == pytest.approx(expected, abs=1e-12)
    assert one.degree.tolist() == degrees[0]


@pytest.mark.parametrize("directed", [False, True])
def test_the_jaccard_distance_is_that_of_the_flips(directed):
    _, graphs, tables = pair_of(7, directed)
    flips = flips_between(*graphs, directed=directed)
    num_pairs = int(tables[0].sum()) // (1 if directed else 2)
    found = edge_jaccard_distance(*map(edge_set, graphs))
    assert found == pytest.approx(edge_jaccard(flips, num_pairs), abs=1e-12)


def test_weighted_graphs_deviate_as_scipy_says():
    rng = np.random.default_rng(0)
    tables = [rng.uniform(size=(9, 9)) * (rng.uniform(size=(9, 9)) < 0.4) for _ in range(2)]
    for table in tables:
        np.fill_diagonal(table, 0)
    graphs = [
        jm.make_graph(np.zeros((9, 1)), *np.nonzero(table), table[np.nonzero(table)])
        for table in tables
    ]
    one, other = map(edge_set, graphs)
    flat = [table.astype(np.float32).astype(float).ravel() for table in tables]
    assert edge_f1_distance(one, other) == pytest.approx(braycurtis(*flat), abs=1e-12)
    ruzicka = 1 - np.minimum(*flat).sum() / np.maximum(*flat).sum()
    assert edge_jaccard_distance(one, other) == pytest.approx(ruzicka, abs=1e-12)
    arriving = [table.astype(np.float32).astype(float).sum(axis=0) for table in tables]
    assert degree_wasserstein(one, other) == pytest.approx(
        wasserstein_distance(*arriving), abs=1e-12
    )


def test_a_rewired_graph_has_other_edges_and_the_same_degrees():
    network = nx.random_regular_graph(4, 20, seed=0)
    rewired = nx.double_edge_swap(network.copy(), 20, seed=1)
    one, other = (
        edge_set(jm.make_graph(np.zeros((20, 1)), *np.nonzero(nx.to_numpy_array(n))))
        for n in (network, rewired)
    )
    assert degree_wasserstein(one, other) == 0
    assert edge_jaccard_distance(one, other) > 0.2


def test_chance_of_simple_graphs_is_that_of_the_hypergeometric_distribution():
    """The number of shared pairs of two random sets of m pairs among P is hypergeometric."""
    _, (graph, _), table = pair_of(3)
    edges = edge_set(graph)
    m, most = edges.numbers.size // 2, NUM_NODES * (NUM_NODES - 1) // 2
    assert m == table[0].sum() // 2
    shared = np.arange(m + 1)
    weights = hypergeom(most, m, m).pmf(shared)
    assert edge_f1_chance(edges) == pytest.approx(weights @ (1 - shared / m), abs=1e-12)
    exact = weights @ (1 - shared / (2 * m - shared))
    assert edge_jaccard_chance(edges) == pytest.approx(exact, rel=1 / m)


def test_chance_of_degrees_is_that_of_random_graphs_with_as_many_edges():
    star = nx.star_graph(NUM_NODES - 1)
    edges = edge_set(jm.make_graph(np.zeros((NUM_NODES, 1)), *np.nonzero(nx.to_numpy_array(star))))
    draws = [
        wasserstein_distance(
            edges.degree, [d for _, d in nx.gnm_random_graph(NUM_NODES, 22, seed=s).degree()]
        )
        for s in range(400)
    ]
    error = np.std(draws) * (1 / np.sqrt(400) + 1 / np.sqrt(32))
    chance = MEASURES["structure/degree_wasserstein"].chance
    assert abs(chance(edges) - np.mean(draws)) <= 3 * error
    assert chance(edges) == chance(edges)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("num_nodes", [2, 3, 6])
def test_random_edges_come_from_all_pairs_alike(num_nodes, directed):
    rng = np.random.default_rng(0)
    table = np.ones((num_nodes, num_nodes)) - np.eye(num_nodes)
    numbers = np.flatnonzero(table)
    full = random_edges(rng, EdgeSet(num_nodes, numbers, np.ones(numbers.size)))
    assert full.numbers.tolist() == numbers.tolist(), "every pair exactly once"
    one = [1] if directed else [1, num_nodes]
    single = EdgeSet(num_nodes, np.array(one), np.full(len(one), 2.0))
    found = [random_edges(rng, single) for _ in range(3000)]
    assert all(is_directed(edges) == directed for edges in found[:20])
    counts = np.bincount(np.concatenate([e.numbers for e in found]), minlength=num_nodes**2)
    share = len(one) / numbers.size
    error = np.sqrt(share * (1 - share) / 3000)
    assert np.abs(counts[numbers] / 3000 - share).max() <= 4.5 * error + 1e-12
    assert counts.sum() == 3000 * len(one), "only between different nodes"
    assert found[0].weight.tolist() == single.weight.tolist()


def test_random_edges_keep_the_weights_and_sort_the_numbers():
    _, (graph, _), _ = pair_of(5)
    edges = edge_set(graph)
    weighted = edges._replace(weight=1.0 + (edges.degree[edges.numbers % NUM_NODES]))
    drawn = random_edges(np.random.default_rng(0), weighted)
    assert (np.diff(drawn.numbers) > 0).all()
    assert np.sort(drawn.weight).tolist() == np.sort(weighted.weight).tolist()


def test_pairs_of_many_nodes_are_numbered_without_overflow():
    n = 100_000
    path = np.arange(50)
    numbers = np.sort(np.append(path * n + path + 1, (path + 1) * n + path))
    drawn = random_edges(np.random.default_rng(0), EdgeSet(n, numbers, np.ones(100)))
    assert drawn.degree.sum() == 100
    assert not is_directed(drawn)
    far = edge_set(jm.make_graph(np.zeros((70_000, 1)), [69_999], [69_998]))
    assert far.numbers.tolist() == [69_999 * 70_000 + 69_998]


def test_an_edge_that_is_stored_twice_counts_once_with_both_weights():
    edges = edge_set(jm.make_graph(np.zeros((3, 1)), [0, 0, 2], [1, 1, 2], [0.5, 1.0, 1.0]))
    assert edges.numbers.tolist() == [1]
    assert edges.weight.tolist() == [1.5]
