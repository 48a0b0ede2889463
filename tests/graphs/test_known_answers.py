"""Graphs of known answers: they are what networkx says they are, and their answers hold."""

import networkx
import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.graphs.colors import joint_colors, refined_colors
from jmetamer.graphs.double_edge_swaps import count_swaps
from jmetamer.graphs.edge_lists import is_symmetric
from jmetamer.graphs.graph import make_graph, validate_graph
from jmetamer.graphs.pairs import pairs_of_graph
from jmetamer.oracles.known_answers import (
    cai_fuerer_immerman,
    circular_skip_links,
    cycles,
    disjoint_copies,
    random_regular,
    with_twin,
)


def as_networkx(graph):
    made = networkx.Graph()
    made.add_nodes_from(range(len(graph.nodes)))
    made.add_edges_from(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    return made


def isomorphic(one, other):
    return networkx.is_isomorphic(as_networkx(one), as_networkx(other))


def swaps(graph, rounds):
    pairs = pairs_of_graph(graph, directed=False)
    return count_swaps(pairs, refined_colors(graph, rounds), directed=False)


def irregular(seed=0, total=9, num_labels=2):
    """A graph of 9 nodes with several degrees."""
    made = networkx.gnm_random_graph(total, 14, seed=seed)
    one, other = np.array(made.edges).T
    labels = np.random.default_rng(seed).integers(num_labels, size=total)
    return make_graph(np.eye(num_labels)[labels], np.r_[one, other], np.r_[other, one])


class TestEveryGraph:
    @pytest.mark.parametrize(
        ("graph", "shape"),
        [
            (cycles([3, 5]), (8, 1)),
            (cycles([4], labels=[2, 0, 0, 1]), (4, 3)),
            (circular_skip_links(9, 2, labels=np.arange(9) % 2), (9, 2)),
            (random_regular(8, 3, num_labels=3), (8, 3)),
            (disjoint_copies(cycles([3]), 4), (12, 1)),
            (with_twin(cycles([4]), 2, adjacent=True), (5, 1)),
        ],
    )
    def test_is_valid_and_undirected_with_features_of_its_labels(self, graph, shape):
        validate_graph(graph)
        assert is_symmetric(graph)
        assert not (graph.senders == graph.receivers).any()
        assert graph.nodes.shape == shape
        np.testing.assert_array_equal(graph.nodes.sum(axis=1), 1)


class TestCycles:
    def test_are_rings_of_the_lengths_asked_for(self):
        expected = networkx.disjoint_union(networkx.cycle_graph(3), networkx.cycle_graph(7))
        assert networkx.is_isomorphic(as_networkx(cycles([3, 7])), expected)

    def test_of_one_and_two_rings_share_their_colors_but_are_two_graphs(self):
        one, two = cycles([10]), cycles([5, 5])
        assert {*np.concatenate(joint_colors([one, two], None)).tolist()} == {0}
        assert not isomorphic(one, two)

    @pytest.mark.parametrize("lengths", [[], [2], [5, 1]])
    def test_have_rings_of_three_or_more(self, lengths):
        with pytest.raises(InputError, match="rings of 3 or more"):
            cycles(lengths)

    @pytest.mark.parametrize("labels", [[0, 1], [0, 1, -1], [0.5, 1, 1]])
    def test_take_one_label_a_node(self, labels):
        with pytest.raises(InputError, match="3 integers, 0 or more"):
            cycles([3], labels=labels)


class TestCircularSkipLinks:
    @pytest.mark.parametrize("skip", [2, 3, 4, 5])
    def test_are_isomorphic_just_where_the_theorem_says(self, skip):
        n = 11
        equal = {skip, n - skip, pow(skip, -1, n), n - pow(skip, -1, n)}
        for other in range(2, n - 1):
            graphs = circular_skip_links(n, skip), circular_skip_links(n, other)
            assert isomorphic(*graphs) == (other in equal)
            assert {*np.concatenate(joint_colors(graphs, None)).tolist()} == {0}

    @pytest.mark.parametrize(("total", "skip"), [(4, 2), (10, 1), (10, 9), (10, 5)])
    def test_are_four_regular_or_refused(self, total, skip):
        with pytest.raises(InputError, match="`skip`"):
            circular_skip_links(total, skip)


class TestARandomRegularGraph:
    def test_has_one_degree_and_its_labels(self):
        graph = random_regular(20, 3, num_labels=2, seed=4)
        assert {degree for _, degree in as_networkx(graph).degree} == {3}
        assert 0 < graph.nodes[:, 0].sum() < 20

    def test_follows_its_seed(self):
        one, again, other = (random_regular(20, 3, num_labels=2, seed=s) for s in (0, 0, 1))
        np.testing.assert_array_equal(one.senders, again.senders)
        np.testing.assert_array_equal(one.nodes, again.nodes)
        assert not np.array_equal(one.senders, other.senders)

    def test_keeps_one_color_with_one_label_so_that_all_layers_share_their_swaps(self):
        graph = random_regular(20, 3)
        assert {*refined_colors(graph, None).tolist()} == {0}
        assert swaps(graph, 0) == swaps(graph, 5) > 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"total": 5, "degree": 3}, "even product"),
            ({"total": 3, "degree": 3}, "fewer edges"),
            ({"total": 4, "degree": 3, "num_labels": 0}, "`num_labels` is 0"),
        ],
    )
    def test_is_refused_where_there_is_none(self, options, message):
        with pytest.raises(InputError, match=message):
            random_regular(**options)


class TestDisjointCopies:
    def test_are_as_many_components_of_the_same_shape(self):
        graph = irregular()
        copies = as_networkx(disjoint_copies(graph, 3))
        parts = [copies.subgraph(range(9 * k, 9 * k + 9)) for k in range(3)]
        assert copies.number_of_edges() == 3 * 14
        assert all(networkx.is_isomorphic(part, as_networkx(graph)) for part in parts)

    def test_may_exchange_every_edge_with_its_copies(self):
        graph = irregular()
        assert refined_colors(graph, None).max() == 8  # no two nodes alike
        assert swaps(graph, None) == 0
        assert swaps(disjoint_copies(graph, 4), None) == 14 * 4 * 3 // 2

    def test_are_one_or_more(self):
        with pytest.raises(InputError, match="`count` is 0"):
            disjoint_copies(cycles([3]), 0)


class TestATwin:
    @pytest.mark.parametrize("adjacent", [False, True])
    def test_has_the_neighbors_and_the_color_of_its_twin(self, adjacent):
        graph = with_twin(irregular(), 4, adjacent=adjacent)
        near = [set(graph.senders[graph.receivers == v].tolist()) for v in (4, 9)]
        assert near[0] - {9} == near[1] - {4}
        assert (9 in near[0]) == adjacent
        found = refined_colors(graph, None)
        assert found[4] == found[9]

    def test_allows_no_swap_though_edges_share_their_colors(self):
        graph = irregular()
        node = int(graph.senders[0])
        neighbor = int(graph.receivers[0])
        twins = with_twin(with_twin(graph, node), neighbor)
        found = refined_colors(twins, None)
        assert found[node] == found[9]
        assert found[neighbor] == found[10]
        assert len({*found.tolist()}) == 9
        assert swaps(twins, None) == 0

    def test_is_one_of_a_node_that_is_there(self):
        with pytest.raises(InputError, match="`node` is 3; allowed: 0 to 2"):
            with_twin(cycles([3]), 3)


def test_a_graph_of_cai_fuerer_and_immerman_over_a_ring_is_two_rings_and_its_twin_is_one():
    for twisted, lengths in ((False, [5, 5]), (True, [10])):
        assert isomorphic(cai_fuerer_immerman(cycles([5]), twisted=twisted), cycles(lengths))


def test_a_base_with_a_lonely_node_is_refused_by_name():
    with pytest.raises(InputError, match=r"`base` has a node without edges, node 2"):
        cai_fuerer_immerman(make_graph(np.ones((3, 1)), [0, 1], [1, 0]))
