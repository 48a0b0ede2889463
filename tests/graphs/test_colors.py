"""Colors: those of networkx' Weisfeiler-Leman hashes and of nested multisets, on one palette."""

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.graphs.colors import joint_colors, refined_colors
from jmetamer.graphs.edge_lists import simple_undirected
from jmetamer.graphs.graph import make_graph
from jmetamer.oracles.known_answers import circular_skip_links, cycles


@st.composite
def labeled_graphs(draw, directed=False, loops=False):
    """Small simple graphs with up to three labels, some of them with self loops."""
    total = draw(st.integers(1, 8))
    node = st.integers(0, total - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=16, unique=True))
    one, other = np.array(edges, np.int64).reshape(-1, 2).T
    labels = np.array(draw(st.lists(st.integers(0, 2), min_size=total, max_size=total)))
    if directed:
        kept = np.ones(one.size, bool) if loops else one != other
        return make_graph(np.eye(3)[labels], one[kept], other[kept])
    return make_graph(np.eye(3)[labels], *simple_undirected(one, other, total))


def nested(graph, rounds, with_degree=False, initial="features"):
    """Colors as nested tuples: the definition, word by word."""
    edges = [
        (int(i), int(j), float(w))
        for i, j, w in zip(graph.senders, graph.receivers, graph.edges.weight, strict=True)
    ]
    total = len(graph.nodes)
    near = [[i for i, to, w in edges if to == v and i != v and w] for v in range(total)]
    loop = [any(i == j == v for i, j, _ in edges) for v in range(total)]
    rows = [tuple(row) if initial == "features" else () for row in graph.nodes.tolist()]
    degree = [len(sources) if with_degree else None for sources in near]
    colors = list(zip(rows, loop, degree, strict=True))
    for _ in range(rounds):
        heard = [tuple(sorted((colors[u] for u in sources), key=repr)) for sources in near]
        colors = list(zip(colors, heard, strict=True))
    return colors


def same_partition(found, expected):
    """Equal where equal, different where different; numbered without gaps."""
    together = set(zip(np.asarray(found).tolist(), expected, strict=True))
    assert len(together) == len(set(expected)) == len(set(np.asarray(found).tolist()))
    assert set(np.asarray(found).tolist()) == set(range(len(set(expected))))


def as_networkx(graph):
    made = networkx.Graph()
    for node, row in enumerate(graph.nodes.tolist()):
        made.add_node(node, label=str(row))
    made.add_edges_from(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    return made


def hashes(graph, rounds):
    return networkx.weisfeiler_lehman_subgraph_hashes(
        as_networkx(graph), node_attr="label", iterations=rounds, include_initial_labels=True
    )


class TestAColor:
    @settings(max_examples=60)
    @given(labeled_graphs(), st.integers(0, 4))
    def test_splits_nodes_as_the_hashes_of_networkx_do(self, graph, rounds):
        expected = hashes(graph, 4)
        found = refined_colors(graph, rounds)
        same_partition(found, [expected[v][rounds] for v in range(len(graph.nodes))])

    @settings(max_examples=80)
    @given(
        st.booleans().flatmap(lambda directed: labeled_graphs(directed=directed, loops=True)),
        st.integers(0, 3),
        st.booleans(),
        st.sampled_from(["features", "constant"]),
    )
    def test_is_the_multiset_of_what_arrives(self, graph, rounds, with_degree, initial):
        found = refined_colors(graph, rounds, initial=initial, with_degree=with_degree)
        assert found.dtype == np.int64
        same_partition(found, nested(graph, rounds, with_degree, initial))

    @settings(max_examples=40)
    @given(labeled_graphs(directed=True, loops=True), st.integers(0, 3), st.randoms())
    def test_travels_with_the_node_that_has_it(self, graph, rounds, random):
        order = list(range(len(graph.nodes)))  # new node i is old node order[i]
        random.shuffle(order)
        place = np.argsort(order)
        moved = make_graph(graph.nodes[order], place[graph.senders], place[graph.receivers])
        found = refined_colors(moved, rounds)
        np.testing.assert_array_equal(found, refined_colors(graph, rounds)[order])

    def test_knows_on_a_path_how_far_the_end_is(self):
        nodes = np.arange(30)
        path = make_graph(
            np.ones((30, 1)), np.r_[nodes[:-1], nodes[1:]], np.r_[nodes[1:], nodes[:-1]]
        )
        from_end = np.minimum(nodes, 29 - nodes)
        for rounds in (0, 1, 5, 14, 40):
            same_partition(refined_colors(path, rounds), np.minimum(from_end, rounds).tolist()[:30])
        np.testing.assert_array_equal(refined_colors(path, None), refined_colors(path, 14))

    def test_goes_from_sender_to_receiver_only(self):
        found = refined_colors(make_graph(np.ones((3, 1)), [0, 1], [1, 2]), 1)
        assert found[0] != found[1] == found[2]

    def test_tells_long_lists_of_neighbors_apart_by_their_last_entry(self):
        # Hubs 0 and 1 hear 37 labels; node 2 hears the same but for one.
        heard = np.arange(37) % 5
        leaves = [3 + np.arange(37) + 37 * hub for hub in range(3)]
        labels = np.concatenate([[0, 0, 0], heard, heard[::-1], heard])
        labels[-1] = 4
        graph = make_graph(np.eye(5)[labels], np.concatenate(leaves), np.repeat([0, 1, 2], 37))
        found = refined_colors(graph, 1)
        assert found[0] == found[1] != found[2]

    def test_compares_features_exactly_and_takes_minus_zero_for_zero(self):
        nodes = np.float32([[0.1, 0.0], [0.1, -0.0], [np.nextafter(np.float32(0.1), 1), 0.0]])
        found = refined_colors(make_graph(nodes, [], []), 0)
        assert found[0] == found[1] != found[2]

    def test_ignores_edges_of_weight_zero(self):
        graph = make_graph(np.ones((3, 1)), [0, 1], [1, 2], [1.0, 0.0])
        found = refined_colors(graph, 1, with_degree=True)
        assert found[0] == found[2] != found[1]

    def test_marks_a_loop_which_is_no_neighbor(self):
        # To a sum of messages nodes 0 and 1 hear the same; their normalization differs.
        graph = make_graph(np.ones((3, 1)), [0, 2], [0, 1])
        found = refined_colors(graph, 1)
        assert len({*found.tolist()}) == 3

    @pytest.mark.parametrize("rounds", [0, 2, None])
    def test_is_one_for_all_without_edges_or_without_nodes(self, rounds):
        assert refined_colors(make_graph(np.ones((3, 0)), [], []), rounds).tolist() == [0, 0, 0]
        assert refined_colors(make_graph(np.ones((0, 2)), [], []), rounds).tolist() == []


class TestOnePaletteForTwoGraphs:
    @settings(max_examples=40)
    @given(labeled_graphs(), labeled_graphs(), st.integers(0, 3))
    def test_equals_the_definition_on_both(self, one, other, rounds):
        found = np.concatenate(joint_colors([one, other], rounds))
        same_partition(found, nested(one, rounds) + nested(other, rounds))

    def test_holds_one_color_for_all_graphs_of_one_degree(self):
        graphs = [circular_skip_links(11, 2), circular_skip_links(11, 3)]
        assert {*np.concatenate(joint_colors(graphs, None)).tolist()} == {0}

    def test_tells_apart_what_one_palette_each_would_not(self):
        ring, joined = cycles([6]), circular_skip_links(6, 2)
        found = joint_colors([ring, joined], 1)
        assert refined_colors(ring, 1).tolist() == refined_colors(joined, 1).tolist()
        assert not set(found[0]) & set(found[1])


class TestWhatCannotBeColored:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"rounds": -1}, "`rounds` is -1; allowed: a whole number from 0 up"),
            ({"rounds": 1, "initial": "feature"}, "did you mean 'features'"),
        ],
    )
    def test_is_said_with_what_is_allowed(self, options, message):
        with pytest.raises(InputError, match=message):
            refined_colors(cycles([3]), **options)

    def test_is_a_weighted_graph(self):
        with pytest.raises(InputError, match="need weights of 0 or 1"):
            refined_colors(make_graph(np.ones((2, 1)), [0], [1], [0.5]), 1)

    def test_are_graphs_of_different_features_unless_these_do_not_count(self):
        graphs = [cycles([3]), cycles([3], labels=[0, 1, 0])]
        with pytest.raises(InputError, match=r"shapes \(3, 1\), \(3, 2\)"):
            joint_colors(graphs, 1)
        assert len({*np.concatenate(joint_colors(graphs, 1, initial="constant")).tolist()}) == 1
