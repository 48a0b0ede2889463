"""Isomorphism: all permutations of small graphs, networkx, and pairs that colors cannot part."""

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer.graphs.edge_lists import simple_undirected
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.isomorphism import isomorphic
from jmetamer.oracles.known_answers import circular_skip_links, cycles, random_regular


def of_networkx(graph):
    graph = networkx.convert_node_labels_to_integers(graph)
    total = graph.number_of_nodes()
    one, other = np.array(graph.edges, np.int64).reshape(-1, 2).T
    return make_graph(np.ones((total, 1)), *simple_undirected(one, other, total))


def renamed(graph, seed):
    """The graph with its nodes renamed and its edges in another order."""
    rng = np.random.default_rng(seed)
    names, order = rng.permutation(len(graph.nodes)), rng.permutation(graph.senders.size)
    nodes = np.empty_like(graph.nodes)
    nodes[names] = graph.nodes
    ends = names[graph.senders][order], names[graph.receivers][order]
    features = graph.edges.features
    features = None if features is None else features[order]
    return make_graph(nodes, *ends, graph.edges.weight[order], features)


def by_all_permutations(first, second):
    """Whether some permutation takes nodes to equal rows and edges to equal edges."""

    def edges(graph, names):
        return sorted(
            (names[i], names[j], float(w))
            for i, j, w in zip(graph.senders, graph.receivers, graph.edges.weight, strict=True)
            if w
        )

    total = len(first.nodes)
    target = edges(second, range(total))
    return total == len(second.nodes) and any(
        (first.nodes == second.nodes[list(names)]).all() and edges(first, names) == target
        for names in itertools.permutations(range(total))
    )


@st.composite
def graph_pairs(draw):
    """Two graphs of up to five nodes: directed, with loops, double edges, weights and labels."""
    total = draw(st.integers(1, 5))
    node = st.integers(0, total - 1)
    edge = st.tuples(node, node, st.sampled_from([0.0, 0.5, 1.0]))
    made = []
    size = draw(st.integers(0, 6))
    for _ in range(2):
        edges = draw(st.lists(edge, min_size=size, max_size=size))
        senders, receivers, weight = np.array(edges).reshape(-1, 3).T
        labels = draw(st.lists(st.integers(0, 1), min_size=total, max_size=total))
        ends = senders.astype(int), receivers.astype(int)
        made.append(make_graph(np.eye(2)[labels], *ends, weight))
    return made


@settings(max_examples=150, deadline=None)
@given(graph_pairs(), st.integers(0, 99))
def test_every_permutation_says_the_same(pair, seed):
    first, second = pair
    assert isomorphic(first, second) == ("yes" if by_all_permutations(first, second) else "no")
    assert isomorphic(first, renamed(first, seed)) == "yes"


def test_the_156_classes_of_graphs_on_six_nodes():
    atlas = [graph for graph in networkx.graph_atlas_g() if graph.number_of_nodes() == 6]
    graphs = [of_networkx(graph) for graph in atlas]
    assert len(graphs) == 156
    for place, graph in enumerate(graphs):
        assert isomorphic(graph, renamed(graph, place)) == "yes"
    degrees = [sorted(np.bincount(graph.senders, minlength=6)) for graph in graphs]
    close = [(i, j) for i, j in itertools.combinations(range(156), 2) if degrees[i] == degrees[j]]
    assert len(close) > 50
    assert {isomorphic(graphs[i], graphs[j]) for i, j in close} == {"no"}


def shrikhande():
    steps = [(1, 0), (0, 1), (1, 1)]
    graph = networkx.Graph()
    for a, b in itertools.product(range(4), repeat=2):
        graph.add_edges_from(((a, b), ((a + s) % 4, (b + t) % 4)) for s, t in steps)
    return graph


def twisted_pair(base):
    """Cai, Fuerer and Immerman's graph over a base of degree 3, and its twist."""
    base = networkx.convert_node_labels_to_integers(base)
    ends = [tuple(sorted(edge)) for edge in base.edges]
    pair = networkx.Graph(), networkx.Graph()
    for twist, graph in enumerate(pair):
        for node in base:
            own = [edge for edge in ends if node in edge]
            for bits in itertools.product([0, 1], repeat=len(own)):
                if sum(bits) % 2 == 0:
                    middle = node, bits
                    graph.add_edges_from(
                        (middle, (node, *pin)) for pin in zip(own, bits, strict=True)
                    )
        for place, edge in enumerate(ends):
            for bit in (0, 1):
                other = bit ^ (twist and place == 0)
                graph.add_edge((edge[0], edge, bit), (edge[1], edge, other))
    return tuple(map(of_networkx, pair))


@pytest.mark.parametrize(
    "pair",
    [
        (
            of_networkx(shrikhande()),
            of_networkx(networkx.line_graph(networkx.complete_bipartite_graph(4, 4))),
        ),
        twisted_pair(networkx.complete_graph(4)),
        twisted_pair(networkx.complete_bipartite_graph(3, 3)),
        twisted_pair(networkx.hypercube_graph(3)),
        (circular_skip_links(41, 2), circular_skip_links(41, 3)),
        (cycles([3] * 30), cycles([3] * 26 + [6] * 2)),
        (random_regular(300, 3, seed=0), random_regular(300, 3, seed=1)),
    ],
    ids=["strongly regular", "CFI K4", "CFI K33", "CFI cube", "skip links", "rings", "regular"],
)
def test_pairs_that_colors_cannot_part(pair):
    first, second = pair
    assert isomorphic(first, second) == "no"
    assert isomorphic(first, renamed(first, 1)) == "yes"
    assert isomorphic(second, renamed(second, 2)) == "yes"


@pytest.mark.parametrize("seed", range(30))
def test_networkx_agrees_on_random_regular_graphs(seed):
    total, degree = [(8, 3), (10, 3), (9, 4)][seed % 3]
    graphs = [networkx.random_regular_graph(degree, total, seed=seed + k) for k in (0, 1000)]
    expected = "yes" if networkx.is_isomorphic(*graphs) else "no"
    assert isomorphic(*map(of_networkx, graphs)) == expected


def test_weights_features_of_edges_and_directions_count():
    ends = [0, 1, 2], [1, 2, 0]
    nodes = np.ones((3, 1))
    ring = make_graph(nodes, *ends)
    assert isomorphic(ring, make_graph(nodes, *ends[::-1])) == "yes"
    assert isomorphic(ring, make_graph(nodes, [0, 1, 0], [1, 2, 2])) == "no"
    weighted = make_graph(nodes, *ends, [1.0, 2.0, 3.0])
    assert isomorphic(weighted, make_graph(nodes, *ends, [3.0, 1.0, 2.0])) == "yes"
    assert isomorphic(weighted, make_graph(nodes, *ends, [3.0, 2.0, 1.0])) == "no"
    featured = make_graph(nodes, *ends, None, [[1.0], [2.0], [3.0]])
    assert isomorphic(featured, make_graph(nodes, *ends, None, [[2.0], [3.0], [1.0]])) == "yes"
    assert isomorphic(featured, make_graph(nodes, *ends, None, [[2.0], [1.0], [3.0]])) == "no"
    assert isomorphic(featured, ring) == "no"


def test_colors_stand_for_features_and_hold_nodes_in_their_places():
    path = make_graph(np.eye(3), [0, 1, 1, 2], [1, 0, 2, 1])
    other = make_graph(np.eye(3), [0, 2, 1, 2], [2, 0, 2, 1])  # the middle is node 2
    assert isomorphic(path, other) == "no"
    alike = np.zeros(3, int)
    assert isomorphic(path, other, colors=(alike, alike)) == "yes"
    assert isomorphic(path, other, colors=([0, 1, 1], [0, 1, 1])) == "yes"
    assert isomorphic(path, other, colors=([0, 1, 0], [0, 1, 0])) == "no"


def test_a_limit_leaves_undecided_only_what_colors_leave_open():
    first, second = twisted_pair(networkx.complete_graph(4))
    assert isomorphic(first, second, max_nodes=39) == "undecided"
    assert isomorphic(first, second, max_nodes=40) == "no"
    assert isomorphic(first, second, max_entries=100_000) == "undecided"
    path, ring = of_networkx(networkx.path_graph(50)), cycles([50])
    assert isomorphic(path, ring, max_nodes=0) == "no"
    assert isomorphic(path, renamed(path, 0), max_nodes=0) == "yes"  # ends split all of it
    assert isomorphic(cycles([5]), cycles([3, 3])) == "no"
